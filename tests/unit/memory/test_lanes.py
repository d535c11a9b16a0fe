"""Masks over bytes are what a loop over the bytes finds.

Method: compiled operations and their twins against one comparison per byte, on drawn bytes.
"""

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st
from numba import njit

from engine.memory import lanes
from engine.memory.pointers import pointer

OCTET = st.integers(0, 255)
NUMBER = st.sampled_from([-np.inf, -1.0, -0.0, 0.0, 1e-40, 1.0, np.inf, np.nan])


@njit
def _high_bits(octets, offset):
    return lanes.high_bits(pointer(octets), offset)


@njit
def _high_bits_of_word(word):
    return lanes.high_bits_of_word(word)


@njit
def _count_bits(word):
    return lanes.count_bits(word)


@njit
def _leading_zeros(word):
    return lanes.leading_zeros(word)


@njit
def _matching_block(words, index, byte):
    return lanes.matching_block(pointer(words), index, byte)


@njit
def _floats_inside(values, index, limits, width):
    return lanes.floats_inside(pointer(values), index, pointer(limits), width)


@njit
def _without_lowest_bit(word):
    return lanes.without_lowest_bit(word)


@njit
def _lowest_bit(word):
    return lanes.lowest_bit(word)


def word_of(octets):
    """Return 8 bytes as an int64, lowest first."""
    return int.from_bytes(bytes(octets), "little", signed=True)


def mask(truths):
    """Return a mask, lowest first, as an int64."""
    number = sum(1 << place for place, truth in enumerate(truths) if truth)
    return number - (1 << 64) if number >> 63 else number


@given(content=st.binary(min_size=64, max_size=80))
def test_high_bits_are_masks_of_the_four_upper_bits_of_64_bytes(content):
    octets = np.frombuffer(content, np.uint8)
    for offset in range(len(content) - 63):
        block = content[offset : offset + 64]
        expected = tuple(mask(octet >> bit & 1 for octet in block) for bit in (7, 6, 5, 4))
        assert _high_bits(octets, offset) == expected
        assert lanes.high_bits(octets, offset) == expected


@given(octets=st.lists(OCTET, min_size=8, max_size=8))
def test_high_bits_of_a_word_are_masks_of_its_8_bytes(octets):
    expected = tuple(mask(octet >> bit & 1 for octet in octets) for bit in (7, 6, 5, 4))
    assert _high_bits_of_word(word_of(octets)) == expected
    assert lanes.high_bits_of_word(word_of(octets)) == expected


@given(word=st.integers(-(1 << 63), (1 << 63) - 1))
@example(word=-1)
@example(word=0)
def test_count_bits_counts_the_ones(word):
    expected = bin(word % (1 << 64)).count("1")
    assert _count_bits(word) == expected
    assert lanes.count_bits(word) == expected


@given(octets=st.lists(st.sampled_from([0, 1, 7, 128, 255]), min_size=128, max_size=128))
def test_matching_block_marks_each_equal_byte_of_64(octets):
    words = np.array(octets, np.uint8).view(np.int64)
    for index in (0, 3, 8):
        block = octets[8 * index : 8 * index + 64]
        for byte in (0, 1, 255):
            expected = mask(octet == byte for octet in block)
            assert _matching_block(words, index, byte) == expected
            assert lanes.matching_block(words, index, byte) == expected


@given(word=st.integers(-(1 << 63), (1 << 63) - 1))
@example(word=0)
@example(word=-(1 << 63))
def test_lowest_bit_is_found_and_cleared(word):
    digits = bin(word % (1 << 64))[:1:-1]
    expected = digits.find("1") if word else 64
    assert _lowest_bit(word) == expected
    assert lanes.lowest_bit(word) == expected
    cleared = [digit if place != digits.find("1") else "0" for place, digit in enumerate(digits)]
    rest = mask(digit == "1" for digit in cleared)
    assert _without_lowest_bit(word) == rest
    assert lanes.without_lowest_bit(word) == rest


@given(word=st.integers(-(1 << 63), (1 << 63) - 1))
@example(word=0)
@example(word=-1)
@example(word=1)
def test_leading_zeros_stand_before_the_highest_one(word):
    expected = 64 - (word % (1 << 64)).bit_length()
    assert _leading_zeros(word) == expected
    assert lanes.leading_zeros(word) == expected


@given(drawn=st.lists(st.tuples(NUMBER, NUMBER, NUMBER), min_size=16, max_size=20))
def test_floats_are_inside_when_above_the_lower_limit_and_not_above_the_upper(drawn):
    values, lows, highs = (np.asarray(column, np.float32) for column in zip(*drawn, strict=True))
    limits = np.concatenate([highs, -lows])
    inside = [low < value <= high for value, low, high in drawn]
    for index in range(len(drawn) - 15):
        expected = mask(inside[index : index + 16])
        assert _floats_inside(values, index, limits, len(drawn)) == expected
        assert lanes.floats_inside(values, index, limits, len(drawn)) == expected
