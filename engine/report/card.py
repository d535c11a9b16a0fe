"""What was measured of the model that a run scored with, from its file, where that is still there.

The card is read without the model's code: that would load kernels, which a page has no need of.
"""

import os
import stat
from pathlib import Path

import msgspec

from engine.classifier.model_file import read_members
from engine.errors import ModelError
from engine.recorder.run_json import RunRecord
from engine.report import numbers
from engine.report.markup import Markup, element, joined


class _Count(msgspec.Struct, frozen=True):
    all: int
    found: int


class _Validation(msgspec.Struct, frozen=True):
    captures: _Count
    ordinary_flows: _Count


class _Kind(msgspec.Struct, frozen=True):
    label: str
    validation: _Validation


class Card(msgspec.Struct, frozen=True):
    """What the page shows of a model's card (classifier/model.py has the whole)."""

    name: str
    version: str
    kinds: list[_Kind]
    features_used: list[str]
    limits: list[str]

    def measure(self, label: str) -> str:
        """Return how well a kind was found on captures that training had not seen; or nothing."""
        for kind in self.kinds:
            if kind.label == label:
                captures, ordinary = kind.validation.captures, kind.validation.ordinary_flows
                return (
                    f"On laboratories that the model had not seen it found "
                    f"{numbers.count(captures.found)} of {numbers.count(captures.all)} captures of "
                    f"this kind, and alarmed on {numbers.count(ordinary.found)} of "
                    f"{numbers.count(ordinary.all)} ordinary flows."
                )
        return ""


def read_card(record: RunRecord) -> Card | None:
    """Return the card of the run's model; None if its file is not there, or is another model's."""
    path = Path(str(record.model.get("path", "")))
    try:
        if not record.score or not stat.S_ISREG(os.stat(path).st_mode):
            return None
        card = msgspec.json.decode(read_members(path)[0], type=Card)
    except (OSError, ValueError, ModelError, msgspec.DecodeError):
        return None
    named = (record.model.get("name"), record.model.get("version"))
    return card if (card.name, card.version) == named else None


def limits(card: Card | None) -> Markup:
    """Return what the model cannot do, by its card."""
    if card is None:
        return joined()
    return element(
        "details",
        element("summary", "What this model cannot find, and what its measures do not say"),
        element("ul", *(element("li", text) for text in card.limits), class_="findings"),
    )
