"""Exact sums of gaps and periods, and what is computed from them.

A sum of squares is kept as 64 bits in a word of its own and 20 more above the 44 bits of a time
that changes with it: 84 bits, which the relations in config.py suffice for. When the configuration
is wide the time has its whole word and no sum of squares is kept: `age_mask` tells which.
"""

import math

from numba import njit

from engine.layouts import places
from engine.memory.options import HOT, KERNEL
from engine.memory.pointers import float_of_bits, microsecond_bits
from engine.memory.wide import square_add, variance_numerator

NO_EXTREMES = 0x7F7FFFFF  # Smallest: the largest float32; largest: 0.


@njit(**KERNEL)
def variance(count, low, high, total):
    """Return the sample variance of `count` >= 2 values from their exact sums."""
    return variance_numerator(count, low, high, total) / (float(count) * float(count - 1))


@njit(**HOT)
def packed_add(time, squares_high, squares_low, value, age_mask):
    """Return (word of a time with upper bits of squares, lower word), `value` squared added."""
    if age_mask != places.OFFSET_MASK:
        return time, squares_low
    low, high = square_add(squares_low, squares_high, value)
    return time | high << places.OFFSET_BITS, low


@njit(**HOT)
def squares_high(word):
    """Return the upper 20 bits of a sum of squares that share a word with a time."""
    return (word >> places.OFFSET_BITS) & places.SQUARES_HIGH_MASK


@njit(**HOT)
def extremes_with(extremes, bits):
    """Return packed extremes that also cover a float32 value >= 0, given by its bits."""
    return min(extremes & places.MASK32, bits) | max(extremes >> 32, bits) << 32


@njit(**HOT)
def add_gap(moments, offset, age_mask):
    """Count the gap before a packet at `offset` (ns from the part's start); return the gap, ns.

    `moments` leads to the three words of a line that hold last time, squares, extremes.
    """
    last = moments[0]
    gap = offset - (last & age_mask)
    moments[0], moments[1] = packed_add(offset, squares_high(last), moments[1], gap, age_mask)
    moments[2] = extremes_with(moments[2], microsecond_bits(gap))
    return gap


@njit(**HOT)
def smallest_us(extremes):
    """Return the smallest value of packed extremes, us."""
    return float_of_bits(extremes & places.MASK32)


@njit(**HOT)
def largest_us(extremes):
    """Return the largest value of packed extremes, us."""
    return float_of_bits(extremes >> 32)


@njit(**KERNEL)
def deviation_us(count, low, high, total):
    """Return the sample deviation in us of `count` >= 2 values in ns."""
    return math.sqrt(variance(count, low, high, total)) / 1000.0


@njit(**HOT)
def mean_us(total, count):
    """Return the mean in us of `count` >= 1 values in ns."""
    return (float(total) / float(count)) / 1000.0
