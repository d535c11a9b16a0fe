"""What a flow adds to the initiator part of its initiator, and a DNS message to its host's."""

from numba import njit

from engine.hosts.addresses import EXTERNAL, INTERNAL, fixed_address_hash
from engine.hosts.known import ADDRESS_HASH, initiator_place, kind_at, names_place, touch_initiator
from engine.hosts.op import (
    BWD_BYTES,
    BWD_PAYLOAD,
    DATA_PACKETS,
    DURATION,
    ENDED_BITS,
    FWD_BYTES,
    FWD_PAYLOAD,
    HEAD,
    HTTP,
    INITIATOR,
    PANE,
    PEER_HASH,
    REFUSED,
    RESPONDER,
    SQUARES,
    STARTED,
    TLS_NAMED,
    TLS_NAMELESS,
    UPLOAD,
    bwd_packets,
    fwd_data,
    fwd_packets,
    marks_of,
    peer_of,
    port_of,
    protocol_of,
    resets,
)
from engine.hosts.ports import is_log_in, is_smb, is_usual_web
from engine.hosts.sketches import add_count, set_bit, top_bits
from engine.hosts.space import (
    PACKETS_30_AT,
    PACKETS_60_AT,
    PACKETS_300_AT,
    host_at,
    initiator_at,
    inside,
    spread,
)
from engine.hosts.starts import add_start
from engine.hosts.windows import PANES_30, PANES_60, PANES_300, open_cell
from engine.layouts.hosts import HOSTS
from engine.layouts.records import FACT_EVENT
from engine.layouts.windows import (
    INITIATOR_30,
    INITIATOR_60,
    INITIATOR_300,
    NAMES_300,
    PART,
)
from engine.memory.options import HOT, KERNEL
from engine.memory.wide import square_add, wide_add

_INITIATOR_30_WORDS = INITIATOR_30.words
_INITIATOR_300_WORDS = INITIATOR_300.words
_INITIATOR_60_WORDS = INITIATOR_60.words
_NAMES_300_WORDS = NAMES_300.words

_TCP, _UDP = 6, 17
DURATION_MAX = 1 << 48  # What a longer duration or gap counts as, ns.
SUM_MAX = 1 << 61  # Where the sum of a cell's durations stops.
SHORT_PACKETS, SHORT_NS = 20, 10_000_000_000  # A log-in of fewer data packets, of at most 10 s.
_ENDED_BACKWARD = 8  # As in a final's head.

CELL_30, CELL_60, CELL_300 = (PART.index(f"cells_{name}") for name in ("30", "60", "300"))
NAMES_AT = HOSTS.index("names_at")
CELL_NAMES = PART.index("cells_names")
FWD_PACKETS, TCP_30, RST_30, SMB_DATA, SMB_WRITTEN, SMB_READ, UPLOAD_30 = range(7)
assert [INITIATOR_30.index(name) for name in ("fwd_packets_30", "rst_30", "upload_30")] == [0, 2, 6]
PACKETS_60, BYTES_60, TCP_60, UDP_60, ENDED_60, DURATION_60, SQUARES_60 = range(7)
assert [INITIATOR_60.index(name) for name in ("packets_60", "squares_low_60")] == [0, 6]
INTERNAL_PACKETS, INTERNAL_BYTES, INTERNAL_SQUARES = 0, 1, 2
INTERNAL_BWD, EXTERNAL_FWD, EXTERNAL_BWD, UPLOADS = 4, 5, 6, 7
ENDED_300, DURATION_300, INTERNAL_ENDED, INTERNAL_DURATION, SHORT_SESSIONS = range(8, 13)
HELLOS_NAMED, HELLOS_NAMELESS, HTTP_UNUSUAL, REFUSING = 13, 14, 15, 16
assert INITIATOR_300.index("internal_squares_low") == INTERNAL_SQUARES
assert INITIATOR_300.index("uploads") == UPLOADS
assert INITIATOR_300.index("short_sessions") == SHORT_SESSIONS
assert INITIATOR_300.index("refusing") == REFUSING
QUERIES, ANSWERS, FAILURES = (NAMES_300.index(n) for n in ("queries", "answers", "failures"))
LETTERS, PARENTS, NAMES = (NAMES_300.index(n) for n in ("letters", "parents", "names"))

_NAME_HASH = FACT_EVENT.index("name_hash")
_PARENT_HASH = FACT_EVENT.index("parent_hash")
_CLASSES = FACT_EVENT.index("classes")
_RESPONSE_SHIFT = FACT_EVENT.shift("head", "response")
_CODE_SHIFT, _CODE_MASK = FACT_EVENT.shift("head", "code"), FACT_EVENT.mask("head", "code")


@njit(**HOT)
def peer_hash_of(words, op):
    """Return the fixed hash of the responder's address."""
    if op[RESPONDER]:
        return host_at(words, op[RESPONDER])[ADDRESS_HASH]
    peer = peer_of(op)
    return fixed_address_hash(peer[0], peer[1], peer[2])


@njit(**HOT)
def cell_30(part, pane):
    """Return the pointer to the open cell of 15 s."""
    group = inside(part, PACKETS_30_AT, _INITIATOR_30_WORDS)
    return open_cell(part, CELL_30, group, _INITIATOR_30_WORDS, pane // PANES_30)


@njit(**HOT)
def cell_60(part, pane):
    """Return the pointer to the open cell of 30 s."""
    group = inside(part, PACKETS_60_AT, _INITIATOR_60_WORDS)
    return open_cell(part, CELL_60, group, _INITIATOR_60_WORDS, pane // PANES_60)


@njit(**HOT)
def cell_300(part, pane):
    """Return the pointer to the open cell of 150 s."""
    group = inside(part, PACKETS_300_AT, _INITIATOR_300_WORDS)
    return open_cell(part, CELL_300, group, _INITIATOR_300_WORDS, pane // PANES_300)


@njit(**HOT)
def _add_packets(part, op, pane, peer_kind):
    """Count a flow's packets in the cells of 15 and 30 s."""
    protocol = protocol_of(op)
    both = fwd_packets(op) + bwd_packets(op)
    cell = cell_30(part, pane)
    cell[FWD_PACKETS] += fwd_packets(op)
    if peer_kind == EXTERNAL:
        cell[UPLOAD_30] += op[FWD_PAYLOAD]
    minute = cell_60(part, pane)
    minute[PACKETS_60] += both
    minute[BYTES_60] += op[FWD_BYTES] + op[BWD_BYTES]
    if protocol == _TCP:
        minute[TCP_60] += both
        cell[TCP_30] += both
        cell[RST_30] += resets(op)
        if is_smb(port_of(op)):
            cell[SMB_DATA] += fwd_data(op)
            cell[SMB_WRITTEN] += op[FWD_PAYLOAD]
            cell[SMB_READ] += op[BWD_PAYLOAD]
    elif protocol == _UDP:
        minute[UDP_60] += both


@njit(**HOT)
def _add_peers(part, op, pane, peer_kind):
    """Count a flow's packets by kind of peer in the cell of 150 s; return the cell."""
    cell = cell_300(part, pane)
    if peer_kind == INTERNAL:
        cell[INTERNAL_PACKETS] += fwd_packets(op) + bwd_packets(op)
        cell[INTERNAL_BYTES] += op[FWD_BYTES] + op[BWD_BYTES]
        cell[INTERNAL_BWD] += op[BWD_BYTES]
        low, high = cell[INTERNAL_SQUARES], cell[INTERNAL_SQUARES + 1]
        low, high = wide_add(low, high, op[SQUARES], 0)
        cell[INTERNAL_SQUARES], cell[INTERNAL_SQUARES + 1] = low, high
    elif peer_kind == EXTERNAL:
        cell[EXTERNAL_FWD] += op[FWD_BYTES]
        cell[EXTERNAL_BWD] += op[BWD_BYTES]
        cell[UPLOADS] += marks_of(op) & UPLOAD != 0
    return cell


@njit(**HOT)
def _add_marks(cell, op, marks, peer_hash):
    """Count what a flow has shown for the first time."""
    cell[HELLOS_NAMED] += marks & TLS_NAMED != 0
    cell[HELLOS_NAMELESS] += marks & TLS_NAMELESS != 0
    if marks & HTTP:
        cell[HTTP_UNUSUAL] += not is_usual_web(port_of(op))
    if marks & REFUSED and is_log_in(port_of(op)):
        set_bit(cell, REFUSING, top_bits(peer_hash, 8))


@njit(**KERNEL)
def add_flow(space, op):
    """Add a delta or remainder to the initiator part of its initiator, which is there."""
    words, place, pane = space.words, op[INITIATOR], op[PANE]
    touch_initiator(words, place, pane)
    part = initiator_at(words, initiator_place(words, place))
    peer_kind = kind_at(words, op[RESPONDER], peer_of(op))
    _add_packets(part, op, pane, peer_kind)
    cell = _add_peers(part, op, pane, peer_kind)
    marks = marks_of(op)
    if marks:
        _add_marks(cell, op, marks, op[PEER_HASH])
        if marks & STARTED:
            add_start(space, op, peer_kind)


@njit(**KERNEL)
def end_flow(words, op):
    """Add an ended mark to the initiator part of its initiator, which is there."""
    part, pane = initiator_at(words, initiator_place(words, op[INITIATOR])), op[PANE]
    duration = min(op[DURATION], DURATION_MAX)
    minute = cell_60(part, pane)
    minute[ENDED_60] += 1
    minute[DURATION_60] = min(minute[DURATION_60] + duration, SUM_MAX)
    low, high = square_add(minute[SQUARES_60], minute[SQUARES_60 + 1], duration)
    minute[SQUARES_60], minute[SQUARES_60 + 1] = low, high
    cell = cell_300(part, pane)
    cell[ENDED_300] += 1
    cell[DURATION_300] = min(cell[DURATION_300] + duration, SUM_MAX)
    if kind_at(words, op[RESPONDER], peer_of(op)) == INTERNAL:
        cell[INTERNAL_ENDED] += 1
        cell[INTERNAL_DURATION] = min(cell[INTERNAL_DURATION] + duration, SUM_MAX)
    if protocol_of(op) == _TCP and is_log_in(port_of(op)):
        backward = op[ENDED_BITS] & _ENDED_BACKWARD != 0
        if backward and op[DURATION] <= SHORT_NS:
            set_bit(cell, REFUSING, top_bits(peer_hash_of(words, op), 8))
        if op[DATA_PACKETS] < SHORT_PACKETS:
            cell[SHORT_SESSIONS] += backward or op[DURATION] <= SHORT_NS


@njit(**HOT)
def _add_letters(cell, op):
    for number in range(40):
        count = op[_CLASSES + (number >> 3)] >> ((number & 7) << 3) & 255
        if count:
            add_count(cell, LETTERS, number, count)


@njit(**KERNEL)
def add_message(words, op):
    """Add a DNS message to the initiator part of its host, which is there."""
    place, pane = op[INITIATOR], op[PANE]
    touch_initiator(words, place, pane)
    part = initiator_at(words, initiator_place(words, place))
    group = spread(words, NAMES_AT, _NAMES_300_WORDS, names_place(words, place))
    cell = open_cell(part, CELL_NAMES, group, _NAMES_300_WORDS, pane // PANES_300)
    if op[HEAD] >> _RESPONSE_SHIFT & 1:
        cell[ANSWERS] += 1
        cell[FAILURES] += op[HEAD] >> _CODE_SHIFT & _CODE_MASK != 0
        return
    cell[QUERIES] += 1
    _add_letters(cell, op)
    parent = top_bits(op[_PARENT_HASH], 4)
    add_count(cell, PARENTS, parent, 1)
    set_bit(cell, NAMES + parent, top_bits(op[_NAME_HASH], 6))
