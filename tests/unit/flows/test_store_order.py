"""What a reader, or who comes after a dead worker, relies on is stored in the order that is argued.

Method: kernels as plain Python over a table that records its stores and fences
(tests/unit/recording.py). What it cannot show: what a compiler makes of it; fences are for that,
and tests/unit/rings reads LLVM's code of those that it has.
"""

import numpy as np
import pytest

from engine.flows import panes, pools, rewrite
from engine.flows.clock import PENDING
from engine.flows.consume import DRAINED, consume
from engine.flows.keep import JOURNAL_AT, OPERATION_WORDS
from engine.flows.panes import DROPPED, ENTRY_WORDS, PANE_COUNT, PANES_AT
from engine.flows.shard import shard_arrays
from engine.layouts import places
from engine.layouts.table import DROP_ENTRIES, NO_REWRITE, TABLE
from engine.rings import journal, spsc
from tests.conftest import WITHOUT_JIT
from tests.unit.flows.driving import Shard, packet
from tests.unit.flows.test_killed import spsc_ring
from tests.unit.flows.test_table import START
from tests.unit.recording import recorded

pytestmark = pytest.mark.skipif(not WITHOUT_JIT, reason="kernels are watched as plain Python")
FENCE = ("fence_program",)
ENTRIES = 3


@pytest.fixture
def shard():
    """Return a worker with an open pane of ENTRIES flows."""
    made = Shard()
    made.send(*(packet(START + k, k) for k in range(ENTRIES)))
    return made


def test_version_is_odd_before_a_row_changes_and_even_behind_it(monkeypatch):
    line = recorded(np.zeros(places.ROW_WORDS, np.int64), monkeypatch, pools)
    pools.mark_changing(line)
    assert line.told == [("store_relaxed", places.PACE), ("fence_release",)]
    assert line[places.PACE] & places.VERSION_BITS == places.VERSION_ONE
    line.told.clear()
    pools.mark_settled(line)
    assert line.told == [("store_release", places.PACE)]
    assert line[places.PACE] & places.VERSION_BITS == 2 * places.VERSION_ONE


def test_entry_is_in_its_place_before_it_counts_and_counts_before_its_old_place_changes(
    shard, monkeypatch
):
    table = recorded(shard.table, monkeypatch, panes)
    panes.drop_ended(table)
    at = int(shard.table[PANES_AT])
    wanted = []
    for k in range(ENTRIES):
        begin = at + k * ENTRY_WORDS
        wanted += [("store", begin), ("store", begin + 1), FENCE, ("store", DROPPED), FENCE]
    assert table.told == [*wanted, ("store", PANE_COUNT), FENCE]


def test_dropping_is_wanted_when_it_knows_where_to_begin(shard, monkeypatch):
    table = recorded(shard.table, monkeypatch, rewrite)
    rewrite.want_dropped(table)
    assert table.told == [("store", DROPPED), FENCE, ("store", PENDING)]
    assert (table[DROPPED], table[PENDING]) == (0, DROP_ENTRIES)
    with pytest.raises(AssertionError):
        rewrite.want_dropped(table)  # Something is pending already.
    table[PENDING] = NO_REWRITE


class Named:
    """What one of several arrays tells, with its name, to a list of all."""

    def __init__(self, name, steps):
        self.name, self.steps = name, steps

    def append(self, step):
        self.steps.append((self.name, *step))


def watched(shard, monkeypatch) -> tuple[list, tuple, np.ndarray]:
    """Return what a worker's kernels will tell, its arrays, and its packet ring's header."""
    told: list = []
    parts = {
        "table": shard.table,
        "events": shard.ring.header,
        "packets": shard.packets.header,
        "counters": shard.line.counters,
    }
    monkeypatch.setattr(journal, "fence_program", lambda: None)
    seen = {name: recorded(words, monkeypatch) for name, words in parts.items()}
    for name, words in seen.items():
        words.told = Named(name, told)
    recorded(np.zeros(1, np.int64), monkeypatch, spsc)
    rings = (spsc_ring(shard.ring, seen["events"], None),)
    rings += (spsc_ring(shard.packets, seen["packets"], None),)
    sources = shard.worker._sources.addresses
    return told, shard_arrays(seen["table"], *rings, seen["counters"], sources), seen["packets"]


def test_batch_is_committed_before_it_is_told_and_its_slots_are_given_back_last(shard, monkeypatch):
    """Commit, event tail, watermark, counters, packet head."""
    told, arrays, packets = watched(shard, monkeypatch)
    shard.put(packet(START + 10, 1))
    consume(arrays, packets, shard.worker._words, shard.worker._scratch, 1)
    used = int(shard.table[JOURNAL_AT]) + journal.USED
    committed = max(k for k, step in enumerate(told) if step == ("table", "store", used))
    steps = [committed] + [
        told.index(step)
        for step in (
            ("events", "store_release", spsc.TAIL),
            ("events", "store_release", spsc.LOCK),
            ("counters", "store", 0),
            ("packets", "store_release", spsc.HEAD),
        )
    ]
    assert steps == sorted(steps)
    assert steps[-1] == len(told) - 1


def test_batch_that_fills_the_journal_is_followed_by_the_next_at_once(shard):
    """What is left of it needs no room that others make: a commit is enough."""
    shard.table[shard.word("journal_at") + journal.CAPACITY] = OPERATION_WORDS + TABLE.words + 60
    for k in range(20):
        shard.put(packet(START + 10 + k, k % ENTRIES))
    arrays, header = shard.worker._arrays, shard.packets.header
    worker = shard.worker
    found = consume(arrays, header, worker._words, worker._scratch, 100)
    assert found == (20, DRAINED)
    assert shard.table[shard.word("journal_at") + journal.USED] == 0
