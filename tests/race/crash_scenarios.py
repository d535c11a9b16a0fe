"""One row that counts packets of a ring, for killpoint: the sound protocol and its broken twins.

The worker takes numbers from slots, adds each to a row of four words (count, sum, largest, sum of
squares) and goes on. Killed anywhere, whoever comes after it must leave the row as if nothing had
been.

    redo      the new row beside the old, whose number it makes, committed; then copied; then taken
    applied   the row is changed in place, then the number is taken: killed between, it counts twice
    taken     the number is taken, then the row changed: killed between, it is lost
    early     the redo record is committed before it is whole
"""

import numpy as np
from numba import njit

from engine.memory.atomics import load_acquire, load_relaxed, store_release
from stress.races.scenario import Role, Scenario

HEAD, COMMITTED, NEW, ROW, SLOTS = 0, 1, 8, 16, 24
ROW_WORDS = 4
NUMBERS = (3, 5, 2, 5)


@njit(nogil=True)
def _fold(words, to, number):
    """Make the row that `number` adds to, at `to`."""
    words[to] = words[ROW] + 1
    words[to + 1] = words[ROW + 1] + number
    words[to + 2] = max(words[ROW + 2], number)
    words[to + 3] = words[ROW + 3] + number * number


@njit(nogil=True)
def _copy(words):
    for word in range(ROW_WORDS):
        words[ROW + word] = words[NEW + word]


@njit(nogil=True)
def redo(words, count):
    """Count all numbers, each once, however often this is killed."""
    head = load_relaxed(words, HEAD)
    if load_acquire(words, COMMITTED) == head + 1:
        _copy(words)
        store_release(words, HEAD, head + 1)
    for taken in range(load_relaxed(words, HEAD), count):
        _fold(words, NEW, words[SLOTS + taken])
        store_release(words, COMMITTED, taken + 1)
        _copy(words)
        store_release(words, HEAD, taken + 1)
    return 0


@njit(nogil=True)
def applied(words, count):
    """Change the row in place, then take the number."""
    for taken in range(load_relaxed(words, HEAD), count):
        _fold(words, ROW, words[SLOTS + taken])
        store_release(words, HEAD, taken + 1)
    return 0


@njit(nogil=True)
def taken_first(words, count):
    """Take the number, then change the row."""
    for taken in range(load_relaxed(words, HEAD), count):
        store_release(words, HEAD, taken + 1)
        _fold(words, ROW, words[SLOTS + taken])
    return 0


@njit(nogil=True)
def early(words, count):
    """Commit the redo record before it is whole."""
    head = load_relaxed(words, HEAD)
    if load_acquire(words, COMMITTED) == head + 1:
        _copy(words)
        store_release(words, HEAD, head + 1)
    for taken in range(load_relaxed(words, HEAD), count):
        store_release(words, COMMITTED, taken + 1)
        _fold(words, NEW, words[SLOTS + taken])
        _copy(words)
        store_release(words, HEAD, taken + 1)
    return 0


def _setup() -> np.ndarray:
    words = np.zeros(SLOTS + len(NUMBERS), np.int64)
    words[SLOTS:] = NUMBERS
    return words


def _check(words: np.ndarray, numbers: tuple) -> list[str]:
    squares = sum(number * number for number in numbers)
    expected = [len(numbers), sum(numbers), max(numbers), squares]
    found = words[ROW : ROW + ROW_WORDS].tolist()
    return [] if found == expected else [f"the row is {found}, should be {expected}"]


def _worker(kernel, count: int = len(NUMBERS)) -> Scenario:
    def check(words: np.ndarray, results: dict) -> list[str]:
        return _check(words, NUMBERS[:count])

    return Scenario(_setup, {"worker": Role(kernel, lambda: (count,))}, check)


REDO, APPLIED, TAKEN, EARLY = (_worker(one) for one in (redo, applied, taken_first, early))
REDO_SHORT = _worker(redo, 1)
