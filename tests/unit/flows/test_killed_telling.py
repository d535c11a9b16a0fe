"""Goal: a worker killed just before or behind a store that others act on is replaced exactly.

Method: that of test_killed.py, aimed: each commit, and each store that says that something is
pending or no more. What recovery, and the work that is begun again, make of it is what a worker
that was never killed makes, counters too. What it cannot show: all the stores in between, of which
test_killed.py draws some, or with --long takes all.
"""

import random

import pytest

from engine.flows import consume, rewrite
from engine.flows.clock import PANE_WANTED, PENDING
from engine.flows.keep import JOURNAL_AT
from engine.layouts.table import DROP_ENTRIES, NO_REWRITE, OPEN_PANE
from engine.rings import journal
from tests.conftest import WITHOUT_JIT
from tests.unit.flows.test_killed import (
    Memory,
    Watched,
    assert_same_end,
    batches,
    empty,
    killed_at,
    replaced,
)

pytestmark = pytest.mark.skipif(not WITHOUT_JIT, reason="kernels are watched as plain Python")
MANY = 1 << 40


def telling_stores(memory, limit) -> list[int]:
    """Let a worker go on; return which of its stores commit, or say what is pending."""
    table, found, store = memory.shard.table, [], Watched.__setitem__
    first = table.__array_interface__["data"][0]
    used = first + 8 * (int(table[JOURNAL_AT]) + journal.USED)

    def noted(words, key, value):
        place = words.__array_interface__["data"][0] + 8 * int(key)
        if place == first + 8 * PENDING or (place == used and value == 0):
            found.append(MANY - Watched.left + 1)
        store(words, key, value)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Watched, "__setitem__", noted)
        Watched.left = MANY
        memory.run(memory.process(), limit)
        Watched.left = 0
    return found


def kill_around(memory, records, source) -> int:
    """Kill a worker before and behind each telling store of a batch; return how many kills."""
    shard = memory.shard
    for record in records:
        shard.put(record)
    empty(shard.ring)
    memory.save()
    stores = telling_stores(memory, len(records))
    wanted = memory.copies()
    points = sorted({point + more for point in stores for more in (0, 1)})
    for point in points:
        memory.restore()
        assert killed_at(memory, point, len(records))
        replaced(memory, source, point % 3 == 0)
        memory.run(memory.process(), len(records))
        assert_same_end(memory.copies(), wanted)
    memory.restore()
    memory.run(memory.process(), len(records))
    return len(points)


def all_batches(memory) -> int:
    """Kill around each telling store of all batches; return how many kills."""
    source = random.Random(7)
    return sum(kill_around(memory, records, source) for records in batches())


def test_worker_killed_around_each_store_that_tells_is_replaced_exactly():
    memory = Memory()
    assert all_batches(memory) > 100
    assert memory.shard.counter("deadlines_moved") > 0


def test_rewriting_that_is_committed_before_it_is_no_more_pending_is_found(monkeypatch):
    """What a dead worker had done is then done, and counted, once more."""
    shipped = rewrite.rewrite

    def rewrite_too_early(shard):
        table = shard.table
        if table[PENDING] == DROP_ENTRIES:
            shipped(shard)
            return
        rewrite.begin(table)
        if table[PENDING] == OPEN_PANE:
            rewrite.open_pane(shard, table[PANE_WANTED])
        else:
            rewrite.list_live_rows(table)
        rewrite.commit(table)
        table[PENDING] = NO_REWRITE

    monkeypatch.setattr(consume, "rewrite", rewrite_too_early)
    with pytest.raises(AssertionError, match=r"control.\d+"):
        all_batches(Memory())
