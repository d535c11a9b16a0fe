"""Goal: what was stored through kept pointers is taken back by `undo`, whole, wherever it stopped.

Method: drawn stores of words and float32, compiled and interpreted, beside a copy of the content;
in Python the writer is stopped before and behind each entry. What it cannot show: the order of
stores in machine code (its LLVM code has the fences, and is looked at here).
"""

import faulthandler
import os
import re
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from engine.memory import kept
from engine.memory.pointers import shifted
from engine.memory.region import map_region

WORDS = 1 << 16
STORES = st.lists(
    st.tuples(st.integers(0, WORDS - 1), st.integers(-(2**63), 2**63 - 1), st.booleans()),
    max_size=60,
)


@pytest.fixture(scope="module")
def content():
    """Return the content of a region."""
    return map_region(WORDS)


def fresh(content) -> np.ndarray:
    """Fill the content, begin with an empty journal; return a copy."""
    content[:] = np.arange(WORDS) * 3
    control = kept.control_of(content)
    control[kept.USED] = 0
    kept.undo(kept.region_of(content))
    control[kept.IS_ON] = 1
    return content.copy()


@njit
def write(array, floats, stores):
    words, singles = kept.kept(array), kept.kept(floats)
    for at in range(len(stores)):
        place, value = stores[at, 0], stores[at, 1]
        if stores[at, 2]:
            shifted(singles, place)[place & 7] = np.float32(0.5)
        else:
            words[place] = value


def drawn(stores) -> np.ndarray:
    return np.array(stores, object).astype(np.int64).reshape(len(stores), 3)


@given(STORES, STORES)
@settings(deadline=None)
def test_undo_takes_back_what_came_after_the_commit(content, first, second):
    fresh(content)
    floats = content.view(np.float32)
    write(content, floats, drawn(first))
    kept.commit(kept.region_of(content))
    before = content.copy()
    write(content, floats, drawn(second))
    kept.undo(kept.region_of(content))
    assert np.array_equal(content, before)
    assert kept.undo(kept.region_of(content)) == 0


@given(STORES)
@settings(deadline=None)
def test_stores_are_made(content, stores):
    expected = fresh(content)
    write(content, content.view(np.float32), drawn(stores))
    floats = expected.view(np.float32)
    for place, value, is_float in stores:
        if is_float:
            floats[place + (place & 7)] = 0.5
        else:
            expected[place] = value
    assert np.array_equal(content, expected)


def test_a_line_is_kept_once_while_the_cache_knows_it(content):
    fresh(content)
    write(content, content.view(np.float32), drawn([(8, k, False) for k in range(9)]))
    assert kept.undo(kept.region_of(content)) == 1


def test_without_keeping_stores_are_made_and_nothing_is_kept(content):
    fresh(content)
    kept.control_of(content)[kept.IS_ON] = 0
    write(content, content.view(np.float32), drawn([(8, 5, False), (80, 6, False)]))
    assert kept.undo(kept.region_of(content)) == 0
    assert content[8] == 5


@njit
def clear(array, at, count):
    words = kept.span(shifted(kept.kept(array), at), count)
    for word in range(count):
        words[word] = 0


@given(st.integers(0, 100), st.integers(0, 100))
@settings(deadline=None)
def test_a_span_is_kept_whole(content, at, count):
    before = fresh(content)
    clear(content, at, count)
    assert not content[at : at + count].any()
    kept.undo(kept.region_of(content))
    assert np.array_equal(content, before)


@njit
def clear_lines(array, at, count):
    kept.clear(shifted(kept.kept(array), at), count)


@given(STORES, st.integers(0, WORDS // 8 - 9), st.integers(0, 8))
@settings(deadline=None)
def test_clearing_keeps_the_lines_that_are_not_clear_and_no_others(content, stores, line, lines):
    before = fresh(content)
    content[:] = before[:] = 0
    for place, value, _ in stores:
        content[place] = before[place] = value
    first, behind = 8 * line, 8 * (line + lines)
    clear_lines(content, first, behind - first)
    assert not content[first:behind].any()
    dirty = int(before[first:behind].reshape(-1, 8).any(axis=1).sum())
    assert kept.undo(kept.region_of(content)) == dirty
    assert np.array_equal(content, before)


def test_cleared_lines_come_back(content):
    before = fresh(content)
    content[:] = before[:] = np.arange(1, WORDS + 1)
    clear_lines(content, 8, 24)
    assert not content[8:32].any()
    assert kept.undo(kept.region_of(content)) == 3
    assert np.array_equal(content, before)


class StopError(Exception):
    """The writer was killed."""


def test_a_writer_stopped_before_any_entry_counts_or_store_is_undone(content, monkeypatch):
    keep_line = kept._keep_line
    for stop in range(12):
        before, count = fresh(content), 0

        def stopping(region, line, stop=stop):
            nonlocal count
            if count == stop:
                raise StopError
            keep_line(region, line)
            count += 1
            if count == stop:
                raise StopError

        with monkeypatch.context() as patch:
            patch.setattr(kept, "_keep_line", stopping)
            words = kept.kept(content)
            with pytest.raises(StopError):
                for place in range(0, 4096, 64):
                    words[place] = -1
                    words[place + 1] = -2
        kept.undo(kept.region_of(content))
        assert np.array_equal(content, before)


def test_a_span_of_no_words_keeps_nothing(content):
    fresh(content)
    clear(content, 8, 0)
    assert kept.undo(kept.region_of(content)) == 0


def test_every_line_is_kept_anew_after_a_commit(content):
    before = fresh(content)
    stores = drawn([(kept.LINE_WORDS * line, 7, False) for line in range(16)])
    write(content, content.view(np.float32), stores)
    kept.commit(kept.region_of(content))
    before = content.copy()
    stores[:, 1] = 8
    write(content, content.view(np.float32), stores)
    assert kept.undo(kept.region_of(content)) == 16
    assert np.array_equal(content, before)


def test_commit_of_more_lines_than_the_cache_has_forgets_them_all(content):
    fresh(content)
    lines = [(kept.LINE_WORDS * line, 7, False) for line in range(kept.CACHE_LINES + 8)]
    for count in (len(lines), kept.CACHE_LINES, kept.CACHE_LINES - 1, 1):
        write(content, content.view(np.float32), drawn(lines[:count]))
        kept.commit(kept.region_of(content))
        write(content, content.view(np.float32), drawn(lines[:count]))
        assert kept.undo(kept.region_of(content)) == count


def test_a_full_journal_ends_the_process_and_not_before(content):
    fresh(content)
    floats = content.view(np.float32)
    write(content, floats, drawn([(0, 1, False)]))  # Compiled before the fork.
    child = os.fork()
    if child == 0:
        faulthandler.disable()
        control = kept.control_of(content)
        control[kept.USED] = kept.JOURNAL_LINES - 1
        write(content, floats, drawn([(64, 1, False)]))
        if control[kept.USED] != kept.JOURNAL_LINES:
            os._exit(3)
        try:
            write(content, floats, drawn([(128, 1, False)]))
        except AssertionError:
            os._exit(4)  # In Python; compiled, it is the end.
        os._exit(5)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 4


# What LLVM's code has of stores and fences: v a line of words, s a word, f the compiler's fence.
_STEPS = re.compile(
    r'^\s+(?:store (<8 x)?.*ptr (%[\w.]+),.*|fence syncscope\("singlethread"\) seq_cst)'
)


def blocks_of(code: str) -> list[list[tuple[str, str]]]:
    """Return (v, s or f; pointer) of each step of each basic block of a function's code."""
    blocks: list[list[tuple[str, str]]] = [[]]
    for line in code[: code.index("\n}")].splitlines():
        if re.match(r"[\w.]+:", line):
            blocks.append([])
        elif step := _STEPS.match(line):
            vector, place = step.groups()
            blocks[-1].append(("f" if place is None else "v" if vector else "s", place))
    return [block for block in blocks if block]


def test_the_compiled_entry_counts_behind_its_words_and_before_what_it_is_for(content):
    fresh(content)
    write(content, content.view(np.float32), drawn([(1, 1, False)]))
    if not hasattr(write, "inspect_llvm"):
        return  # As Python it is watched in test_store_order.py.
    code = next(iter(write.inspect_llvm().values()))
    begin = re.search(r'^define[^\n]*keep_line"?\(', code, re.M).start()
    blocks = sorted("".join(kind for kind, _ in block) for block in blocks_of(code[begin:]))
    # The entry: words, number, fence, count, fence. Then the cache, and a fence before the store.
    assert blocks == ["sf", "vsfsf"]


def compiled(step, content) -> list[list[tuple[str, str]]]:
    """Return the steps of a compiled function of kept."""
    kernel = njit(getattr(kept, step).py_func)  # Code from the cache cannot be inspected.
    fresh(content)
    kernel(kept.region_of(content))
    (code,) = kernel.inspect_llvm().values()
    return blocks_of(code[code.index("define") :])


@pytest.mark.compiled
def test_compiled_commit_stands_between_two_fences(content):
    blocks = ["".join(kind for kind, _ in block) for block in compiled("commit", content)]
    (block,) = (block for block in blocks if "f" in block)
    assert block.startswith("sfsf")  # And what it returns.
    assert block.count("f") == 2


@pytest.mark.compiled
def test_compiled_entry_is_given_up_when_its_line_is_back(content):
    blocks = [block for block in compiled("undo", content) if any(k == "f" for k, _ in block)]
    assert blocks
    for block in blocks:
        pairs = [(before, place) for (before, _), (_, place) in pairwise([("", ""), *block])]
        (used,) = {place for before, place in pairs if before == "f"}
        assert {before for before, place in pairs if place == used} == {"f"}
