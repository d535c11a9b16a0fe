"""Records take their hosts' rows: features 82 to 91 and 93 to 141, and the pair's feature 99.

Between two ends of panes rows and pairs do not change, so the records of that time are joined
together: hash and ask for the indices; ask for what they have; find and copy.
"""

import numpy as np
from numba import njit

from engine.config import PANE_NS
from engine.events import counter_index
from engine.hosts import index
from engine.hosts.addresses import NO_HOST, kind_of
from engine.hosts.fill import (
    FIRST_INITIATOR,
    FIRST_RESPONDER,
    VALID_AT,
    VECTOR,
    fill_initiator,
    fill_responder,
)
from engine.hosts.pairs import PAIR_BITS, find_pair, pair_at, pair_index, regularity
from engine.hosts.rows import (
    INITIATOR_GONE,
    INITIATOR_INDEX_AT,
    INITIATOR_ROWS_AT,
    RESPONDER_GONE,
    RESPONDER_INDEX_AT,
    RESPONDER_ROWS_AT,
    ROW_BITS,
    find_initiator_row,
    find_responder_row,
)
from engine.hosts.space import JOIN_ROWS, JOIN_WORDS, key_of
from engine.layouts.hosts import (
    HOST_ROW,
    INITIATOR_FEATURES,
    PAIR,
    RESPONDER_FEATURES,
    RESPONDER_ROW,
)
from engine.layouts.records import ROW
from engine.memory.options import HOT, KERNEL
from engine.memory.pointers import prefetch, shifted

_HOST_ROW_WORDS = HOST_ROW.words
_RESPONDER_ROW_WORDS = RESPONDER_ROW.words
_PAIR_WORDS = PAIR.words

_ROW_WORDS = ROW.words
_INITIATOR, _RESPONDER = ROW.index("initiator_high"), ROW.index("responder_high")
_KEY, _TIME, _LAST = ROW.index("key"), ROW.index("time_ns"), ROW.index("last_ns")
_VERSION_SHIFT = ROW.shift("key", "version6")
_PROTOCOL_SHIFT, _PROTOCOL_MASK = ROW.shift("key", "protocol"), ROW.mask("key", "protocol")
_PORT_SHIFT, _PORT_MASK = ROW.shift("key", "responder_port"), ROW.mask("key", "responder_port")
_PAIR_FEATURE = 99

# Kept of a row meanwhile: the pair's key, whose first words also are the initiator's; its rest.
_FROM, _TO, _PORT, _PANE, _HASH, _TO_HASH, _PAIR_HASH, _FOUND, _TO_FOUND = (
    1,
    3,
    5,
    6,
    7,
    8,
    9,
    10,
    11,
)
_NEEDED = 12
assert _NEEDED <= JOIN_WORDS

_JOINED, _NONE, _GONE = (
    counter_index("classifier", f"host_rows_{name}") for name in ("joined", "none", "gone")
)


@njit(**HOT)
def _ask(space, row, kept):
    """Work out the keys of a record's rows and pair; ask for the indices."""
    words = space.words
    secret = key_of(words)
    key = row[_KEY]
    kept[0] = 6 if key >> _VERSION_SHIFT & 1 else 4
    kept[_FROM], kept[_FROM + 1] = row[_INITIATOR], row[_INITIATOR + 1]
    kept[_TO], kept[_TO + 1] = row[_RESPONDER], row[_RESPONDER + 1]
    protocol = key >> _PROTOCOL_SHIFT & _PROTOCOL_MASK
    kept[_PORT] = protocol << 16 | (key >> _PORT_SHIFT & _PORT_MASK)
    kept[_PANE] = min(row[_LAST] // PANE_NS, row[_TIME] // PANE_NS - 1)
    initiator = index.address_hash(kept[_FROM], kept[_FROM + 1], secret)
    responder = index.address_hash(kept[_TO], kept[_TO + 1], secret)
    kept[_HASH] = index.row_hash(initiator, kept[_PANE], secret)
    kept[_TO_HASH] = index.row_hash(responder, kept[_PANE], secret)
    kept[_PAIR_HASH] = index.pair_hash(initiator, responder, kept[_PORT], secret)
    bits = words[ROW_BITS]
    index.ask(shifted(words, words[INITIATOR_INDEX_AT]), bits, kept[_HASH])
    index.ask(shifted(words, words[RESPONDER_INDEX_AT]), bits, kept[_TO_HASH])
    index.ask(pair_index(words), words[PAIR_BITS], kept[_PAIR_HASH])


@njit(**HOT)
def _ask_lines(words, count):
    """Ask for the lines of `count` words."""
    for at in range(0, count, 8):
        prefetch(words, at)


@njit(**HOT)
def _guess(words, kept):
    """Ask for the rows and the pair that the indices have under a record's hashes."""
    bits = words[ROW_BITS]
    place = index.guess(shifted(words, words[INITIATOR_INDEX_AT]), bits, kept[_HASH])
    row = shifted(words, words[INITIATOR_ROWS_AT] + place * _HOST_ROW_WORDS)
    _ask_lines(row, _HOST_ROW_WORDS)
    place = index.guess(shifted(words, words[RESPONDER_INDEX_AT]), bits, kept[_TO_HASH])
    row = shifted(words, words[RESPONDER_ROWS_AT] + place * _RESPONDER_ROW_WORDS)
    _ask_lines(row, _RESPONDER_ROW_WORDS)
    place = index.guess(pair_index(words), words[PAIR_BITS], kept[_PAIR_HASH])
    _ask_lines(pair_at(words, place), _PAIR_WORDS)


@njit(**HOT)
def _find(words, kept, key):
    """Find a record's rows. `key` is scratch of four words."""
    key[0], key[1], key[2], key[3] = kept[0], kept[_FROM], kept[_FROM + 1], kept[_PANE]
    kept[_FOUND] = find_initiator_row(words, kept[_HASH], key)
    key[1], key[2] = kept[_TO], kept[_TO + 1]
    kept[_TO_FOUND] = find_responder_row(words, kept[_TO_HASH], key)


@njit(**HOT)
def _zero(target, feature, count):
    goal = shifted(target, VECTOR + feature)
    for number in range(count):
        goal[number] = np.float32(0.0)


@njit(**HOT)
def _count_found(space, kept, side):
    """Count what a record's part found. `side`: where its address is kept, place, pane given up."""
    address, place, gone_at = side
    words = space.words
    if place:
        space.counters[_JOINED] += 1
        return
    is_gone = kept[_PANE] <= words[gone_at]
    if is_gone and kind_of(words, kept[0], kept[address], kept[address + 1]) != NO_HOST:
        space.counters[_GONE] += 1
    else:
        space.counters[_NONE] += 1


@njit(**HOT)
def _fill(space, kept, row, values):
    """Write a record's host features and their validity bits."""
    words = space.words
    if kept[_FOUND]:
        fill_initiator(space, kept[_FOUND], row, values)
    else:
        _zero(values, FIRST_INITIATOR, INITIATOR_FEATURES)
    if kept[_TO_FOUND]:
        fill_responder(space, kept[_TO_FOUND], row, values)
    else:
        _zero(values, FIRST_RESPONDER, RESPONDER_FEATURES)
    _count_found(space, kept, (_FROM, kept[_FOUND], INITIATOR_GONE))
    _count_found(space, kept, (_TO, kept[_TO_FOUND], RESPONDER_GONE))
    pair = find_pair(words, kept[_PAIR_HASH], kept)
    if pair:
        value, is_valid = regularity(pair_at(words, pair), row[_TIME] // PANE_NS - 1)
        if is_valid:
            values[VECTOR + _PAIR_FEATURE] = np.float32(value)
            row[VALID_AT + 1] |= 1 << (_PAIR_FEATURE - 64)


@njit(**KERNEL)
def join_rows(space, rows, values, begin, end):
    """Join the rows `begin` to `end` of a batch; `rows` points to words, `values` to float32."""
    for first in range(begin, end, JOIN_ROWS):
        count = min(JOIN_ROWS, end - first)
        for number in range(count):
            row = shifted(rows, (first + number) * _ROW_WORDS)
            _ask(space, row, shifted(space.key, number * JOIN_WORDS))
        for number in range(count):
            _guess(space.words, shifted(space.key, number * JOIN_WORDS))
        for number in range(count):
            row = shifted(rows, (first + number) * _ROW_WORDS)
            target = shifted(values, 2 * (first + number) * _ROW_WORDS)
            kept = shifted(space.key, number * JOIN_WORDS)
            _find(space.words, kept, shifted(kept, _NEEDED))
            _fill(space, kept, row, target)
