"""The kept rows of a running engine's hosts, as another process sees them: whole, read only.

The classifier makes HOSTS.rows_version odd before rows change, at a pane's end, and even again
afterwards (pane.py). It never waits for a reader:

    classifier                                reader
    --------------------------------------    ------------------------------------------
    version odd, fence                        version, acquire: even, else once more
    starts, rows, forgetting                  copy some rows
    version even, release                     fence; version as before? else once more

Why a copy that is taken is whole
  1. Whatever the copy holds of a change was written after the version became odd, and is read
     before the fence; so the second look at the version sees that it became odd, or later.
  2. Rows are counted from the source's begin and lie in a ring: while the version stays, the count
     stays, and a row among the newest `rows` is that of its number.
  3. Only rows are read. Hosts and their windows change with every event, outside of this.
"""

import time

import numpy as np
from numba import njit

from engine.config import PANE_NS
from engine.errors import SegmentError
from engine.hosts.addresses import INTERNAL, kind_of
from engine.hosts.pane import ROWS_VERSION
from engine.hosts.rows import FEATURES, INITIATOR_RING, KNOWN, PANE, RESPONDER_RING, ROWS, TO_KNOWN
from engine.hosts.rows import VALID as VALID_AT
from engine.layouts.hosts import (
    HOST_ROW,
    HOSTS,
    INITIATOR_FEATURES,
    RESPONDER_FEATURES,
    RESPONDER_ROW,
)
from engine.memory.atomics import fence_acquire, load_acquire, load_relaxed, pause
from engine.memory.options import KERNEL
from engine.memory.pointers import pointer, shifted

WHOLE, BUSY, OVER = 1, 0, -1
TRIES = 1000  # Of one call, while a pane ends.
WAIT_S, LIMIT_S = 1e-3, 10.0
_ROWS_A_CALL = 1024
_SOURCE = HOSTS.index("source")
_SIDES = (
    (INITIATOR_RING, HOST_ROW.words, KNOWN, INITIATOR_FEATURES),
    (RESPONDER_RING, RESPONDER_ROW.words, TO_KNOWN, RESPONDER_FEATURES),
)
SIDE_ROW = np.dtype(
    [
        ("version", "i8"),
        ("high", "i8"),
        ("low", "i8"),
        ("internal", "?"),
        ("known_ns", "i8"),  # Begin of the pane it is known since.
        ("until_ns", "i8"),  # End of the row's pane.
        ("valid", "i8"),  # A bit for each feature of the part.
        ("features", "f4", INITIATOR_FEATURES),
    ]
)


def live_rows(words: np.ndarray) -> tuple[int, np.ndarray, np.ndarray]:
    """Return the source that is read, and the newest row of every initiator and responder.

    As SIDE_ROW; of responders the first features count. SegmentError if rows change all the time.
    """
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        source = int(words[_SOURCE])  # Plain: compared again when all is read.
        sides = [_side(words, side, deadline) for side in _SIDES]
        if all(side is not None for side in sides) and source == words[_SOURCE]:
            return source, *sides
    raise SegmentError("the rows of hosts change too fast to be read; wait for the run's end")


def _side(words: np.ndarray, side: tuple, deadline: float) -> np.ndarray | None:
    """Return the newest row of each host of a ring; None if rows were given up meanwhile."""
    (made_at, _, _, rows_at), row_words, known_at, features = side
    end = int(words[made_at])  # Plain: rows are judged when they are copied.
    begin, parts = max(0, end - int(words[ROWS])), []
    while end > begin:
        start = max(begin, end - _ROWS_A_CALL)
        copied = np.zeros((end - start, row_words), np.int64)
        found = copy_rows(words, (made_at, rows_at, row_words), start, copied)
        if found == OVER or time.monotonic() > deadline:
            return None
        if found == WHOLE:
            parts.append(copied[::-1])
            end = start
        else:
            time.sleep(WAIT_S)  # A pane ends; the classifier waits for nobody.
    rows = np.concatenate(parts) if parts else np.zeros((0, row_words), np.int64)
    return _newest(words, rows, known_at, features)


def _newest(words: np.ndarray, rows: np.ndarray, known_at: int, features: int) -> np.ndarray:
    """Return the first of the rows of each address as SIDE_ROW."""
    keys = np.ascontiguousarray(rows[:, :3]).view("V24").reshape(-1)
    _, first = np.unique(keys, return_index=True)
    kept = np.ascontiguousarray(rows[np.sort(first)])
    found = np.zeros(len(kept), SIDE_ROW)
    for number, name in enumerate(("version", "high", "low")):
        found[name] = kept[:, number]
    found["known_ns"] = kept[:, known_at] * PANE_NS
    found["until_ns"] = (kept[:, PANE] + 1) * PANE_NS
    found["valid"] = kept[:, VALID_AT]
    floats = kept.view(np.float32)[:, 2 * FEATURES :]
    found["features"][:, :features] = floats[:, :features]
    kinds = np.zeros(len(kept), np.int64)
    find_kinds(words, kept, kinds)
    found["internal"] = kinds == INTERNAL
    return found


@njit(**KERNEL)
def find_kinds(words, rows, kinds):
    """Set the kind of the address of each row."""
    first = pointer(words)
    for number in range(len(rows)):
        kinds[number] = kind_of(first, rows[number, 0], rows[number, 1], rows[number, 2])


@njit(**KERNEL)
def copy_rows(words, ring, start, rows):
    """Copy rows from number `start` on, counted since the source began: WHOLE.

    BUSY if a pane was ending all the time; OVER if they are no longer kept. `ring`: where the rows
    are counted, where they begin, words of each.
    """
    made_at, rows_at, row_words = ring
    table = pointer(words)
    for _ in range(TRIES):
        before = load_acquire(table, ROWS_VERSION)
        if before & 1:
            pause()
            continue
        made = load_relaxed(table, made_at)
        is_kept = made >= start + len(rows) and made - table[ROWS] <= start
        for number in range(len(rows) if is_kept else 0):
            place = (start + number) % table[ROWS] + 1
            row = shifted(table, table[rows_at] + place * row_words)
            for word in range(row_words):
                rows[number, word] = row[word]
        fence_acquire()  # All of the copy was read before the version is read again.
        if load_relaxed(table, ROWS_VERSION) == before:
            return WHOLE if is_kept else OVER
    return BUSY
