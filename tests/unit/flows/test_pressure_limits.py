"""A part ends for want of cold blocks when the packet may need more than there are, and not before.

Method: rows made by hand and a packet at each limit, against how many blocks it may need by
SEMANTICS.rst (Memory); the kernels as plain Python. That no more is taken
than was foreseen is asserted in pools, in every other test of the table.
"""

import itertools

import pytest

from engine.features.activity import SUBFLOW_TIMEOUT_NS
from engine.features.bulk import BULK_PACKETS_MIN
from engine.flows import pressure
from engine.flows.count import Packet
from engine.flows.keep import commit
from engine.flows.pools import COLD_FRESH, COLD_LEFT, ROW_FRESH
from engine.flows.pressure import RECLAIMED, must_end
from engine.flows.shard import block_at, row_at
from engine.flows.spill import IMPOSSIBLE_TOP
from engine.layouts import places
from tests.conftest import WITHOUT_JIT
from tests.unit.flows.driving import Shard

pytestmark = pytest.mark.skipif(not WITHOUT_JIT, reason="kernels are called as plain Python")
NEEDS = ("activity", "bulk", "pane", "spill")
NEAR = (1 << 31) - 1
RECLAIMED_AT_ONCE = 64


def arriving(time: int, payload: int = 100) -> Packet:
    """Return a packet of A at a time."""
    sizes = (payload + 40, payload, 40, 0, 0x10, 0, False, True, False)
    return Packet(time, 1, 0, *sizes)


def crafted(needs, has_block=()):
    """Return (table, its row 1, a packet that may need a cold block for each of `needs`)."""
    table = Shard(200).table
    line = row_at(table, 1)
    table[ROW_FRESH] = 1
    if "pane" not in needs:
        line[places.FLOW_KEY] |= places.IN_PANE
    if "bulk" in needs:
        line[places.RUN] = (BULK_PACKETS_MIN - 1) << places.RUN_PACKETS_SHIFT
    if "spill" in needs:
        lengths = places.SIDE_A + places.LENGTHS
        line[lengths] = (IMPOSSIBLE_TOP - 1) << places.IMPOSSIBLE_SHIFT
    shifts = {"activity": places.ACTIVITY_SHIFT, "bulk": places.BULK_SHIFT}
    shifts["pane"] = places.PANE_SHIFT
    for number, name in enumerate(has_block, 1):
        if name == "spill":
            line[places.COLD_SIDE] = number << places.SPILL_SHIFT
            block_at(table, number)[places.SPILL_MORE] = number + 1
        else:
            line[places.COLD_FLOW] |= number << shifts[name]
    return table, line, arriving(SUBFLOW_TIMEOUT_NS + ("activity" in needs))


every_needs = [some for k in range(5) for some in itertools.combinations(NEEDS, k)]


@pytest.mark.parametrize("needs", every_needs)
def test_part_ends_when_more_blocks_may_be_needed_than_are_left(needs):
    wanted = len(needs) + ("spill" in needs)  # Spilled counters, and spilled flags.
    for left in range(7):
        table, line, packet = crafted(needs)
        table[COLD_LEFT] = left
        assert must_end(table, line, packet) == (wanted > left)


@pytest.mark.parametrize("needs", every_needs)
def test_block_that_a_row_has_is_not_needed(needs):
    missing = set(NEEDS) - set(needs)
    wanted = len(missing) + ("spill" in missing)
    for left in range(7):
        table, line, packet = crafted(NEEDS, has_block=needs)
        table[COLD_LEFT] = left
        assert must_end(table, line, packet) == (wanted > left)


def with_pane_blocks(rows: int):
    """Return a table of so many rows, each of which has a pane block and no packet in the pane."""
    table = Shard(200).table
    table[ROW_FRESH] = table[COLD_FRESH] = rows
    for row in range(1, rows + 1):
        row_at(table, row)[places.COLD_FLOW] = row << places.PANE_SHIFT
    return table


def pane_blocks(table) -> int:
    """Return how many rows have a pane block."""
    rows = range(1, int(table[ROW_FRESH]) + 1)
    return sum(int(row_at(table, row)[places.COLD_FLOW]) != 0 for row in rows)


@pytest.mark.parametrize(("left", "kept"), [(0, 0), (1, 1), (2, 1)])
def test_pane_blocks_are_taken_back_only_where_what_is_left_does_not_do(left, kept):
    table, line, packet = crafted(("activity",))
    table[ROW_FRESH] = table[COLD_FRESH] = 2
    row_at(table, 2)[places.COLD_FLOW] = 2 << places.PANE_SHIFT
    table[COLD_LEFT] = left
    assert not must_end(table, line, packet)  # One block came back, or there was one.
    assert table[COLD_LEFT] == max(left, 1)
    assert bool(row_at(table, 2)[places.COLD_FLOW]) == bool(kept)


def test_so_many_pane_blocks_are_taken_back_at_once_and_each_row_is_looked_at_once():
    rows = 100
    table = with_pane_blocks(rows)
    table[COLD_LEFT] = 0
    pressure._reclaim(table)
    assert table[COLD_LEFT] == table[RECLAIMED] == RECLAIMED_AT_ONCE
    assert pane_blocks(table) == rows - RECLAIMED_AT_ONCE
    commit(table)
    table[COLD_LEFT] = 0
    pressure._reclaim(table)
    assert table[COLD_LEFT] == rows - RECLAIMED_AT_ONCE
    assert table[RECLAIMED] == rows
    assert pane_blocks(table) == 0


@pytest.mark.parametrize("before", [0, 1, 2, 3])
def test_pane_is_full_before_its_packets_need_32_bits(before):
    """The packet that comes makes 2**31; so many were there when the pane began."""
    table, line, packet = crafted((), has_block=("pane",))
    line[places.SIDE_A + places.PACKETS] = NEAR
    block_at(table, 1)[places.PANE_PACKETS] = before
    assert must_end(table, line, packet) == (NEAR + 1 - before >= NEAR)
