"""The order of events: six words to compare them by (SEMANTICS.rst, "Records and their order").

    source (0 unless --separate) | time | class | time of the position | frame reference | rank

A key is a pointer to six words. The time of a delta is the end of the pane of its position, that of
a fact is its position's, a record carries its own.
"""

from numba import njit

from engine.config import PANE_NS
from engine.layouts import CLASS_PACKET, DELTA, DELTA_EVENT, RECORD, RECORD_EVENT
from engine.memory.options import KERNEL

KEY_WORDS = 6
SOURCE, TIME, CLASS, POSITION_TIME, POSITION_REFERENCE, RANK = range(KEY_WORDS)
INFINITE = (1 << 63) - 1
BEGINNING = -(1 << 63)
_LAST_RANK = 15  # Not below any rank.

HEAD_AT = RECORD_EVENT.index("head")
POSITION_TIME_AT = RECORD_EVENT.index("position_time")
POSITION_REFERENCE_AT = RECORD_EVENT.index("position_reference")
RECORD_TIME_AT = RECORD_EVENT.index("time_ns")
KIND_MASK = DELTA_EVENT.mask("head", "kind")
CLASS_SHIFT = DELTA_EVENT.shift("head", "class")
CLASS_MASK = DELTA_EVENT.mask("head", "class")
RANK_SHIFT = DELTA_EVENT.shift("head", "rank")
RANK_MASK = DELTA_EVENT.mask("head", "rank")
SOURCE_SHIFT = 48


@njit(**KERNEL)
def load_key(slot, separate, key):
    """Set `key` to that of the event whose first slot is `slot`; return the event's kind."""
    head = slot[HEAD_AT]
    kind = head & KIND_MASK
    time = slot[POSITION_TIME_AT]
    key[POSITION_TIME] = time
    if kind == RECORD:
        time = slot[RECORD_TIME_AT]
    elif kind == DELTA:
        time = (time // PANE_NS + 1) * PANE_NS
    reference = slot[POSITION_REFERENCE_AT]
    key[SOURCE] = reference >> SOURCE_SHIFT if separate else 0
    key[TIME] = time
    key[CLASS] = head >> CLASS_SHIFT & CLASS_MASK
    key[POSITION_REFERENCE] = reference
    key[RANK] = head >> RANK_SHIFT & RANK_MASK
    return kind


@njit(**KERNEL)
def promised_key(time, reference, separate, key):
    """Set `key` to the last one that the watermark (time, reference) promises."""
    key[SOURCE] = reference >> SOURCE_SHIFT if separate else 0
    key[TIME] = time
    key[CLASS] = CLASS_PACKET
    key[POSITION_TIME] = time
    key[POSITION_REFERENCE] = reference
    key[RANK] = _LAST_RANK


@njit(**KERNEL)
def is_before(left, right):
    """Return whether key `left` comes before key `right`."""
    for word in range(KEY_WORDS):
        if left[word] != right[word]:
            return left[word] < right[word]
    return False
