"""One execution: shared words, and the accesses to them that roles make in turn (turns.py)."""

import sys
from collections.abc import Callable, Sequence

from stress.races.weave.cells import (
    FIRST_ADDRESS,
    WORD_MAX,
    WORD_MIN,
    Cell,
    Region,
    ViolationError,
    Words,
    as_word,
)
from stress.races.weave.orders import ACQ_REL, NAMES, PLAIN, RELAXED, SEQUENTIAL
from stress.races.weave.roles import FENCE_KEY, Role, Setting
from stress.races.weave.sites import Site
from stress.races.weave.turns import PLAIN_IN_A_ROW_MAX, Turns


class Execution(Turns):  # A base class: one object of two halves, and no call between them.
    """Memory, roles and the chooser of one execution."""

    def __init__(self, chooser, setting: Setting, trace: list | None = None) -> None:
        super().__init__(chooser, setting, trace)
        self.regions: list[Region] = []
        # Whether plain loads are steps, or noted, or choices, or may come from a buffer.
        self.is_long_way = bool(
            self.every_point or trace is not None or setting.kills_max or self.memory.is_buffered
        )

    def words(
        self,
        name: str,
        values: Sequence[int],
        names: Callable[[int], str] | None = None,
        tolerated: frozenset[int] = frozenset(),
    ) -> Words:
        """Return a new region of shared words. `names` names each for people.

        Plain accesses to the `tolerated` are taken for relaxed ones, that is for no races: copies
        that are thrown away when a version says so.
        """
        first_key = sum(len(region.values) for region in self.regions)
        region = Region(name, values, first_key, names or (lambda index: f"{name}[{index}]"))
        region.tolerated = tolerated
        self.regions.append(region)
        return Words(self, region, 0, len(values))

    def words_at(self, address: int) -> Words:
        """Return the pointer to the word at an address, which Words.ctypes gave."""
        key, odd = divmod(address - FIRST_ADDRESS, 8)
        for region in self.regions:
            index = key - region.first_key
            if not odd and 0 <= index < len(region.values):
                return Words(self, region, index, None)
        raise ViolationError("out of bounds", f"no shared word lies at {address}")

    def load_plain(self, cell: Cell) -> int:
        """Load a word plainly: as `load`, and the short way where nothing can be chosen."""
        role = self.current
        frame = sys._getframe(2)
        above = frame.f_back
        site = (frame.f_code, frame.f_lasti, above.f_code, above.f_lasti)
        row = role.plain_in_a_row
        if self.is_long_way or cell.tolerated or row >= PLAIN_IN_A_ROW_MAX:
            return self.load(cell, PLAIN, site)
        role.plain_in_a_row = row + 1
        self._detector.read(role, cell, False, site)
        role.awaited.setdefault(cell, cell.count)
        history = cell.history
        at = len(history) - 1
        if at:
            role.view[cell] = at
        return history[at].value

    def load(self, cell: Cell, order: int, site: Site | None = None) -> int:
        """Load a word. Called by kernels' accesses: `site` is where the caller's caller stands."""
        role = self.current
        if order == PLAIN and cell.tolerated:
            order = RELAXED
        if order or self.every_point:
            self._point(role, (cell.key, False, order == SEQUENTIAL))
        else:
            self._quiet(role, cell, False)
        site = site or _site_above(sys._getframe(2))
        if self.judges_races:
            self._detector.read(role, cell, order != PLAIN, site)
        value = self.memory.read(role, cell, order)
        role.awaited.setdefault(cell, cell.count)
        if self.trace is not None:
            self._note(role, f"load {NAMES[order]}", cell, value, site)
        return value

    def store(self, cell: Cell, value: int, order: int, site: Site | None = None) -> None:
        """Store a word; as `load`."""
        role = self.current
        if type(value) is not int or not WORD_MIN <= value <= WORD_MAX:
            value = as_word(value)
        if order == PLAIN and cell.tolerated:
            order = RELAXED
        if (order or self.every_point) and not self.memory.is_buffered:
            self._point(role, (cell.key, True, order == SEQUENTIAL))
        else:
            self._quiet(role, cell, True)
        site = site or _site_above(sys._getframe(2))
        if self.judges_races:
            self._detector.write(role, cell, order != PLAIN, site)
        if cell in role.awaited:
            is_same = role.awaited[cell] == cell.count and self.memory.known(role, cell) == value
            role.has_changed |= not is_same
        before = cell.count
        self.memory.write(role, cell, value, order)
        if cell.count != before:
            self._written(role, cell)
        if self.trace is not None:
            self._note(role, f"store {NAMES[order]}", cell, value, site)
        if order == SEQUENTIAL and self.memory.is_buffered:
            self.fence(SEQUENTIAL)

    def _written(self, role: Role, cell: Cell) -> None:
        if cell in role.awaited:
            role.awaited[cell] = cell.count
        self._wake_readers(role, cell)

    def update(
        self,
        cell: Cell,
        change: Callable[[int], int | None],
        orders: tuple[int, int] = (ACQ_REL, ACQ_REL),
        site: Site | None = None,
    ) -> int:
        """Replace a word by what `change` makes of it, at once; return it as it was.

        Nothing is stored where that is None: a compare-and-swap that fails. `orders` are those of
        success and of failure.
        """
        role = self.current
        role.wants_empty_buffer = self.memory.is_buffered
        self._point(role, (cell.key, True, SEQUENTIAL in orders))
        site = site or _site_above(sys._getframe(2))
        before = cell.count
        value, after = self.memory.update(role, cell, change, orders)
        if after is None:
            order = orders[1]
            role.awaited.setdefault(cell, cell.count)
        else:
            as_word(after)
            order, role.has_changed = orders[0], True
        if self.judges_races:
            judge = self._detector.read if after is None else self._detector.write
            judge(role, cell, True, site)
        if cell.count != before:
            self._written(role, cell)
        if self.trace is not None:
            shown = "unchanged" if after is None else f"-> {after}"
            self._note(role, f"update {NAMES[order]}", cell, value, site, shown)
        return value

    def fence(self, order: int, site: Site | None = None) -> None:
        """Order what stands before against what follows."""
        role = self.current
        if order == SEQUENTIAL:
            role.wants_empty_buffer = self.memory.is_buffered
            self._point(role, (FENCE_KEY, True, True))
        if self.trace is not None:
            site = site or _site_above(sys._getframe(2))
            self.trace.append((self.step, role.name, f"fence {NAMES[order]}", "", None, "", site))
        self.memory.fence(role, order)

    def pause(self) -> None:
        """Wait until a word that was read since the last pause is written by somebody else."""
        role = self.current
        if self.setting.spins == "run":
            return
        changed = role.has_changed or role.is_stale
        if not changed and all(cell.count == count for cell, count in role.awaited.items()):
            role.pending = None
            role.is_ready = False
            role.is_waiting = True
            self._leave(role)
        role.awaited.clear()
        role.has_changed = role.is_stale = False

    def _note(self, role: Role, what: str, cell: Cell, value: int, site: Site, shown="") -> None:
        if not shown and what.startswith("load") and value != cell.value:
            shown = "its own, waiting" if self.memory.is_buffered else "not the newest"
        self.trace.append((self.step, role.name, what, cell.name, value, shown, site))


def _site_above(frame) -> Site:
    above = frame.f_back
    return (frame.f_code, frame.f_lasti, above.f_code, above.f_lasti)
