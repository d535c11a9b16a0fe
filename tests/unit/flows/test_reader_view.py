"""Goal: whatever a reader of live rows copies changes only while the row's version is odd.

Method: kernels as plain Python over a table that looks at each store: to which row the word
belongs, be it in the row, its addresses or a cold block of its own, and whether a reader would see
the store. Runs that begin, count, spill, split, end and evict, and the recovery of a worker that is
killed at each store of some batches. The broken twins mark a change too late, or settle too early.
What it cannot show: in which order other cores see the stores; the model checker does (rows).
"""

import contextlib
import random

import numpy as np
import pytest

from engine.flows import pools, recover, update
from engine.flows.shard import cold_reference, shard_arrays
from engine.layouts import places
from tests.conftest import WITHOUT_JIT
from tests.unit.flows.driving import Shard, packet
from tests.unit.flows.dying import take_uncommitted
from tests.unit.flows.test_killed import KilledError, Memory, batches, empty, spsc_ring
from tests.unit.flows.test_recovery import WAYS, everything
from tests.unit.flows.test_table import START
from tests.unit.recording import recorded

pytestmark = pytest.mark.skipif(not WITHOUT_JIT, reason="kernels are watched as plain Python")
# What readers do not look at, by word: pane-end deltas and records change it at any time.
_SENT = places.SENT_MASK << places.SENT_SHIFT | places.SEQUENCE_MASK << places.SEQUENCE_SHIFT
POINTS = 5  # Of a batch, to kill at.
UNSEEN = {
    places.PACE: places.VERSION_BITS,
    places.FLOW_KEY: places.IN_PANE,
    places.STATE: _SENT,
    places.COLD_FLOW: places.REFERENCE_MASK << places.PANE_SHIFT,
}
BLOCKS_SEEN = (
    (places.COLD_FLOW, places.ACTIVITY_SHIFT),
    (places.COLD_FLOW, places.BULK_SHIFT),
    (places.COLD_SIDE, places.SPILL_SHIFT),
    (places.COLD_SIDE, places.SPILL_SHIFT + 21),
)


class TornError(AssertionError):
    """A reader would have seen a row change that looks settled."""


class Looked(np.ndarray):
    """Words of a table whose stores are looked at; the one that is due ends the process."""

    view_of = None
    left = 0

    def __array_finalize__(self, parent):
        """Have all views looked at alike."""
        self.view_of = getattr(parent, "view_of", None)

    def __setitem__(self, index, value):
        """Look whether a reader would see it, then store."""
        Looked.left -= 1
        if Looked.left == 0:
            raise KilledError
        if self.view_of is not None:
            first = self.__array_interface__["data"][0]
            self.view_of.look((first - self.view_of.first) // 8 + int(index), int(value))
        super().__setitem__(index, value)


class View:
    """A table as its readers see it."""

    def __init__(self, memory):
        self.words, shard = memory.shard.table, memory.shard
        self.first = self.words.__array_interface__["data"][0]
        self.rows, self.blocks = shard.word("rows"), shard.word("blocks")
        self.rows_at, self.ends_at = shard.word("rows_at"), shard.word("addresses_at")
        self.cold_at = shard.word("cold_at")
        self.seen = 0

    def look(self, place, value):
        """Raise if a store changes what readers copy of a row that is settled."""
        change = int(self.words[place]) ^ value
        row, word = divmod(place - self.rows_at, places.ROW_WORDS)
        if 0 < row <= self.rows:
            change &= ~UNSEEN.get(word, 0)
            owners = [row]
        else:
            owners = self._owners(place)
        for row in owners if change else ():
            self.seen += 1
            pace = int(self.words[self.rows_at + row * places.ROW_WORDS + places.PACE])
            if not pace & places.VERSION_ONE:
                raise TornError(f"row {row}: word {place} changes, and it looks settled")

    def _owners(self, place):
        """Return the rows of whose addresses or cold blocks a word is a part."""
        row = (place - self.ends_at) // places.ADDRESS_WORDS
        if 0 < row <= self.rows:
            return [row]
        block = (place - self.cold_at) // places.BLOCK_WORDS
        if not 0 < block <= self.blocks:
            return []
        rows = self.words[self.rows_at :][: (self.rows + 1) * places.ROW_WORDS]
        rows = rows.reshape(-1, places.ROW_WORDS)
        cold = self.words[self.cold_at :][: (self.blocks + 1) * places.BLOCK_WORDS]
        more = cold.reshape(-1, places.BLOCK_WORDS)[:, places.SPILL_MORE]
        found = []
        for word, shift in BLOCKS_SEEN:
            numbers = cold_reference(rows[:, word], shift)
            is_owner = numbers == block
            if word == places.COLD_SIDE:
                is_owner |= (more[numbers] == block) & (numbers > 0)
            found += np.flatnonzero(is_owner).tolist()
        return found


def process_of(memory):
    """Return a worker's arrays over a memory and its packet ring's header; its table is seen."""
    shard = memory.shard
    table, header, events, slots, counters = (part.view(Looked) for part in memory.parts)
    table.view_of = View(memory)
    rings = [spsc_ring(shard.ring, events, slots), spsc_ring(shard.packets, header, None)]
    sources = shard.worker._sources.addresses
    return shard_arrays(table, *rings, counters, sources), header


def run(memory, records) -> int:
    """Let a worker take records, a few at a time; return how many changes readers could see."""
    process = process_of(memory)
    for record in records:
        memory.shard.put(record)
        empty(memory.shard.ring)
        memory.run(process, 8)
    return process[0].table.view_of.seen


@pytest.mark.parametrize("way", WAYS)
def test_what_readers_copy_changes_only_while_a_version_is_odd(way):
    assert run(Memory(**WAYS[way]), everything(70)) > 2000


def late(function):
    """Return a twin of a function that marks its row's change behind all others."""

    def twin(table, row):
        line = pools.row_at(table, row)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pools, "mark_changing", lambda line: None)
            function(table, row)
        pools.mark_changing(line)
        pools.mark_settled(line)

    return twin


def clear_version_too(line):
    """Clear a row as clear_row once did: for some stores its version is 0, and so even."""
    version = line[places.PACE] & places.VERSION_BITS
    for word in range(places.START, places.ROW_WORDS):
        line[word] = 0
    line[places.PACE] = version


@pytest.mark.parametrize("verb", ["mark_changing", "mark_settled", "give_row", "clear_row"])
def test_row_that_looks_settled_while_it_changes_is_found(verb, monkeypatch):
    import engine.flows.finish

    if verb == "mark_settled":
        twin = update.mark_settled
        monkeypatch.setattr(update, "mark_changing", lambda line: twin(line))
    elif verb == "give_row":
        monkeypatch.setattr(engine.flows.finish, verb, late(pools.give_row))
    elif verb == "clear_row":
        monkeypatch.setattr(update, verb, clear_version_too)
    else:
        monkeypatch.setattr(update, verb, lambda line: None)
    with pytest.raises(TornError):
        run(Memory(), everything(70))


def killed_and_recovered(memory, records, source) -> int:
    """Kill a worker at drawn stores of a batch; return how often its recovery was looked at."""
    for record in records:
        memory.shard.put(record)
    empty(memory.shard.ring)
    memory.save()
    Looked.left = 1 << 40
    memory.run(process_of(memory), len(records))
    stores = (1 << 40) - Looked.left
    for point in sorted(source.sample(range(1, stores + 1), min(stores, POINTS))):
        memory.restore()
        Looked.left = point
        with pytest.raises(KilledError):
            memory.run(process_of(memory), len(records))
        if point % 3 == 0:  # The replacement is killed too.
            Looked.left = source.randrange(1, 700)
            with contextlib.suppress(KilledError):
                recover.recover(*process_of(memory))
        Looked.left = 0
        recover.recover(*process_of(memory))
    memory.restore()
    memory.run(process_of(memory), len(records))
    return min(stores, POINTS)


def test_what_readers_copy_is_taken_back_only_while_a_version_is_odd():
    source, memory = random.Random(7), Memory()
    kills = sum(killed_and_recovered(memory, records, source) for records in batches())
    assert kills > 60


def test_row_of_a_dead_batch_is_forgotten_version_last(monkeypatch):
    """A reader that had counted the row before sees zeros, or an odd version."""
    line = recorded(np.ones(places.ROW_WORDS, np.int64), monkeypatch, recover)
    recover._clear_row(line)
    assert not np.asarray(line).any()
    assert line.told[-1] == ("store_release", places.PACE)
    assert ("store", places.PACE) not in line.told


def test_versions_are_odd_before_anything_else_is_taken_back(monkeypatch):
    shard = Shard()
    shard.send(packet(START, 1))
    shard.put(packet(START + 1, 1))
    shard.put(packet(START + 2, 2))
    worker = shard.worker
    taken = (worker._arrays, shard.packets.header, worker._words, worker._scratch, 2)
    assert take_uncommitted(*taken) == 2
    table = recorded(shard.table, monkeypatch, recover)
    recover._make_versions_new(table, shard.word("journal_at"))
    versions = [shard.word("rows_at") + row * places.ROW_WORDS + places.PACE for row in (1, 2)]
    *stores, last = table.told
    assert last == ("fence_release",)
    rows = {place for _, place in stores if place < shard.word("journal_at")}
    assert rows == set(versions)
    assert (np.asarray(table)[versions] & places.VERSION_ONE).all()


def test_flow_that_nobody_changes_is_never_marked():
    memory = Memory()
    assert run(memory, [packet(START, 1)]) > 0
    before = memory.shard.table.copy()
    assert run(memory, [packet(START + 1, 2)]) > 0
    row = memory.shard.word("rows_at") + places.ROW_WORDS
    assert np.array_equal(before[row : row + places.ROW_WORDS], memory.shard.table[row:][:32])
