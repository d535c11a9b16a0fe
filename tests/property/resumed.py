"""Captures that die and are replaced, in this process: a reader is given up, another goes on.

A death is made as SIGKILL would leave it: of what the last step wrote some is not published, words
of counters are old or new, one control record is counted and not published. Slots that nobody may
rely on are filled with nonsense.
"""

import random
from collections.abc import Sequence
from unittest import mock

import numpy as np

from engine.capture import reader as reading
from engine.capture.offline import Captured, PacketRing, payloads_of
from engine.capture.reader import Reader, Task
from engine.capture.sources import find_sources, needs_arena
from engine.config import Config
from engine.events import CAPTURE, COUNTERS_MAX, counter_index
from engine.layouts import END, PACKET, RING, SOURCE_END, TICK
from engine.rings import spsc
from engine.rings.waiting import FINISHED

REFERENCE, LENGTHS, KEY = (PACKET.index(name) for name in ("reference", "lengths", "key"))
KIND_SHIFT = PACKET.shift("key", "protocol")
PAYLOAD_MASK = PACKET.mask("lengths", "payload")
CONTROL_PUBLISHED = RING.index("control_published")
CONTROL, WAITS = counter_index("capture", "control"), counter_index("capture", "waits")
READ = counter_index("capture", "read")
SOURCE_SHIFT = 48
NONSENSE = 0x5A5A_5A5A_5A5A_5A5A
KEPT = ("damage", "step", "source", "suppressed")


class World:
    """What outlives a capture: rings, arena, counters, reports; and what workers have taken."""

    def __init__(
        self, paths: Sequence[str], config: Config, workers: int, seed: int = 0, **task
    ) -> None:
        files = find_sources(paths)
        self._task = Task(files, config, **task)
        self.rings = [PacketRing(config.ring.packet_capacity) for _ in range(workers)]
        self.counters = np.zeros(COUNTERS_MAX, np.int64)
        self.copied = {
            number
            for number, file in enumerate(files)
            if config.payload_is_copied or not file.mapped
        }
        self.arena = None
        if needs_arena(files, config.payload_is_copied):
            self.arena = np.zeros(config.capture.arena_bytes, np.uint8)
        self.reports: list[str] = []
        self.records: list[list[np.ndarray]] = [[] for _ in self.rings]
        self.payloads: list[list[bytes]] = [[] for _ in self.rings]
        self.dice = random.Random(seed)
        self._dies = self.dice.choice((0.05, 0.3))
        self.deaths = 0

    def reader(self) -> Reader:
        """Return a capture on these rings: the first, or a replacement."""
        return Reader(self._task, self.rings, self.counters, self.arena, self._report)

    def _report(self, kind: str, /, **fields) -> None:
        if kind in KEPT:
            self.reports.append(f"{kind} {sorted(fields.items())}")

    def consume(self, most: int) -> int:
        """Let each worker take some records; return how many were taken."""
        found = 0
        for ring, records, payloads in zip(self.rings, self.records, self.payloads, strict=True):
            rows, places = ring.take(self.dice.randint(0, most))
            found += len(rows)
            records.append(rows)
            if self.arena is not None:
                payloads.extend(payloads_of(rows, places, self.arena))
        return found

    def run(self, deaths: int, consume_max: int, stop_after: int | None = None) -> None:
        """Run captures to the end, `deaths` of which die; told to drain after some steps."""
        reader, steps, finished = self.reader(), 0, False
        while not finished:
            tails = [int(ring.header[spsc.TAIL]) for ring in self.rings]
            before = self.counters.copy()
            stop = stop_after is not None and steps >= stop_after
            with small_steps(self.dice.choice((1, 1, 3, 50))):
                finished = reader.step(stop) == FINISHED
            assert (self.counters >= before).all(), "a counter went back"
            steps += 1
            dies = self.dice.random() < self._dies or (finished and self.deaths == 0)
            if self.deaths < deaths and dies:
                self.die(tails, before)
                reader, finished = self.reader(), False
            self.consume(consume_max)
        while self.consume(1 << 30) or any(ring.used for ring in self.rings):
            pass

    def die(self, tails: list[int], before: np.ndarray) -> None:
        """Leave what a capture leaves that is killed in a step that began with these."""
        self.deaths += 1
        old, counted = self.dice.getrandbits(COUNTERS_MAX), int(self.counters[CONTROL])
        for k in range(COUNTERS_MAX):
            if old >> k & 1:
                self.counters[k] = before[k]
        for ring, tail in zip(self.rings, tails, strict=True):
            self._take_back(ring, tail)
            self._scribble(ring)
        ring = self.dice.choice(self.rings)
        if self.dice.randrange(2) and not _has_end(ring):
            ring.header[CONTROL_PUBLISHED] += 1
            if self.deaths == 1:  # A replacement's line follows when a step is over.
                self.counters[CONTROL] = counted + self.dice.randrange(2)

    def _take_back(self, ring: PacketRing, tail_before: int) -> None:
        """Have some packets of the last step not published: at most what is held back."""
        tail = int(ring.header[spsc.TAIL])
        batch = min(reading.PUBLISH_RECORDS_MAX, ring.capacity // 2)
        low = max(tail_before, tail - batch + 1)
        for sequence in range(low, tail):
            if not ring.slots[sequence & (ring.capacity - 1), LENGTHS]:
                low = sequence + 1  # Control records are published at once.
        ring.header[spsc.TAIL] = self.dice.randint(low, tail)
        ring.header[spsc.TAIL_SEEN] = min(ring.header[spsc.TAIL_SEEN], ring.header[spsc.TAIL])

    def _scribble(self, ring: PacketRing) -> None:
        """Fill slots that are neither published nor the last that was."""
        head, tail = int(ring.header[spsc.HEAD]), int(ring.header[spsc.TAIL])
        kept = {sequence & (ring.capacity - 1) for sequence in range(min(head, tail - 1), tail)}
        kept |= {(tail - 1) & (ring.capacity - 1)} - ({ring.capacity - 1} if tail == 0 else set())
        for at in set(range(ring.capacity)) - kept:
            ring.slots[at] = NONSENSE
            ring.extra[at] = NONSENSE

    def rows(self, k: int) -> np.ndarray:
        """Return all that worker k got."""
        return np.concatenate(self.records[k])


def _has_end(ring: PacketRing) -> bool:
    tail = int(ring.header[spsc.TAIL])
    return tail > 0 and kind_of(ring.slots[(tail - 1) & (ring.capacity - 1)]) == END


def kind_of(row: np.ndarray) -> int:
    """Return the kind of a control record, 0 of a packet."""
    return 0 if row[LENGTHS] else int(row[KEY]) >> KIND_SHIFT


def told(rows: np.ndarray) -> list[tuple]:
    """Return what must be the same in every run: all but ticks; of ends, source and time."""
    found = []
    for row in rows:
        kind = kind_of(row)
        if kind in (END, SOURCE_END):
            found.append((kind, int(row[0]), int(row[REFERENCE]) >> SOURCE_SHIFT))
        elif kind != TICK:
            found.append(tuple(row.tolist()))
    return found


def assert_ticks_are_true(rows: np.ndarray, separate: bool) -> None:
    """Fail if a record follows that a tick has said will not."""
    promised = (-1, 0, 0)
    for row in rows:
        kind, reference = kind_of(row), int(row[REFERENCE])
        at = (reference >> SOURCE_SHIFT if separate else 0, int(row[0]), reference)
        if kind in (END, SOURCE_END):
            assert at[:2] >= promised[:2], "an end goes back"
        else:
            assert at >= promised if kind == TICK else at > promised, "a tick was not true"
            promised = at if kind == TICK else promised


def assert_as_undisturbed(world: World, expected: Captured, separate: bool) -> None:
    """Compare all that a world holds at its end with a run in which nobody died."""
    for k, rows in enumerate(expected.records):
        assert told(world.rows(k)) == told(rows), "records differ"
        if world.arena is not None:
            found = _payloads(world, world.rows(k), world.payloads[k])
            assert found == _payloads(world, rows, expected.payloads[k]), "payload differs"
    assert_sums(world, separate)
    names = [counter.name for counter in CAPTURE if counter.name not in ("control", "waits")]
    found = {name: int(world.counters[counter_index("capture", name)]) for name in names}
    assert found == {name: expected.counters[name] for name in names}, "counters differ"
    reports = {f"{kind} {sorted(fields.items())}" for kind, fields in expected.reports}
    assert set(world.reports) == reports, "reports differ"


def _payloads(world: World, rows: np.ndarray, payloads: list[bytes]) -> list[bytes]:
    """Return the payloads that workers look for in the arena."""
    return [
        payload
        for row, payload in zip(rows, payloads, strict=True)
        if row[LENGTHS] & PAYLOAD_MASK and int(row[REFERENCE]) >> SOURCE_SHIFT in world.copied
    ]


def assert_sums(world: World, separate: bool) -> None:
    """Fail if control records do not add up, or a tick was not true."""
    sums = []
    for k, ring in enumerate(world.rings):
        rows = world.rows(k)
        assert_ticks_are_true(rows, separate)
        sums.append(int((rows[:, LENGTHS] == 0).sum()))
        assert int(ring.header[CONTROL_PUBLISHED]) == sums[-1], "control records are miscounted"
        assert kind_of(rows[-1]) == END, "something follows the end"
    assert int(world.counters[CONTROL]) == sum(sums), "the counter of control records is wrong"


def small_steps(packets: int):
    """Return a context in which a call of the kernel reads that many packets at most."""
    return mock.patch.object(reading, "BATCH_PACKETS", packets)
