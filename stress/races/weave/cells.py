"""Shared words as the checker keeps them, and as kernels see them.

A *region* is one array of shared words; a *cell* is one word of it with all that the memory model
and the race detector know of the word, made when it is first touched. `Words` is what a kernel gets
for an array or for a pointer into one: plain accesses by subscript, ordered ones by `cell`.
"""

from collections.abc import Callable, Sequence
from types import SimpleNamespace

from stress.races.weave.orders import PLAIN

WORD_MIN, WORD_MAX = -(1 << 63), (1 << 63) - 1


FIRST_ADDRESS = 1 << 40  # Where the first word is believed to lie.


class RefusedError(Exception):
    """The checker cannot say what this program means, so it does not guess."""


class ViolationError(Exception):
    """What must not happen has happened: `kind` in one or two words, `text` for people."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(f"{kind}: {text}")
        self.kind = kind
        self.text = text


class Message:
    """A value stored to a cell, and what its reader may learn: a clock and a view, or nothing."""

    __slots__ = ("clock", "value", "view")

    def __init__(self, value: int, clock: list | None, view: dict | None) -> None:
        self.value = value
        self.clock = clock
        self.view = view


class Cell:
    """One shared word of one execution.

    `key` is the same in every execution. `count` is how often it was written. `history` has all
    messages where the model is c11, else only the newest. The rest belongs to the race detector.
    """

    __slots__ = (
        "atomic_reads",
        "atomic_writes",
        "count",
        "history",
        "key",
        "name",
        "plain_reads",
        "plain_write",
        "tolerated",
    )

    def __init__(self, key: int, name: str, value: int, tolerated: bool) -> None:
        self.key = key
        self.name = name
        self.tolerated = tolerated
        self.count = 0
        self.history = [Message(value, None, None)]
        self.plain_write = None
        self.plain_reads = {}
        self.atomic_writes = {}
        self.atomic_reads = {}

    @property
    def value(self) -> int:
        """Return what was stored last. No access: for checks after an execution."""
        return self.history[-1].value


class Region:
    """An array of shared words; `first_key` is the key of its first cell."""

    def __init__(
        self, name: str, values: Sequence[int], first_key: int, names: Callable[[int], str]
    ) -> None:
        self.name = name
        self.values = values
        self.first_key = first_key
        self.names = names
        self.tolerated = frozenset()
        self.cells: dict[int, Cell] = {}

    def cell(self, index: int) -> Cell:
        """Return the cell of a word; ViolationError beyond the region."""
        cell = self.cells.get(index)
        if cell is None:
            if not 0 <= index < len(self.values):
                text = f"word {index} of {self.name}, which has {len(self.values)}"
                raise ViolationError("out of bounds", text)
            is_tolerated = index in self.tolerated
            cell = Cell(self.first_key + index, self.names(index), self.values[index], is_tolerated)
            self.cells[index] = cell
        return cell

    def now(self) -> list[int]:
        """Return what was stored last to every word. No access: for checks after an execution."""
        now = list(self.values)
        for index, cell in self.cells.items():
            now[index] = cell.value
        return now


class Words:
    """An array of a region's words, or (count None) a pointer to one of them.

    Behaves as numba's: an array of `columns` columns takes two indices; a pointer may leave its
    array but not its region. An index below 0, which numba would wrap, is a ViolationError.
    """

    __slots__ = ("begin", "columns", "count", "execution", "region")

    def __init__(self, execution, region: Region, begin: int, count: int | None) -> None:
        self.execution = execution
        self.region = region
        self.begin = begin
        self.count = count
        self.columns = 0

    def __len__(self) -> int:
        if self.count is None:
            raise RefusedError(f"the length of a pointer into {self.region.name}")
        return self.count // self.columns if self.columns else self.count

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the shape as an array has it."""
        return (len(self), self.columns) if self.columns else (len(self),)

    def cell(self, index: int | tuple) -> Cell:
        """Return the cell at an index."""
        if self.columns:
            row, column = index
            if not 0 <= column < self.columns:
                raise ViolationError("out of bounds", f"column {column} of {self.region.name}")
            index = row * self.columns + column
        if self.count is not None and not 0 <= index < self.count:
            raise ViolationError(
                "out of bounds", f"index {index} of {self.count} in {self.region.name}"
            )
        return self.region.cell(self.begin + int(index))

    def __getitem__(self, index: int | slice | tuple):
        if (
            type(index) is int
            and not self.columns
            and (self.count is None or 0 <= index < self.count)
        ):
            cell = self.region.cells.get(self.begin + index)
            if cell is not None:  # The short way: most accesses go here.
                return self.execution.load_plain(cell)
        if type(index) is slice:
            begin, end, step = index.indices(len(self))
            if step != 1 or self.columns:
                raise RefusedError(f"a slice with a step, or of rows, of {self.region.name}")
            return Words(self.execution, self.region, self.begin + begin, end - begin)
        return self.execution.load_plain(self.cell(index))

    def __setitem__(self, index: int | tuple, value: int) -> None:
        if type(index) is slice:
            raise RefusedError(f"an assignment to a slice of {self.region.name}")
        self.execution.store(self.cell(index), value, PLAIN)

    @property
    def ctypes(self) -> SimpleNamespace:
        """Return the address of the first word, as `array.ctypes.data` gives it."""
        return SimpleNamespace(data=FIRST_ADDRESS + 8 * (self.region.first_key + self.begin))

    def pointer(self) -> "Words":
        """Return the pointer to the first word."""
        return Words(self.execution, self.region, self.begin, None)

    def shifted(self, count: int) -> "Words":
        """Return the pointer `count` words further on."""
        return Words(self.execution, self.region, self.begin + int(count), None)

    def reshape(self, *shape) -> "Words":
        """Return the same words as one row (-1), or in rows (rows, columns)."""
        if len(shape) == 1 and isinstance(shape[0], tuple):
            shape = shape[0]
        words = Words(self.execution, self.region, self.begin, self.count)
        if len(shape) == 2:
            words.columns = int(shape[1])
        elif shape != (-1,):
            raise RefusedError(f"{self.region.name} in the shape {shape}")
        return words


def as_word(value) -> int:
    """Return a value as a signed 64-bit word; RefusedError if it is none."""
    word = int(value)
    if word != value or not WORD_MIN <= word <= WORD_MAX:
        raise RefusedError(f"{value!r} stored to a word: not a signed number of 64 bits")
    return word
