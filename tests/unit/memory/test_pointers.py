"""Loads, swaps and casts through pointers mean what int.from_bytes and struct mean.

Method: every load at every offset of drawn bytes, compiled and as a twin, against the standard
library. The conversions to float32 against numpy's, and against their order.
"""

import ctypes
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from engine.memory import addresses, pointers

LOADS = {
    "load_u8": (1, "little"),
    "load_u16": (2, "little"),
    "load_u32": (4, "little"),
    "load_u64": (8, "little"),
    "load_u16_be": (2, "big"),
    "load_u32_be": (4, "big"),
    "load_u64_be": (8, "big"),
}
SWAPS = {"swap_u16": 2, "swap_u32": 4, "swap_u64": 8}
INT64 = st.integers(-(1 << 63), (1 << 63) - 1)


def _compiled_load(load):
    @njit
    def kernel(array, offset):
        return load(pointers.pointer(array), offset)

    return kernel


def _compiled_call(operation):
    @njit
    def kernel(value):
        return operation(value)

    return kernel


COMPILED_LOADS = {name: _compiled_load(getattr(pointers, name)) for name in LOADS}
COMPILED_CALLS = {
    name: _compiled_call(getattr(pointers, name))
    for name in (*SWAPS, "microsecond_bits", "float_of_bits")
}


@pytest.mark.parametrize("name", LOADS)
@given(content=st.binary(min_size=8, max_size=24))
def test_load_is_from_bytes_at_every_offset(name, content):
    size, order = LOADS[name]
    array = np.frombuffer(content, np.uint8)
    for offset in range(len(content) - size + 1):
        piece = content[offset : offset + size]
        expected = int.from_bytes(piece, order, signed=size == 8)
        assert COMPILED_LOADS[name](array, offset) == expected
        assert getattr(pointers, name)(array, offset) == expected


@pytest.mark.parametrize("name", SWAPS)
@given(value=INT64)
def test_swap_reverses_the_low_bytes(name, value):
    size = SWAPS[name]
    low = (value % (1 << 64)).to_bytes(8, "little")[:size]
    expected = int.from_bytes(low, "big", signed=size == 8)
    assert COMPILED_CALLS[name](value) == expected
    assert getattr(pointers, name)(value) == expected


@given(ns=st.one_of(st.integers(0, 1 << 20), st.integers(0, (1 << 62))))
def test_microsecond_bits_are_those_of_the_float32(ns):
    (expected,) = struct.unpack("<I", np.float32(float(ns) / 1000.0).tobytes())
    assert COMPILED_CALLS["microsecond_bits"](ns) == expected
    assert pointers.microsecond_bits(ns) == expected


@given(first=st.integers(0, 1 << 62), second=st.integers(0, 1 << 62))
def test_microsecond_bits_keep_order(first, second):
    low, high = sorted((first, second))
    bits = COMPILED_CALLS["microsecond_bits"]
    assert bits(low) <= bits(high)


@given(bits=INT64)
def test_float_of_bits_is_the_low_half_as_a_float32(bits):
    expected = struct.pack("<I", bits % (1 << 32))
    for result in (COMPILED_CALLS["float_of_bits"](bits), pointers.float_of_bits(bits)):
        if np.isnan(result):
            assert np.isnan(np.frombuffer(expected, np.float32)[0])
        else:
            assert np.float32(result).tobytes() == expected


@njit
def _swap_ends(array, count):
    first = pointers.pointer(array)
    last = pointers.shifted(first, count - 1)
    pointers.prefetch(last, 0)
    first[0], last[0] = last[0], first[0]


@given(values=st.lists(INT64, min_size=1, max_size=9))
def test_shifted_pointer_is_further_on_in_the_same_array(values):
    array = np.array(values, np.int64)
    _swap_ends(array, len(values))
    expected = list(values)
    expected[0], expected[-1] = expected[-1], expected[0]
    assert array.tolist() == expected


@njit
def _byte_at(address, size, offset):
    return pointers.load_u8(pointers.bytes_at(address, size), offset)


@njit
def _word_at(address, count, index):
    return addresses.words_at(address, count)[index]


@given(content=st.binary(min_size=1, max_size=32))
def test_bytes_at_an_address_are_those_that_stand_there(content):
    held = ctypes.create_string_buffer(content, len(content))
    address = ctypes.addressof(held)
    for offset in range(len(content)):
        assert _byte_at(address, len(content), offset) == content[offset]


@given(values=st.lists(INT64, min_size=1, max_size=9))
def test_words_at_an_address_are_those_that_stand_there(values):
    array = np.array(values, np.int64)
    found = [_word_at(array.ctypes.data, len(values), at) for at in range(len(values))]
    assert found == values


def test_nothing_stands_at_an_address_of_no_bytes():
    assert len(pointers.bytes_at.twin(0, 0)) == 0
    assert len(addresses.words_at.twin(0, 0)) == 0


@njit
def _store(target, at, word):
    pointers.store_word(pointers.pointer(target), at, word)


@njit
def _copy(target, at, source, begin):
    pointers.copy_block(pointers.pointer(target), at, pointers.pointer(source), begin)


@given(st.integers(0, 24), INT64)
def test_stored_word_is_its_bytes_and_changes_no_other(at, word):
    for store in (_store, pointers.store_word):
        target = np.full(32, 255, np.uint8)
        store(target, at, word)
        expected = b"\xff" * at + word.to_bytes(8, "little", signed=True) + b"\xff" * (24 - at)
        assert target.tobytes() == expected


@given(st.integers(0, 9), st.integers(0, 9), st.binary(min_size=41, max_size=41))
def test_copied_block_is_the_source_and_changes_nothing_else(at, begin, content):
    size = pointers.COPY_BYTES
    for copy in (_copy, pointers.copy_block):
        target = np.full(size + 9, 255, np.uint8)
        copy(target, at, np.frombuffer(content, np.uint8).copy(), begin)
        piece = content[begin : begin + size]
        assert target.tobytes() == b"\xff" * at + piece + b"\xff" * (9 - at)
