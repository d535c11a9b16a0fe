"""A classifier that dies at a drawn point of a step, as far as its successor can tell.

What a process leaves behind is its region and its rings; an exception drops the rest. Points within
a kernel: see test_classifier_death.py.
"""

import random
from contextlib import contextmanager
from unittest.mock import patch

import numpy as np

from engine.classifier import lanes, main, transaction
from engine.classifier.main import Classifier
from engine.classifier.state import State
from engine.hosts.space import HostShape
from engine.memory import kept

STARTS_COMPARED = 4096  # Of the pane's places for starts: more than a drawn pane has.


class StopError(Exception):
    """The classifier was killed."""


def _note_heads(classifier: Classifier) -> np.ndarray:
    """Do what a commit does up to the commit itself, that included; return the control words."""
    control, heads = classifier._state.control, classifier._lanes[:, lanes.HEAD]
    control[transaction._HEADS + 1 : transaction._HEADS + 1 + len(heads)] = heads
    control[transaction._HEADS] = len(heads)
    return control


def _stop_in_commit(state: State, classifier: Classifier, point: str) -> None:
    _note_heads(classifier)
    if point != "commit: heads noted":
        kept.commit(state.region)
    if point == "commit: heads released":
        main.merge.release_taken(classifier._lanes)
    raise StopError


POINTS = (
    *("merge: before", "merge: after", "send: before", "send: after", "send: in part"),
    *("commit: before", "commit: heads noted", "commit: journal empty", "commit: heads released"),
    *("commit: after", "list: after"),
)


@contextmanager
def dying(classifier: Classifier, point: str):
    """Have the classifier's next step end with StopError at a point, if it comes there."""
    verb = point.partition(":")[0]
    owner, name = {
        "merge": (main.merge, "merge"),
        "send": (main.outlet, "send"),
        "commit": (main.transaction, "commit"),
        "list": (main.Lister, "fill"),
    }[verb]
    kernel = getattr(owner, name)

    def stopping(*arguments):
        if point in ("merge: before", "send: before", "commit: before"):
            raise StopError
        if point.startswith("commit: ") and point != "commit: after":
            _stop_in_commit(arguments[0], classifier, point)
        if point == "send: in part":
            begin, end = arguments[3]
            kernel(*arguments[:3], (begin, (begin + end) // 2), *arguments[4:])
            raise StopError
        kernel(*arguments)
        raise StopError

    with patch.object(owner, name, stopping):
        yield


def drawn_point(dice: random.Random, often: float) -> str | None:
    """Return where the next step is to die, or None."""
    return dice.choice(POINTS) if dice.random() < often else None


def content_of(state: State, shape: HostShape) -> list[np.ndarray]:
    """Return a copy of all that `undo` puts back: no scratch of heaps, which means nothing."""
    hosts, starts_end = state.hosts, shape.starts_at + 8 * STARTS_COMPARED
    spans = [hosts[:starts_end], hosts[shape.touched_at : shape.heap_at]]
    return [span.copy() for span in (*spans, state.small, state.alerted)]
