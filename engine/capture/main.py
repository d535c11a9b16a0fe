"""The capture process: sources in, packet records out."""

import time

import numpy as np

from engine.capture.reader import Reader, Task
from engine.capture.sources import find_sources, needs_arena
from engine.layouts import DRAIN, STARTING
from engine.rings.plan import RunPlan
from engine.rings.report import Reporter
from engine.rings.ring import Ring
from engine.rings.segment import Segment, segment_name
from engine.rings.statistics import ProcessLine, Statistics
from engine.rings.waiting import Sleeps, run_stage

_PROGRESS_NS = 50_000_000  # How often the progress is written: summing it takes a while.
_SLEEP_S_MAX = 4e-3  # A ring that is full takes longer to be half empty; a wait is doubled at most.


class _Capture:
    """What capture holds while it runs."""

    def __init__(self, reader: Reader, statistics: Statistics, line: ProcessLine) -> None:
        self._reader = reader
        self._statistics = statistics
        self._line = line
        self._told_ns = 0
        self._is_starting = line["state"] == STARTING

    def step(self) -> int:
        """Do a piece of work, and say how far it is."""
        found = self._reader.step(self._statistics.stop >= DRAIN)
        if self._is_starting and self._reader.is_caught_up:
            self._is_starting = False
            self._line.back()
        now = time.monotonic_ns()
        if now - self._told_ns >= _PROGRESS_NS:
            self._told_ns = now
            self.tell()
        return found

    def tell(self) -> None:
        """Write how many bytes lie behind, and the time of the newest packet.

        Neither goes back while a replacement catches up.
        """
        for word, value in (
            ("progress", self._reader.bytes_behind),
            ("time_ns", self._reader.position[0]),
        ):
            self._line[word] = max(self._line[word], value)


def main(plan: RunPlan, number: int, reporter: Reporter) -> None:
    """Run the capture of a run until its sources are read, or the run is to be left.

    In the place of one that died it goes on where that had come to.
    """
    assert number == 0, "a run has one capture"
    statistics = Statistics.attach(plan.run)
    line = statistics.process("capture")
    replaces = line.begin()
    files = plan.files or find_sources(plan.sources)
    rings = [
        Ring.attach(segment_name(plan.run, "packets", worker), "packets", "producer", replaces)
        for worker in range(plan.workers)
    ]
    arena = None
    if needs_arena(files, plan.config.payload_is_copied):
        segment = Segment.attach(segment_name(plan.run, "arena"), "arena")
        arena = segment.words.view(np.uint8)[: plan.config.capture.arena_bytes]
    task = Task(
        files,
        plan.config,
        plan.hash_key,
        plan.separate,
        plan.packets_max,
        plan.filter_words,
    )
    reader = Reader(task, rings, line.counters, arena, reporter.send)
    capture = _Capture(reader, statistics, line)
    reporter.send("ready")
    if run_stage(statistics, line, capture.step, Sleeps(longest_s=_SLEEP_S_MAX)):
        capture.tell()
        for ring in rings:
            ring.detach("producer")
        reporter.send("finished", summary={"position": list(reader.position)})
