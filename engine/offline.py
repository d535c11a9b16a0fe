"""Run capture and workers in this process, over rings of their own: for comparisons and
measurements.

The same kernels, the same reader and the same steps as in a run, in turns instead of side by side.
"""

from collections.abc import Callable, Sequence

import numpy as np

from engine.capture.offline import PacketRing
from engine.capture.reader import Reader, Task
from engine.capture.sources import find_sources, needs_arena
from engine.config import Config
from engine.events import CAPTURE, COUNTERS_MAX, WORKER
from engine.flows.table import initialise, table_shape
from engine.layouts.records import EVENT_SLOT_BYTES, EVENT_SLOT_WORDS, RECORD, RECORD_SLOTS
from engine.rings import spsc
from engine.rings.plan import RunPlan
from engine.rings.private import PrivateRing
from engine.rings.waiting import FINISHED
from engine.worker.main import Worker


class PrivateLine:
    """A process's words, as its stage writes them."""

    def __init__(self, names: list[str]) -> None:
        self._words: dict[str, int] = {}
        self._names = names
        self.counters = np.zeros(COUNTERS_MAX, np.int64)

    def __setitem__(self, word: str, value: int) -> None:
        self._words[word] = value

    def __getitem__(self, word: str) -> int:
        return self._words[word]

    def values(self) -> dict[str, int]:
        """Return the counters by name."""
        return {name: int(self.counters[at]) for at, name in enumerate(self._names)}


class Pipeline:
    """Capture and workers of a run, stepped in turn."""

    def __init__(self, paths: Sequence[str], config: Config, workers: int, **task) -> None:
        """`task` has further fields of reader.Task, and `facts`."""
        facts = task.pop("facts", True)
        files = find_sources(paths)
        hash_key = task.get("hash_key", (0, 0))
        separate = task.get("separate", False)
        ring, arena = config.ring, None
        if needs_arena(files, config.payload_is_copied):
            arena = np.zeros(config.capture.arena_bytes, np.uint8)
        self.reports: list[tuple[str, dict]] = []
        self.capture_line = PrivateLine([counter.name for counter in CAPTURE])
        self.packets = [PacketRing(ring.packet_capacity) for _ in range(workers)]
        self.events = [PrivateRing(ring.event_capacity, EVENT_SLOT_BYTES) for _ in range(workers)]
        self._reader = Reader(
            Task(files, config, **task),
            self.packets,
            self.capture_line.counters,
            arena,
            lambda kind, /, **fields: self.reports.append((kind, fields)),
        )
        plan = RunPlan(
            run="private",
            config=config,
            sources=tuple(file.path for file in files),
            files=files,
            hash_key=hash_key,
            workers=workers,
            separate=separate,
            facts=facts,
        )
        self.lines = [PrivateLine([counter.name for counter in WORKER]) for _ in range(workers)]
        shape = table_shape(config.flow.max_flows, workers, config.flow.history)
        settings = {"hash_key": hash_key, "separate": separate, "facts": facts}
        self.tables = []
        for _ in range(workers):
            self.tables.append(np.zeros(shape.words, np.int64))
            initialise(self.tables[-1], config, shape, settings)
        self._workers = [
            Worker(plan, line, table, packets, events, arena)
            for line, table, packets, events in zip(
                self.lines, self.tables, self.packets, self.events, strict=True
            )
        ]
        self._reading = True
        self._working = set(range(workers))

    def step(self, take: Callable[[int, PrivateRing], None]) -> bool:
        """Step every stage once, then let `take` empty the event rings; return whether to go on."""
        self.step_capture()
        self.step_workers()
        for number, ring in enumerate(self.events):
            take(number, ring)
        return self.is_running

    @property
    def is_running(self) -> bool:
        """Return whether a stage has not finished."""
        return self._reading or bool(self._working)

    def step_capture(self) -> None:
        """Step capture once, unless it has finished."""
        if self._reading:
            self._reading = self._reader.step(False) != FINISHED

    def step_workers(self) -> None:
        """Step every worker that has not finished once."""
        for number in sorted(self._working):
            if self._workers[number].step() == FINISHED:
                self._working.discard(number)


def events_of(
    paths: Sequence[str], config: Config | None = None, workers: int = 1, **task
) -> tuple[list[list[np.ndarray]], Pipeline]:
    """Return the events of each worker in the order in which it sent them, as words."""
    pipeline = Pipeline(paths, config or Config(), workers, **task)
    events: list[list[np.ndarray]] = [[] for _ in range(workers)]

    def take(number: int, ring: PrivateRing) -> None:
        first, count = spsc.peek(ring.header)
        at = 0
        while at < count:
            head = int(ring.slots[(first + at) % ring.capacity, 0])
            slots = RECORD_SLOTS if head & 15 == RECORD else 1
            rows = (first + at + np.arange(slots)) % ring.capacity
            events[number].append(ring.slots[rows].reshape(slots * EVENT_SLOT_WORDS).copy())
            at += slots
        if count:
            spsc.release(ring.header, first + count)

    while pipeline.step(take):
        pass
    return events, pipeline
