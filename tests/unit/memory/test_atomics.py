"""The atomics do what their names say, compiled and as twins; the compiled ones carry their order.

Method: drawn programs of operations on a few words, run by compiled kernels and by the twins,
against a list. The order is read from the LLVM code that numba made. What it cannot show: that a
CPU keeps the order; tests/race hunts for that.
"""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from engine.memory import atomics

INT64 = st.integers(-(1 << 63), (1 << 63) - 1)
WORDS = 3


@njit
def _load_acquire(words, index):
    return atomics.load_acquire(words, index)


@njit
def _load_relaxed(words, index):
    return atomics.load_relaxed(words, index)


@njit
def _store_release(words, index, value):
    atomics.store_release(words, index, value)


@njit
def _store_relaxed(words, index, value):
    atomics.store_relaxed(words, index, value)


@njit
def _fetch_add(words, index, value):
    return atomics.fetch_add(words, index, value)


@njit
def _compare_swap(words, index, expected, value):
    return atomics.compare_swap(words, index, expected, value)


@njit
def _fences_and_pause():
    atomics.fence_acquire()
    atomics.fence_release()
    atomics.pause()


COMPILED = {
    "load_acquire": _load_acquire,
    "load_relaxed": _load_relaxed,
    "store_release": _store_release,
    "store_relaxed": _store_relaxed,
    "fetch_add": _fetch_add,
    "compare_swap": _compare_swap,
}


def wrapped(value):
    """Return a whole number as 64 bits hold it."""
    return (value + (1 << 63)) % (1 << 64) - (1 << 63)


def expected_of(words, name, index, first, second):
    """Return what the operation returns, and do to the list what it does."""
    before = words[index]
    if name.startswith("store"):
        words[index] = first
        return None
    if name == "fetch_add":
        words[index] = wrapped(before + first)
    elif name == "compare_swap" and before == first:
        words[index] = second
    return before


def arguments_of(name, index, first, second):
    """Return the operation's arguments behind the words."""
    count = {"load": 0, "store": 1, "fetch": 1, "compare": 2}[name.partition("_")[0]]
    return (index, first, second)[: 1 + count]


step = st.tuples(
    st.sampled_from(sorted(COMPILED)),
    st.integers(0, WORDS - 1),
    st.one_of(INT64, st.integers(-2, 2)),
    st.one_of(INT64, st.integers(-2, 2)),
)


@given(st.lists(step, max_size=30))
def test_compiled_operations_agree_with_a_list(program):
    words, expected = np.zeros(WORDS, np.int64), [0] * WORDS
    for name, index, first, second in program:
        result = COMPILED[name](words, *arguments_of(name, index, first, second))
        assert result == expected_of(expected, name, index, first, second)
        assert words.tolist() == expected


@given(st.lists(step, max_size=30))
def test_twins_agree_with_a_list(program):
    words, expected = [0] * WORDS, [0] * WORDS
    for name, index, first, second in program:
        if name == "fetch_add" and wrapped(words[index] + first) != words[index] + first:
            continue  # Python's numbers do not wrap; counters do not get there.
        result = getattr(atomics, name)(words, *arguments_of(name, index, first, second))
        assert result == expected_of(expected, name, index, first, second)
        assert words == expected


def test_fences_and_pause_return_nothing():
    assert _fences_and_pause() is None


# What LLVM must have been told, as a pattern of its code.
ORDERS = {
    "load_acquire": r"load atomic i64, .* acquire, align 8",
    "load_relaxed": r"load atomic i64, .* monotonic, align 8",
    "store_release": r"store atomic i64 .* release, align 8",
    "store_relaxed": r"store atomic i64 .* monotonic, align 8",
    "fetch_add": r"atomicrmw add .* monotonic",
    "compare_swap": r"cmpxchg .* acq_rel acquire",
}


@pytest.mark.compiled
@pytest.mark.parametrize("name", ORDERS)
def test_compiled_operation_carries_its_order(name):
    kernel = COMPILED[name]
    words = np.zeros(WORDS, np.int64)
    kernel(words, *arguments_of(name, 0, 0, 0))
    (code,) = kernel.inspect_llvm().values()
    assert re.search(ORDERS[name], code)


@pytest.mark.compiled
def test_fences_are_in_the_code_in_order():
    _fences_and_pause()
    (code,) = _fences_and_pause.inspect_llvm().values()
    assert re.search(r"fence acquire\s+fence release", code)


@njit
def _fence_program():
    atomics.fence_program()


@pytest.mark.compiled
def test_fence_of_the_program_is_one_for_the_compiler_alone():
    assert _fence_program() is None
    (code,) = _fence_program.inspect_llvm().values()
    assert re.findall(r"^\s+fence .*", code, re.M) == ['  fence syncscope("singlethread") seq_cst']


@njit
def _wait_for(words, count):
    for _ in range(count):
        if atomics.load_relaxed(words, 0) != 0:
            return True
        atomics.pause()
    return False


@pytest.mark.compiled
def test_load_in_a_loop_is_not_hoisted_out_of_it():
    _wait_for(np.ones(1, np.int64), 1)
    (code,) = _wait_for.inspect_llvm().values()
    blocks = re.split(r"\n(?=[\w.]+:)", code)
    loops = [block for block in blocks if "load atomic i64" in block]
    assert loops
    assert any(re.search(r"phi|br i1", block) for block in loops)
