"""The capture process over the segments of a run: records, counters, reports, life of its rings.

Goal: engine.capture.main.main(). Method: segments as the supervisor makes them, main() in a thread
of this process, the test as worker; one run per claim. Death and restart are tested elsewhere.
"""

import gzip
import os
import threading

import numpy as np
import pytest

from engine.capture.main import main
from engine.capture.reader import Reader
from engine.capture.sources import find_sources, needs_arena
from engine.config import Config, with_settings
from engine.errors import CaptureError
from engine.layouts import DONE, DRAIN, END, LEAVE, PACKET, RING
from engine.rings import lifecycle, spsc
from engine.rings.plan import RunPlan
from engine.rings.report import Reporter, ReportReader, make_log
from engine.rings.ring import Ring
from engine.rings.segment import Segment, segment_name
from engine.rings.statistics import Statistics
from tests.unit.capture.files import steady

LENGTHS, KEY, REFERENCE = (PACKET.index(name) for name in ("lengths", "key", "reference"))
CONTROL_PUBLISHED = RING.index("control_published")


class World:
    """The segments of a run, its plan, and the reading end of capture's reports."""

    def __init__(self, run: str, paths, workers: int = 1, settings=None, **plan) -> None:
        config = with_settings(Config(), {"capture.arena_bytes": 1 << 21} | (settings or {}))
        files = find_sources([str(path) for path in paths])
        names = tuple(file.path for file in files)
        self.plan = RunPlan(run, config, names, (1, 2), workers, files=files, **plan)
        self.statistics = Statistics.create(run, workers)
        capacity = config.ring.packet_capacity
        self.rings = [
            Ring.create(
                segment_name(run, "packets", k), "packets", capacity, PACKET.size_bytes, capacity
            )
            for k in range(workers)
        ]
        self.segments = [self.statistics.segment, *(ring.segment for ring in self.rings)]
        if needs_arena(files):
            name = segment_name(run, "arena")
            self.segments.append(Segment.create(name, "arena", config.capture.arena_bytes))
            self.segments[-1].publish()
        self._log = make_log()
        self.reports = ReportReader(self._log)
        self.error: BaseException | None = None

    def start(self) -> threading.Thread:
        """Run main() in a thread."""

        def run() -> None:
            try:
                main(self.plan, 0, Reporter(self._log, "capture"))
            except BaseException as error:
                self.error = error

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    def consume(self, thread: threading.Thread) -> list[np.ndarray]:
        """Take every record until main() has ended."""
        taken = [[] for _ in self.rings]
        while True:
            alive = thread.is_alive()
            found = 0
            for ring, rows in zip(self.rings, taken, strict=True):
                first, count = spsc.peek(ring.header)
                rows.append(ring.slots[(first + np.arange(count)) & (ring.capacity - 1)])
                spsc.release(ring.header, first + count)
                found += count
            if not alive and not found:
                break
        thread.join()
        return [np.concatenate(rows) for rows in taken]

    def run(self) -> list[np.ndarray]:
        """Run main() to its end; return what each worker got."""
        return self.consume(self.start())

    def close(self) -> None:
        """Remove the segments."""
        os.close(self._log)
        for segment in self.segments:
            segment.unlink()
            segment.close()


@pytest.fixture
def worlds(new_run):
    """Return a function that makes a World, which the fixture closes."""
    made = []

    def make(*paths, **options) -> World:
        made.append(World(new_run(), paths, **options))
        return made[-1]

    yield make
    for world in made:
        world.close()


def told(world: World, kind: str, seen: list[dict]) -> list[dict]:
    """Return the reports of a kind; `seen` collects all."""
    seen += world.reports.read()
    return [report for report in seen if report["report"] == kind]


def test_run_ends_with_counters_reports_and_rings_given_up(worlds, tmp_path):
    (tmp_path / "a").write_bytes(steady(500))
    (tmp_path / "b").write_bytes(steady(300) + b"x")
    world = worlds(tmp_path, workers=2)
    rows = world.run()
    assert world.error is None
    line = world.statistics.process("capture")
    counters = line.values()
    assert (counters["read"], counters["published"], counters["sources"]) == (800, 800, 2)
    assert sum(len(part[part[:, LENGTHS] != 0]) for part in rows) == 800
    assert line["state"] == DONE
    assert line["progress"] == (tmp_path / "a").stat().st_size + 24 + 300 * 51
    assert line["time_ns"] == 499 * 10**9
    seen: list[dict] = []
    assert len(told(world, "ready", seen)) == 1
    assert [report["offset"] for report in told(world, "damage", seen)] == [24 + 300 * 51]
    assert {r["source"]: r["packets"] for r in told(world, "source", seen)} == {0: 500, 1: 300}
    assert told(world, "finished", seen)[0]["summary"]["position"][0] == 499 * 10**9
    for ring, part in zip(world.rings, rows, strict=True):
        ring.check()
        assert lifecycle.STATES[int(ring.header[0])] == "producer_done"
        assert part[-1, KEY] >> PACKET.shift("key", "protocol") == END
        control = int((part[:, LENGTHS] == 0).sum())
        assert ring.header[CONTROL_PUBLISHED] == control


class KilledError(Exception):
    """Capture ends here, and does nothing any more."""


@pytest.mark.parametrize("steps", (1, 3, 9, 40))
def test_capture_in_the_place_of_a_dead_one_goes_on(worlds, tmp_path, monkeypatch, steps):
    (tmp_path / "a").write_bytes(steady(500))
    (tmp_path / "b.gz").write_bytes(gzip.compress(steady(300)))
    world = worlds(tmp_path, workers=2, settings={"ring.packet_capacity": 16})
    before = Reader.step
    left = [steps]

    def mortal(reader: Reader, stop: bool) -> int:
        left[0] -= 1
        if left[0] == 0:
            raise KilledError
        return before(reader, stop)

    monkeypatch.setattr(Reader, "step", mortal)
    rows = world.run()
    assert isinstance(world.error, KilledError)
    line = world.statistics.process("capture")
    was = {word: line[word] for word in ("progress", "time_ns")} | line.values()
    world.error = None
    more = world.run()
    assert world.error is None
    counters = line.values()
    now = {word: line[word] for word in ("progress", "time_ns")} | counters
    assert all(now[word] >= was[word] for word in was)
    assert (counters["read"], counters["published"], counters["sources"]) == (800, 800, 2)
    control = 0
    for ring, first, second in zip(world.rings, rows, more, strict=True):
        part = np.concatenate([first, second])
        packets = [tuple(row) for row in part[part[:, LENGTHS] != 0][:, [0, REFERENCE]].tolist()]
        assert packets == sorted(set(packets))
        control += len(part) - len(packets)
        assert lifecycle.STATES[int(ring.header[0])] == "producer_done"
    assert control == counters["control"]
    assert sum(int((part[:, LENGTHS] != 0).sum()) for part in rows + more) == 800


def test_small_ring_makes_capture_wait_and_loses_nothing(worlds, tmp_path):
    (tmp_path / "a").write_bytes(steady(400))
    world = worlds(tmp_path, workers=3, settings={"ring.packet_capacity": 2})
    rows = world.run()
    assert sum(len(part[part[:, LENGTHS] != 0]) for part in rows) == 400
    assert world.statistics.process("capture").values()["waits"] > 0


def test_payload_of_a_stream_stands_in_the_arena(worlds, tmp_path):
    (tmp_path / "a.gz").write_bytes(gzip.compress(steady(50)))
    world = worlds(tmp_path)
    (rows,) = world.run()
    arena = world.segments[-1].words.view(np.uint8)
    places = world.rings[0].extra[:50]
    for row, place in zip(rows[:50].tolist(), places.tolist(), strict=True):
        begin = (place & ((1 << 21) - 1)) + (row[LENGTHS] >> 20 & 0xFFF)
        assert arena[begin : begin + 7].tobytes() == b"payload"


def test_draining_ends_with_what_was_read(worlds, tmp_path):
    (tmp_path / "a").write_bytes(steady(2000))
    world = worlds(tmp_path, settings={"ring.packet_capacity": 64})
    thread = world.start()
    while world.rings[0].used < 64:
        assert thread.is_alive()
    world.statistics["stop"] = DRAIN
    (rows,) = world.consume(thread)
    read = world.statistics.process("capture").values()["read"]
    assert 64 <= read < 2000
    assert len(rows) == read + 1


def test_leaving_stops_at_once(worlds, tmp_path):
    (tmp_path / "a").write_bytes(steady(2000))
    world = worlds(tmp_path, settings={"ring.packet_capacity": 64})
    thread = world.start()
    while world.rings[0].used < 64:
        assert thread.is_alive()
    world.statistics["stop"] = LEAVE
    thread.join()
    assert world.error is None
    assert world.statistics.process("capture")["state"] != DONE


def test_run_without_a_readable_source_fails(worlds, tmp_path):
    (tmp_path / "a").write_bytes(b"text")
    (tmp_path / "b").write_bytes(b"")
    world = worlds(tmp_path)
    world.run()
    assert isinstance(world.error, CaptureError)
    assert "no source can be read" in str(world.error)
    assert len(told(world, "damage", [])) == 2
