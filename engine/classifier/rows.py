"""Turn a record event into a row: the flow features in their places of the 142, validity beside.

The features of hosts (82 to 91 and 93 to 141) have validity 0; their values are written when the
record is joined with the rows of its hosts (engine.hosts.join). Called by merge.py for every
record.
"""

from numba import njit

from engine.features.catalogue import FLOW_INDICES
from engine.layouts import (
    EVENT_SLOT_WORDS,
    FLOW_FEATURES,
    RECORD_EVENT,
    RECORD_SLOTS,
    ROW,
    TOP_WEIGHT_WORDS,
)
from engine.memory.addresses import words_at
from engine.memory.options import KERNEL

_HEADERS = 82  # Flow features 0 to 81 are features 0 to 81; the last one is feature 92.
_PAYLOAD = FLOW_INDICES[-1]
assert (*range(_HEADERS), _PAYLOAD) == FLOW_INDICES and len(FLOW_INDICES) == FLOW_FEATURES

_FIRST_WORDS = EVENT_SLOT_WORDS
_VALID_LOW = RECORD_EVENT.index("valid_low")
assert _VALID_LOW == ROW.index("valid_low") == _FIRST_WORDS - 1
_SECOND_AT = ROW.index("fwd_packets")
_SECOND_WORDS = ROW.index("valid") - _SECOND_AT
assert RECORD_EVENT.index("fwd_packets") == EVENT_SLOT_WORDS + 1
_VALID = ROW.index("valid")
_VERDICT_WORDS = range(ROW.index("score_threshold"), ROW.index("top_weights") + TOP_WEIGHT_WORDS)
_VERDICT_BEGIN, _VERDICT_END = _VERDICT_WORDS.start, _VERDICT_WORDS.stop
VECTOR = ROW.index("vector_0")
_LOW_BITS = 63  # Validity bits in valid_low.
_HIGH_MASK = (1 << (_HEADERS - 64)) - 1
_PAYLOAD_WORD = VECTOR + _PAYLOAD // 2
_PAYLOAD_SHIFT = 32 * (_PAYLOAD % 2)
_CONNECTION_AT, _CONNECTION = ROW.index("history_0"), RECORD_EVENT.index("history_0")
_CONNECTION_WORDS = RECORD_EVENT.index("lasting_ns") + 1 - _CONNECTION
assert _CONNECTION // EVENT_SLOT_WORDS == RECORD_SLOTS - 1  # In the last slot.
_LOWER_HALF = (1 << 32) - 1


@njit(**KERNEL)
def _slot(slots, mask, sequence):
    """Return the pointer to slot `sequence` of the ring whose slots begin at address `slots`."""
    return words_at(slots + (sequence & mask) * (8 * EVENT_SLOT_WORDS), EVENT_SLOT_WORDS)


@njit(**KERNEL)
def fill_row(slots, mask, sequence, row):
    """Make `row` the row of the record whose first slot is `sequence`, without a verdict."""
    slot = _slot(slots, mask, sequence)
    for word in range(_FIRST_WORDS):
        row[word] = slot[word]
    low = slot[_VALID_LOW]
    slot = _slot(slots, mask, sequence + 1)
    for word in range(_SECOND_WORDS):
        row[_SECOND_AT + word] = slot[1 + word]
    high = slot[0]
    row[_VALID] = low | high << _LOW_BITS
    payload = high >> (_HEADERS - _LOW_BITS) & 1
    row[_VALID + 1] = high >> 1 & _HIGH_MASK | payload << (_PAYLOAD - 64)
    row[_VALID + 2] = 0
    for word in range(_VERDICT_BEGIN, _VERDICT_END):
        row[word] = 0
    at = VECTOR
    for part in range(2, RECORD_SLOTS):
        slot = _slot(slots, mask, sequence + part)
        for word in range(min(EVENT_SLOT_WORDS, VECTOR + _HEADERS // 2 - at)):
            row[at + word] = slot[word]
        at += EVENT_SLOT_WORDS
    # The last slot was the record's fifth; the word after its header features begins with 92.
    bits = slot[_HEADERS // 2 - 2 * EVENT_SLOT_WORDS] & _LOWER_HALF
    row[_PAYLOAD_WORD] = bits << _PAYLOAD_SHIFT
    for word in range(_CONNECTION_WORDS):
        row[_CONNECTION_AT + word] = slot[_CONNECTION % EVENT_SLOT_WORDS + word]
