"""Bitmaps, counts in buckets, HyperLogLog, filters: sets and distributions in fixed space.

They are the definition (SEMANTICS.rst, "Sketches"): how far they are from exact sets is measured by
tests/unit/hosts and told in README.rst. A bucket, a bit, a register is the number in the top bits
of the fixed hash of a thing.
"""

import math

import numpy as np
from numba import njit

from engine.layouts.windows import FILTER_WORDS
from engine.memory.lanes import count_bits, leading_zeros
from engine.memory.options import HOT, KERNEL
from engine.memory.pointers import prefetch
from engine.memory.wide import wrapped_sum

BITMAP_BITS, SMALL_BITS = 256, 64
BITMAP_WORDS = 4
SMALL_AT = BITMAP_BITS + 1  # Where the 65 numbers for small bitmaps begin in the table.
REGISTERS = 256
_MASK32 = (1 << 32) - 1
_ONE, _BYTE = np.int64(1), np.int64(255)
_REST_BITS = 56
_REST_MASK = (1 << _REST_BITS) - 1
_FILTER_MASK = 64 * FILTER_WORDS - 1
assert _FILTER_MASK == 4095


def distinct_table() -> np.ndarray:
    """Return how many distinct things k set bits mean: float64, k of 256 bits, then k of 64."""
    numbers = []
    for bits in (BITMAP_BITS, SMALL_BITS):
        for ones in range(bits + 1):
            numbers.append(float(round(bits * math.log(bits / max(bits - ones, 1)))))
    return np.array(numbers, np.float64)


@njit(**HOT)
def top_bits(hashed, bits):
    """Return the number in the top bits of a hash."""
    return (hashed >> (64 - bits)) & ((1 << bits) - 1)


@njit(**HOT)
def set_bit(words, at, number):
    """Set a bit of the bitmap that begins at word `at`."""
    words[at + (number >> 6)] |= _ONE << (number & 63)


@njit(**HOT)
def ones_of(left, right, at):
    """Return how many bits are set in either of two bitmaps of 256 bits."""
    ones = count_bits(left[at] | right[at])
    for word in range(at + 1, at + BITMAP_WORDS):
        ones += count_bits(left[word] | right[word])
    return ones


@njit(**HOT)
def add_count(words, at, bucket, count):
    """Add to the 32-bit count of a bucket, two in a word from word `at` on."""
    place = at + (bucket >> 1)
    words[place] = wrapped_sum(words[place], count << ((bucket & 1) << 5))


@njit(**HOT)
def count_of(words, at, bucket):
    """Return the 32-bit count of a bucket."""
    return (words[at + (bucket >> 1)] >> ((bucket & 1) << 5)) & _MASK32


@njit(**KERNEL)
def entropy(cells, at, buckets, total):
    """Return the entropy in bits of the counts of both cells; `total` is their sum."""
    current, before = cells
    found = term = 0.0
    last = 0
    for word in range(at, at + (buckets >> 1)):
        left, right = current[word], before[word]
        if left | right == 0:
            continue
        for shift in (0, 32):
            count = (left >> shift & _MASK32) + (right >> shift & _MASK32)
            if count:
                # found += share * log2(share), which is the same for the same count.
                if count != last:
                    share = float(count) / float(total)
                    last, term = count, share * math.log2(share)
                found += term
    return 0.0 - found


@njit(**HOT)
def raise_register(words, at, hashed):
    """Let HyperLogLog registers of 8 bits, from word `at` on, see a thing."""
    register = top_bits(hashed, 8)
    rank = 1 + leading_zeros(hashed & _REST_MASK) - (64 - _REST_BITS)
    shift = (register & 7) << 3
    place = at + (register >> 3)
    word = words[place]
    if (word >> shift) & 255 < rank:
        words[place] = (word & ~(_BYTE << shift)) | rank << shift


@njit(**KERNEL)
def estimate(cells, at):
    """Return how many distinct things the registers of both cells have seen."""
    current, before = cells
    total = 0.0
    zeros = 0
    for word in range(at, at + REGISTERS // 8):
        left, right = current[word], before[word]
        if left | right == 0:
            # Eight times 2**0, exact as long as no rank is above 44.
            zeros += 8
            total += 8.0
            continue
        for shift in range(0, 64, 8):
            rank = max((left >> shift) & 255, (right >> shift) & 255)
            zeros += rank == 0
            total += 1.0 / float(_ONE << rank)
    found = 0.7213 / (1.0 + 1.079 / 256.0) * 65536.0 / total
    if found <= 640.0 and zeros > 0:
        return 256.0 * math.log(256.0 / float(zeros))
    return found


@njit(**HOT)
def ask_filter(words, hashed):
    """Ask for the words of a filter that hold the three bits of a key."""
    for shift in (52, 40, 28):
        prefetch(words, ((hashed >> shift) & _FILTER_MASK) >> 6)


@njit(**HOT)
def is_in_filter(words, hashed):
    """Return whether the three bits of a key are set."""
    first, second, third = hashed >> 52, hashed >> 40, hashed >> 28
    first, second, third = first & _FILTER_MASK, second & _FILTER_MASK, third & _FILTER_MASK
    found = words[first >> 6] >> (first & 63)
    found &= words[second >> 6] >> (second & 63)
    found &= words[third >> 6] >> (third & 63)
    return found & 1 != 0


@njit(**HOT)
def enter_filter(words, hashed):
    """Set the three bits of a key."""
    for shift in (52, 40, 28):
        number = (hashed >> shift) & _FILTER_MASK
        words[number >> 6] |= _ONE << (number & 63)
