"""Payload: the one feature of a flow that is not from headers."""

import math

import numpy as np
from numba import njit

from engine.features.feature import Feature
from engine.layouts import places
from engine.memory.lanes import BLOCK, count_bits, high_bits, high_bits_of_word
from engine.memory.options import KERNEL
from engine.memory.pointers import load_u64

FEATURES = (
    Feature(
        "ransomware_payload_entropy",
        "ransomware",
        "flow",
        "0..1",
        "entropy of the captured payload bytes of the flow's first 8 data packets (at most "
        "256 bytes of each, both directions) over 16 bins by high nibble / 4",
        "at least 64 such bytes",
    ),
)

PACKETS_MAX = 8
BYTES_MAX = 256  # Of each.
_BYTES_MIN = 64
BINS = 16
_BIN_BITS = 12  # 8 packets of 256 bytes: at most 2,048 in a bin.
_BIN_MASK = (1 << _BIN_BITS) - 1
_BINS_A_WORD = 5
assert PACKETS_MAX * BYTES_MAX <= _BIN_MASK


@njit(**KERNEL)
def _last_word(octets, begin, count):
    """Return the 1 to 7 bytes from `begin` on, as the low bytes of a word."""
    word = np.int64(0)
    for k in range(count):
        word |= np.int64(octets[begin + k]) << 8 * k
    return word


@njit(**KERNEL)
def _short_block(octets, begin, count):
    """Return the four bit masks of fewer than 64 bytes; nothing beyond them is read."""
    b7, b6, b5, b4 = np.int64(0), np.int64(0), np.int64(0), np.int64(0)
    for at in range(0, count, 8):
        rest = count - at
        whole = rest >= 8
        word = load_u64(octets, begin + at) if whole else _last_word(octets, begin + at, rest)
        w7, w6, w5, w4 = high_bits_of_word(word)
        b7, b6, b5, b4 = b7 | w7 << at, b6 | w6 << at, b5 | w5 << at, b4 | w4 << at
    return b7, b6, b5, b4


@njit(**KERNEL)
def _add_masks(row, masks, used):
    """Count the bytes of a block by high nibble: bins 0 to 14, five to a word of the row."""
    b7, b6, b5, b4 = masks
    h0, h1, h2, h3 = ~b7 & ~b6 & used, ~b7 & b6 & used, b7 & ~b6 & used, b7 & b6 & used
    l0, l1, l2, l3 = ~b5 & ~b4, ~b5 & b4, b5 & ~b4, b5 & b4
    at = places.NIBBLES
    row[at] += (
        count_bits(h0 & l0)
        + (count_bits(h0 & l1) << 12)
        + (count_bits(h0 & l2) << 24)
        + (count_bits(h0 & l3) << 36)
        + (count_bits(h1 & l0) << 48)
    )
    row[at + 1] += (
        count_bits(h1 & l1)
        + (count_bits(h1 & l2) << 12)
        + (count_bits(h1 & l3) << 24)
        + (count_bits(h2 & l0) << 36)
        + (count_bits(h2 & l1) << 48)
    )
    row[at + 2] += (
        count_bits(h2 & l2)
        + (count_bits(h2 & l3) << 12)
        + (count_bits(h3 & l0) << 24)
        + (count_bits(h3 & l1) << 36)
        + (count_bits(h3 & l2) << 48)
    )


@njit(**KERNEL)
def add_bytes(row, octets, count):
    """Count the first `count` payload bytes at a uint8 pointer by high nibble.

    A block of 64 bytes becomes four masks, one for each bit of the nibble: a bin is a conjunction
    of them, its count the number of bits set. Bin 15 is what remains of the total.
    """
    at = 0
    while count - at >= BLOCK:
        _add_masks(row, high_bits(octets, at), np.int64(-1))
        at += BLOCK
    if at < count:
        used = ~(np.int64(-1) << (count - at))
        _add_masks(row, _short_block(octets, at, count - at), used)
    row[places.STATE] += count << places.PAYLOAD_BYTES_SHIFT


@njit(**KERNEL)
def write(vector, row):
    """Fill feature 92 at `vector` from a row's nibble counts; return its validity bit."""
    total = (row[places.STATE] >> places.PAYLOAD_BYTES_SHIFT) & places.PAYLOAD_BYTES_MASK
    if total < _BYTES_MIN:
        return 0
    entropy, rest = 0.0, total
    for place in range(BINS):
        count = rest
        if place < BINS - 1:
            word = row[places.NIBBLES + place // _BINS_A_WORD]
            count = (word >> _BIN_BITS * (place % _BINS_A_WORD)) & _BIN_MASK
            rest -= count
        if count:
            share = float(count) / float(total)
            entropy -= share * math.log2(share)
    vector[0] = min(max(entropy / 4.0, 0.0), 1.0)
    return 1
