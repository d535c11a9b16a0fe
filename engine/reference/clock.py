"""Time in the twin: the clock of a source, and stamps back from it (SEMANTICS.rst, "Stamps, …")."""

from collections import deque
from typing import NamedTuple

from engine.config import SECOND_NS, STEPS_MAX

STAMP_MIN, STAMP_MAX = -(1 << 63), (1 << 63) - 1
TIME_MAX = (1 << 63) - (1 << 60)
REGRESSION_NS_MAX = SECOND_NS


class Step(NamedTuple):
    """A clock step: the packet at `position` changed the correction of its source."""

    position: tuple[int, int]
    source: int
    before: int
    after: int


class Clock:
    """The clock of one source: a correction, and the latest time."""

    def __init__(self, holds: bool = False) -> None:
        self._holds = holds  # No older packet steps it.
        self.correction = 0
        self.latest: int | None = None
        self.regressions = 0
        self.steps = 0

    def take(self, stamp: int) -> int | None:
        """Return the time of a packet with this stamp; None: malformed{time}."""
        if not STAMP_MIN <= stamp <= STAMP_MAX:
            return None
        value = stamp + self.correction
        if self.latest is None:
            if value > TIME_MAX:
                return None
            self.latest = value
        elif value > TIME_MAX or (not self._holds and self.latest - value > REGRESSION_NS_MAX):
            self.correction -= value - self.latest
            self.steps += 1
        elif value >= self.latest:
            self.latest = value
        else:
            self.regressions += 1
        return self.latest


class StepLog:
    """The clock steps that a worker remembers, and the stamps it computes with them."""

    def __init__(self) -> None:
        self._steps: deque[Step] = deque(maxlen=STEPS_MAX)

    def add(self, step: Step) -> None:
        """Remember a step. Steps come in order of position; those ahead are not known yet."""
        self._steps.append(step)

    def stamp(self, time: int, source: int) -> int:
        """Return `time` less the correction that `source` had then, in 64 bits."""
        correction = 0
        for step in reversed(self._steps):
            if step.source == source:
                if step.position[0] <= time:
                    correction = step.after
                    break
                correction = step.before
        return _signed(time - correction)


def _signed(value: int) -> int:
    """Return the 64 bits of `value` as a signed number."""
    return (value - STAMP_MIN) % (1 << 64) + STAMP_MIN
