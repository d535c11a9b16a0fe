"""The run's own segment: the stop word, and a line of state and counters for each process.

Counters are single-writer words; readers sum them whenever they like (`engine stats`, `engine
check`). A consistent sum exists only at a quiet moment: readers say so.
"""

import os
import time
from pathlib import Path

import numpy as np

from engine.events import COUNTERS
from engine.layouts import DONE, PROCESS, RUNNING, STARTING, STATISTICS
from engine.memory.atomics import load_acquire, store_release
from engine.rings.segment import Segment, segment_name

# Looked up once: every step of every stage says that it is alive.
_AT = {name: STATISTICS.index(name) for name in STATISTICS.dtype().names}
_PROCESS_AT = {name: PROCESS.index(name) for name in PROCESS.dtype().names}
_COUNTERS_AT = _PROCESS_AT["counters_0"]
_STOP = _AT["stop"]


def process_names(workers: int) -> list[str]:
    """Return the processes of a run in the order of their lines."""
    return ["capture", *(f"worker.{k}" for k in range(workers)), "classifier", "recorder"]


def stage_of(name: str) -> str:
    """Return the kind of process `name` is: "worker" for "worker.3"."""
    return name.partition(".")[0]


class ProcessLine:
    """One process's words. Written by that process only."""

    def __init__(self, name: str, words: np.ndarray) -> None:
        self.name = name
        self.stage = stage_of(name)
        self.words = words
        self.counters = words[_COUNTERS_AT:]
        self._spent_ns = 0
        self._names = [counter.name for counter in COUNTERS[self.stage]]

    def begin(self) -> bool:
        """Say who this process is; return whether it replaces another.

        Then it counts as starting, and what it counts as behind, until it says that it is `back`.
        """
        replaces = self["pid"] != 0
        if replaces:
            self["state"] = STARTING
        self._spent_ns = self["cpu_ns"]  # By those before it.
        self["start_cpu_ns"] = time.process_time_ns()
        store_release(self.words, _PROCESS_AT["pid"], os.getpid())
        return replaces

    def back(self) -> None:
        """Say that everything that the process before has done is done, and counted."""
        self["state"] = RUNNING

    def beat(self) -> None:
        """Say that the process is alive, and what it has cost."""
        self["heartbeat_ns"] = time.monotonic_ns()
        self["cpu_ns"] = self._spent_ns + time.process_time_ns()

    def __getitem__(self, word: str) -> int:
        return int(load_acquire(self.words, _PROCESS_AT[word]))

    def __setitem__(self, word: str, value: int) -> None:
        store_release(self.words, _PROCESS_AT[word], value)

    def values(self) -> dict[str, int]:
        """Return the process's counters by name."""
        return {name: int(self.counters[at]) for at, name in enumerate(self._names)}


class Statistics:
    """The statistics segment of a run."""

    def __init__(self, segment: Segment) -> None:
        self.segment = segment
        self.words = segment.words

    @classmethod
    def create(cls, run: str, workers: int) -> "Statistics":
        """Make and publish the segment. Supervisor only."""
        count = len(process_names(workers))
        size = STATISTICS.size_bytes + count * PROCESS.size_bytes
        statistics = cls(Segment.create(segment_name(run, "statistics"), "statistics", size))
        statistics["processes"] = count
        statistics["workers"] = workers
        statistics["started_ns"] = time.time_ns()
        statistics.segment.publish()
        return statistics

    @classmethod
    def attach(cls, run: str) -> "Statistics":
        """Map the statistics of a live run."""
        return cls(Segment.attach(segment_name(run, "statistics"), "statistics"))

    def __getitem__(self, word: str) -> int:
        return int(load_acquire(self.words, _AT[word]))

    def __setitem__(self, word: str, value: int) -> None:
        store_release(self.words, _AT[word], value)

    @property
    def stop(self) -> int:
        """Return RUN, DRAIN or LEAVE."""
        return int(load_acquire(self.words, _STOP))

    def process(self, name: str) -> ProcessLine:
        """Return the line of process `name`."""
        at = process_names(self["workers"]).index(name)
        begin = STATISTICS.words + at * PROCESS.words
        return ProcessLine(name, self.words[begin : begin + PROCESS.words])

    def processes(self) -> list[ProcessLine]:
        """Return the lines of all processes, upstream first."""
        return [self.process(name) for name in process_names(self["workers"])]

    def pids_at_work(self) -> list[int] | None:
        """Return the pids of all processes; None if one is dead, or not yet where another was."""
        lines = self.processes()
        for line in lines:
            if line["state"] == DONE or not line["pid"]:
                continue
            try:
                told = Path(f"/proc/{line['pid']}/stat").read_text()
            except OSError:
                return None
            if told.rpartition(")")[2].split()[0] in "ZX" or line["state"] == STARTING:
                return None
        return [line["pid"] for line in lines]

    def totals(self) -> dict[str, dict[str, int]]:
        """Return the counters of each stage, summed over its processes."""
        sums: dict[str, dict[str, int]] = {}
        for line in self.processes():
            stage = sums.setdefault(line.stage, dict.fromkeys(line.values(), 0))
            for name, value in line.values().items():
                stage[name] += value
        return sums
