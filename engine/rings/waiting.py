"""How a stage waits, and the loop that every stage runs.

A step that found enough to do is followed by the next at once. One that found little or nothing is
followed by a spin of at most 100 pauses, then by sleeps of 50 us doubling to 1 ms: waking for a
handful of records costs more than they do (a sleep and what follows it: about 30 us of CPU time).
The last stages, behind rings that take long to fill, sleep longer (`Sleeps`). Every wait ends by
the stop word, which is looked at after each.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

from numba import njit

from engine.layouts import DONE, LEAVE, RUNNING, STARTING
from engine.memory.atomics import pause
from engine.rings.statistics import ProcessLine, Statistics

SPIN_PAUSES = 100

FINISHED, IDLE, SOME, BUSY = -1, 0, 1, 2  # What a step returns.


@njit("void(i8)", cache=True)
def _spin(pauses):
    for _ in range(pauses):
        pause()


class Sleeps(NamedTuple):
    """Bounds of a stage's sleeps, in seconds."""

    shortest_s: float = 50e-6
    longest_s: float = 1e-3

    @classmethod
    def behind(cls, capacity: int, slots_per_s: float, longest_s: float) -> "Sleeps":
        """Return sleeps behind a ring of `capacity` slots that fills at `slots_per_s` at most.

        The shortest lets a third of it fill, within 50 us and 1 ms.
        """
        shortest_s = min(max(50e-6, capacity / 3 / slots_per_s), 1e-3)
        return cls(shortest_s, max(shortest_s, longest_s))


USUAL = Sleeps()


class Backoff:
    """The waiting rule: call `wait` with what the last step found."""

    def __init__(self, sleeps: Sleeps = USUAL) -> None:
        self._sleeps = sleeps
        self._sleep_s = 0.0

    def wait(self, found: int) -> None:
        """Return at once after BUSY; else after a spin, or after a sleep that doubles."""
        if found == BUSY:
            self._sleep_s = 0.0
        elif self._sleep_s == 0.0 and found == IDLE:
            _spin(SPIN_PAUSES)
            self._sleep_s = self._sleeps.shortest_s
        else:
            self._sleep_s = max(self._sleep_s, self._sleeps.shortest_s)
            time.sleep(self._sleep_s)
            self._sleep_s = min(2 * self._sleep_s, self._sleeps.longest_s)


def run_stage(
    statistics: Statistics, line: ProcessLine, step: Callable[[], int], sleeps: Sleeps = USUAL
) -> bool:
    """Call `step` until it returns FINISHED (True) or the run is to be left at once (False).

    A process that replaces another counts as starting until it is back (ProcessLine.begin).
    """
    backoff = Backoff(sleeps)
    line["start_cpu_ns"] = time.process_time_ns()
    line.beat()  # Before it counts as running: a heartbeat of 0 would look like a stage that hangs.
    if line["state"] != STARTING:
        line["state"] = RUNNING
    while True:
        found = step()
        line.beat()
        if statistics.stop == LEAVE:
            return False
        if found == FINISHED:
            line["state"] = DONE
            line.beat()
            return True
        backoff.wait(found)
