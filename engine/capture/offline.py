"""Run capture alone, in this process, over rings of its own: for tests, comparisons, measurements.

The same kernels and the same reader as in a run; only who empties the rings differs.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from engine.capture.reader import Reader, Task
from engine.capture.sources import find_sources, needs_arena
from engine.config import Config
from engine.events import CAPTURE, COUNTERS_MAX
from engine.layouts import PACKET
from engine.packets.lines import CAPTURED_MASK, CAPTURED_SHIFT, HEADER_MASK, HEADER_SHIFT, LENGTHS
from engine.rings import spsc
from engine.rings.private import PrivateRing
from engine.rings.waiting import FINISHED


class PacketRing(PrivateRing):
    """A packet ring that no other process sees."""

    def __init__(self, capacity: int) -> None:
        super().__init__(capacity, PACKET.size_bytes, capacity)

    def take(self, count_max: int) -> tuple[np.ndarray, np.ndarray]:
        """Consume at most that many records; return copies of them and of their places."""
        first, count = spsc.peek(self.header)
        count = min(count, count_max)
        at = (first + np.arange(count)) & (self.capacity - 1)
        records, places = self.slots[at], self.extra[at]
        if count:
            spsc.release(self.header, first + count)
        return records, places


@dataclass(slots=True)
class Captured:
    """What a run of capture made."""

    records: list[np.ndarray]  # Of each worker: rows of layouts.PACKET, control records too.
    counters: dict[str, int]
    reports: list[tuple[str, dict]]  # Kind and fields of events.REPORTS.
    position: tuple[int, int]
    payloads: list[list[bytes]] = field(default_factory=list)  # Of streams, when they are kept.

    def told(self, kind: str) -> list[dict]:
        """Return the fields of the reports of a kind."""
        return [fields for name, fields in self.reports if name == kind]

    def packets(self) -> np.ndarray:
        """Return the packet records of all workers in order of position."""
        rows = np.concatenate([rows[rows[:, LENGTHS] != 0] for rows in self.records])
        return rows[np.lexsort((rows[:, PACKET.index("reference")], rows[:, 0]))]


def capture(
    paths: Sequence[str],
    config: Config | None = None,
    workers: int = 1,
    consume_max: int = 1 << 30,
    **task,
) -> Captured:
    """Read `paths` to the end, emptying each ring by `consume_max` records after each step.

    `task` has further fields of reader.Task. Payloads are kept when there is an arena.
    """
    config = config or Config()
    files = find_sources(paths)
    rings = [PacketRing(config.ring.packet_capacity) for _ in range(workers)]
    arena = None
    if needs_arena(files, config.payload_is_copied):
        arena = np.zeros(config.capture.arena_bytes, np.uint8)
    counters = np.zeros(COUNTERS_MAX, np.int64)
    reports: list[tuple[str, dict]] = []
    reader = Reader(
        Task(files, config, **task),
        rings,
        counters,
        arena,
        lambda kind, /, **fields: reports.append((kind, fields)),
    )
    records: list[list[np.ndarray]] = [[] for _ in rings]
    payloads: list[list[bytes]] = [[] for _ in rings]
    finished = False
    found = 0
    while not finished or found:
        finished = finished or reader.step(False) == FINISHED
        found = 0
        for ring, taken, kept in zip(rings, records, payloads, strict=True):
            rows, places = ring.take(consume_max)
            found += len(rows)
            taken.append(rows)
            if arena is not None:
                kept.extend(payloads_of(rows, places, arena))
    return Captured(
        [np.concatenate(rows) for rows in records],
        {counter.name: int(counters[at]) for at, counter in enumerate(CAPTURE)},
        reports,
        reader.position,
        payloads,
    )


def payloads_of(rows: np.ndarray, places: np.ndarray, arena: np.ndarray) -> list[bytes]:
    """Return the payload bytes that a worker would find in the arena for each record."""
    found = []
    for lengths, place in zip(rows[:, LENGTHS].tolist(), places.tolist(), strict=True):
        begin = (place & (len(arena) - 1)) + (lengths >> HEADER_SHIFT & HEADER_MASK)
        count = min(lengths >> CAPTURED_SHIFT & CAPTURED_MASK, 256)
        found.append(arena[begin : begin + count].tobytes() if lengths else b"")
    return found
