"""How a stage waits, and the loop that every stage runs.

A step that found enough to do is followed by the next at once. One that found little or nothing is
followed by a spin of at most 100 pauses, then by sleeps of 50 us doubling to 1 ms: waking for a
handful of records costs more than they do. Every wait ends by the stop word, which is looked at
after each.
"""

import time
from collections.abc import Callable

from numba import njit

from engine.layouts import DONE, LEAVE, RUNNING
from engine.memory.atomics import pause
from engine.rings.statistics import ProcessLine, Statistics

SPIN_PAUSES = 100
SLEEP_S_MIN = 50e-6
SLEEP_S_MAX = 1e-3

FINISHED, IDLE, SOME, BUSY = -1, 0, 1, 2  # What a step returns.


@njit("void(i8)", cache=True)
def _spin(pauses):
    for _ in range(pauses):
        pause()


class Backoff:
    """The waiting rule: call `wait` with what the last step found."""

    def __init__(self) -> None:
        self._sleep_s = 0.0

    def wait(self, found: int) -> None:
        """Return at once after BUSY; else after a spin, or after a sleep that doubles."""
        if found == BUSY:
            self._sleep_s = 0.0
        elif self._sleep_s == 0.0 and found == IDLE:
            _spin(SPIN_PAUSES)
            self._sleep_s = SLEEP_S_MIN
        else:
            self._sleep_s = max(self._sleep_s, SLEEP_S_MIN)
            time.sleep(self._sleep_s)
            self._sleep_s = min(2 * self._sleep_s, SLEEP_S_MAX)


def run_stage(statistics: Statistics, line: ProcessLine, step: Callable[[], int]) -> bool:
    """Call `step` until it returns FINISHED (True) or the run is to be left at once (False)."""
    backoff = Backoff()
    line["start_cpu_ns"] = time.process_time_ns()
    line.beat()  # Before it counts as running: a heartbeat of 0 would look like a stage that hangs.
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
