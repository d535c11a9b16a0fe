"""Goal: what was stored through kept pointers is taken back by `undo`, whole, wherever it stopped.

Method: drawn stores of words and float32, compiled and interpreted, beside a copy of the content;
in Python the writer is stopped before and behind each entry. What it cannot show: the order of
stores in machine code (its LLVM code has the fences, and is looked at here).
"""

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


def test_the_compiled_entry_counts_only_behind_its_words(content):
    fresh(content)
    write(content, content.view(np.float32), drawn([(1, 1, False)]))
    code = next(iter(write.inspect_llvm().values())) if hasattr(write, "inspect_llvm") else ""
    if code:
        assert code.count('fence syncscope("singlethread") seq_cst') >= 2
