"""Dynamic partial-order reduction: of executions that differ only in the order of steps that do not
touch the same word, run one.

Flanagan and Godefroid (POPL 2005), in the form of Abdulla and others with source sets and sleep
sets (POPL 2014). Two steps *depend* on each other if they touch the same cell and one of them
writes, or if both are seq_cst. Whenever a step depends on an earlier one of somebody else, and on
nothing between, the choice at the earlier one is to be made again, so that they come in the other
order. Older messages and deaths are choices as well, of which all are
taken; their bounds (stale_max, kills_max) count them over the whole execution, whatever its order,
so equal executions stay equal.

Why what is left out is equal to something that is run
  1. An execution is given by which of two dependent steps came first, for all of them, and by its
     other choices: memory models, clocks and pauses know nothing else.
  2. A dependence too much costs executions, one too few loses them. So a compare-and-swap counts as
     a write, and where it is not known who had to run for a step to become possible, everybody who
     was ready is tried.
  3. Somebody asleep at a node has been run from an earlier node, from which only steps independent
     of his have been taken since: he wakes with the first dependent one.
That it is so is tested against all executions: on litmus programs, and on drawn ones.
"""

from stress.races.weave.models import KILL
from stress.races.weave.roles import FENCE_KEY, Drain


class AsleepError(Exception):
    """Everybody ready is asleep: the rest of this execution is equal to one that was run."""


class _Node:
    """A step: who was ready, who has been tried, who is to be, who need not be."""

    __slots__ = ("chosen", "pending", "ready", "sleeping", "tried", "wanted")

    def __init__(self, ready: dict, sleeping: dict, chosen: int) -> None:
        self.ready = ready  # {number: what it was about to do}
        self.sleeping = sleeping  # Likewise.
        self.chosen = chosen
        self.wanted = {chosen}
        self.tried: set[int] = set()


class _Branch:
    """A choice that is not who goes: all of them are taken."""

    __slots__ = ("count", "place")

    def __init__(self, count: int) -> None:
        self.place = 0
        self.count = count


class _Event:
    """A step that was taken."""

    __slots__ = ("clock", "node", "number", "pending")

    def __init__(self, number: int, pending, node: _Node, clock: list[int]) -> None:
        self.number = number
        self.pending = pending
        self.node = node
        self.clock = clock


def _depend(one, other) -> bool:
    if one is None or other is None:
        return False
    return (one[0] == other[0] and (one[1] or other[1])) or (one[2] and other[2])


class Dpor:
    """A chooser that runs one execution of each kind. `slept` counts those given up as equal."""

    def __init__(self, use_sleep: bool = True) -> None:
        self._use_sleep = use_sleep
        self._stack: list[_Node | _Branch] = []
        self._changed = -1  # Place on the stack of what differs from the execution before.
        self.slept = 0

    def begin(self, execution) -> None:
        """Start at the first step."""
        self._depth = 0
        self._events: list[_Event] = []
        self._clocks: dict[int, list[int]] = {}
        self._written: dict[int, list[int]] = {}  # Clock of all writes to a cell.
        self._read: dict[int, list[int]] = {}  # Clock of all reads since.
        self._on_key: dict[int, list[int]] = {}  # Events by cell, and by FENCE_KEY.
        self._woken: dict[int, int] = {}  # Step that woke somebody last.
        self._last = None  # The step that was picked, and is now being taken.
        self._size = len(execution.roles) + execution.setting.kills_max
        self._nothing = [-1] * (2 * self._size)
        self._is_buffered = execution.memory.is_buffered

    def pick(self, execution, usual, ready: list):
        """Return who goes next."""
        self._take_event()
        waiting = {one.number: one.pending for one in ready}
        if self._depth < len(self._stack):
            node = self._stack[self._depth]
            assert node.ready.keys() == waiting.keys(), "the program differs from run to run"
        else:
            node = self._new_node(usual, waiting)
        chosen = next(one for one in ready if one.number == node.chosen)
        self._last = (chosen, waiting[node.chosen], node)
        self._stepped_clock = self._clock(chosen)
        if self._depth >= self._changed:  # Else it was done in an execution before.
            self._find_races(chosen, waiting[node.chosen])
        self._depth += 1
        return chosen

    def _new_node(self, usual, waiting: dict) -> _Node:
        sleeping = self._sleeping() if self._use_sleep else {}
        if usual.number in sleeping:
            awake = [number for number in waiting if number not in sleeping]
            if not awake:
                self.slept += 1
                raise AsleepError
            node = _Node(waiting, sleeping, awake[0])
        else:
            node = _Node(waiting, sleeping, usual.number)
        self._stack.append(node)
        return node

    def _sleeping(self) -> dict:
        """Return who is asleep behind the last step: who was, or has been tried, and is neither
        the one that took it nor dependent on it.
        """
        if not self._events:
            return {}
        event = self._events[-1]
        node = event.node
        asleep = dict(node.sleeping)
        for number in node.tried:
            asleep[number] = node.ready[number]
        return {
            number: pending
            for number, pending in asleep.items()
            if number != event.number and not _depend(pending, node.ready[event.number])
        }

    def _clock(self, one) -> list[int]:
        """Return the clock of all that somebody's next step needs.

        That is his last step; and, of a drain, the store that it lets out; of an update or a fence,
        the drain of what was stored before it; of who woke, what woke him; of a successor, the
        death.
        """
        clock = self._clocks.get(one.number, self._nothing)
        if type(one) is Drain:
            return _joined(clock, self._stored_clock(one))
        if one.predecessor is not None and one.number not in self._clocks:
            clock = self._clocks[one.number] = self._clock(one.predecessor)
        if self._woken.get(one.number, 0) != one.woken_step:
            self._woken[one.number] = one.woken_step
            clock = _joined(clock, self._events[one.woken_step - 1].clock)
            self._clocks[one.number] = clock
        if self._is_buffered and one.pending is not None and one.pending[1]:
            clock = _joined(clock, self._clocks.get(one.number + self._size, self._nothing))
        return clock

    def _take_event(self) -> None:
        """Give the step that was taken its clock."""
        if self._last is None:
            return
        one, pending, node = self._last
        self._last = None
        clock = list(self._stepped_clock)
        at = len(self._events)
        if pending is not None:
            key, writes, is_fenced = pending
            self._follow(clock, key, writes)
            if is_fenced and key != FENCE_KEY:
                self._follow(clock, FENCE_KEY, True)
        clock[one.number] = at
        if pending is not None:
            self._note(clock, key, writes, at)
            if is_fenced and key != FENCE_KEY:
                self._note(clock, FENCE_KEY, True, at)
        self._clocks[one.number] = clock
        self._events.append(_Event(one.number, pending, node, clock))

    def _stored_clock(self, drain: Drain) -> list[int]:
        """Return the clock that the role had when it stored what a drain lets out."""
        step, woken_step = drain.stored
        woke = self._events[woken_step - 1].clock if woken_step else self._nothing
        for event in reversed(self._events[:step]):
            if event.number == drain.role.number:
                return _joined(woke, event.clock)
        return woke

    def _follow(self, clock: list[int], key: int, writes: bool) -> None:
        """Let a clock know of the steps that this one depends on."""
        written = self._written.get(key)
        if written is not None:
            _join(clock, written)
        if writes and key in self._read:
            _join(clock, self._read[key])

    def _note(self, clock: list[int], key: int, writes: bool, at: int) -> None:
        self._on_key.setdefault(key, []).append(at)
        if writes:
            self._written[key] = clock
            self._read.pop(key, None)
        elif key in self._read:
            self._read[key] = list(map(max, self._read[key], clock))
        else:
            self._read[key] = clock

    def _find_races(self, chosen, pending) -> None:
        """Ask for the other order of every two steps of which `chosen`'s is the later one."""
        number, (key, writes, is_fenced) = chosen.number, pending
        before, clock = self._stepped_clock, list(self._stepped_clock)
        places = self._on_key.get(key, [])
        self._follow(clock, key, writes)
        if is_fenced and key != FENCE_KEY:
            places = sorted({*places, *self._on_key.get(FENCE_KEY, ())})
            self._follow(clock, FENCE_KEY, True)
        found: list[_Event] = []
        for at in reversed(places):
            event = self._events[at]
            if event.number == number or before[event.number] >= at:
                if event.pending[1] and not is_fenced:
                    break  # What came before that write is ordered as well.
                continue
            is_direct = not any(later.clock[event.number] >= at for later in found)
            if is_direct and _depend(event.pending, pending):
                found.append(event)
                self._want_other_order(at, number, clock)

    def _want_other_order(self, at: int, number: int, clock: list[int]) -> None:
        """Have somebody begin, in place of event `at`, all that does not need it.

        That is what was done since without needing it, and then the step of `number`, whose clock
        is given. Who can begin it has nothing before him in it. One of those is enough.
        """
        event = self._events[at]
        others: list[int] = []
        beginners = []
        for place in range(at + 1, len(self._events)):
            later = self._events[place]
            if later.clock[event.number] >= at:
                continue
            if not any(later.clock[self._events[k].number] >= k for k in others):
                beginners.append(later.number)
            others.append(place)
        if not any(clock[self._events[k].number] >= k for k in others):
            beginners.append(number)
        node = event.node
        if any(one in node.wanted or one in node.sleeping for one in beginners):
            return
        ready = [one for one in beginners if one in node.ready]
        node.wanted.update(ready[-1:] or node.ready)

    def choose(self, execution, count: int, kind: str) -> int:
        """Return a number below `count`: each in turn."""
        if self._depth == len(self._stack):
            self._stack.append(_Branch(count))
        branch = self._stack[self._depth]
        assert branch.count == count, "the program differs from run to run"
        self._depth += 1
        if kind == KILL and branch.place and execution.is_deciding:
            one, _, node = self._last
            self._last = (one, None, node)  # It died instead.
        return branch.place

    def advance(self) -> bool:
        """Go on to the next execution; False when there is none."""
        del self._stack[self._depth :]
        while self._stack:
            top = self._stack[-1]
            if type(top) is _Branch:
                if top.place + 1 < top.count:
                    top.place += 1
                    break
            else:
                top.tried.add(top.chosen)
                left = [n for n in top.wanted if n not in top.tried and n not in top.sleeping]
                if left:
                    top.chosen = left[0]
                    break
            self._stack.pop()
        self._changed = len(self._stack) - 1
        return bool(self._stack)


def _joined(clock: list[int], other: list[int]) -> list[int]:
    return list(map(max, clock, other))


def _join(clock: list[int], other: list[int]) -> None:
    for number, at in enumerate(other):
        if at > clock[number]:
            clock[number] = at
