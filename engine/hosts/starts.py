"""Flow starts: what each adds at once, and what waits for the end of the pane.

At once: counts and bitmaps, whose order does not matter. At the end of the pane, by position: the
gap to the host's start before, and the pair's entry; then the keys of all starts enter the filters,
so that what is new does not depend on the order within a pane either.
"""

from numba import njit

from engine.config import PANE_NS
from engine.events import counter_index
from engine.hosts.addresses import EXTERNAL, INTERNAL
from engine.hosts.filters import ask_key, ask_state, enter_keys, is_new, turn_filters
from engine.hosts.index import pair_hash
from engine.hosts.known import HAS_START, INITIATOR_PLACE, internal_place
from engine.hosts.op import (
    ANSWERED,
    INITIATOR,
    INITIATOR_HASH,
    KIND,
    PANE,
    PEER_HASH,
    PORT_HASH,
    REFERENCE,
    REFUSED,
    REMAINDER_OP,
    RESPONDER_HASH,
    SYN,
    TIME,
    marks_of,
    peer_of,
    port_of,
    protocol_of,
    service_of,
)
from engine.hosts.pairs import ask_index, ask_pair, enter_pair
from engine.hosts.ports import is_admin
from engine.hosts.sketches import (
    add_count,
    set_bit,
    top_bits,
)
from engine.hosts.sorting import is_start_before, sort_starts
from engine.hosts.space import (
    REMAINDER_STARTS_MAX,
    STARTS_300_AT,
    host_at,
    initiator_at,
    inside,
    key_of,
    spread,
)
from engine.hosts.windows import PANES_30, PANES_60, PANES_300, open_cell
from engine.layouts.hosts import HOST, HOSTS, START
from engine.layouts.windows import (
    CELLS_150,
    INTERNAL_300,
    PART,
    STARTS_30,
    STARTS_60,
    STARTS_300,
)
from engine.memory.options import HOT, KERNEL
from engine.memory.pointers import prefetch_write, shifted
from engine.memory.wide import square_add, wrapped_difference
from engine.packets.fixed_hash import hash_port

_INTERNAL_300_WORDS = INTERNAL_300.words
_START_WORDS = START.words
_STARTS_30_WORDS = STARTS_30.words
_STARTS_300_WORDS = STARTS_300.words
_STARTS_60_WORDS = STARTS_60.words

_TCP = 6
GAP_MAX = 1 << 48  # What a longer gap counts as, ns.
SLICE_PANES = 2  # 10 s.
_AHEAD = 8  # Starts.

START_COUNT = HOSTS.index("start_count")
REMAINDER_STARTS = HOSTS.index("remainder_starts")
START_CAPACITY = HOSTS.index("start_capacity")
STARTS_AT = HOSTS.index("starts_at")
STARTS_30_AT, STARTS_60_AT = HOSTS.index("starts_30_at"), HOSTS.index("starts_60_at")
INTERNALS_AT = HOSTS.index("internals_at")
_LEFT_OUT = counter_index("classifier", "starts_left_out")
CELL_STARTS_30, CELL_STARTS_60, CELL_STARTS_300, CELL_INTERNAL = (
    PART.index(f"cells_{name}") for name in ("starts_30", "starts_60", "starts_300", "internal")
)
CELL_150 = PART.index("cell_150")
CELLS_150_AT = PART.index("cells_150")
COUNT_30, FAILED, BEGUN_BY_SYN, SYN_UNANSWERED, SERVICES, BURST, _BURST_PANE, _BURST_COUNT = range(
    8
)
assert STARTS_30.index("burst_count") == _BURST_COUNT
PEERS, NEW_PEERS, ADMIN_PEERS, EXTERNAL_PEERS, TRIED, UNANSWERED, NEW_PAIRS, BY_PORT = (
    STARTS_30.index(name)
    for name in (
        "peers",
        "new_peers",
        "admin_peers",
        "external_peers",
        "tried",
        "unanswered",
        "new_pairs",
        "peers_of_port",
    )
)
COUNT_60, GAPS, GAP_SUM, GAP_SQUARES = range(4)
assert STARTS_60.index("gap_squares_low") == GAP_SQUARES
PORTS_60, PORT_BUCKETS, PEER_BUCKETS = (
    STARTS_60.index(name) for name in ("ports_60", "port_buckets", "peer_buckets")
)
COUNT_300, SLICES = STARTS_300.index("starts_300"), STARTS_300.index("slices")
INTERNAL_STARTS, INTERNAL_KNOWN = 0, 1
INTERNAL_PEERS, CLASSES, INTERNAL_BUCKETS, PORTS_OF_PEER = (
    INTERNAL_300.index(name)
    for name in ("internal_peers", "classes", "internal_buckets", "ports_of_peer")
)
_LAST_START = HOST.index("last_start")
_START_TIME, _START_REFERENCE, _PLACE, _PEER_HASH, _PEER_HIGH, _PEER_LOW, _PEER_PORT = range(7)
_PAIR_HASH = START.index("pair_hash")
assert START.index("peer_port") == _PEER_PORT
_HOST_MASK = START.mask("place", "host")
_PART_SHIFT, _PART_MASK = START.shift("place", "part"), START.mask("place", "part")
_INTERNAL_BIT = 1 << START.shift("place", "internal")
_NEW_BIT = 1 << START.shift("place", "new")


@njit(**HOT)
def start_at(words, number):
    """Return the pointer to a start of the pane."""
    return shifted(words, words[STARTS_AT] + number * _START_WORDS)


@njit(**HOT)
def _count_burst(cell, pane):
    if cell[_BURST_PANE] != pane or cell[_BURST_COUNT] == 0:
        cell[_BURST_PANE], cell[_BURST_COUNT] = pane, 0
    cell[_BURST_COUNT] += 1
    cell[BURST] = max(cell[BURST], cell[_BURST_COUNT])


@njit(**HOT)
def _add_short(words, place, op, hashes, flags):
    """Count a start in the cell of 15 s. `place`: of the part; `hashes`: peer, port, pair.

    `flags`: kind of the peer, whether it and its pair are new.
    """
    peer_hash, port_hash, both_hash = hashes
    peer_kind, is_new_peer, is_new_pair = flags
    pane, marks = op[PANE], marks_of(op)
    group = spread(words, STARTS_30_AT, _STARTS_30_WORDS, place)
    part = initiator_at(words, place)
    cell = open_cell(part, CELL_STARTS_30, group, _STARTS_30_WORDS, pane // PANES_30)
    cell[COUNT_30] += 1
    is_tcp, is_answered = protocol_of(op) == _TCP, marks & ANSWERED != 0
    cell[FAILED] += marks & REFUSED != 0 or not (is_tcp or is_answered)
    if marks & SYN:
        cell[BEGUN_BY_SYN] += 1
        cell[SYN_UNANSWERED] += not is_answered
    cell[SERVICES] |= 1 << service_of(op)
    _count_burst(cell, pane)
    bit, pair_bit = top_bits(peer_hash, 8), top_bits(both_hash, 8)
    set_bit(cell, PEERS, bit)
    if is_new_peer:
        set_bit(cell, NEW_PEERS, bit)
    if is_new_pair:
        set_bit(cell, NEW_PAIRS, pair_bit)
    if is_tcp and is_admin(port_of(op)):
        set_bit(cell, ADMIN_PEERS, bit)
    if peer_kind == EXTERNAL:
        set_bit(cell, EXTERNAL_PEERS, bit)
    set_bit(cell, TRIED, pair_bit)
    if not is_answered:
        set_bit(cell, UNANSWERED, pair_bit)
    set_bit(cell, BY_PORT + 4 * top_bits(port_hash, 4), bit)


@njit(**HOT)
def _add_long(words, place, pane, peer_hash, port_hash):
    """Count a start in the cells of 30 and 150 s; `place`: of the part."""
    part = initiator_at(words, place)
    group = spread(words, STARTS_60_AT, _STARTS_60_WORDS, place)
    cell = open_cell(part, CELL_STARTS_60, group, _STARTS_60_WORDS, pane // PANES_60)
    cell[COUNT_60] += 1
    set_bit(cell, PORTS_60, top_bits(port_hash, 8))
    add_count(cell, PORT_BUCKETS, top_bits(port_hash, 6), 1)
    add_count(cell, PEER_BUCKETS, top_bits(peer_hash, 6), 1)
    group = inside(part, STARTS_300_AT, _STARTS_300_WORDS)
    wide = open_cell(part, CELL_STARTS_300, group, _STARTS_300_WORDS, pane // PANES_300)
    wide[COUNT_300] += 1
    add_count(wide, SLICES, pane % PANES_300 // SLICE_PANES, 1)


@njit(**HOT)
def _count_150(part, cell):
    """Count a start to an internal peer in the ring of cells of 150 s."""
    newest = part[CELL_150]
    if newest != cell:
        for number in range(max(newest + 1, cell - CELLS_150 + 1), cell + 1):
            part[CELLS_150_AT + number % CELLS_150] = 0
        part[CELL_150] = cell
    part[CELLS_150_AT + cell % CELLS_150] += 1


@njit(**HOT)
def _add_internal(space, op, part, hashes, is_known):
    """Count a start to an internal peer."""
    peer_hash, port_hash, _ = hashes
    cell_number = op[PANE] // PANES_300
    place = internal_place(space.words, op[INITIATOR])
    group = spread(space.words, INTERNALS_AT, _INTERNAL_300_WORDS, place)
    cell = open_cell(part, CELL_INTERNAL, group, _INTERNAL_300_WORDS, cell_number)
    cell[INTERNAL_STARTS] += 1
    cell[INTERNAL_KNOWN] += is_known
    set_bit(cell, INTERNAL_PEERS, top_bits(peer_hash, 8))
    add_count(cell, CLASSES, service_of(op), 1)
    bucket = top_bits(peer_hash, 6)
    add_count(cell, INTERNAL_BUCKETS, bucket, 1)
    set_bit(cell, PORTS_OF_PEER + bucket, top_bits(port_hash, 6))
    _count_150(part, cell_number)


@njit(**HOT)
def _note(space, op, part_place, flags):
    """Keep a start for the end of the pane."""
    words = space.words
    if op[KIND] == REMAINDER_OP:
        if words[REMAINDER_STARTS] == REMAINDER_STARTS_MAX:
            space.counters[_LEFT_OUT] += 1
            return
        words[REMAINDER_STARTS] += 1
    assert words[START_COUNT] < words[START_CAPACITY], "more starts in a pane than flows"
    start, peer = start_at(words, words[START_COUNT]), peer_of(op)
    words[START_COUNT] += 1
    start[_START_TIME], start[_START_REFERENCE] = op[TIME], op[REFERENCE]
    start[_PLACE] = op[INITIATOR] | part_place << _PART_SHIFT | flags
    start[_PEER_HASH] = op[PEER_HASH]
    start[_PEER_HIGH], start[_PEER_LOW] = peer[1], peer[2]
    start[_PEER_PORT] = protocol_of(op) << 16 | port_of(op)
    start[_PAIR_HASH] = pair_hash(
        op[INITIATOR_HASH], op[RESPONDER_HASH], start[_PEER_PORT], key_of(words)
    )


@njit(**KERNEL)
def add_start(space, op, peer_kind):
    """Count a start of the host whose initiator part is there."""
    words = space.words
    place = host_at(words, op[INITIATOR])[INITIATOR_PLACE]
    part = initiator_at(words, place)
    peer_hash = op[PEER_HASH]
    both_hash = hash_port(peer_hash, protocol_of(op), port_of(op))
    hashes = (peer_hash, op[PORT_HASH], both_hash)
    turn_filters(part, op[PANE])
    is_new_peer = is_new(words, place, part, peer_hash)
    is_internal = peer_kind == INTERNAL
    is_new_pair = is_internal and is_new(words, place, part, hashes[2])
    _add_short(words, place, op, hashes, (peer_kind, is_new_peer, is_new_pair))
    _add_long(words, place, op[PANE], peer_hash, op[PORT_HASH])
    flags = _NEW_BIT if is_new_peer or is_new_pair else 0
    if is_internal:
        flags |= _INTERNAL_BIT
        _add_internal(space, op, part, hashes, not is_new_pair)
    _note(space, op, place, flags)


@njit(**HOT)
def _host_of(words, start):
    """Return the pointer to a start's host."""
    return host_at(words, start[_PLACE] & _HOST_MASK)


@njit(**HOT)
def _part_place(start):
    """Return the place of a start's initiator part."""
    return start[_PLACE] >> _PART_SHIFT & _PART_MASK


@njit(**HOT)
def _add_gap(words, host, start, pane):
    """Count the gap before a start of a host (pointer to it)."""
    time = start[_START_TIME]
    if host[HAS_START]:
        place = _part_place(start)
        part = initiator_at(words, place)
        group = spread(words, STARTS_60_AT, _STARTS_60_WORDS, place)
        cell = open_cell(part, CELL_STARTS_60, group, _STARTS_60_WORDS, pane // PANES_60)
        # A difference beyond 63 bits wraps below 0.
        gap = wrapped_difference(time, host[_LAST_START])
        gap = GAP_MAX if gap < 0 else min(gap, GAP_MAX)
        cell[GAPS] += 1
        cell[GAP_SUM] += gap
        low, high = square_add(cell[GAP_SQUARES], cell[GAP_SQUARES + 1], gap)
        cell[GAP_SQUARES], cell[GAP_SQUARES + 1] = low, high
    host[_LAST_START], host[HAS_START] = time, 1


@njit(**HOT)
def _apply(space, start, pane):
    """Apply a start at its place in the order: gap and pair."""
    host = _host_of(space.words, start)
    _add_gap(space.words, host, start, pane)
    enter_pair(space, host, start)


@njit(**HOT)
def _ask_host(words, start, pane):
    """Ask for a start's host, what its gap is added to, and where its pair's search begins."""
    host, place = _host_of(words, start), _part_place(start)
    prefetch_write(host, 0)
    prefetch_write(host, HAS_START)
    prefetch_write(initiator_at(words, place), CELL_STARTS_60)
    first, gap = spread(words, STARTS_60_AT, _STARTS_60_WORDS, place)
    prefetch_write(first, (pane // PANES_60 & 1) * gap)
    ask_index(words, start)


@njit(**HOT)
def _enter_filters(words, start, end_ns):
    """Put a start's keys into its host's filter."""
    peer_hash, port = start[_PEER_HASH], start[_PEER_PORT]
    is_internal = start[_PLACE] & _INTERNAL_BIT != 0
    both_hash = hash_port(peer_hash, port >> 16, port & 0xFFFF) if is_internal else peer_hash
    is_new_start = start[_PLACE] & _NEW_BIT != 0
    enter_keys(words, _part_place(start), (peer_hash, both_hash), is_new_start, end_ns)


@njit(**KERNEL)
def _enter_all(words, count, end_ns):
    """Let the keys of all starts enter the filters."""
    for number in range(count):
        if number + 2 * _AHEAD < count:
            place = _part_place(start_at(words, number + 2 * _AHEAD))
            ask_state(initiator_at(words, place))
        if number + _AHEAD < count:
            start = start_at(words, number + _AHEAD)
            ask_key(words, _part_place(start), start[_PEER_HASH])
        _enter_filters(words, start_at(words, number), end_ns)


@njit(**KERNEL)
def apply_starts(space, pane):
    """Apply the pane's starts in order of position, then let their keys enter the filters."""
    words = space.words
    count, early = words[START_COUNT], words[REMAINDER_STARTS]
    sort_starts(start_at(words, 0), early)
    sort_starts(start_at(words, early), count - early)
    left, right = 0, early
    while left < early or right < count:
        if right + 2 * _AHEAD < count:
            _ask_host(words, start_at(words, right + 2 * _AHEAD), pane)
        if right + _AHEAD < count:
            ask_pair(words, start_at(words, right + _AHEAD))
        take_left = right == count
        if left < early and right < count:
            take_left = is_start_before(start_at(words, 0), left, right)
        _apply(space, start_at(words, left if take_left else right), pane)
        if take_left:
            left += 1
        else:
            right += 1
    _enter_all(words, count, (pane + 1) * PANE_NS)
    words[START_COUNT] = words[REMAINDER_STARTS] = 0
