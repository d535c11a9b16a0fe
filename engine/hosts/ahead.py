"""What an operation will touch, asked for before it does: memory answers while others are taken.

Each group of lines is asked for as narrowly as it will be used: the open cell, of a large one the
lines of the buckets. What is asked for in vain costs as much as a line that is needed.
"""

from numba import njit

from engine.hosts import index, op
from engine.hosts.addresses import INTERNAL
from engine.hosts.filters import ask_filters
from engine.hosts.initiator import peer_hash_of
from engine.hosts.known import (
    HOST_BITS,
    INTERNAL_PLACE,
    host_index,
    initiator_place,
    kind_at,
    responder_place,
)
from engine.hosts.responder import (
    LENGTH_BINS,
    PREFIX_BITS,
    PREFIX_BUCKETS,
    REGISTERS_AT,
    TO_10_AT,
    hashes_of_initiator,
)
from engine.hosts.sketches import top_bits
from engine.hosts.space import (
    PACKETS_30_AT,
    PACKETS_60_AT,
    PACKETS_300_AT,
    STARTS_300_AT,
    TO_60_AT,
    host_at,
    initiator_at,
    responder_at,
    spread,
)
from engine.hosts.starts import (
    BY_PORT,
    CLASSES,
    EXTERNAL_PEERS,
    INTERNAL_BUCKETS,
    INTERNALS_AT,
    NEW_PAIRS,
    PEER_BUCKETS,
    PEERS,
    PORT_BUCKETS,
    PORTS_60,
    PORTS_OF_PEER,
    SLICES,
    STARTS_30_AT,
    STARTS_60_AT,
    TRIED,
)
from engine.hosts.windows import PANES_30, PANES_60, PANES_300
from engine.layouts.windows import (
    INITIATOR_30,
    INITIATOR_60,
    INITIATOR_300,
    INTERNAL_300,
    RESPONDER_10,
    RESPONDER_60,
    STARTS_30,
    STARTS_60,
    STARTS_300,
)
from engine.memory.options import HOT
from engine.memory.pointers import prefetch_write, shifted
from engine.packets.fixed_hash import hash_port

_LINE_WORDS = 8
_INITIATOR_30_WORDS, _INITIATOR_60_WORDS = INITIATOR_30.words, INITIATOR_60.words
_INITIATOR_300_WORDS, _INTERNAL_300_WORDS = INITIATOR_300.words, INTERNAL_300.words
_STARTS_30_WORDS, _STARTS_60_WORDS = STARTS_30.words, STARTS_60.words
_STARTS_300_WORDS = STARTS_300.words
_RESPONDER_10_WORDS, _RESPONDER_60_WORDS = RESPONDER_10.words, RESPONDER_60.words


@njit(**HOT)
def ask_host(words, hashed):
    """Ask for the host that the index has under a hash."""
    host = host_at(words, index.guess(host_index(words), words[HOST_BITS], hashed))
    prefetch_write(host, 0)
    prefetch_write(host, _LINE_WORDS)


@njit(**HOT)
def _cell(words, region, count, place, cell):
    """Return the pointer to the place of a cell of a host's group in a region of two places."""
    first, gap = spread(words, region, count, place)
    return shifted(first, (cell & 1) * gap)


@njit(**HOT)
def _ask_starts(words, part, place, pane, hashes):
    """Ask for the cells in which a start counts. `hashes`: peer, port; whether it is internal."""
    peer_hash, port_hash, is_internal = hashes
    prefetch_write(part, _LINE_WORDS)
    prefetch_write(part, 2 * _LINE_WORDS)
    cell = _cell(words, STARTS_30_AT, _STARTS_30_WORDS, place, pane // PANES_30)
    prefetch_write(cell, 0)
    prefetch_write(cell, PEERS)
    prefetch_write(cell, NEW_PAIRS if is_internal else EXTERNAL_PEERS)
    prefetch_write(cell, TRIED)
    prefetch_write(cell, BY_PORT + 4 * top_bits(port_hash, 4))
    cell = _cell(words, STARTS_60_AT, _STARTS_60_WORDS, place, pane // PANES_60)
    prefetch_write(cell, 0)
    prefetch_write(cell, PORTS_60)
    prefetch_write(cell, PORT_BUCKETS + top_bits(port_hash, 5))
    prefetch_write(cell, PEER_BUCKETS + top_bits(peer_hash, 5))
    cell = shifted(part, STARTS_300_AT + (pane // PANES_300 & 1) * _STARTS_300_WORDS)
    prefetch_write(cell, 0)
    prefetch_write(cell, SLICES)


@njit(**HOT)
def _ask_internal(words, part, place, pane, peer_hash):
    """Ask for the cell in which a start to an internal peer counts."""
    prefetch_write(part, 3 * _LINE_WORDS)
    cell = _cell(words, INTERNALS_AT, _INTERNAL_300_WORDS, place, pane // PANES_300)
    prefetch_write(cell, 0)
    prefetch_write(cell, CLASSES)
    prefetch_write(cell, INTERNAL_BUCKETS + top_bits(peer_hash, 5))
    prefetch_write(cell, PORTS_OF_PEER + top_bits(peer_hash, 6))


@njit(**HOT)
def ask_initiator(words, one):
    """Ask for the lines of an initiator part that will be written; it is made if need be."""
    pane, kind = one[op.PANE], one[op.KIND]
    host = host_at(words, one[op.INITIATOR])
    place = initiator_place(words, one[op.INITIATOR])
    part = initiator_at(words, place)
    prefetch_write(part, 0)
    if kind == op.FACT_OP:
        return
    prefetch_write(part, PACKETS_60_AT + (pane // PANES_60 & 1) * _INITIATOR_60_WORDS)
    long = shifted(part, PACKETS_300_AT + (pane // PANES_300 & 1) * _INITIATOR_300_WORDS)
    prefetch_write(long, 0)
    if kind == op.ENDED_OP:
        prefetch_write(long, _LINE_WORDS)
        return
    prefetch_write(part, PACKETS_30_AT + (pane // PANES_30 & 1) * _INITIATOR_30_WORDS)
    marks = op.marks_of(one)
    if marks:
        prefetch_write(long, _LINE_WORDS)
        peer_hash = one[op.PEER_HASH] = peer_hash_of(words, one)
        if marks & op.STARTED:
            port_hash = one[op.PORT_HASH] = hash_port(0, op.protocol_of(one), op.port_of(one))
            is_internal = kind_at(words, one[op.RESPONDER], op.peer_of(one)) == INTERNAL
            _ask_starts(words, part, place, pane, (peer_hash, port_hash, is_internal))
            if is_internal:
                _ask_internal(words, part, host[INTERNAL_PLACE], pane, peer_hash)


@njit(**HOT)
def ask_responder(words, one):
    """Ask for the lines of a responder part that will be written; it is made if need be."""
    pane, is_ended = one[op.PANE], one[op.KIND] == op.ENDED_OP
    if is_ended and op.protocol_of(one) != op.TCP:
        return
    place = responder_place(words, one[op.RESPONDER])
    part = responder_at(words, place)
    prefetch_write(part, 0)
    cell = _cell(words, TO_10_AT, _RESPONDER_10_WORDS, place, pane)
    if is_ended:
        prefetch_write(cell, _LINE_WORDS)
        return
    prefetch_write(part, TO_60_AT + (pane // PANES_60 & 1) * _RESPONDER_60_WORDS)
    prefetch_write(cell, 0)
    if op.marks_of(one) & op.STARTED:
        prefetch_write(cell, _LINE_WORDS)
    address_hash, prefix_hash = hashes_of_initiator(words, one)
    one[op.FROM_HASH], one[op.FROM_PREFIX] = address_hash, prefix_hash
    prefetch_write(cell, LENGTH_BINS)
    prefetch_write(cell, PREFIX_BUCKETS + top_bits(prefix_hash, PREFIX_BITS - 1))
    prefetch_write(cell, REGISTERS_AT + top_bits(address_hash, 5))


@njit(**HOT)
def ask_known(words, one):
    """Ask for what the filters of a start's host have of it; the part has been asked for."""
    if one[op.INITIATOR] and op.is_start(one):
        place, peer_hash = initiator_place(words, one[op.INITIATOR]), one[op.PEER_HASH]
        ask_filters(words, place, peer_hash)
        if kind_at(words, one[op.RESPONDER], op.peer_of(one)) == INTERNAL:
            port = op.port_of(one)
            ask_filters(words, place, hash_port(peer_hash, op.protocol_of(one), port))
