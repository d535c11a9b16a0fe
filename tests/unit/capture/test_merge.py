"""Sources are merged by position, or read one after the other; small rings stop nothing.

Goal: SEMANTICS.rst, "Merge" and "Position"; control records; the claim of capture/publish.py that
the merge behind the workers cannot deadlock. Method: captures written by hand; three simulated
workers and a classifier that only takes an event when every idle worker's watermark allows it; they
hold what they cannot give away. It shows deadlocks of this schedule, not of every one.
"""

import gzip
from collections import deque

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.capture.offline import PacketRing, capture
from engine.capture.reader import WAITS, Reader, Task
from engine.capture.sources import find_sources
from engine.config import Config, with_settings
from engine.errors import CaptureError
from engine.events import COUNTERS_MAX
from engine.layouts import END, PACKET, SOURCE_END, TICK
from engine.rings import spsc
from engine.rings.waiting import BUSY, FINISHED, IDLE, SOME
from tests.unit.capture.files import SECOND, datagram, pcap, ports, read, steady, times

KEY, LENGTHS, REFERENCE = (PACKET.index(name) for name in ("key", "lengths", "reference"))
KIND_SHIFT = PACKET.shift("key", "protocol")


def sources_of(made) -> list[int]:
    """Return the source numbers of the packets in order."""
    return (made.packets()[:, REFERENCE] >> 48).tolist()


def controls(made, kind: int, worker: int = 0) -> list[list[int]]:
    """Return the control records of a kind that a worker got."""
    rows = made.records[worker]
    return [row for row in rows.tolist() if row[LENGTHS] == 0 and row[KEY] >> KIND_SHIFT == kind]


def test_packets_of_all_sources_come_by_time_then_by_source(tmp_path):
    made = read(
        tmp_path,
        pcap((10, datagram(1)), (20, datagram(2)), (20, datagram(3)), (40, datagram(4))),
        pcap((5, datagram(5)), (20, datagram(6)), (40, datagram(7))),
        pcap((20, datagram(8))),
    )
    assert ports(made) == [5, 1, 2, 3, 6, 8, 4, 7]
    assert sources_of(made) == [1, 0, 0, 0, 1, 2, 0, 1]
    assert (made.counters["sources"], made.counters["read"]) == (3, 8)


def test_reference_is_where_the_ip_header_is(tmp_path):
    made = read(tmp_path, steady(1), steady(2, begin=1))
    size = 16 + len(datagram())
    assert made.packets()[:, REFERENCE].tolist() == [40, 1 << 48 | 40, 1 << 48 | 40 + size]


@given(
    piles=st.lists(st.lists(st.integers(0, 30), max_size=12), min_size=1, max_size=9),
    packed=st.integers(0, 3),
)
def test_merge_is_a_stable_sort(tmp_path_factory, piles, packed):
    folder = tmp_path_factory.mktemp("merge")
    contents = []
    expected = []
    for number, pile in enumerate(piles):
        stamps = sorted(pile)
        expected += [(stamp, number, k) for k, stamp in enumerate(stamps)]
        content = pcap(*((stamp, datagram(k)) for k, stamp in enumerate(stamps)))
        contents.append(gzip.compress(content) if number % 4 < packed else content)
    made = read(folder, *contents, settings={"capture.arena_bytes": 1 << 21}, workers=2)
    found = list(zip(times(made), sources_of(made), ports(made), strict=True))
    assert found == sorted(expected)


def test_separate_sources_end_one_after_the_other(tmp_path):
    first = pcap((50, datagram(1)), (60, datagram(2)))
    second = pcap((10, datagram(3)), (20, b"\0"))
    made = read(tmp_path, first, second, pcap(), separate=True, workers=2)
    for worker in range(2):
        ends = controls(made, SOURCE_END, worker)
        assert [(end[0], end[KEY - 3]) for end in ends] == [(60, 0), (20, 1), (0, 2)]
        (end,) = controls(made, END, worker)
        assert end[0] == 0
        rows = made.records[worker].tolist()
        assert [row[REFERENCE] >> 48 for row in rows] == sorted(
            row[REFERENCE] >> 48 for row in rows
        )
    assert made.counters["control"] == 2 * 4 + len(controls(made, TICK)) + len(
        controls(made, TICK, 1)
    )


def test_separate_sources_share_neither_clock_nor_fragments(tmp_path):
    from tests.property import frames as f
    from tests.unit.capture.files import A, B

    first = f.ipv4(f.udp((7, 8), bytes(8)), f.UDP, (A, B), fragment=0x2000, identification=5)
    later = f.ipv4(bytes(16), f.UDP, (A, B), fragment=2, identification=5)
    contents = pcap((9 * SECOND, first)), pcap((9 * SECOND + 1, later), (SECOND, later))
    assert read(tmp_path, *contents).counters["refused_fragment_orphan"] == 0
    made = read(tmp_path, *contents, separate=True)
    assert made.counters["refused_fragment_orphan"] == 2
    assert made.counters["time_steps"] == 1


def test_end_has_the_time_of_the_last_packet_whatever_became_of_it(tmp_path):
    made = read(tmp_path, pcap((5, datagram()), (9, b"\0")), workers=2)
    assert [controls(made, END, worker)[0][0] for worker in range(2)] == [9, 9]


@pytest.mark.parametrize("separate", (False, True))
@pytest.mark.parametrize("count", (1, 4, 5, 6, 9, 10))
def test_limit_of_packets_stops_the_whole_run(tmp_path, count, separate):
    contents = steady(5), pcap((0, b"\0"), (1, datagram()), (1 << 62, datagram()), (9, datagram()))
    made = read(tmp_path, *contents, packets_max=count, separate=separate, workers=2)
    whole = read(tmp_path, *contents, separate=separate)
    assert made.counters["read"] == min(count, 9)
    packets = made.packets().tolist()
    expected = whole.records[0][whole.records[0][:, LENGTHS] != 0].tolist()[: len(packets)]
    assert sorted(packets, key=lambda row: row[REFERENCE]) == sorted(
        expected, key=lambda row: row[REFERENCE]
    )
    assert controls(made, END) and not made.told("damage")


@pytest.mark.parametrize("workers", (1, 2))
@pytest.mark.parametrize("count", (1, 2, 5))
def test_limit_of_packets_holds_for_ordinary_packets(tmp_path, count, workers):
    from tests.property.frames import ethernet

    contents = pcap(*((k, ethernet(datagram(k))) for k in range(9)), link=1)
    made = read(tmp_path, contents, packets_max=count, workers=workers)
    assert made.counters["read"] == count


@pytest.mark.parametrize("workers", (2, 3, 5))
def test_packets_of_a_flow_go_to_one_worker_in_order(tmp_path, workers):
    from tests.property import frames as f
    from tests.unit.capture.files import A, B

    there = [(k, f.ipv4(f.udp((4000, k % 50)), f.UDP, (A, B))) for k in range(400)]
    back = [(k, f.ipv4(f.udp((k % 50, 4000)), f.UDP, (B, A))) for k in range(400)]
    made = read(tmp_path, pcap(*there), pcap(*back), workers=workers, hash_key=(5, 6))
    owner = {}
    for worker, rows in enumerate(made.records):
        packets = rows[rows[:, LENGTHS] != 0]
        assert len(packets) > 0
        positions = [(row[0], row[REFERENCE]) for row in packets.tolist()]
        assert positions == sorted(set(positions))
        for key in packets[:, KEY].tolist():
            flow = frozenset((key & 0xFFFF, key >> 16 & 0xFFFF))
            assert owner.setdefault(flow, worker) == worker


class Pipeline:
    """Capture, workers with small rings, and a classifier, each taking one small step at a time.

    A worker makes an event of each packet; its event ring has room for `room`. The classifier takes
    the smallest event once the watermark of every worker without one has reached it.
    """

    def __init__(self, paths: list[str], workers: int, room: int, settings: dict) -> None:
        config = with_settings(Config(), settings)
        files = find_sources(paths)
        self.rings = [PacketRing(config.ring.packet_capacity) for _ in range(workers)]
        self.counters = np.zeros(COUNTERS_MAX, np.int64)
        arena = np.zeros(config.capture.arena_bytes, np.uint8)
        self.reader = Reader(
            Task(files, config, (1, 2)), self.rings, self.counters, arena, lambda kind, /, **_: None
        )
        self.events: list[deque] = [deque() for _ in range(workers)]
        self.marks = [(-(1 << 63), 0)] * workers
        self.room = room
        self.merged: list[tuple[int, int]] = []
        self.finished = False

    def work(self, worker: int) -> bool:
        """Let a worker take one record, if it has one and room for its event."""
        first, count = spsc.peek(self.rings[worker].header)
        if not count or len(self.events[worker]) == self.room:
            return False
        row = self.rings[worker].slots[first & (self.rings[worker].capacity - 1)].tolist()
        position = row[0], row[REFERENCE]
        assert position >= self.marks[worker], "a position went back"
        if row[LENGTHS]:
            assert position > self.marks[worker], "two packets at one position"
            self.events[worker].append(position)
        self.marks[worker] = position
        if row[LENGTHS] == 0 and row[KEY] >> KIND_SHIFT == END:
            self.marks[worker] = ((1 << 63) - 1, (1 << 63) - 1)
        spsc.release(self.rings[worker].header, first + 1)
        return True

    def classify(self) -> bool:
        """Take the smallest event, if no idle worker can still make a smaller one."""
        heads = [events[0] for events in self.events if events]
        if not heads:
            return False
        smallest = min(heads)
        idle = (self.marks[k] for k, events in enumerate(self.events) if not events)
        if any(mark < smallest for mark in idle):
            return False
        for events in self.events:
            if events and events[0] == smallest:
                events.popleft()
        self.merged.append(smallest)
        return True

    def run(self, rounds_max: int = 1_000_000) -> None:
        """Let everybody go on until all is merged; fail when nobody can."""
        for _ in range(rounds_max):
            found = IDLE
            if not self.finished:
                found = self.reader.step(False)
                self.finished = found == FINISHED
            moved = found in (BUSY, SOME, FINISHED)
            for worker in range(len(self.rings)):
                moved |= self.work(worker)
            moved |= self.classify()
            if not moved:
                break
        assert self.finished and not any(self.events), "deadlock"


@pytest.mark.parametrize("compressed", (False, True))
@pytest.mark.parametrize("room", (1, 2, 16))
def test_three_workers_with_rings_of_two_do_not_deadlock(tmp_path, room, compressed):
    for name, count in (("a", 300), ("b", 40), ("c", 1)):
        content = steady(count, begin=len(name), gap=7)
        (tmp_path / name).write_bytes(gzip.compress(content) if compressed else content)
    settings = {
        "ring.packet_capacity": 2,
        "capture.arena_bytes": 1 << 18,
        "capture.stream_buffer_bytes": 1 << 16,
    }
    pipeline = Pipeline([str(tmp_path)], 3, room, settings)
    pipeline.run()
    assert len(pipeline.merged) == 341
    assert pipeline.merged == sorted(set(pipeline.merged))
    assert pipeline.counters[WAITS] > 0


def test_without_ticks_the_same_run_deadlocks(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(steady(300, gap=7))
    pipeline = Pipeline([str(tmp_path)], 3, 1, {"ring.packet_capacity": 2})
    # What the workers are told stays behind everything: as if capture sent no ticks.
    work = pipeline.work

    def deaf(worker: int) -> bool:
        mark = pipeline.marks[worker]
        made = len(pipeline.events[worker])
        moved = work(worker)
        if moved and len(pipeline.events[worker]) == made and pipeline.marks[worker][0] < 1 << 62:
            pipeline.marks[worker] = mark
        return moved

    monkeypatch.setattr(pipeline, "work", deaf)
    with pytest.raises(AssertionError, match="deadlock"):
        pipeline.run()


def test_full_arena_waits_for_the_oldest_record(tmp_path):
    payload = bytes(range(256)) * 4
    frames = [(k, datagram(1000 + k, payload[k % 7 :])) for k in range(3000)]
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(pcap(*frames)))
    settings = {"capture.arena_bytes": 1 << 18, "capture.stream_buffer_bytes": 1 << 16}
    made = capture([str(path)], with_settings(Config(), settings), 2, consume_max=9)
    assert made.counters["waits"] > 0
    assert ports(made) == [1000 + k for k in range(3000)]
    for rows, kept in zip(made.records, made.payloads, strict=True):
        for row, found in zip(rows.tolist(), kept, strict=True):
            if row[LENGTHS]:
                assert found == payload[row[0] % 7 :][:256]


def test_compressed_sources_that_follow_one_another_need_few_open_files(tmp_path):
    for number in range(12):
        content = gzip.compress(steady(5, begin=number * 100, gap=10))
        (tmp_path / f"{number:02}.gz").write_bytes(content)
    settings = {"capture.open_streams": 2}
    made = capture([str(tmp_path)], with_settings(Config(), settings))
    assert times(made) == [number * 100 + 10 * k for number in range(12) for k in range(5)]
    assert made.counters["sources"] == 12


def test_compressed_sources_that_overlap_are_refused_beyond_the_limit(tmp_path):
    for number in range(3):
        (tmp_path / f"{number}.gz").write_bytes(gzip.compress(steady(5, begin=number)))
    settings = {"capture.open_streams": 2}
    with pytest.raises(CaptureError, match=r"more than 2 compressed files overlap.*--separate"):
        capture([str(tmp_path)], with_settings(Config(), settings))
    made = capture([str(tmp_path)], with_settings(Config(), settings), separate=True)
    assert made.counters["published"] == 15


@pytest.mark.compiled
def test_a_thousand_sources_are_merged(tmp_path):
    for number in range(1344):
        (tmp_path / f"{number:04}").write_bytes(steady(6, begin=number % 97, gap=50))
    made = capture([str(tmp_path)])
    assert made.counters["published"] == 6 * 1344
    positions = [(row[0], row[REFERENCE]) for row in made.records[0].tolist()]
    assert positions == sorted(positions)
