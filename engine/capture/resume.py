"""Go on where a capture that died had come to, exactly, by reading everything again.

A replacement reads the sources from their beginnings. What it makes of them is what its predecessor
made, in the same order, because nothing else goes into it: packets, merge, clocks, fragments and
filter know neither time nor rings. It leaves out what a ring has had, and until no ring has had
what comes next it *catches up*.

What a ring has had is in the ring: its last published slot, which capture alone writes and which is
not overwritten before the next is published (at most half a ring is written and not published).
Nothing up to its position is missing in that ring:

1. A packet or a layer: records of a ring are written in order of position and published in the
   order in which they were written.
2. A step: likewise. It stands just before its frame, behind everything before that.
3. A tick: it was sent with the newest position, when everything up to that was written to its ring
   (publish.py); what had been written was published before it.
4. The end of a source: everything of that source; the end of the run: everything.
5. With --separate the source number comes first: a source begins when every ring has had the end of
   the one before.

A slot that was written and not published is written again. An end that came early (a drain, or
--count) says after how many packets; the replacement stops there too, or the rings that have not
had it would get more than the others.

Counters are counted in words of their own from 0 on, and the line in the statistics segment follows
when they exceed it: it never goes back, wherever between two words the predecessor died. Ticks and
waits depend on who was waiting, so they cannot be counted again: waits are added to those that
were; control records are what a ring has had without the packets that were left out.

A source that is not what it was is a fault: the last record of a ring must come again word for
word, and what is counted must not be less than it was.
"""

from collections.abc import Sequence

import numpy as np
from numba import njit

from engine.capture.state import (
    CATCHING_UP,
    FRAME,
    HAD_REFERENCE,
    HAD_SOURCE,
    HAD_TIME,
    LEFT_OUT,
    NUMBER,
    PACKET_TIME,
    REFERENCE_SHIFT,
    RING_CAPACITY,
    RING_SLOTS,
    RING_WORDS,
    SEPARATE,
    UNMET,
    WORKERS,
    WRITTEN,
)
from engine.errors import CaptureError
from engine.events import counter_index
from engine.layouts import END, PACKET, RING, SOURCE_END, STEP
from engine.memory.addresses import words_at
from engine.memory.options import KERNEL
from engine.memory.pointers import shifted
from engine.packets.lines import KEY, LENGTHS, PROTOCOL_SHIFT, REFERENCE, SOURCE_HIGH, TIME
from engine.rings.plan import SourceFile
from engine.rings.spsc import TAIL

EVERYTHING = (1 << 63) - 1  # Beyond every source number, time and frame reference.
_NOTHING = -1  # Before every source number.
_RECORD_BYTES_MAX = 1 << 17  # Above what one record takes of the arena.
_SLOT_WORDS = PACKET.words
_CONTROL_PUBLISHED = RING.index("control_published")
_READ, _WAITS = counter_index("capture", "read"), counter_index("capture", "waits")
_CONTROL, _DAMAGED = (counter_index("capture", name) for name in ("control", "sources_damaged"))
_UNREPEATABLE = (_CONTROL, _WAITS)
_READ_WORDS = (_READ, counter_index("capture", "bytes"))
_CANNOT_GO_ON = "the capture process that replaces another cannot go on"


@njit(**KERNEL)
def is_had(reader, ring, time, reference):
    """Return whether a ring had what stands at a position before capture was replaced."""
    source = reference >> REFERENCE_SHIFT if reader[SEPARATE] else np.int64(0)
    if ring[HAD_SOURCE] != source:
        return ring[HAD_SOURCE] > source
    if ring[HAD_TIME] != time:
        return ring[HAD_TIME] > time
    return ring[HAD_REFERENCE] >= reference


@njit(**KERNEL)
def had_end(reader, ring, kind, reference):
    """Return whether a ring had the end of the source of `reference`, or that of the run."""
    if kind == END:
        return ring[HAD_SOURCE] == EVERYTHING
    return is_had(reader, ring, np.int64(EVERYTHING), reference)


@njit(**KERNEL)
def look_ahead(reader, source, rings):
    """End the catching up if no ring has had anything of the packet found, or behind it."""
    reference = (source[NUMBER] << REFERENCE_SHIFT) + source[FRAME] - 1  # A step's.
    for k in range(reader[WORKERS]):
        if is_had(reader, shifted(rings, k * RING_WORDS), source[PACKET_TIME], reference):
            return
    reader[CATCHING_UP] = 0


@njit(**KERNEL)
def leave_out(ring, record):
    """Count a packet record that a ring has had; note whether it is the ring's last, unchanged."""
    ring[LEFT_OUT] += 1
    if ring[HAD_TIME] == record[TIME] and ring[HAD_REFERENCE] == record[REFERENCE]:
        at = (ring[WRITTEN] - 1) & (ring[RING_CAPACITY] - 1)
        last = words_at(ring[RING_SLOTS] + at * _SLOT_WORDS * 8, _SLOT_WORDS)
        same = np.int64(1)
        for word in range(_SLOT_WORDS):
            if last[word] != record[word]:
                same = np.int64(0)
        ring[UNMET] -= same


@njit(**KERNEL)
def leave_out_step(ring, time, reference):
    """Note whether a step that a ring has had is its last record."""
    if ring[HAD_TIME] == time and ring[HAD_REFERENCE] == reference:
        ring[UNMET] = 0


class Resume:
    """What a capture that died has left, and how far its replacement has come."""

    def __init__(
        self,
        files: tuple[SourceFile, ...],
        rings: Sequence,
        rows: np.ndarray,
        line: np.ndarray,
        separate: bool,
    ) -> None:
        """Set the rows of state.RING_ROW by their rings. `line`: the counters that others read."""
        self._files, self._rings, self._rows, self._line = files, rings, rows, line
        self._separate = separate
        self._goal = line.copy()
        self.counters = np.zeros_like(line)
        self.counters[_WAITS] = line[_WAITS]
        self._stops: list[int] = []  # Packets behind which a worker was told to stop.
        self._last_sources = [self._look(row, ring) for row, ring in zip(rows, rings, strict=True)]
        self._tails = rows[:, WRITTEN].copy()
        # Plain: capture's own line.
        self._controls = [int(ring.header[_CONTROL_PUBLISHED]) for ring in rings]
        self._is_settled = False

    def _look(self, row: np.ndarray, ring) -> int:
        """Note what the last record of a ring says; return the number of its source."""
        row[WRITTEN] = tail = int(ring.header[TAIL])  # Plain: capture's own line.
        row[HAD_SOURCE] = _NOTHING
        if tail == 0:
            return _NOTHING
        slot = ring.slots[(tail - 1) & (ring.capacity - 1)]
        kind = 0 if slot[LENGTHS] else int(slot[KEY]) >> PROTOCOL_SHIFT
        source = int(slot[REFERENCE]) >> REFERENCE_SHIFT
        row[HAD_SOURCE] = source if self._separate else 0
        row[HAD_TIME], row[HAD_REFERENCE] = slot[TIME], slot[REFERENCE]
        row[UNMET] = kind in (0, STEP)
        if kind in (END, SOURCE_END):
            row[HAD_TIME] = row[HAD_REFERENCE] = EVERYTHING
            packets, stopped = slot[SOURCE_HIGH : SOURCE_HIGH + 2].tolist()
            self._stops += [packets] * stopped
        if kind == END:
            row[HAD_SOURCE] = EVERYTHING
        return source

    def limit(self, packets: int) -> int:
        """Return how many packets may be read where `packets` were allowed."""
        return min((packets, *self._stops))

    @property
    def is_over(self) -> bool:
        """Return whether everything that was done before is done again."""
        behind = self.counters < self._goal
        behind[list(_UNREPEATABLE)] = False
        return self._is_settled and not behind.any()

    def has_reached(self, number: int) -> bool:
        """Return whether the capture that died was done with opening source `number`."""
        if self._separate:
            return int(self._rows[:, HAD_SOURCE].max()) >= number
        return bool(self._tails.any() or self._goal[_READ])

    def check_unreadable(self, number: int, error: CaptureError) -> None:
        """Raise the error if the source it is about could be read before."""
        if self.counters[_DAMAGED] > self._goal[_DAMAGED] and self.has_reached(number):
            raise CaptureError(f"{error}; {_CANNOT_GO_ON}")

    def arena_begin(self) -> int:
        """Return an arena position behind everything that a worker may still read."""
        ends = [
            int(ring.extra[(tail - 1) & (ring.capacity - 1)]) + _RECORD_BYTES_MAX
            for ring, tail in zip(self._rings, self._tails.tolist(), strict=True)
            if tail
        ]
        return max(ends, default=0)

    def follow(self, words: np.ndarray) -> None:
        """Have the line of counters follow. After each step."""
        if not words[CATCHING_UP]:
            self.settle()
        np.maximum(self._line, self.counters, out=self._line)

    def settle(self, at_end: bool = False) -> None:
        """Count the control records that the rings have had; CaptureError if a source changed.

        Called when nothing that follows was had before, or nothing follows (`at_end`).
        """
        if at_end and (self.counters < self._goal)[list(_READ_WORDS)].any():
            self._refuse()
        if self._is_settled:
            return
        self._is_settled = True
        controls = (self._tails - self._rows[:, LEFT_OUT]).tolist()
        for ring, control, counted in zip(self._rings, controls, self._controls, strict=True):
            # Not more than was counted: counting comes before publishing.
            if not 0 <= control <= counted:
                self._refuse()
            # Plain: capture's own line.
            ring.header[_CONTROL_PUBLISHED] += control - counted
        if self._rows[:, UNMET].any():
            self._refuse()
        # Plain: likewise.
        self.counters[_CONTROL] = sum(int(ring.header[_CONTROL_PUBLISHED]) for ring in self._rings)

    def _refuse(self) -> None:
        """Raise CaptureError; it names the source if that can be known."""
        unmet = [self._last_sources[k] for k in np.flatnonzero(self._rows[:, UNMET])]
        unmet += [0] * (len(self._files) == 1)
        which = repr(self._files[unmet[0]].path) if unmet else "one of the sources"
        raise CaptureError(f"{which} is not what it was when it was read before; {_CANNOT_GO_ON}")


def resume(
    files: tuple[SourceFile, ...],
    rings: Sequence,
    rows: np.ndarray,
    line: np.ndarray,
    separate: bool,
) -> Resume | None:
    """Return what a former capture left in rings and counters; None if there was none."""
    # Plain: capture's own line.
    used = any(ring.header[TAIL] or ring.header[_CONTROL_PUBLISHED] for ring in rings)
    if not used and not line.any():
        return None
    return Resume(files, rings, rows, line, separate)
