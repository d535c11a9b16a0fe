"""What a load may return: sequential consistency, store buffers as in x86, views as in C11.

Each model has the same methods over a role and a cell: read, write, update (an atomic
read-modify-write), fence. All of them keep the clocks of C11's happens-before for the detector.

sc   a load returns what was stored last.
tso  each role's stores wait in a buffer, first in, first out; a load returns the newest waiting
     store of its own role to that cell, else what was stored last. Updates and seq_cst fences
     wait until the buffer is empty. Leaving the buffer is a step of its own (execution.Drain).
c11  each cell keeps all that was stored, in the order of execution; each role has a view, the
     oldest message of each cell that it may still read. A load may return any message from there
     on. Acquire takes over the view that release attached to a message. A read-modify-write reads
     the newest message and passes on what its predecessor's release attached.

What c11 cannot show: load buffering (a load never returns what is stored later in the execution),
orders of stores to a cell other than that of execution (2+2W), consume. seq_cst is modelled by one
view of all seq_cst fences and stores, which is at most stronger than C11 where a cell is accessed
with seq_cst and with other orders.
"""

from stress.races.weave.cells import Cell, Message
from stress.races.weave.detector import join
from stress.races.weave.orders import ACQUIRES, PLAIN, RELEASES, SEQUENTIAL

STALE, KILL = "stale", "kill"  # Kinds of choices beside that of the next role.


def join_views(view: dict, other: dict) -> None:
    """Raise the oldest readable message of each cell to that of another view."""
    for cell, at in other.items():
        if at > view.get(cell, 0):
            view[cell] = at


class Sequential:
    """sc: the newest message only."""

    is_buffered = False

    def known(self, role, cell: Cell) -> int:
        """Return what was stored last, as the role would read it."""
        return cell.history[-1].value

    def read(self, role, cell: Cell, order: int) -> int:
        """Return what was stored last."""
        message = cell.history[-1]
        learn(role, message, order)
        return message.value

    def write(self, role, cell: Cell, value: int, order: int) -> None:
        """Store a value."""
        cell.history[-1] = Message(value, released_clock(role, order), None)
        if RELEASES[order]:
            role.clock[role.number] += 1
        cell.count += 1

    def update(self, role, cell: Cell, change, orders: tuple[int, int]) -> tuple[int, int | None]:
        """Store what `change` makes of the value, unless that is None; return (before, after)."""
        before = cell.history[-1]
        after = change(before.value)
        learn(role, before, orders[0] if after is not None else orders[1])
        if after is None:
            return before.value, None
        order = orders[0]
        clock = released_clock(role, order)
        if before.clock is not None:  # The release sequence goes on.
            clock = list(clock) if clock is not None else [0] * len(role.clock)
            join(clock, before.clock)
        cell.history[-1] = Message(after, clock, None)
        if RELEASES[order]:
            role.clock[role.number] += 1
        cell.count += 1
        return before.value, after

    def fence(self, role, order: int) -> None:
        """Order what stands before against what follows."""
        if ACQUIRES[order]:
            join(role.clock, role.acquired_clock)
        if RELEASES[order]:
            role.released_clock = list(role.clock)
            role.clock[role.number] += 1


def learn(role, message: Message, order: int) -> None:
    """Take over the clock of a message that was read, or keep it for an acquire fence."""
    if message.clock is not None and order != PLAIN:
        join(role.clock if ACQUIRES[order] else role.acquired_clock, message.clock)


def released_clock(role, order: int) -> list[int] | None:
    """Return the clock that a store attaches to its message."""
    if RELEASES[order]:
        return list(role.clock)
    return None if order == PLAIN else role.released_clock


class Buffered(Sequential):
    """tso: stores wait in `role.buffer` as (cell, message, is ordered, step, step that
    woke the role last)."""

    is_buffered = True

    def __init__(self, execution) -> None:
        self._execution = execution

    def known(self, role, cell: Cell) -> int:
        """Return what was stored last, as the role would read it."""
        for waiting, message, *_ in reversed(role.buffer):
            if waiting is cell:
                return message.value
        return cell.history[-1].value

    def read(self, role, cell: Cell, order: int) -> int:
        """Return the role's own newest waiting store, else what was stored last."""
        for waiting, message, *_ in reversed(role.buffer):
            if waiting is cell:
                return message.value
        return Sequential.read(self, role, cell, order)

    def write(self, role, cell: Cell, value: int, order: int) -> None:
        """Put a store into the buffer."""
        message = Message(value, released_clock(role, order), None)
        step = self._execution.step
        is_ordered = order != PLAIN or self._execution.every_point
        role.buffer.append((cell, message, is_ordered, step, role.woken_step))
        role.buffered_count += is_ordered
        if RELEASES[order]:
            role.clock[role.number] += 1


class Weak:
    """c11: every message, and views."""

    is_buffered = False

    def __init__(self, execution) -> None:
        self._execution = execution
        self._agreed: dict[Cell, int] = {}  # The view of seq_cst fences and stores.

    def known(self, role, cell: Cell) -> int:
        """Return what was stored last."""
        return cell.history[-1].value

    def _oldest(self, role, cell: Cell, order: int) -> int:
        oldest = role.view.get(cell, 0)
        if order == SEQUENTIAL:
            oldest = max(oldest, self._agreed.get(cell, 0))
        return oldest

    def _learn(self, role, message: Message, order: int) -> None:
        if order == PLAIN:
            return
        if message.clock is not None:
            join(role.clock if ACQUIRES[order] else role.acquired_clock, message.clock)
        if message.view is not None:
            join_views(role.view if ACQUIRES[order] else role.acquired_view, message.view)

    def read(self, role, cell: Cell, order: int) -> int:
        """Return the newest message or, by the chooser's will, an older one that may be read."""
        history = cell.history
        at = len(history) - 1
        view = role.view
        if at:
            execution = self._execution
            if execution.stale_left and (order != PLAIN or execution.every_point):
                oldest = self._oldest(role, cell, order)
                if at > oldest:
                    back = execution.choose(at - oldest + 1, STALE)
                    if back:
                        execution.stale_left -= 1
                        role.is_stale = True
                        at -= back
            view[cell] = at
        message = history[at]
        self._learn(role, message, order)
        return message.value

    def _released_view(self, role, order: int) -> dict | None:
        if RELEASES[order]:
            return dict(role.view)
        return None if order == PLAIN else role.released_view

    def _append(self, role, cell: Cell, message: Message, order: int) -> None:
        at = len(cell.history)
        if RELEASES[order]:
            message.view[cell] = at
            role.clock[role.number] += 1
        cell.history.append(message)
        cell.count += 1
        role.view[cell] = at
        if order == SEQUENTIAL:
            self._agreed[cell] = at

    def write(self, role, cell: Cell, value: int, order: int) -> None:
        """Store a value behind all others."""
        clock, view = released_clock(role, order), self._released_view(role, order)
        self._append(role, cell, Message(value, clock, view), order)

    def update(self, role, cell: Cell, change, orders: tuple[int, int]) -> tuple[int, int | None]:
        """Store what `change` makes of the newest value; return (before, after).

        Where it makes None, nothing is stored: then an older message for which it makes None as
        well may be read instead.
        """
        at = len(cell.history) - 1
        execution = self._execution
        if at and execution.stale_left and orders[1] is not None:
            oldest = self._oldest(role, cell, orders[1])
            older = [k for k in range(at - 1, oldest - 1, -1) if self._fails(cell, k, change)]
            if older:
                back = execution.choose(len(older) + 1, STALE)
                if back:
                    execution.stale_left -= 1
                    role.is_stale = True
                    at = older[back - 1]
        before = cell.history[at]
        after = change(before.value)
        role.view[cell] = at
        order = orders[0] if after is not None else orders[1]
        self._learn(role, before, order)
        if after is not None:
            self._append(role, cell, self._continued(role, before, after, order), order)
        return before.value, after

    @staticmethod
    def _fails(cell: Cell, at: int, change) -> bool:
        return change(cell.history[at].value) is None

    def _continued(self, role, before: Message, value: int, order: int) -> Message:
        """Return the message of an update: the release sequence of its predecessor goes on."""
        clock, view = released_clock(role, order), self._released_view(role, order)
        if before.clock is not None:
            clock = list(clock) if clock is not None else [0] * len(role.clock)
            join(clock, before.clock)
        if before.view is not None:
            view = dict(view) if view is not None else {}
            join_views(view, before.view)
        return Message(value, clock, view)

    def fence(self, role, order: int) -> None:
        """Order what stands before against what follows."""
        if ACQUIRES[order]:
            join(role.clock, role.acquired_clock)
            join_views(role.view, role.acquired_view)
        if order == SEQUENTIAL:
            join_views(role.view, self._agreed)
            join_views(self._agreed, role.view)
        if RELEASES[order]:
            role.released_clock = list(role.clock)
            role.released_view = dict(role.view)
            role.clock[role.number] += 1


MODELS = {"sc": lambda _: Sequential(), "tso": Buffered, "c11": Weak}
