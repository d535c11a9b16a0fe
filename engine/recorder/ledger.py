"""What a replacement of the recorder goes on from, in a segment that outlives it.

A batch of rows is a transaction (rings/journal.py):

    begin       keep the words of RECORDER; found keeps what it changes
    write(2)    every output's lines behind its committed length
    commit      lengths, counts, rows taken: one store makes all of them true
    release     the ring's slots

Killed before the commit, the batch has not happened: what it wrote lies behind the committed
lengths and is cut off, what found counted is undone, its rows are still in the ring and are taken
again. Killed behind it, the slots are released once more. So every row is in each file exactly
once. This holds for the death of processes: what write(2) took is the kernel's. What a machine
keeps that loses its power is not promised before the files have their names.

A file gets its last bytes, its footers, in a transaction too, which sets the phase to WRITTEN;
what follows, fsync and rename, can be done again.
"""

import os

import numpy as np

from engine.layouts import JOURNAL, NEW, RECORDER, ROW
from engine.rings import journal
from engine.rings.segment import Segment, segment_name

BATCH_ROWS = 1024
GROUP_ROWS = 16_384  # Of a Parquet group.
ENTRY_WORDS = 4
PLACES = 1 << 17  # Of a table of addresses: twice what is kept of them.
_AT = {name: RECORDER.index(name) for name in RECORDER.dtype().names}
_TABLES = 4  # Two for each end: one in use, one to move to.
_KEPT_WORDS = _AT["key_0"]  # What comes before belongs to the commit.
_JOURNAL_AT = RECORDER.words
# A batch keeps RECORDER and, for each alert, an entry of each end.
_ENTRIES_WORDS = 512 * ENTRY_WORDS + 2 * BATCH_ROWS * (ENTRY_WORDS + 1)
_TABLES_AT = _JOURNAL_AT + JOURNAL.words + _ENTRIES_WORDS
_PENDING_AT = _TABLES_AT + _TABLES * PLACES * ENTRY_WORDS
_PENDING_ROWS = GROUP_ROWS + BATCH_ROWS
assert _KEPT_WORDS + 1 + 2 * BATCH_ROWS * (ENTRY_WORDS + 1) <= _ENTRIES_WORDS


def ledger_words(parquet: bool) -> int:
    """Return the words of a ledger; with Parquet, rows that wait for their group lie in it."""
    return _PENDING_AT + (_PENDING_ROWS * ROW.words if parquet else 0)


class Ledger:
    """The words, by name. Recorder only, and after its death its replacement."""

    journal_at = _JOURNAL_AT

    def __init__(self, words: np.ndarray, segment: Segment | None = None) -> None:
        self.words = words
        self._segment = segment
        self.pending = words[_PENDING_AT:].reshape(-1, ROW.words)

    @classmethod
    def private(cls, parquet: bool) -> "Ledger":
        """Return a new one in memory of this process: for loading kernels and for tests."""
        words = np.zeros(ledger_words(parquet), np.int64)
        prepare_ledger(words)
        return cls(words)

    @classmethod
    def attach(cls, run: str) -> "Ledger":
        """Map that of a live run."""
        segment = Segment.attach(segment_name(run, "recorder"), "recorder")
        return cls(segment.words, segment)

    def close(self) -> None:
        """Give up the segment."""
        assert self._segment is not None
        self._segment.close()

    def __getitem__(self, word: str) -> int:
        return int(self.words[_AT[word]])  # Plain: only this process uses it.

    def __setitem__(self, word: str, value: int) -> None:
        self.words[_AT[word]] = value  # Plain: likewise.

    def array(self, word: str, count: int) -> np.ndarray:
        """Return `count` words from `word` on."""
        at = _AT[word]
        return self.words[at : at + count]

    def table_at(self, end: int, which: int) -> int:
        """Return where a table of addresses begins: of end 0 or 1, its first or second."""
        return _TABLES_AT + (2 * end + which) * PLACES * ENTRY_WORDS

    def recover(self) -> bool:
        """Take back what a dead process had not committed; return whether it had begun at all."""
        journal.undo(self.words, _JOURNAL_AT)
        return self["phase"] != NEW

    def begin(self) -> None:
        """Begin a transaction."""
        journal.keep(self.words, _JOURNAL_AT, 0, _KEPT_WORDS)

    def commit(self) -> None:
        """Make everything since `begin` final."""
        journal.commit(self.words, _JOURNAL_AT)


def prepare_ledger(words: np.ndarray) -> None:
    """Set the fixed words of a new ledger. Its creator only, before it is published."""
    key = np.frombuffer(os.urandom(16), np.int64) | 1
    words[_AT["key_0"]], words[_AT["key_1"]] = key  # Plain: as is this.
    words[_JOURNAL_AT + journal.CAPACITY] = _ENTRIES_WORDS  # Plain: the magic publishes it.
