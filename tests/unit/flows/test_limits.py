"""A table holds what it has room for, to the last; what must never be ends the process.

Method: kernels as plain Python, at their limits and over tables that are harmed on purpose: there
an assertion must stand between a bug of ours and what it would spoil. What it cannot show: that
such a bug is noticed where it is made; check() does, after each step of the state machines.
"""

import pytest

from engine.flows import pools, stop
from engine.flows.deadlines import (
    BLOCKS_COUNTED,
    BYTES_AT,
    COUNT_NAMES,
    COUNTS_AT,
    NEVER,
    row_to_evict,
)
from engine.flows.recover import recover
from engine.layouts import END
from tests.conftest import WITHOUT_JIT
from tests.unit.flows.driving import Shard, control, packet, packets_in
from tests.unit.flows.dying import DyingShard
from tests.unit.flows.test_table import START

pytestmark = pytest.mark.skipif(not WITHOUT_JIT, reason="kernels are called as plain Python")
ROWS = 64


def test_every_row_holds_a_flow_before_one_is_evicted():
    shard = Shard(ROWS)
    shard.send(*(packet(START + k, k) for k in range(ROWS)))
    assert (shard.word("live"), shard.counter("evicted_row")) == (ROWS, 0)
    shard.send(packet(START + ROWS, ROWS))
    assert (shard.word("live"), shard.counter("evicted_row")) == (ROWS, 1)


def test_first_packet_of_all_begins_a_flow_like_others():
    """Its reference is 0: it is found again behind a death, and ends at the end of the run."""
    shard = DyingShard(ROWS)
    shard.sent = -1
    shard.send(packet(START, 1))
    assert shard.sent == 0
    events = shard.send(packet(START + 1, 1, back=True), control(END, START + 2))
    assert shard.counter("flows") == 1
    assert packets_in(events) == 2


def test_cold_block_is_never_taken_where_none_is_left():
    shard = Shard(ROWS)
    shard.table[pools.COLD_LEFT] = 1
    pools._take_block(shard.table)
    with pytest.raises(AssertionError):
        pools._take_block(shard.table)


def test_row_of_nobody_is_never_evicted():
    shard = Shard(ROWS, flow_idle_timeout="off")
    shard.send(packet(START, 1))
    table = shard.table
    assert row_to_evict(table) == 1
    assert table[BLOCKS_COUNTED]
    table[table[BYTES_AT]] |= NEVER  # Row 0 has a name.
    for counts in (0, COUNT_NAMES):
        table[table[COUNTS_AT] + counts + NEVER] += 1
    with pytest.raises(AssertionError):
        row_to_evict(table)


def test_table_is_not_forgotten_while_a_flow_lives():
    shard = Shard(ROWS)
    stop._forget_source(shard.table)
    shard.send(packet(START, 1))
    with pytest.raises(AssertionError):
        stop._forget_source(shard.table)


def test_table_without_a_journal_is_not_recovered():
    shard = Shard(ROWS, process_replace=False)
    shard.send(packet(START, 1))
    before = shard.table.copy()
    with pytest.raises(AssertionError, match="there is a journal"):
        recover(shard.worker._arrays, shard.packets.header)
    assert (shard.table == before).all()
