"""Every host of a source at its end, with its newest rows: what becomes hosts.jsonl.

A host travels as a row of the row ring (layouts.ROW) whose verdict has `host`. Of its words:

==================  ================================================================================
key                 version
initiator           the host's address
first_reference     its source, as in a frame reference
first_ns, last_ns   begin of the pane it is known since, end of the pane it was touched in last
start_ns, end_ns    ends of the panes of its newest rows, as initiator and as responder
sequence            IS_EXTERNAL, HAS_INITIATOR_ROW, HAS_RESPONDER_ROW
valid, vector       features of both rows, in their places of the 142
==================  ================================================================================

A part has no row if it was never touched, or if its newest row is none of those kept (host.rows).
Hosts that were forgotten are not there. The classifier alone calls this, between panes.
"""

import numpy as np
from numba import njit, typeof, types

from engine.config import PANE_NS
from engine.hosts.fill import fill_initiator, fill_responder
from engine.hosts.known import (
    HOST_FRESH,
    INITIATOR_PANE,
    IS_EXTERNAL,
    KNOWN_PANE,
    RESPONDER_PANE,
    VERSION,
)
from engine.hosts.pane import end_open_pane, forget_everything
from engine.hosts.rows import (
    find_initiator_row,
    find_responder_row,
    hash_row,
)
from engine.hosts.space import HOLDS, IS_HELD, host_at, space_arrays, space_of_arrays
from engine.layouts.hosts import (
    HOSTS,
    NEVER,
)
from engine.layouts.records import ROW
from engine.memory.options import KERNEL
from engine.memory.pointers import pointer, shifted

EXTERNAL_BIT, INITIATOR_ROW_BIT, RESPONDER_ROW_BIT = 1, 2, 4
HOST_SHIFT = ROW.shift("verdict", "host")
_SOURCE = HOSTS.index("source")
_SOURCE_SHIFT = 48
_ROW_WORDS = ROW.words
_KEY, _ADDRESS, _VERDICT = (ROW.index(name) for name in ("key", "initiator_high", "verdict"))
_VERSION_SHIFT = ROW.shift("key", "version6")
_REFERENCE, _FLAGS = ROW.index("first_reference"), ROW.index("sequence")
_KNOWN, _LAST = ROW.index("first_ns"), ROW.index("last_ns")
_INITIATOR_END, _RESPONDER_END = ROW.index("start_ns"), ROW.index("end_ns")
_SPACE = typeof(space_arrays(np.zeros(8, np.int64), np.zeros(8, np.int64)))
_ROWS = types.Tuple((types.int64[:, ::1], types.float32[:, ::1]))


@njit(**KERNEL)
def _add_initiator(space, host, row, target):
    words, key = space.words, space.key
    pane = host[INITIATOR_PANE]
    key[0], key[1], key[2], key[3] = host[0], host[1], host[2], pane
    place = find_initiator_row(words, hash_row(words, key), key)
    if place:
        fill_initiator(space, place, row, target)
        row[_INITIATOR_END] = (pane + 1) * PANE_NS
        row[_FLAGS] |= INITIATOR_ROW_BIT


@njit(**KERNEL)
def _add_responder(space, host, row, target):
    words, key = space.words, space.key
    pane = host[RESPONDER_PANE]
    key[0], key[1], key[2], key[3] = host[0], host[1], host[2], pane
    place = find_responder_row(words, hash_row(words, key), key)
    if place:
        fill_responder(space, place, row, target)
        row[_RESPONDER_END] = (pane + 1) * PANE_NS
        row[_FLAGS] |= RESPONDER_ROW_BIT


@njit(**KERNEL)
def _list_host(space, host, row, target):
    for word in range(_ROW_WORDS):
        row[word] = 0
    row[_KEY] = (host[VERSION] == 6) << _VERSION_SHIFT
    row[_ADDRESS], row[_ADDRESS + 1] = host[1], host[2]
    row[_REFERENCE] = space.words[_SOURCE] << _SOURCE_SHIFT
    row[_VERDICT] = 1 << HOST_SHIFT
    row[_FLAGS] = EXTERNAL_BIT if host[IS_EXTERNAL] else 0
    row[_KNOWN] = host[KNOWN_PANE] * PANE_NS
    row[_LAST] = (max(host[INITIATOR_PANE], host[RESPONDER_PANE]) + 1) * PANE_NS
    if host[INITIATOR_PANE] != NEVER:
        _add_initiator(space, host, row, target)
    if host[RESPONDER_PANE] != NEVER:
        _add_responder(space, host, row, target)


@njit(types.UniTuple(types.int64, 2)(_SPACE, _ROWS, types.int64), **KERNEL)
def list_hosts(hosts, rows, place):
    """Fill `rows` (words, and as float32) with hosts from `place` on (1 first).

    Return how many there are, and the place to go on from: 0 after the last host.
    """
    space = space_of_arrays(hosts)
    words, floats = pointer(rows[0].reshape(-1)), pointer(rows[1].reshape(-1))
    count, last = 0, space.words[HOST_FRESH]
    while place <= last and count < len(rows[0]):
        host = host_at(space.words, place)
        if host[VERSION]:
            at = count * _ROW_WORDS
            _list_host(space, host, shifted(words, at), shifted(floats, 2 * at))
            count += 1
        place += 1
    return count, place if place <= last else 0


@njit(types.void(_SPACE), **KERNEL)
def end_pane(hosts):
    """End the open pane: no event of the source will follow."""
    end_open_pane(space_of_arrays(hosts))


@njit(types.void(_SPACE), **KERNEL)
def end_source(hosts):
    """Forget the source's hosts, and let the merge go on behind it."""
    space = space_of_arrays(hosts)
    forget_everything(space)
    space.pending[IS_HELD] = 0


def hold(hosts) -> None:
    """Make the merge stop at the end of every source that has hosts, until `end_source`."""
    hosts.pending[HOLDS] = 1


def is_held(hosts) -> bool:
    """Return whether the merge has stopped there."""
    return bool(hosts.pending[IS_HELD])
