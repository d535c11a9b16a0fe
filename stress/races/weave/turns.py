"""Roles that take turns at every ordered access, as a chooser says.

Each role is a greenlet. Before an access it says what it will touch (`pending`) and asks who goes
next; so whenever a choice is made, the next access of every role that can go on is known. The
chooser is asked

  pick(execution, usual, ready)      which of the ready roles takes its step; `usual` by default
  choose(execution, count, kind)     a number below `count`: how old a message is read (STALE), or
                                     whether the role that was picked dies here (KILL); 0 by default

and what it chose beyond the default is kept in `schedule`, so every execution can be repeated.

  - Plain accesses are steps only if `every_point` is set. Else they belong to the step before them:
    while the detector reports every race, no other role can tell when they happen. A role that
    makes many in a row is stopped all the same, for it may be waiting for a plain word.
  - `pause` waits until a word that was read since the last pause is written by somebody else. A
    loop that pauses must do the same again as long as it reads the same. Where loops are bounded
    and may give up, set `spins` to "run": then a pause is nothing.
  - tso: the oldest waiting store of a role leaves its buffer in a step of a Drain, which by default
    comes next.
  - A role with a successor may be killed before any of its accesses. Its successor begins after
    everything that it did, as a process does that is started once another one's death is seen.
"""

from collections.abc import Callable, Sequence

from greenlet import GreenletExit, getcurrent, greenlet

from stress.races.weave.cells import Cell, ViolationError
from stress.races.weave.detector import Detector
from stress.races.weave.models import KILL, MODELS, STALE
from stress.races.weave.roles import Drain, Pending, Role, Setting, UnfinishedError
from stress.races.weave.schedule import Schedule

PLAIN_IN_A_ROW_MAX = 100


class Turns:
    """Roles and the chooser of one execution. `run` may be called once."""

    def __init__(self, chooser, setting: Setting, trace: list | None = None) -> None:
        self.setting = setting
        self.chooser = chooser
        self.trace = trace
        self.every_point = setting.every_point or setting.races == "off"
        self.judges_races = setting.races != "off"
        self.stale_left = setting.stale_max
        self.kills_left = setting.kills_max
        self.memory = MODELS[setting.model](self)
        self.roles: list[Role] = []
        self.drains: list[Drain] = []
        self.step = 0
        self.schedule = Schedule({}, {}, {})
        self.choices = {STALE: 0, KILL: 0}
        self.current: Role | None = None
        self.failure: BaseException | None = None
        self.parked: list | None = None  # Takes greenlets that cannot be ended: in compiled code.
        self.is_deciding = False  # Whether a death would come instead of the step just picked.
        self._woken: list[Role] = []
        self._calls: list[tuple[str, Sequence, Sequence | None]] = []
        self._detector: Detector | None = None

    def role(self, name: str, function: Callable, *args, successor: Sequence | None = None) -> None:
        """Add a role that calls a function. It may be killed if it has a `successor`.

        That is a function and its arguments, which is called instead from then on; a successor is
        its own.
        """
        self._calls.append((name, (function, *args), successor))

    def run(self) -> dict[str, object]:
        """Run all roles to their ends; return what they returned, by name.

        A successor's result stands under the name of whom it succeeds.
        """
        self.main = getcurrent()
        size = len(self._calls) + self.setting.kills_max
        for name, call, successor in self._calls:
            self._add_role(name, call, successor, size)
        self._detector = Detector([role.name for role in self.roles])
        self._names = self._detector._names
        self._woken = list(self.roles)
        self.chooser.begin(self)
        try:
            while True:
                chosen = self._decide()
                if chosen is None or self.failure:
                    break
                self.current = chosen
                chosen.greenlet.switch()
            if self.failure:
                raise self.failure
            self._judge_waiting()
            for role in self.roles:
                self._drain(role)
        finally:
            self._end_greenlets()
        return {role.name.partition("'")[0]: role.result for role in self.roles}

    def _add_role(self, name: str, call: Sequence, successor: Sequence | None, size: int) -> Role:
        clock = [0] * size
        role = Role(len(self.roles), name, call, clock)
        clock[role.number] = 1
        role.successor = successor
        role.greenlet = greenlet(lambda: self._live(role), self.main)
        self.roles.append(role)
        if self.memory.is_buffered:
            self.drains.append(Drain(size + role.number, role))
        return role

    def _live(self, role: Role) -> None:
        """Be a role, from its begin to its end."""
        try:
            role.result = role.call[0](*role.call[1:])
        except GreenletExit:
            return
        except AssertionError as error:
            text = f"of {role.name}: {error}" if str(error) else f"of {role.name}"
            self.fail(ViolationError("assertion", text).with_traceback(error.__traceback__))
        except BaseException as error:
            self.fail(error)
        role.is_done = True
        role.is_ready = False

    def fail(self, error: BaseException) -> None:
        """End the execution with an error, unless it has one."""
        if self.failure is None:
            self.failure = error

    def _judge_waiting(self) -> None:
        waiting = [role.name for role in self.roles if not role.is_done]
        if waiting:
            raise ViolationError("deadlock", f"for ever waiting: {', '.join(waiting)}")

    def _end_greenlets(self) -> None:
        for role in self.roles:
            if not role.greenlet or role.greenlet.dead:
                continue
            if self.parked is None:
                role.greenlet.throw(GreenletExit)
            elif role.greenlet:  # It has begun.
                self.parked.append(role.greenlet)

    def _decide(self) -> Role | None:
        """Return the role that takes the next step; None if none can, or the execution failed."""
        while True:
            while self._woken and not self.failure:
                woken = self._woken.pop(0)
                if woken.greenlet is getcurrent():
                    return woken  # It asks again at its next access.
                self._advance(woken)
            if self.failure:
                return None
            ready = [role for role in self.roles if role.is_ready]
            if self.drains:
                ready += [drain for drain in self.drains if drain.role.buffered_count]
            if not ready:
                return None
            self.step += 1
            if self.step > self.setting.steps_max:
                self.fail(UnfinishedError(f"more than {self.setting.steps_max} steps"))
                return None
            usual = self._usual(ready)
            chosen = self.chooser.pick(self, usual, ready)
            if chosen is not usual:
                self.schedule.switches[self.step] = _place(chosen, usual, ready)
            if type(chosen) is Drain:
                self._drain(chosen.role)
            elif not self._dies(chosen):
                return chosen

    def _usual(self, ready: list):
        """Return who goes next unless the chooser wants another one."""
        current = self.current
        if current is None:
            return ready[0]
        if self.drains and current.buffered_count:
            return self.drains[current.number]
        return current if current.is_ready else ready[0]

    def _dies(self, role: Role) -> bool:
        """Ask whether a role that was picked dies, and let it."""
        if not (self.kills_left and role.successor):
            return False
        self.is_deciding = True
        dies = self.choose(2, KILL)
        self.is_deciding = False
        if dies:
            self._kill(role)
        return bool(dies)

    def choose(self, count: int, kind: str) -> int:
        """Return a number below `count`, as the chooser says; it is kept in the schedule."""
        number = self.chooser.choose(self, count, kind)
        if number:
            chosen = self.schedule.stale if kind == STALE else self.schedule.kills
            chosen[self.choices[kind]] = number
        self.choices[kind] += 1
        return number

    def _advance(self, role: Role) -> None:
        """Let a role that began or woke run up to its next access, which it then says."""
        before = self.current
        self.current = role
        role.is_waiting = False
        role.asked_by = getcurrent()
        role.greenlet.parent = role.asked_by
        role.greenlet.switch()
        role.greenlet.parent = self.main
        self.current = before

    def _go(self, role: Role) -> None:
        """Give the turn to whom the chooser says, and return when `role` has it again."""
        chosen = self._decide()
        if chosen is role:
            return
        if chosen is None or self.failure:
            self.main.switch()
        else:
            self.current = chosen
            chosen.greenlet.switch()

    def _leave(self, role: Role) -> None:
        """Go back to who let this role advance, or give the turn away; return when picked."""
        if role.asked_by is not None:
            asked_by, role.asked_by = role.asked_by, None
            asked_by.switch()
        else:
            self._go(role)

    def _point(self, role: Role, pending: Pending) -> None:
        """Say what is accessed next, and wait for the turn."""
        role.plain_in_a_row = 0
        role.pending = pending
        role.is_ready = not (role.wants_empty_buffer and role.buffered_count)
        self._leave(role)
        if role.wants_empty_buffer:
            role.wants_empty_buffer = False
            self._drain(role)  # Plain stores, if any are left.

    def _quiet(self, role: Role, cell: Cell, writes: bool) -> None:
        """Pass a plain access that is no step: the role may die here, or has made too many."""
        role.plain_in_a_row += 1
        if role.plain_in_a_row > PLAIN_IN_A_ROW_MAX:
            self._point(role, (cell.key, writes, False))
        elif self.kills_left and role.successor and self.choose(2, KILL):
            self._kill(role)
            self._leave(role)

    def _kill(self, role: Role) -> None:
        """End a role before its next access, and add its successor."""
        self.kills_left -= 1
        role.is_done = True
        role.is_ready = False
        if self.trace is not None:
            self.trace.append((self.step, role.name, "killed", "", None, "", None))
        heir = self._add_role(role.name + "'", role.successor, role.successor, len(role.clock))
        self._names.append(heir.name)
        for number, at in enumerate(role.clock):
            heir.clock[number] = max(heir.clock[number], at)
        heir.view = dict(role.view)
        heir.predecessor = role
        if role.buffered_count:
            role.heir = heir  # It begins when the buffer is empty.
        else:
            self._drain(role)  # Plain stores, if any are left.
            self._woken.append(heir)

    def _drain(self, role: Role) -> None:
        """Let the oldest ordered store of a buffer, and what is before it, become visible."""
        while role.buffer:
            cell, message, is_ordered, *_ = role.buffer.popleft()
            if role.awaited.get(cell) == cell.count:
                role.awaited[cell] += 1  # What it writes itself does not wake it.
            cell.history[-1] = message
            cell.count += 1
            self._wake_readers(role, cell)
            if is_ordered:
                role.buffered_count -= 1
                break
        if not role.buffered_count and role.heir:
            heir, role.heir = role.heir, None
            self._drain(role)  # Plain stores, if any are left.
            self._woken.append(heir)
        elif not role.buffered_count and role.wants_empty_buffer and not role.is_done:
            role.is_ready = True

    def _wake_readers(self, writer: Role, cell: Cell) -> None:
        for role in self.roles:
            if role.is_waiting and role is not writer and cell in role.awaited:
                role.is_waiting = False
                role.woken_step = self.step
                self._woken.append(role)


def _place(chosen, usual, ready: list) -> int:
    """Return the place of a choice among the ready: the usual one first, the others in order."""
    return [usual, *(one for one in ready if one is not usual)].index(chosen)
