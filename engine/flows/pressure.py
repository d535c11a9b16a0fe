"""When a part must end because its row cannot take the packet (SEMANTICS.rst, Memory).

Either the packet may need a cold block and none is free, or a sum would leave its range: squared
lengths of a direction at 2**62 bytes², packets of a direction since the pane began at 2**31. All of
it is rare; a packet pays three comparisons.

A row keeps its pane block for the next pane. Where blocks run short, rows that have no packet in
the current pane lose theirs first, until 64 are free. Each pane has one pass over the rows, which
goes on where it stopped: however short blocks are, a row is looked at once in a pane.
"""

from numba import njit

from engine.features.activity import SUBFLOW_TIMEOUT_NS
from engine.features.bulk import BULK_PACKETS_MIN
from engine.features.flags import TOPS
from engine.features.totals import direction_line
from engine.flows.pools import COLD_LEFT, ROW_FRESH, give_pane_block, spills_of
from engine.flows.shard import AGE_MASK, block_at, cold_reference, row_at
from engine.flows.spill import IMPOSSIBLE_TOP, PAIR_TOPS
from engine.layouts import places
from engine.layouts.table import TABLE
from engine.memory.options import HOT, KERNEL
from engine.memory.pointers import prefetch
from engine.memory.wide import wrapped_sum

CONSTANTS_AT = TABLE.index("constants_at")
RECLAIMED = TABLE.index("reclaimed")
_RECLAIM_BLOCKS = 64
_PREFETCH_AHEAD = 16
BLOCKS_MAX = 5  # A packet may need: activity, bulk, pane, spill and spill flags of its side.
_SQUARES_MAX = 1 << 62
_LENGTH_MAX = 1 << 20
_SQUARES_NEAR = _SQUARES_MAX - _LENGTH_MAX**2
_PACKETS_NEAR = (1 << 31) - 1


@njit(**HOT)
def must_end(table, line, packet):
    """Return whether a live part must end before the packet is counted."""
    direction = direction_line(line, packet.side)
    if direction[places.SQUARES] > _SQUARES_NEAR:
        return True
    if direction[places.PACKETS] & places.MASK32 == _PACKETS_NEAR:
        return _pane_is_full(table, line, packet.side)
    if table[COLD_LEFT] >= BLOCKS_MAX:
        return False
    if _blocks_needed(table, line, packet) <= table[COLD_LEFT]:
        return False
    _reclaim(table)
    return _blocks_needed(table, line, packet) > table[COLD_LEFT]


@njit(**KERNEL)
def _reclaim(table):
    """Take pane blocks from rows that have no packet in the pane, until some are free."""
    row, fresh = table[RECLAIMED], table[ROW_FRESH]
    while row < fresh and table[COLD_LEFT] < _RECLAIM_BLOCKS:
        row += 1
        if row + _PREFETCH_AHEAD <= fresh:
            prefetch(row_at(table, row + _PREFETCH_AHEAD), places.FLOW_KEY)
            prefetch(row_at(table, row + _PREFETCH_AHEAD), places.COLD_FLOW)
        line = row_at(table, row)
        if line[places.FLOW_KEY] & places.IN_PANE == 0:
            if cold_reference(line[places.COLD_FLOW], places.PANE_SHIFT):
                give_pane_block(table, line)
    table[RECLAIMED] = row


@njit(**KERNEL)
def _pane_is_full(table, line, side):
    """Return whether a direction has counted 2**31 packets since the pane began."""
    if line[places.FLOW_KEY] & places.IN_PANE == 0:
        return False
    spill, _ = spills_of(table, line, side)
    total = (direction_line(line, side)[places.PACKETS] & places.MASK32) + 1
    total += spill[places.SPILL_PACKETS]
    block = block_at(table, cold_reference(line[places.COLD_FLOW], places.PANE_SHIFT))
    before = block[places.PANE_PACKETS] >> 32 * side
    return (total - before) & places.MASK32 >= _PACKETS_NEAR


@njit(**KERNEL)
def _blocks_needed(table, line, packet):
    """Return how many cold blocks counting the packet can take, at most."""
    cold = line[places.COLD_FLOW]
    needed = 0
    gap = packet.time - line[places.START] - (line[places.LAST] & table[AGE_MASK])
    if gap > SUBFLOW_TIMEOUT_NS and cold_reference(cold, places.ACTIVITY_SHIFT) == 0:
        needed += 1
    in_run = (line[places.RUN] >> places.RUN_PACKETS_SHIFT) & 7
    if packet.payload and in_run == BULK_PACKETS_MIN - 1:
        needed += cold_reference(cold, places.BULK_SHIFT) == 0
    if line[places.FLOW_KEY] & places.IN_PANE == 0:
        needed += cold_reference(cold, places.PANE_SHIFT) == 0
    return needed + _spills_needed(table, line, packet)


@njit(**KERNEL)
def _spills_needed(table, line, packet):
    """Return how many spill blocks the packet's direction can take, at most."""
    direction = direction_line(line, packet.side)
    tops = wrapped_sum(direction[places.PACKETS], 1 + (1 << 32)) & PAIR_TOPS
    octets = packet.length + (packet.payload << 32)
    tops |= wrapped_sum(direction[places.BYTES], octets) & PAIR_TOPS
    impossible = (direction[places.LENGTHS] >> places.IMPOSSIBLE_SHIFT) & places.IMPOSSIBLE_MASK
    tops |= (impossible + 1) & IMPOSSIBLE_TOP
    if packet.tcp:
        tops |= (direction[places.FLAGS] + table[table[CONSTANTS_AT] + packet.flags]) & TOPS
    if tops == 0:
        return 0
    shift = places.SPILL_SHIFT + 21 * packet.side
    spill = block_at(table, cold_reference(line[places.COLD_SIDE], shift))
    has_spill = cold_reference(line[places.COLD_SIDE], shift) != 0
    return (0 if has_spill else 1) + (0 if spill[places.SPILL_MORE] else 1)
