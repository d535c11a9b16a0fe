"""A worker that dies before each of its commits, and is replaced: for tests of recovery.

Every batch is made twice: once until just before its commit, where the worker dies and another
takes its work back; then for good. Whatever was changed without being kept, and is not derived by
recovery, is then another than before, and is named.
"""

import numpy as np
from numba import njit

from engine.flows import consume as batches
from engine.flows.check import check
from engine.flows.consume import RUN_ENDED, _prepare, consume, take_batch
from engine.flows.keep import JOURNAL_AT
from engine.flows.panes import ENTRY_WORDS, PANE_COUNT
from engine.flows.recover import recover
from engine.flows.shard import shard_of_arrays
from engine.layouts import places
from engine.layouts.table import TABLE
from engine.memory.options import KERNEL
from engine.memory.pointers import pointer
from engine.rings import journal, spsc
from tests.unit.flows.driving import Shard

_REGIONS = ("constants", "timeouts", "steps", "counts", "due", "bytes", "slots", "rows")
_REGIONS += ("addresses", "cold", "panes", "connections", "journal")


@njit(**KERNEL)
def prepare(arrays):
    """Do what is done between two batches."""
    _prepare(shard_of_arrays(arrays))


@njit(**KERNEL)
def take_uncommitted(arrays, packet_ring, packet_words, scratch_array, limit):
    """Take a batch of at most `limit` records, up to its commit; return how many."""
    shard = shard_of_arrays(arrays)
    ring, words, scratch = pointer(packet_ring), pointer(packet_words), pointer(scratch_array)
    first, count = spsc.peek(ring)
    span = (first, min(count, batches.BATCH, limit))
    if span[1] == 0:
        return 0
    return take_batch(shard, words, ring[spsc.CAPACITY] - 1, span, scratch)[0]


def comparable(table: np.ndarray) -> np.ndarray:
    """Return a copy without what recovery derives, what lies behind a count, and rows' versions."""
    words = table[: int(table[JOURNAL_AT]) + journal.ENTRIES].copy()
    word = {name: int(words[TABLE.index(name)]) for name in TABLE.dtype().names}
    rows_end = word["rows_at"] + (word["rows"] + 1) * places.ROW_WORDS
    words[word["rows_at"] + places.PACE : rows_end : places.ROW_WORDS] &= ~places.VERSION_BITS
    words[word["slots_at"] : word["slots_at"] + word["slots"]] = 0
    behind = word["panes_at"] + int(words[PANE_COUNT]) * ENTRY_WORDS
    words[behind : word["connections_at"] or word["journal_at"]] = 0
    counts = word["counts_at"]
    words[counts] = 0  # Rows without a name are not counted.
    scratch = 2 * 2048
    words[counts - scratch : counts] = 0  # What sorting leaves behind.
    if not word["blocks_counted"]:
        words[counts + 256 : word["due_at"]] = 0
    words[counts + 256 : word["due_at"] : 256] = 0
    head, count = (0, word["stop_count"]) if word["stop_count"] >= 0 else (0, word["due_count"])
    words[word["due_at"] + head + count : word["bytes_at"]] = 0
    return words


def where(table: np.ndarray, at: int) -> str:
    """Return the region of a word of a table, and its place there."""
    begins = [(int(table[TABLE.index(f"{name}_at")]), name) for name in _REGIONS]
    begin, name = max((place for place in begins if 0 < place[0] <= at), default=(0, "control"))
    return f"{name}[{at - begin}]"


def assert_same_table(found: np.ndarray, wanted: np.ndarray) -> None:
    """Assert that two tables are the same in what recovery must bring back."""
    found, wanted = comparable(found), comparable(wanted)
    (differs,) = np.nonzero(found != wanted)
    named = ", ".join(f"{where(wanted, at)} {found[at]} for {wanted[at]}" for at in differs[:4])
    assert not len(differs), f"{len(differs)} words are not as at the last commit: {named}"


class DyingShard(Shard):
    """A worker that dies once before each commit."""

    deaths = undone = 0

    def step(self) -> None:
        """Let the worker die, be replaced, and take a batch."""
        self.die(batches.BATCH)
        worker = self.worker
        arrays, header = worker._arrays, self.packets.header
        why = consume(arrays, header, worker._words, worker._scratch, batches.BATCH)[1]
        self.finished |= why == RUN_ENDED
        self.held = check(self.table)

    def die(self, limit: int) -> None:
        """Let a worker die before its next commit; compare what its replacement makes of it."""
        worker = self.worker
        arrays, header = worker._arrays, self.packets.header
        prepare(arrays)
        before = self.table.copy()
        taken = take_uncommitted(arrays, header, worker._words, worker._scratch, limit)
        slots = self.ring.slots.copy()
        self.undone += recover(arrays, header)
        assert_same_table(self.table, before)
        assert np.array_equal(slots, self.ring.slots), "events were changed"
        self.deaths += taken > 0
