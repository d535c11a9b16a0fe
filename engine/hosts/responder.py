"""What a flow adds to the responder part of its responder: floods and their like."""

from numba import njit

from engine.hosts.addresses import fixed_address_hash, fixed_prefix_hash
from engine.hosts.known import ADDRESS_HASH, PREFIX_HASH, responder_place, touch_responder
from engine.hosts.op import (
    BWD_BYTES,
    ENDED_BITS,
    FROM_HASH,
    FROM_PREFIX,
    FWD_BYTES,
    HANDSHAKE,
    INITIATOR,
    INITIATOR_ADDRESS,
    PANE,
    RESPONDER,
    STARTED,
    SYN,
    bwd_packets,
    fwd_impossible,
    fwd_packets,
    marks_of,
    protocol_of,
)
from engine.hosts.sketches import add_count, raise_register, top_bits
from engine.hosts.space import TO_60_AT, host_at, inside, responder_at, spread
from engine.hosts.windows import PANES_60, open_cell
from engine.layouts.hosts import HOSTS
from engine.layouts.windows import RESPONDER_10, RESPONDER_60, RESPONDER_PART
from engine.memory.options import HOT, KERNEL
from engine.memory.pointers import shifted

_RESPONDER_10_WORDS = RESPONDER_10.words
_RESPONDER_60_WORDS = RESPONDER_60.words

TO_10_AT = HOSTS.index("responder_10_at")
CELL_10, CELL_60 = RESPONDER_PART.index("cells_10"), RESPONDER_PART.index("cells_to_60")
TO_PACKETS, FROM_PACKETS, TO_TCP, TO_IMPOSSIBLE, TO_UDP_BYTES, FROM_UDP_BYTES, UDP_PACKETS = (
    RESPONDER_10.index(name)
    for name in (
        "to_packets",
        "from_packets",
        "to_tcp",
        "to_impossible",
        "to_udp_bytes",
        "from_udp_bytes",
        "udp_packets",
    )
)
TO_STARTS, TO_SYN, TO_SYN_OPEN, TO_ENDED, TO_PROPER, LENGTH_BINS, PREFIX_BUCKETS, REGISTERS_AT = (
    RESPONDER_10.index(name)
    for name in (
        "to_starts",
        "to_syn",
        "to_syn_open",
        "to_ended",
        "to_proper",
        "length_bins",
        "prefix_buckets",
        "registers",
    )
)
TO_PACKETS_60 = RESPONDER_60.index("to_packets_60")
LENGTH_BIN_BYTES, LENGTH_BIN_LAST = 96, 15
PREFIX_BITS = 6
_TCP, _UDP = 6, 17
_ENDED_PROPER = 2  # As in a final's head.


@njit(**HOT)
def _cell_10(words, part, place, pane):
    """Return the pointer to the open cell of 5 s: a pane."""
    group = spread(words, TO_10_AT, _RESPONDER_10_WORDS, place)
    return open_cell(part, CELL_10, group, _RESPONDER_10_WORDS, pane)


@njit(**HOT)
def hashes_of_initiator(words, op):
    """Return the fixed hashes of the initiator's address and prefix."""
    if op[INITIATOR]:
        host = host_at(words, op[INITIATOR])
        return host[ADDRESS_HASH], host[PREFIX_HASH]
    address = shifted(op, INITIATOR_ADDRESS)
    return (
        fixed_address_hash(address[0], address[1], address[2]),
        fixed_prefix_hash(address[0], address[1], address[2]),
    )


@njit(**HOT)
def _add_forward(op, cell, packets):
    """Count packets to the host: how long, from where, from whom."""
    bin_number = min(LENGTH_BIN_LAST, op[FWD_BYTES] // (LENGTH_BIN_BYTES * packets))
    add_count(cell, LENGTH_BINS, bin_number, packets)
    add_count(cell, PREFIX_BUCKETS, top_bits(op[FROM_PREFIX], PREFIX_BITS), packets)
    raise_register(cell, REGISTERS_AT, op[FROM_HASH])


@njit(**KERNEL)
def add_flow_to(space, op):
    """Add a delta or remainder to the responder part of its responder, which is there."""
    words, place, pane = space.words, op[RESPONDER], op[PANE]
    touch_responder(words, place, pane)
    place = responder_place(words, place)
    part = responder_at(words, place)
    cell = _cell_10(words, part, place, pane)
    forward, backward, protocol = fwd_packets(op), bwd_packets(op), protocol_of(op)
    cell[TO_PACKETS] += forward
    cell[FROM_PACKETS] += backward
    if protocol == _TCP:
        cell[TO_TCP] += forward
        cell[TO_IMPOSSIBLE] += fwd_impossible(op)
    elif protocol == _UDP:
        cell[TO_UDP_BYTES] += op[FWD_BYTES]
        cell[FROM_UDP_BYTES] += op[BWD_BYTES]
        cell[UDP_PACKETS] += forward + backward
    marks = marks_of(op)
    if marks & STARTED:
        cell[TO_STARTS] += 1
        if marks & SYN:
            cell[TO_SYN] += 1
            cell[TO_SYN_OPEN] += marks & HANDSHAKE == 0
    if forward:
        _add_forward(op, cell, forward)
    wide = inside(part, TO_60_AT, _RESPONDER_60_WORDS)
    minute = open_cell(part, CELL_60, wide, _RESPONDER_60_WORDS, pane // PANES_60)
    minute[TO_PACKETS_60] += forward


@njit(**KERNEL)
def end_flow_to(words, op):
    """Add an ended mark to the responder part of its responder, which is there."""
    if protocol_of(op) == _TCP:
        place = responder_place(words, op[RESPONDER])
        cell = _cell_10(words, responder_at(words, place), place, op[PANE])
        cell[TO_ENDED] += 1
        cell[TO_PROPER] += op[ENDED_BITS] & _ENDED_PROPER != 0
