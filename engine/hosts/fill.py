"""A host's kept rows into the vector of another row: features in their places, validity bits.

For records (join.py) and for the list of hosts (listing.py). The bits of the target are 0 before.
"""

from numba import njit

from engine.hosts.rows import FEATURES, INITIATOR_ROWS_AT, RESPONDER_ROWS_AT, VALID
from engine.layouts.hosts import HOST_ROW, INITIATOR_FEATURES, RESPONDER_FEATURES, RESPONDER_ROW
from engine.layouts.records import ROW
from engine.memory.options import HOT
from engine.memory.pointers import shifted

FIRST_RESPONDER, FIRST_INITIATOR = 82, 93  # Features.
VALID_AT = ROW.index("valid")
VECTOR = 2 * ROW.index("vector_0")
_HOST_ROW_WORDS, _RESPONDER_ROW_WORDS = HOST_ROW.words, RESPONDER_ROW.words
_SHIFT_RESPONDER, _SHIFT_INITIATOR = FIRST_RESPONDER - 64, FIRST_INITIATOR - 64
_UPPER = 64 - _SHIFT_INITIATOR  # Bits of initiators' validity that the second word takes.


@njit(**HOT)
def _copy(floats, at, target, feature, count):
    """Copy `count` features of a host's row into a vector."""
    source = shifted(floats, 2 * (at + FEATURES))
    goal = shifted(target, VECTOR + feature)
    for number in range(count):
        goal[number] = source[number]


@njit(**HOT)
def fill_initiator(space, place, row, target):
    """Copy the row of an initiator part at `place`; `target`: `row` as float32."""
    at = space.words[INITIATOR_ROWS_AT] + place * _HOST_ROW_WORDS
    _copy(space.floats, at, target, FIRST_INITIATOR, INITIATOR_FEATURES)
    valid = space.words[at + VALID]
    lower = valid & ((1 << _UPPER) - 1)
    row[VALID_AT + 1] |= lower << _SHIFT_INITIATOR
    row[VALID_AT + 2] |= valid >> _UPPER


@njit(**HOT)
def fill_responder(space, place, row, target):
    """Copy the row of a responder part at `place`; `target`: `row` as float32."""
    at = space.words[RESPONDER_ROWS_AT] + place * _RESPONDER_ROW_WORDS
    _copy(space.floats, at, target, FIRST_RESPONDER, RESPONDER_FEATURES)
    row[VALID_AT + 1] |= space.words[at + VALID] << _SHIFT_RESPONDER
