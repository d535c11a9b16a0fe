"""Who goes next, and what is read: at random, by priorities, by a script, or every choice in turn.

A chooser has `begin`, `pick` and `choose` (execution.py), and `advance`, which is called after an
execution and returns whether there is another one to run.
"""

import random

from stress.races.weave.models import KILL
from stress.races.weave.schedule import Schedule


class RandomWalk:
    """Stay with the usual one mostly, else go anywhere; read old messages now and then."""

    def __init__(self, seed: int, switch: float = 0.15, stale: float = 0.15) -> None:
        self.seed = seed
        self.number = 0
        self._switch, self._stale = switch, stale
        self._kill = 0.02

    def begin(self, execution) -> None:
        """Seed this execution by its number, so that each can be run alone."""
        self._random = random.Random(self.seed << 32 | self.number).random

    def pick(self, execution, usual, ready: list):
        """Return who goes next."""
        if self._random() >= self._switch:
            return usual
        return ready[int(self._random() * len(ready))]

    def choose(self, execution, count: int, kind: str) -> int:
        """Return a number below `count`."""
        if self._random() >= (self._kill if kind == KILL else self._stale):
            return 0
        return 1 if kind == KILL else int(self._random() * count)

    def advance(self) -> bool:
        """Go on to the next number; there is always one."""
        self.number += 1
        return True


class Priorities:
    """PCT: each role has a random priority; at `depth` - 1 random steps the running one falls.

    Finds any defect that needs `depth` orderings with a probability of at least
    1 / (roles * steps ** (depth - 1)) per execution (Burckhardt and others, ASPLOS 2010).
    """

    def __init__(self, seed: int, depth: int = 3, stale: float = 0.15) -> None:
        self.seed = seed
        self.number = 0
        self._depth, self._stale = depth, stale
        self._steps = 20  # As the last execution had.
        self._kill = 0.02

    def begin(self, execution) -> None:
        """Draw the steps at which priorities fall; priorities are drawn as roles appear."""
        draw = random.Random(self.seed << 32 | self.number)
        self._random = draw.random
        self._falls = {draw.randint(1, self._steps): -k for k in range(1, self._depth)}
        self._priorities: dict[int, float] = {}
        self._execution = execution

    def pick(self, execution, usual, ready: list):
        """Return the ready one of the highest priority."""
        for one in ready:
            if one.number not in self._priorities:
                self._priorities[one.number] = self._random()
        if execution.step in self._falls:
            self._priorities[usual.number] = self._falls[execution.step]
        return max(ready, key=lambda one: self._priorities[one.number])

    def choose(self, execution, count: int, kind: str) -> int:
        """Return a number below `count`."""
        if self._random() >= (self._kill if kind == KILL else self._stale):
            return 0
        return 1 if kind == KILL else int(self._random() * count)

    def advance(self) -> bool:
        """Go on to the next number; there is always one."""
        self.number += 1
        self._steps = max(4, self._execution.step)
        return True


class Script:
    """Repeat a schedule. Where it does not fit any more, the default is taken."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule

    def begin(self, execution) -> None:
        """Nothing is drawn."""

    def pick(self, execution, usual, ready: list):
        """Return who went at this step."""
        place = self._schedule.switches.get(execution.step)
        if place is None or place >= len(ready):
            return usual
        return [usual, *(one for one in ready if one is not usual)][place]

    def choose(self, execution, count: int, kind: str) -> int:
        """Return what was chosen at this place."""
        chosen = self._schedule.kills if kind == KILL else self._schedule.stale
        return min(chosen.get(execution.choices[kind], 0), count - 1)

    def advance(self) -> bool:
        """There is one execution."""
        return False


class EveryChoice:
    """All executions with at most `switches_max` switches, each once: depth first."""

    def __init__(self, switches_max: int = 1 << 30) -> None:
        self._switches_max = switches_max
        self._stack: list[list[int]] = []  # [choice, how many there are].

    def begin(self, execution) -> None:
        """Start at the first choice."""
        self._depth = self._switches = 0

    def _take(self, count: int) -> int:
        if self._depth == len(self._stack):
            self._stack.append([0, count])
        place, known = self._stack[self._depth]
        assert known == count, "the program does not do the same in the same schedule"
        self._depth += 1
        return place

    def pick(self, execution, usual, ready: list):
        """Return who goes next."""
        if len(ready) == 1 or self._switches == self._switches_max:
            return usual
        place = self._take(len(ready))
        if place == 0:
            return usual
        current = execution.current
        self._switches += current is not None and current.is_ready
        return [usual, *(one for one in ready if one is not usual)][place]

    def choose(self, execution, count: int, kind: str) -> int:
        """Return a number below `count`."""
        return self._take(count)

    def advance(self) -> bool:
        """Go on to the next execution; False when all have been run."""
        del self._stack[self._depth :]
        while self._stack and self._stack[-1][0] + 1 == self._stack[-1][1]:
            self._stack.pop()
        if self._stack:
            self._stack[-1][0] += 1
        return bool(self._stack)


class FewChoices(EveryChoice):  # A base class: the same search within another bound.
    """All executions with at most `choices_max` choices beside the default, of any kind."""

    def __init__(self, choices_max: int) -> None:
        super().__init__()
        self._choices_max = choices_max

    def pick(self, execution, usual, ready: list):
        """Return who goes next."""
        if len(ready) == 1 or execution.schedule.size >= self._choices_max:
            return usual
        place = self._take(len(ready))
        return [usual, *(one for one in ready if one is not usual)][place]

    def choose(self, execution, count: int, kind: str) -> int:
        """Return a number below `count`."""
        return 0 if execution.schedule.size >= self._choices_max else self._take(count)
