"""The line of a run as a scenario: capture, two workers, the classifier, who takes its rows.

What stages share lies in the words: packet rings, event rings, the row ring, counters, tables. Each
stage takes the steps of a run (Reader, Worker, Classifier); only who made the memory differs. What
comes out must be what the same stages make in turns: the digest, what was counted, every row.
Nothing is scored: that happens in the classifier's own memory.

    python -m stress races tsan stress.zoo.line:RUN
    python -m stress races xsan stress.zoo.line:RUN
"""

import atexit
import functools
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from struct import pack

import numpy as np
from numba import njit

from engine.capture.reader import Reader, Task
from engine.capture.sources import find_sources
from engine.classifier.main import Classifier, summary
from engine.classifier.state import private_state
from engine.config import Config, with_settings
from engine.events import CLASSIFIER, COUNTERS_MAX, counter_index
from engine.flows.table import initialise, table_shape
from engine.layouts import PACKET, RING, ROW
from engine.layouts.records import EVENT_SLOT_BYTES
from engine.memory import region
from engine.memory.atomics import load_acquire
from engine.offline import PrivateLine
from engine.rings import lifecycle
from engine.rings.plan import RunPlan
from engine.rings.private import PrivateRing
from engine.rings.spsc import CAPACITY, peek, release
from engine.rings.waiting import BUSY, FINISHED, IDLE
from engine.worker.main import Worker
from stress.races.scenario import Role, Scenario

WORKERS, PACKETS, FLOWS = 2, 60, 16
STEPS_MAX = 1 << 22
CAPTURE_LINE, CLASSIFIER_LINE = WORKERS, WORKERS + 1  # Of the counters; workers' come first.
_WAITS = counter_index("classifier", "waits")
_STATE, _SLOT_BYTES = RING.index("state"), RING.index("slot_bytes")
_SHAPE = table_shape(FLOWS, WORKERS)
# Ring -> how many there are, slots, bytes of a slot, words behind the slots.
_RINGS = {
    "packets": (WORKERS, 16, PACKET.size_bytes, 16),
    "events": (WORKERS, 32, EVENT_SLOT_BYTES, 0),
    "rows": (1, 8, ROW.size_bytes, 0),
}
_LOW = (1 << 32) - 1
# Where the classifier's own region is mapped: at its usual addresses TSan has its shadow.
_PLACES = 0x7E9, 0x7F0
_GAP_NS = 10**9
_PCAP_NS, _RAW = 0xA1B23C4D, 101  # Of packets that begin with their IP header.


class RingView(PrivateRing):
    """A ring in words that somebody else has made."""

    def __init__(self, words: np.ndarray, kind: str, number: int = 0) -> None:
        _, self.capacity, slot_bytes, _ = _RINGS[kind]
        words = words[_parts()[kind, number]]
        end = RING.words + self.capacity * slot_bytes // 8
        self.segment, self.slot_words = None, slot_bytes // 8
        self.header, self.extra = words[: RING.words], words[end:]
        self.slots = words[RING.words : end].reshape(self.capacity, self.slot_words)

    def attached(self, actor: str) -> "RingView":
        """Return the ring, with its producer or consumer attached."""
        lifecycle.take(self.header, actor, "attach")
        return self


@functools.cache
def _parts() -> dict[tuple[str, int], slice]:
    """Return where each part of the words lies."""
    sizes = {("counters", number): COUNTERS_MAX for number in range(WORKERS + 2)}
    for kind, (count, slots, slot_bytes, more) in _RINGS.items():
        size = RING.words + slots * slot_bytes // 8 + more
        sizes |= {(kind, number): size for number in range(count)}
    sizes |= {("table", number): _SHAPE.words for number in range(WORKERS)}
    ends = np.cumsum(list(sizes.values())).tolist()
    return {
        name: slice(end - size, end) for (name, size), end in zip(sizes.items(), ends, strict=True)
    }


def _line(words: np.ndarray, number: int) -> PrivateLine:
    line = PrivateLine([])
    line.counters = words[_parts()["counters", number]]
    return line


def _capture_file() -> bytes:
    """Return a capture of datagrams between two hosts, of flows that end and begin anew."""
    content = pack("<IHHIIII", _PCAP_NS, 2, 4, 0, 0, 65_535, _RAW)
    for k in range(PACKETS):
        addresses = b"\x0a\0\0\1\x0a\0\0\2"
        datagram = pack(">HHHH", 4000, 1000 + k * k % 7, 12, 0) + b"four"
        packet = pack(">BBHHHBBH", 0x45, 0, 32, k, 0, 64, 17, 0) + addresses + datagram
        stamp = divmod(k * _GAP_NS, 10**9)
        content += pack("<IIII", *stamp, len(packet), len(packet)) + packet
    return content


@functools.cache
def _plan() -> RunPlan:
    """Return the plan of a run over a capture written for it."""
    folder = Path(tempfile.mkdtemp(prefix="races-line-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "a.pcap").write_bytes(_capture_file())
    settings = {"flow.max_flows": 1024, "flow.idle_timeout": 5.0}
    settings |= {"host.max_hosts": 64, "host.max_pairs": 64, "host.rows": 1024}
    files = find_sources([str(folder / "a.pcap")])
    return RunPlan(
        run="line",
        config=with_settings(Config(), settings),
        sources=tuple(file.path for file in files),
        files=files,
        hash_key=(0, 0),
        workers=WORKERS,
        score=False,
        digest=True,
        rows="all",
    )


def _setup() -> np.ndarray:
    words = np.zeros(max(part.stop for part in _parts().values()), np.int64)
    settings = {"hash_key": (0, 0), "separate": False, "facts": True}
    for kind, (count, slots, slot_bytes, _) in _RINGS.items():
        for number in range(count):
            header = RingView(words, kind, number).header
            header[CAPACITY], header[_SLOT_BYTES] = slots, slot_bytes
            header[_STATE] = lifecycle.FREE
    for number in range(WORKERS):
        initialise(words[_parts()["table", number]], _plan().config, _SHAPE, settings)
    return words


class _Stage:
    """A stage as a scenario runs it: its steps, its rings, what it says when it has finished."""

    def __init__(self, step: Callable[[], int], rings: dict, result: Callable[[], object]) -> None:
        """`rings`: {ring: "producer" or "consumer"}, attached."""
        self.step = step
        self._rings = rings
        self._result = result

    def end(self) -> object:
        """Leave the rings; return the result."""
        for ring, actor in self._rings.items():
            ring.detach(actor)
        return self._result()


def _capture(words: np.ndarray) -> _Stage:
    rings = [RingView(words, "packets", number).attached("producer") for number in range(WORKERS)]
    counters = _line(words, CAPTURE_LINE).counters
    task = Task(_plan().files, _plan().config)
    reader = Reader(task, rings, counters, None, lambda *_, **__: None)
    return _Stage(lambda: reader.step(False), dict.fromkeys(rings, "producer"), lambda: 1)


def _worker(words: np.ndarray, number: int) -> _Stage:
    packets = RingView(words, "packets", number).attached("consumer")
    events = RingView(words, "events", number).attached("producer")
    table = words[_parts()["table", number]]
    worker = Worker(_plan(), _line(words, number), table, packets, events, None)
    return _Stage(worker.step, {packets: "consumer", events: "producer"}, lambda: 1)


def _classifier(words: np.ndarray) -> _Stage:
    events = [RingView(words, "events", number).attached("consumer") for number in range(WORKERS)]
    rows = RingView(words, "rows").attached("producer")
    region._FIRST_PLACE, region._PLACES_END = _PLACES
    state = private_state(_plan(), keeps=True)
    classifier = Classifier(_plan(), _line(words, CLASSIFIER_LINE), events, rows, state)

    def result() -> tuple:
        counted = state.tally[: len(CLASSIFIER)].copy()
        counted[_WAITS] = 0  # For room in the row ring: who waits is chance.
        return (int(summary(_plan(), state)["digest"].rpartition(":")[2], 16), *counted.tolist())

    return _Stage(classifier.step, dict.fromkeys(events, "consumer") | {rows: "producer"}, result)


@njit(nogil=True, cache=True)
def _take(header, slots):
    """Take what the row ring holds; return (rows, sum of their words, whether more may come)."""
    state = load_acquire(header, _STATE)  # Before the tail: what it ends is there then.
    first, count = peek(header)
    total = 0
    for sequence in range(first, first + count):
        for word in range(slots.shape[1]):
            found = slots[sequence % slots.shape[0], word]
            total += (found ^ found >> 32) & _LOW
    release(header, first + count)
    return count, total, state not in (lifecycle.DRAINING, lifecycle.DOWN)


def _recorder(words: np.ndarray) -> _Stage:
    ring = RingView(words, "rows").attached("consumer")
    seen = [0, 0]

    def step() -> int:
        count, total, goes_on = _take(ring.header, ring.slots)
        seen[:] = seen[0] + int(count), seen[1] + int(total)
        return BUSY if count else IDLE if goes_on else FINISHED

    return _Stage(step, {ring: "consumer"}, lambda: tuple(seen))


_STAGES: dict[str, Callable[[np.ndarray], _Stage]] = {
    "capture": _capture,
    **{f"worker {k}": functools.partial(_worker, number=k) for k in range(WORKERS)},
    "classifier": _classifier,
    "recorder": _recorder,
}


def _run(words: np.ndarray, name: str) -> object:
    """Step a stage until it has finished, giving way when there is nothing; None if it hangs."""
    stage = _STAGES[name](words)
    for _ in range(STEPS_MAX):
        found = stage.step()
        if found == FINISHED:
            return stage.end()
        if found == IDLE:
            os.sched_yield()
    return None


@functools.cache
def expected() -> dict[str, object]:
    """Return what each stage says when all run in turns, in one process."""
    words = _setup()
    running = {name: make(words) for name, make in _STAGES.items()}
    results = {}
    while running:
        for name, stage in list(running.items()):
            if stage.step() == FINISHED:
                results[name] = running.pop(name).end()
    assert results["recorder"][0] > PACKETS // 10, "hardly a row: nothing would be shown"
    return results


def _check(words: np.ndarray, results: dict) -> list[str]:
    return [
        f"{name} says {results[name]}, not {said}"
        for name, said in expected().items()
        if results[name] != said
    ]


RUN = Scenario(
    setup=_setup,
    roles={name: Role(_run, lambda name=name: (name,)) for name in _STAGES},
    check=_check,
    prepare=expected,
)
