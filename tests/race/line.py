"""The line as a scenario: capture, two workers, who takes their events, over one array of words.

What a stage shares lies in the words: packet rings, event rings, counters, tables. Its steps are
those of a run (Reader, Worker); only who made the memory differs. The last role reads the event
rings by the steps of the merge; what it sums must be what the same stages make in turns.
"""

import atexit
import functools
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
from numba import njit

from engine.capture.reader import Reader, Task
from engine.capture.sources import find_sources
from engine.config import Config, with_settings
from engine.events import COUNTERS_MAX
from engine.flows.table import initialise, table_shape
from engine.layouts import PACKET, RING
from engine.layouts.records import EVENT_SLOT_BYTES, EVENT_SLOT_WORDS
from engine.offline import PrivateLine
from engine.rings.plan import RunPlan
from engine.rings.private import PrivateRing
from engine.rings.spsc import CAPACITY, peek, read_watermark, release
from engine.rings.waiting import BUSY, FINISHED, IDLE
from engine.worker.main import Worker
from stress.races.scenario import Role, Scenario
from tests.unit.capture.files import SECOND, datagram, pcap

WORKERS, PACKETS, RING_SLOTS, FLOWS = 2, 60, 16, 16
STEPS_MAX = 1 << 20
INFINITE = (1 << 63) - 1  # The watermark of a worker whose run has ended.
_PACKET_RING = RING.words + RING_SLOTS * (PACKET.words + 1)
_EVENT_RING = RING.words + RING_SLOTS * EVENT_SLOT_WORDS
_SHAPE = table_shape(FLOWS, WORKERS)
_SIZES = (
    ("counters", (WORKERS + 2) * COUNTERS_MAX),
    ("packets", WORKERS * _PACKET_RING),
    ("events", WORKERS * _EVENT_RING),
    ("tables", WORKERS * _SHAPE.words),
)
_AT = dict(zip((name for name, _ in _SIZES), np.cumsum([0, *(n for _, n in _SIZES)]), strict=False))
_WORDS = sum(count for _, count in _SIZES)


class RingView(PrivateRing):
    """A ring in words that somebody else has made."""

    def __init__(self, words: np.ndarray, slot_bytes: int) -> None:
        end = RING.words + RING_SLOTS * slot_bytes // 8
        self.segment = None
        self.header, self.extra = words[: RING.words], words[end:]
        self.capacity, self.slot_words = RING_SLOTS, slot_bytes // 8
        self.slots = words[RING.words : end].reshape(RING_SLOTS, self.slot_words)


def _part(words: np.ndarray, name: str, number: int, size: int) -> np.ndarray:
    begin = int(_AT[name]) + number * size
    return words[begin : begin + size]


def _packets(words: np.ndarray, number: int) -> RingView:
    return RingView(_part(words, "packets", number, _PACKET_RING), PACKET.size_bytes)


def _events(words: np.ndarray, number: int) -> RingView:
    return RingView(_part(words, "events", number, _EVENT_RING), EVENT_SLOT_BYTES)


def _line(words: np.ndarray, number: int) -> PrivateLine:
    line = PrivateLine([])
    line.counters = _part(words, "counters", number, COUNTERS_MAX)
    return line


@functools.cache
def _plan() -> RunPlan:
    """Return the plan of a run over a capture written for it."""
    folder = Path(tempfile.mkdtemp(prefix="races-line-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    stamped = ((k * SECOND, datagram(1000 + k * k % 7)) for k in range(PACKETS))
    (folder / "a.pcap").write_bytes(pcap(*stamped))
    config = with_settings(Config(), {"flow.max_flows": 1024})
    files = find_sources([str(folder / "a.pcap")])
    return RunPlan(
        run="line",
        config=config,
        sources=tuple(file.path for file in files),
        files=files,
        hash_key=(0, 0),
        workers=WORKERS,
        score=False,
        facts=False,
        rows="none",
    )


def _setup() -> np.ndarray:
    words = np.zeros(_WORDS, np.int64)
    settings = {"hash_key": (0, 0), "separate": False, "facts": False}
    for number in range(WORKERS):
        _packets(words, number).header[CAPACITY] = RING_SLOTS
        _events(words, number).header[CAPACITY] = RING_SLOTS
        table = _part(words, "tables", number, _SHAPE.words)
        initialise(table, _plan().config, _SHAPE, settings)
    return words


def _reader(words: np.ndarray) -> Reader:
    rings = [_packets(words, number) for number in range(WORKERS)]
    counters = _line(words, WORKERS).counters
    return Reader(Task(_plan().files, _plan().config), rings, counters, None, lambda *_, **__: None)


def _worker(words: np.ndarray, number: int) -> Worker:
    table = _part(words, "tables", number, _SHAPE.words)
    rings = _packets(words, number), _events(words, number)
    return Worker(_plan(), _line(words, number), table, *rings, None)


@njit(nogil=True)
def _take(header, slots):
    """Take what a ring of events holds; return (slots, their sum, whether nothing follows)."""
    time, _, is_whole = read_watermark(header)
    first, count = peek(header)
    total = 0
    for sequence in range(first, first + count):
        for word in range(EVENT_SLOT_WORDS):
            total += slots[sequence % RING_SLOTS, word] >> 3
    release(header, first + count)
    return count, total, is_whole and time == INFINITE and count == 0


class _Taker:
    """Reads every event ring to its end; `seen` counts slots and sums their words."""

    def __init__(self, words: np.ndarray) -> None:
        self._rings = {number: _events(words, number) for number in range(WORKERS)}
        self.seen = [0, 0]

    def step(self) -> int:
        """Take what there is."""
        found = 0
        for number, ring in list(self._rings.items()):
            count, total, is_over = _take(ring.header, ring.slots)
            found += count
            # Modulo 2**64, as the kernel adds: it must not matter how often it was called.
            self.seen = [self.seen[0] + count, (self.seen[1] + total) % (1 << 64)]
            if is_over:
                del self._rings[number]
        if not self._rings:
            return FINISHED
        return BUSY if found else IDLE


def _run(step) -> int:
    """Step until it has finished, giving way when there is nothing; return 1, or 0 if it hangs."""
    for _ in range(STEPS_MAX):
        found = step()
        if found == FINISHED:
            return 1
        if found == IDLE:
            os.sched_yield()
    return 0


def _capture_role(words: np.ndarray) -> int:
    reader = _reader(words)
    return _run(lambda: reader.step(False))


def _worker_role(words: np.ndarray, number: int) -> int:
    return _run(_worker(words, number).step)


def _taker_role(words: np.ndarray) -> tuple | None:
    taker = _Taker(words)
    return tuple(taker.seen) if _run(taker.step) else None


def _in_turns(end, words: np.ndarray) -> None:
    """Run capture and workers in turns with the stage that ends the line."""
    reader = _reader(words)
    workers = [_worker(words, number) for number in range(WORKERS)]
    reading, working = True, set(range(WORKERS))
    while True:
        reading = reading and reader.step(False) != FINISHED
        working -= {number for number in sorted(working) if workers[number].step() == FINISHED}
        if end.step() == FINISHED:
            return


@functools.cache
def expected_events() -> tuple:
    """Return how many slots there are, and the sum of their words, in turns."""
    words = _setup()
    taker = _Taker(words)
    _in_turns(taker, words)
    assert taker.seen[0] > 0
    return tuple(taker.seen)


def _line_to(last, expected) -> Scenario:
    def check(words: np.ndarray, results: dict) -> list[str]:
        found = results["last"]
        return [] if found == expected() else [f"{found} came out, not {expected()}"]

    return Scenario(
        setup=_setup,
        roles={
            "capture": Role(_capture_role),
            "worker 0": Role(_worker_role, lambda: (0,)),
            "worker 1": Role(_worker_role, lambda: (1,)),
            "last": Role(last),
        },
        check=check,
        prepare=expected,
    )


EVENTS = _line_to(_taker_role, expected_events)
