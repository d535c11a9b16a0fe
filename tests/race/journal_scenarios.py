"""The shipped undo journal, and two protocols that use it wrongly, for killpoint.

A worker takes numbers from slots and adds each to a row of words in place; the place of the next
number is one of them. Killed anywhere, whoever comes after it takes back what was not committed and
goes on; the row must be as if nothing had been. The broken twins change a word before it is kept,
and commit before the last word is changed.
"""

import numpy as np
from numba import njit

from engine.layouts import JOURNAL
from engine.memory.pointers import pointer
from engine.rings import journal
from stress.races.scenario import Role, Scenario

HEAD, COUNT, SUM, SQUARES, LARGEST, FURTHER = 0, 1, 2, 3, 4, 8
SLOTS, NUMBERS, ROOM = 16, (3, 5, 2), 32
AT = 24


@njit(nogil=True)
def _fold(table, number):
    """Add a number to the row."""
    table[COUNT] += 1
    table[SUM] += number
    table[SQUARES] += number * number
    table[LARGEST] = max(table[LARGEST], number)


@njit(nogil=True)
def work(words, count):
    """Add every number, each in a transaction of its own."""
    table = pointer(words)
    while table[HEAD] < count:
        journal.keep_line(table, AT, HEAD)
        number = table[SLOTS + table[HEAD]]
        _fold(table, number)
        journal.keep(table, AT, FURTHER, 2)
        table[FURTHER] ^= number
        table[FURTHER + 1] += table[FURTHER]
        table[HEAD] += 1
        journal.commit(table, AT)
    return 0


@njit(nogil=True)
def recover(words, count):
    """Take back, and go on."""
    journal.undo(pointer(words), AT)
    return work(words, count)


@njit(nogil=True)
def late(words, count):
    """Keep the second region when it has changed."""
    table = pointer(words)
    while table[HEAD] < count:
        journal.keep_line(table, AT, HEAD)
        number = table[SLOTS + table[HEAD]]
        _fold(table, number)
        table[FURTHER] ^= number
        journal.keep(table, AT, FURTHER, 2)
        table[FURTHER + 1] += table[FURTHER]
        table[HEAD] += 1
        journal.commit(table, AT)
    return 0


@njit(nogil=True)
def hasty(words, count):
    """Commit before the place of the next number is written."""
    table = pointer(words)
    while table[HEAD] < count:
        journal.keep_line(table, AT, HEAD)
        number = table[SLOTS + table[HEAD]]
        _fold(table, number)
        journal.keep(table, AT, FURTHER, 2)
        table[FURTHER] ^= number
        table[FURTHER + 1] += table[FURTHER]
        journal.commit(table, AT)
        table[HEAD] += 1
    return 0


def _setup() -> np.ndarray:
    words = np.zeros(AT + JOURNAL.words + ROOM, np.int64)
    words[SLOTS : SLOTS + len(NUMBERS)] = NUMBERS
    words[AT + journal.CAPACITY] = ROOM
    return words


def _expected() -> list[int]:
    mixed, sums = 0, 0
    for number in NUMBERS:
        mixed ^= number
        sums += mixed
    squares = sum(number * number for number in NUMBERS)
    return [len(NUMBERS), len(NUMBERS), sum(NUMBERS), squares, max(NUMBERS), mixed, sums]


def _check(words: np.ndarray, results: dict) -> list[str]:
    found = [*words[: LARGEST + 1].tolist(), *words[FURTHER : FURTHER + 2].tolist()]
    return [] if found == _expected() else [f"the row is {found}, should be {_expected()}"]


def _worker(kernel) -> Scenario:
    def arguments() -> tuple:
        return (len(NUMBERS),)

    recovery = {"worker": Role(recover, arguments)}
    return Scenario(_setup, {"worker": Role(kernel, arguments)}, _check, recovery)


KEPT, LATE, HASTY = (_worker(kernel) for kernel in (work, late, hasty))
