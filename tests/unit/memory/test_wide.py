"""Arithmetic beyond 64 bits is that of Python's whole numbers.

Method: compiled operations and their twins against int, on drawn numbers, around the edges of 64,
84 and 128 bits, and on the halves between two float64 numbers, where rounding can go wrong.
"""

import numpy as np
from hypothesis import assume, example, given
from hypothesis import strategies as st
from numba import njit

from engine.memory import wide

BITS64, BITS128 = 1 << 64, 1 << 128
INT64 = st.integers(-(1 << 63), (1 << 63) - 1)
POSITIVE = st.one_of(st.integers(0, 1 << 20), st.integers(0, (1 << 63) - 1))


@njit
def _square_add(low, high, value):
    return wide.square_add(low, high, value)


@njit
def _variance_numerator(count, low, high, total):
    return wide.variance_numerator(count, low, high, total)


@njit
def _wide_variance_numerator(count, low, high, total):
    return wide.wide_variance_numerator(count, low, high, total)


@njit
def _wide_add(low, high, more_low, more_high):
    return wide.wide_add(low, high, more_low, more_high)


@njit
def _multiply_fold(left, right):
    return wide.multiply_fold(left, right)


@njit
def _unsigned_less(left, right):
    return wide.unsigned_less(left, right)


@njit
def _wrapped_difference(left, right):
    return wide.wrapped_difference(left, right)


@njit
def _wrapped_sum(left, right):
    return wide.wrapped_sum(left, right)


@njit
def _top_bit_rises(words, step):
    """Return whether the sum has its top bit set, where the word before it has not."""
    total = wide.wrapped_sum(words[0], step)
    if total >> 63 & 1:
        words[1] = total
        return True
    return False


def signed(value):
    """Return the low 64 bits as an int64."""
    return (value + (1 << 63)) % BITS64 - (1 << 63)


def halves(value):
    """Return (low, high) words of a number of 128 bits."""
    return np.int64(signed(value)), np.int64(signed(value >> 64))


def whole(low, high):
    """Return the number of 128 bits that the words are."""
    return int(low) % BITS64 + (int(high) % BITS64 << 64)


@given(before=st.integers(0, BITS128 - 1), value=POSITIVE)
@example(before=BITS64 - 1, value=1)
@example(before=0, value=(1 << 63) - 1)
def test_square_add_is_exact_modulo_128_bits(before, value):
    expected = (before + value * value) % BITS128
    assert whole(*_square_add(*halves(before), value)) == expected
    if before + value * value < BITS128:
        assert whole(*wide.square_add(*halves(before), value)) == expected


@given(values=st.lists(st.integers(0, 1 << 44), min_size=2, max_size=20))
def test_variance_numerator_of_gaps_is_rounded_once(values):
    squares = sum(value * value for value in values)
    expected = float(len(values) * squares - sum(values) ** 2)
    for operation in (_variance_numerator, wide.variance_numerator):
        assert operation(len(values), *halves(squares), sum(values)) == expected


@given(value=st.integers(1, 1 << 44), count=st.integers(2, 1 << 40))
def test_equal_values_have_no_variance(value, count):
    assume(count * count * value * value < BITS128)
    assume(count * value < 1 << 63)
    numerator = _variance_numerator(count, *halves(count * value * value), count * value)
    assert numerator == 0.0


@given(
    mantissa=st.integers(1 << 52, (1 << 53) - 1),
    shift=st.integers(1, 75),
    beside=st.integers(-2, 2),
)
def test_halves_between_two_floats_round_to_even(mantissa, shift, beside):
    number = (mantissa << shift) + (1 << (shift - 1)) + beside
    assume(0 <= number < BITS128)
    expected = float(number)  # Python rounds half to even, once.
    assert _variance_numerator(1, *halves(number), 0) == expected
    assert wide.variance_numerator(1, *halves(number), 0) == expected


@given(left=INT64, right=INT64)
def test_multiply_fold_is_the_two_halves_of_the_product(left, right):
    product = (left % BITS64) * (right % BITS64)
    expected = signed((product ^ product >> 64) % BITS64)
    assert _multiply_fold(left, right) == expected
    assert wide.multiply_fold(left, right) == expected


@given(left=INT64, right=INT64)
@example(left=-1, right=0)
@example(left=0, right=-1)
def test_unsigned_less_compares_as_unsigned(left, right):
    expected = left % BITS64 < right % BITS64
    assert bool(_unsigned_less(left, right)) == expected
    assert wide.unsigned_less(left, right) == expected


@given(left=INT64, right=INT64)
@example(left=-(1 << 63), right=1)
@example(left=(1 << 63) - 1, right=-1)
def test_wrapped_difference_is_exact_modulo_64_bits(left, right):
    expected = signed((left - right) % BITS64)
    assert _wrapped_difference(left, right) == expected
    assert wide.wrapped_difference(left, right) == expected


@given(left=INT64, right=INT64)
@example(left=(1 << 63) - 1, right=1)
@example(left=-(1 << 63), right=-1)
def test_wrapped_sum_is_exact_modulo_64_bits(left, right):
    expected = signed((left + right) % BITS64)
    assert _wrapped_sum(left, right) == expected
    assert wide.wrapped_sum(left, right) == expected


@given(below=st.integers(0, (1 << 54) - 1))
def test_top_bit_of_a_wrapped_sum_is_seen_when_it_rises(below):
    words = np.array([511 << 54 | below, 0], np.int64)
    assert _top_bit_rises(words, 1 << 54)
    assert words[1] == -(1 << 63) + below


@given(left=st.integers(0, BITS128 - 1), right=st.integers(0, BITS128 - 1))
@example(left=BITS64 - 1, right=1)
@example(left=BITS128 - 1, right=1)
def test_wide_add_is_exact_modulo_128_bits(left, right):
    expected = (left + right) % BITS128
    assert whole(*_wide_add(*halves(left), *halves(right))) == expected
    if left + right < BITS128:
        assert whole(*wide.wide_add(*halves(left), *halves(right))) == expected


@given(
    values=st.lists(st.integers(0, 1 << 48), min_size=1, max_size=20),
    times=st.sampled_from([1, 3, 1 << 10, (1 << 10) + 1]),
)
def test_wide_variance_numerator_of_durations_is_rounded_once(values, times):
    count, total = times * len(values), times * sum(values)
    squares = times * sum(value * value for value in values)
    expected = float(count * squares - total**2)  # Python rounds half to even, once.
    for operation in (_wide_variance_numerator, wide.wide_variance_numerator):
        assert operation(count, *halves(squares), total) == expected


@given(
    mantissa=st.integers(1 << 52, (1 << 53) - 1),
    shift=st.integers(1, 74),
    beside=st.integers(-2, 2),
    count=st.sampled_from([1, 3, 1 << 20, (1 << 40) + 1, (1 << 62) + 5]),
    total=st.integers(0, (1 << 31) - 1),
)
@example(mantissa=(1 << 53) - 1, shift=74, beside=0, count=1 << 62, total=1)
def test_wide_variance_numerator_beyond_128_bits_rounds_to_even(
    mantissa, shift, beside, count, total
):
    squares = (mantissa << shift) + (1 << (shift - 1)) + beside
    assume(squares < BITS128)
    assume(count * squares >= total * total)
    expected = float(count * squares - total * total)
    for operation in (_wide_variance_numerator, wide.wide_variance_numerator):
        assert operation(count, *halves(squares), total) == expected
