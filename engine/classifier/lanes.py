"""Event rings as the merge sees them: one row of words for each, with its addresses.

A ring's head is what the last commit released (transaction.py); how far a lane has been read since
is its own HEAD.
"""

import numpy as np

from engine.classifier.order import BEGINNING, INFINITE, KEY_WORDS
from engine.layouts import EVENT_SLOT_WORDS, RING
from engine.rings.ring import Ring

HEADER, SLOTS, CAPACITY, HEAD, TAIL, RELEASED, MARK_TIME, MARK_REFERENCE = range(8)
LANE_WORDS = 8


def make_lanes(rings: list[Ring]) -> np.ndarray:
    """Return one lane per ring, (rings, LANE_WORDS) int64. The caller keeps the rings mapped."""
    lanes = np.zeros((len(rings), LANE_WORDS), np.int64)
    for lane, ring in zip(lanes, rings, strict=True):
        assert ring.slot_words == EVENT_SLOT_WORDS, f"event slots of {ring.slot_words} words"
        lane[HEADER] = ring.header.ctypes.data
        lane[SLOTS] = ring.slots.ctypes.data
        lane[CAPACITY] = ring.capacity
        # Plain: the consumer is the only writer of the head.
        lane[[HEAD, TAIL, RELEASED]] = ring.header[RING.index("head")]
        lane[MARK_TIME] = BEGINNING
    return lanes


def make_keys(lanes: np.ndarray) -> np.ndarray:
    """Return room for the keys of the lanes' heads, of the bound, and of the last event taken."""
    return np.full((len(lanes) + 2, KEY_WORDS), BEGINNING, np.int64)


def is_finished(lanes: np.ndarray) -> bool:
    """Return whether all lanes are empty and promise that nothing will follow."""
    empty = (lanes[:, HEAD] == lanes[:, TAIL]).all()
    return bool(empty and (lanes[:, [MARK_TIME, MARK_REFERENCE]] == INFINITE).all())
