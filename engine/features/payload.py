"""Payload: the one feature of a flow that is not from headers."""

import math

from numba import njit

from engine.features.feature import Feature
from engine.layouts import places

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


@njit(cache=True, nogil=True)
def add_bytes(row, octets, count):
    """Count the first `count` payload bytes at a uint8 pointer by high nibble.

    One pass a bin: LLVM makes it a compare and a subtraction of whole vectors.
    """
    for place in range(BINS - 1):
        found = 0
        for k in range(count):
            found += (octets[k] >> 4) == place
        word, shift = place // _BINS_A_WORD, _BIN_BITS * (place % _BINS_A_WORD)
        row[places.NIBBLES + word] += found << shift
    row[places.STATE] += count << places.PAYLOAD_BYTES_SHIFT


@njit(cache=True, nogil=True)
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
