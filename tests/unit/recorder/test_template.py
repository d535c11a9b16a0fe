"""Goal: a template says what it looks like it says, and no row can make a line longer than planned.

Method: small templates by example; the longest values that words can hold against the room that
the compiler keeps free (the kernel writes without looking).
"""

import numpy as np
import pytest

from engine.features.catalogue import NAMES
from engine.layouts import FEATURES, ROW, TOP_WEIGHT_WORDS
from engine.recorder.eve import ALERT_EVENT, FLOW_EVENT, eve_fields
from engine.recorder.fields import fields, people_text
from engine.recorder.flows_csv import CSV_RECORD, csv_fields
from engine.recorder.people import PEOPLE_ALERT, people_fields
from engine.recorder.template import Renderer
from tests.unit.recorder.rows import SOURCES, plan_of, row_words, simple

NAMED = fields(SOURCES, ("scan",), people_text)


def text_of(template: str, *records: dict) -> list[str]:
    lines = Renderer(template, NAMED, 8).render(row_words(list(records)))
    return [
        bytes(lines.content[lines.ends[k] : lines.ends[k + 1]]).decode()
        for k in range(len(records))
    ]


def test_what_stands_around_places_is_kept():
    assert text_of("a<vlan>b", simple(vlan=7)) == ["a7b"]
    assert text_of("nothing but text", simple()) == ["nothing but text"]
    assert text_of("", simple()) == [""]


def test_condition_leaves_its_part_out():
    records = simple(vlan=7), simple(vlan=0)
    assert text_of("a<?is.vlan>b<vlan><.>c", *records) == ["ab7c", "ac"]
    assert text_of("a<!is.vlan>b<.>c", *records) == ["ac", "abc"]


def test_conditions_can_be_nested():
    template = "(<?is.alert>alert<?is.vlan> on <vlan><.>!<.><!is.alert>no<.>)"
    records = [simple(alert=a, vlan=v) for a in (True, False) for v in (7, 0)]
    assert text_of(template, *records) == ["(alert on 7!)", "(alert!)", "(no)", "(no)"]


def test_condition_that_is_not_closed_is_our_bug():
    with pytest.raises(AssertionError, match="not closed"):
        Renderer("a<?is.vlan>b", NAMED, 1)


def test_place_that_is_not_known_is_our_bug():
    with pytest.raises(KeyError):
        Renderer("<nothing_like_it>", NAMED, 1)


def test_rows_without_text_are_not_counted():
    renderer = Renderer("<?is.alert>x<.>", NAMED, 8)
    assert renderer.render(row_words([simple(alert=k == 1) for k in range(3)])).count == 1


LONGEST_FLOAT = np.array([-0.00012345679], np.float32).view(np.int32)[0]


def longest_rows() -> np.ndarray:
    """Return a row whose every number is as long as its text can be."""
    rows = np.full((1, ROW.words), -(2**63) + 0x7777, np.int64)
    for word in ("initiator_high", "initiator_low", "responder_high", "responder_low", "key"):
        rows[:, ROW.index(word)] = -1
    rows[:, ROW.index("head")] = 0x9  # The longest reason of all is "unknown" or "early".
    rows[:, ROW.index("verdict")] = -1
    rows[:, ROW.index("valid") : ROW.index("valid") + 3] = -1
    rows[:, ROW.index("top_features")] = NAMES.index(max(NAMES, key=len)) * 0x0101010101010101
    pair = (int(LONGEST_FLOAT) << 32) | (int(LONGEST_FLOAT) & 0xFFFFFFFF)
    counts = {"score_threshold": 1, "top_weights": TOP_WEIGHT_WORDS, "vector_0": FEATURES // 2}
    for word, count in counts.items():
        rows[:, ROW.index(word) : ROW.index(word) + count] = pair
    return rows


@pytest.mark.parametrize(
    ("template", "named"),
    [
        (ALERT_EVENT, eve_fields),
        (FLOW_EVENT, eve_fields),
        (CSV_RECORD, csv_fields),
        (PEOPLE_ALERT, people_fields),
    ],
)
def test_longest_line_fits_into_the_room_that_is_kept(template, named):
    renderer = Renderer(template, named(plan_of()), 1)
    lines = renderer.render(longest_rows())
    assert 0 < len(lines.content) <= len(renderer._out) - 64
