"""Goal: after undo() the words are those of the last commit, wherever the process was killed.

Method: drawn words are kept, changed and committed; at any store the process may be killed, and so
may the undoing. The broken twin, whose entry counts before it is whole, must fail. The order of the
stores in compiled code is read from LLVM's. What it cannot show: the death of a machine; an order
for another core, which is not promised.
"""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from engine.layouts import JOURNAL
from engine.memory.options import KERNEL
from engine.memory.pointers import pointer
from engine.rings import journal

WORDS, ROOM = 24, 200
AT = WORDS


class KilledError(Exception):
    """The process is gone, before the store."""


class Mortal:
    """Words of which every store may be the last; the steps of the journal as they are written."""

    def __init__(self):
        self.words = [0] * (WORDS + JOURNAL.words + ROOM)
        self.words[AT + journal.CAPACITY] = ROOM
        self.left = 1 << 40

    def __getitem__(self, at):
        return self.words[at]

    def __setitem__(self, at, value):
        self.left -= 1
        if self.left == 0:
            raise KilledError
        self.words[at] = value

    def content(self) -> list[int]:
        return self.words[:WORDS]


def keep(words, place, count, early=False):
    """Keep words: keep() itself, or a twin that counts the entry before it is whole."""
    used = words[AT + journal.USED]
    if early:
        words[AT + journal.USED] = used + count + 1
    entry = AT + journal.ENTRIES + used
    for k in range(count):
        words[entry + k] = words[place + k]
    words[entry + count] = place << journal.COUNT_BITS | count
    words[AT + journal.USED] = used + count + 1


def undo(words):
    """Take back."""
    used = words[AT + journal.USED]
    while used > 0:
        end = AT + journal.ENTRIES + used - 1
        place, count = words[end] >> journal.COUNT_BITS, words[end] & journal.COUNT_MASK
        for k in range(count):
            words[place + k] = words[end - count + k]
        used -= count + 1
        words[AT + journal.USED] = used


changes = st.lists(
    st.tuples(st.integers(0, WORDS - 8), st.integers(1, 8), st.booleans()), min_size=1, max_size=12
)


def live(words, drawn, early=False) -> list[list[int]]:
    """Keep and change as drawn, until the end or until killed; return contents as committed."""
    committed = [words.content()]
    try:
        for number, (place, count, commits) in enumerate(drawn):
            keep(words, place, count, early)
            for k in range(count):
                words[place + k] = 100 * (number + 1) + k
            if commits:
                after = words.content()
                words[AT + journal.USED] = 0
                committed.append(after)
    except KilledError:
        pass
    return committed


def is_exact(drawn, kill, second, early=False) -> bool:
    """Return whether what a replacement finds, killed itself once, is the last commit."""
    words = Mortal()
    words.left = kill
    committed = live(words, drawn, early)
    words.left = second
    try:
        undo(words)
    except KilledError:
        words.left = 1 << 40
        undo(words)
    return words.content() == committed[-1]


@given(changes, st.integers(1, 300), st.integers(1, 120))
def test_killed_anywhere_the_words_are_those_of_the_last_commit(drawn, kill, second):
    assert is_exact(drawn, kill, second)


def test_entry_that_counts_before_it_is_whole_is_found():
    drawn = [(0, 8, True), (8, 8, False)]  # The place of the second entry has been used before.
    stores = range(1, 40)
    assert not all(is_exact(drawn, kill, 1 << 40, early=True) for kill in stores)
    assert all(is_exact(drawn, kill, 1 << 40) for kill in stores)


@njit(**KERNEL)
def change(words, places, lines):
    """Keep and change: of each of `places` 3 words, of each of `lines` 8."""
    table = pointer(words)
    for k in range(len(places)):
        journal.keep(table, AT, places[k], 3)
        for word in range(3):
            table[places[k] + word] += 1 + k
    for k in range(len(lines)):
        journal.keep_line(table, AT, lines[k])
        for word in range(8):
            table[lines[k] + word] -= 1 + k


@njit(**KERNEL)
def take_back(words):
    return journal.undo(pointer(words), AT)


@njit(**KERNEL)
def finish(words):
    journal.commit(pointer(words), AT)


places = st.lists(st.integers(0, WORDS - 8), max_size=6)


@given(places, places)
def test_compiled_steps_take_back_what_is_not_committed(few, lines):
    words = np.zeros(WORDS + JOURNAL.words + ROOM, np.int64)
    words[:WORDS] = np.arange(WORDS)
    words[AT + journal.CAPACITY] = ROOM
    few, lines = np.array(few, np.int64), np.array(lines, np.int64)
    change(words, few, lines)
    assert take_back(words) == len(few) + len(lines)
    assert words[:WORDS].tolist() == list(range(WORDS))
    change(words, few, lines)
    changed = words[:WORDS].tolist()
    finish(words)
    assert take_back(words) == 0
    assert words[:WORDS].tolist() == changed


def test_entry_that_does_not_fit_is_refused():
    words = np.zeros(WORDS + JOURNAL.words + ROOM, np.int64)
    words[AT + journal.CAPACITY] = 10
    with pytest.raises(AssertionError):
        change(words, np.zeros(3, np.int64), np.zeros(0, np.int64))
    words[AT + journal.USED] = 0
    with pytest.raises(AssertionError):
        change(words, np.zeros(0, np.int64), np.zeros(2, np.int64))


@pytest.mark.parametrize(("few", "lines"), [(2, 0), (0, 1)])
def test_entries_may_fill_the_journal_to_its_last_word(few, lines):
    words = np.zeros(WORDS + JOURNAL.words + ROOM, np.int64)
    words[AT + journal.CAPACITY] = 4 * few + 9 * lines
    change(words, np.zeros(few, np.int64), np.zeros(lines, np.int64))
    assert words[AT + journal.USED] == words[AT + journal.CAPACITY]
    assert take_back(words) == few + lines
    words[AT + journal.CAPACITY] -= 1
    with pytest.raises(AssertionError):
        change(words, np.zeros(few, np.int64), np.zeros(lines, np.int64))


def test_journal_whose_entries_do_not_add_up_is_not_taken_for_undone():
    words = np.zeros(WORDS + JOURNAL.words + ROOM, np.int64)
    words[AT + journal.USED] = 3
    words[AT + journal.ENTRIES + 2] = 0 << journal.COUNT_BITS | 4  # More words than are in use.
    with pytest.raises(AssertionError):
        take_back(words)


@pytest.mark.compiled
def test_compiled_code_counts_an_entry_between_its_words_and_the_change():
    @njit
    def step(words, place):
        table = pointer(words)
        journal.keep_line(table, AT, place)
        table[place] = 77
        journal.commit(table, AT)

    words = np.zeros(WORDS + JOURNAL.words + ROOM, np.int64)
    words[AT + journal.CAPACITY] = ROOM
    step(words, 3)
    (code,) = step.inspect_llvm().values()
    body = code[code.index("define") :]
    body = body[: body.index("\n}")]
    kinds = [
        "fence" if "fence" in line else "77" if " 77," in line else "store"
        for line in body.splitlines()
        if re.search(r'^\s+(store|fence syncscope\("singlethread"\) seq_cst)', line)
    ]
    first, last = kinds.index("fence"), len(kinds) - 1 - kinds[::-1].index("fence")
    assert kinds[first : last + 1] == ["fence", "store", "fence", "77", "fence", "store", "fence"]
    assert kinds[:first].count("store") >= 1
