"""What an execution runs: roles, the drains of their buffers, and under which setting."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from greenlet import greenlet

from stress.races.weave.cells import Cell

FENCE_KEY = -1  # What seq_cst fences touch.
Pending = tuple[int, bool, bool]  # Key of the cell, whether it is written, whether seq_cst.


class UnfinishedError(Exception):
    """The execution took more steps than it may."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What an execution is run under, and its bounds."""

    model: str = "c11"
    races: str = "raise"  # Or "off": then only results are judged.
    spins: str = "wait"  # Or "run": a pause is nothing.
    every_point: bool = False  # Plain accesses are steps as well; always so if races are off.
    stale_max: int = 3  # Reads of older messages in one execution.
    kills_max: int = 0
    steps_max: int = 5000


class Role:
    """A thread of control, or one life of a process."""

    def __init__(self, number: int, name: str, call: Sequence, clock: list[int]) -> None:
        self.number = number
        self.name = name
        self.call = call  # A function and its arguments.
        self.successor: Sequence | None = None
        self.clock = clock
        self.acquired_clock = [0] * len(clock)
        self.released_clock: list[int] | None = None
        self.view: dict[Cell, int] = {}
        self.acquired_view: dict[Cell, int] = {}
        self.released_view: dict[Cell, int] | None = None
        self.buffer: deque = deque()
        self.buffered_count = 0  # Ordered stores in it.
        self.pending: Pending | None = None
        self.is_ready = False
        self.is_done = False
        self.is_waiting = False  # In a pause.
        self.woken_step = 0  # Step of the last write that ended a pause.
        self.wants_empty_buffer = False
        self.asked_by: greenlet | None = None  # Who wants to know the first access.
        self.awaited: dict[Cell, int] = {}
        self.is_stale = self.has_changed = False
        self.plain_in_a_row = 0
        self.predecessor: Role | None = None
        self.heir: Role | None = None  # Begins when the buffer is empty.
        self.result = None
        self.greenlet: greenlet | None = None


class Drain:
    """tso: lets the stores of a role leave its buffer, oldest first: up to an ordered one at once.

    Where plain accesses are no steps, nobody can tell when plain stores leave, as long as it is
    before the next ordered one does.
    """

    def __init__(self, number: int, role: Role) -> None:
        self.number = number
        self.name = f"buffer of {role.name}"
        self.role = role

    @property
    def pending(self) -> Pending:
        """Return what leaves next."""
        return (self._leaving()[0].key, True, False)

    @property
    def stored(self) -> tuple[int, int]:
        """Return the step in which that was stored, and the one that last woke the role then."""
        return self._leaving()[3:]

    def _leaving(self) -> tuple:
        return next(entry for entry in self.role.buffer if entry[2])
