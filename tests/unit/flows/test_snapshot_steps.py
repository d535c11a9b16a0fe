"""A reader of live rows looks in the order that is argued, and leaves out what is no live flow.

Method: the reader's kernels as plain Python over a table that tells of ordered loads, and that
changes while a row is copied; rows at the limits of what is asked for. What it cannot show: what
CPUs make of the order; the model checker does (rows), and test_snapshot.py on this machine.
"""

import numpy as np
import pytest

from engine.config import SECOND_NS
from engine.flows import snapshot
from engine.flows.pools import ROW_FRESH
from engine.flows.shard import RECORD_WORDS, block_at
from engine.flows.snapshot import (
    BUSY,
    TRIES,
    WHOLE,
    flows_of,
    private_shard,
    read_part,
    read_rows,
)
from engine.layouts import TICK, places
from engine.layouts.records import RECORD_EVENT
from engine.layouts.table import TABLE
from tests.conftest import WITHOUT_JIT
from tests.unit.flows.driving import Shard, control, packet
from tests.unit.flows.test_table import START
from tests.unit.recording import recorded

pytestmark = pytest.mark.skipif(not WITHOUT_JIT, reason="kernels are called as plain Python")
FLOWS = 3
CHANGES = {places.FIRST_REFERENCE: 1, places.PACE: 2 * places.VERSION_ONE}  # By how much.


@pytest.fixture
def shard():
    """Return a worker with FLOWS flows."""
    made = Shard()
    made.send(*(packet(START + k, k) for k in range(FLOWS)))
    return made


def row_place(shard, row: int) -> int:
    return shard.word("rows_at") + row * places.ROW_WORDS


def steps_of(shard, row: int) -> list:
    """Return what a reader does with a row, once."""
    pace = row_place(shard, row) + places.PACE
    first = row_place(shard, row) + places.FIRST_REFERENCE
    looks = [("load_acquire", pace), ("load_relaxed", first), ("copy",), ("fence_acquire",)]
    return [*looks, ("load_relaxed", pace), ("load_relaxed", first)]


@pytest.fixture
def copies(monkeypatch):
    """Return what is called before each copy, one after the other."""
    waiting, copy = [], snapshot.copy_part

    def copy_part(table, row, private):
        if table.told is not None:
            table.told.append(("copy",))
        if waiting:
            waiting.pop(0)(np.asarray(table))
        copy(np.asarray(table), row, private)

    monkeypatch.setattr(snapshot, "copy_part", copy_part)
    return waiting


def test_row_is_copied_between_two_looks_at_version_and_first_packet(shard, copies, monkeypatch):
    table = recorded(shard.table, monkeypatch, snapshot)
    assert read_part(table, 2, private_shard(shard.table).table) == WHOLE
    assert table.told == steps_of(shard, 2)


@pytest.mark.parametrize("word", CHANGES)
def test_row_that_another_part_has_now_is_copied_once_more(shard, copies, monkeypatch, word):
    """Also where its version has come round to what it was."""

    def change(table):
        table[row_place(shard, 2) + word] += CHANGES[word]

    table = recorded(shard.table, monkeypatch, snapshot)
    copies.append(change)
    private = private_shard(shard.table).table
    assert read_part(table, 2, private) == WHOLE
    steps = steps_of(shard, 2)
    first = steps if word == places.FIRST_REFERENCE else steps[:-1]
    assert table.told == [*first, *steps]
    copies += [change] * TRIES
    assert read_part(table, 2, private) == BUSY


def test_count_of_rows_and_clock_are_read_in_one_piece(shard, monkeypatch):
    """Relaxed is enough: a row that is not there yet is free, and the time is only shown."""
    table = recorded(shard.table, monkeypatch, snapshot)
    made = np.zeros((FLOWS, RECORD_WORDS), np.int64)
    count, _, _ = read_rows(table, private_shard(shard.table), made, 1)
    assert count == FLOWS
    rows = range(row_place(shard, 1), row_place(shard, FLOWS + 1))
    clock = ("load_relaxed", TABLE.index("clock_ns"))
    looks = [step for step in table.told if step[1:] and step[1] not in rows]
    assert looks == [("load_relaxed", ROW_FRESH)] + [clock] * FLOWS


@pytest.mark.parametrize("room", range(1, FLOWS + 2))
def test_rows_come_as_many_as_there_is_room_for_until_the_last(shard, room):
    made = np.zeros((room, RECORD_WORDS), np.int64)
    private, row, starts = private_shard(shard.table), 1, []
    for begin in range(0, FLOWS, room):
        count, row, busy = read_rows(shard.table, private, made, row)
        assert (count, busy) == (min(room, FLOWS - begin), 0)
        starts += made[:count, RECORD_EVENT.index("first_ns")].tolist()
        assert row == (0 if begin + room >= FLOWS else begin + room + 1)
    assert starts == [START + k for k in range(FLOWS)]


def test_flow_that_has_ended_is_not_live(shard):
    shard.send(control(TICK, START + 3600 * SECOND_NS))
    assert shard.word("live") == 0 and shard.word("row_fresh") == FLOWS
    assert [len(flows_of(shard.table)[0]), flows_of(shard.table)[1]] == [0, 0]


def test_flow_of_the_first_packet_of_all_is_live():
    shard = Shard()
    shard.sent = -1
    shard.send(packet(START, 1))
    assert flows_of(shard.table)[0]["first_reference"].tolist() == [0]


def test_blocks_are_copied_from_the_first_to_the_last_and_no_further(shard):
    private, table = private_shard(shard.table).table, shard.table
    blocks = shard.word("blocks")
    for block in (-1, 0, 1, blocks, blocks + 1, places.REFERENCE_MASK):
        block_at(private, 2)[:] = 0
        if 0 < block <= blocks:
            block_at(table, block)[: places.BLOCK_WORDS] = block
        copied = snapshot._copy_block(table, block, private, 2)
        assert copied == (2 if 0 < block <= blocks else 0)
        assert block_at(private, 2)[0] == (block if copied else 0)
