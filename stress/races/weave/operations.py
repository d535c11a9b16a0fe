"""What an intrinsic of a kernel may mean to the checker.

A scenario's `model` says for each intrinsic of its kernels one of these names, and what the
operation takes before the intrinsic's own arguments:

    load ORDER                 (words, index)
    store ORDER                (words, index, value)
    add ORDER                  (words, index, value), returns the word as it was; likewise
    exchange ORDER             (words, index, value)
    maximum ORDER              (words, index, value)
    bits_or ORDER, bits_and ORDER
    compare_swap SUCCESS FAILURE   (words, index, expected, value)
    fence ORDER, pause         ()
    pointer                    (array)
    shifted                    (pointer, count): so many words further on
    words_at                   (address, anything): a pointer from what `words.ctypes.data` gave
    ignored                    (anything): a prefetch
    python FUNCTION            that function instead: arithmetic, which touches no shared word

ORDER is plain, relaxed, acquire, release, acq_rel or seq_cst. On words of its own a role's
operations are what they say, and no steps.
"""

from collections.abc import Callable

from stress.races.weave.cells import WORD_MAX, WORD_MIN, RefusedError, Words
from stress.races.weave.orders import NAMES

_MODULUS = 1 << 64


class Stage:
    """Whose turn lifted kernels take: set before each execution."""

    __slots__ = ("execution",)


class Private:
    """An array of a role's own words, or a pointer into it, as Words but of nobody's interest."""

    __slots__ = ("begin", "columns", "count", "values")

    def __init__(self, values: list, begin: int, count: int, columns: int = 0) -> None:
        self.values = values
        self.begin = begin
        self.count = count
        self.columns = columns

    def __len__(self) -> int:
        return self.count // self.columns if self.columns else self.count

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the shape as an array has it."""
        return (len(self), self.columns) if self.columns else (len(self),)

    def _place(self, index: int | tuple) -> int:
        if self.columns:
            index = index[0] * self.columns + index[1]
        place = self.begin + index
        if not 0 <= place < len(self.values):
            raise IndexError(f"index {index} of {self.count}")
        return place

    def __getitem__(self, index):
        if type(index) is slice:
            begin, end, _ = index.indices(len(self))
            if self.columns:
                raise RefusedError("a slice of rows")
            return Private(self.values, self.begin + begin, end - begin)
        if self.columns and type(index) is not tuple:
            return Private(self.values, self.begin + index * self.columns, self.columns)
        return self.values[self._place(index)]

    def __setitem__(self, index, value) -> None:
        if type(index) is slice:
            raise RefusedError("an assignment to a slice")
        self.values[self._place(index)] = value

    def pointer(self) -> "Private":
        """Return the pointer to the first word."""
        return Private(self.values, self.begin, self.count)

    def shifted(self, count: int) -> "Private":
        """Return the pointer `count` words further on."""
        return Private(self.values, self.begin + count, self.count - count)

    def reshape(self, *shape) -> "Private":
        """Return the same words in one row (-1), or in rows (rows, columns)."""
        if len(shape) == 1 and isinstance(shape[0], tuple):
            shape = shape[0]
        columns = int(shape[1]) if len(shape) == 2 else 0
        return Private(self.values, self.begin, self.count, columns)


def operation(stage: Stage, name: str, *first) -> Callable:
    """Return the operation of that name as a function of an intrinsic's arguments."""
    if name not in _OPERATIONS:
        raise RefusedError(f"no operation is called {name!r}; there are {', '.join(_OPERATIONS)}")
    if name == "python":
        return first[0]
    orders = []
    for order in first:
        if order not in NAMES:
            raise RefusedError(f"no memory order is called {order!r}; there are {', '.join(NAMES)}")
        orders.append(NAMES.index(order))
    return _OPERATIONS[name](stage, *orders)


def _load(stage: Stage, order: int) -> Callable:
    def load(words, index):
        if type(words) is not Words:
            return words[index]
        return words.execution.load(words.cell(index), order)

    return load


def _store(stage: Stage, order: int) -> Callable:
    def store(words, index, value):
        if type(words) is not Words:
            words[index] = value
        else:
            words.execution.store(words.cell(index), value, order)

    return store


def _updating(change: Callable[[int, int], int]) -> Callable:
    """Return the maker of an operation that replaces a word by change(word, value)."""

    def make(stage: Stage, order: int) -> Callable:
        orders = (order, order)

        def update(words, index, value):
            if type(words) is not Words:
                before = words[index]
                words[index] = change(before, value)
                return before
            cell = words.cell(index)
            return words.execution.update(cell, lambda word: change(word, int(value)), orders)

        return update

    return make


def _wrapped_sum(word: int, value: int) -> int:
    total = word + value
    if WORD_MIN <= total <= WORD_MAX:
        return total
    return (total - WORD_MIN) % _MODULUS + WORD_MIN


def _compare_swap(stage: Stage, success: int, failure: int) -> Callable:
    orders = (success, failure)

    def compare_swap(words, index, expected, value):
        if type(words) is not Words:
            before = words[index]
            if before == expected:
                words[index] = value
            return before
        return words.execution.update(
            words.cell(index), lambda word: int(value) if word == expected else None, orders
        )

    return compare_swap


def _fence(stage: Stage, order: int) -> Callable:
    return lambda: stage.execution.fence(order)


def _pause(stage: Stage) -> Callable:
    return lambda: stage.execution.pause()


_OPERATIONS = {
    "load": _load,
    "store": _store,
    "add": _updating(_wrapped_sum),
    "exchange": _updating(lambda word, value: value),
    "maximum": _updating(max),
    "bits_or": _updating(lambda word, value: word | value),
    "bits_and": _updating(lambda word, value: word & value),
    "compare_swap": _compare_swap,
    "fence": _fence,
    "pause": _pause,
    "pointer": lambda stage: lambda array: array.pointer(),
    "shifted": lambda stage: lambda base, count: base.shifted(count),
    "words_at": lambda stage: lambda address, *_: stage.execution.words_at(address),
    "ignored": lambda stage: lambda *_: None,
    "python": None,
}
