"""The shortest decimal that reads back as the same float32.

A float32 c·2^q is the only one between the middles of its gaps to its neighbours. Of the decimals
in there take the shortest; of the shortest the nearest. (Giulietti, "The Schubfach way to render
doubles", 2021; all quantities four times too large, so that middles are whole.)

    10^k is the largest power of ten that is not longer than the interval
    v = c·2^q·10^-k, l and u likewise for the interval's ends, each rounded to odd
    if a multiple of 10 lies between l and u: it is one digit shorter, take it
    else of floor(v) and floor(v) + 1 the one between l and u; of both the nearer

Everything fits in int64: the powers of ten are kept as two halves of 32 bits.
"""

import numpy as np
from numba import njit

from engine.memory.pointers import load_u64, store_word
from engine.recorder.text import SPILL_BYTES, put_digits, put_int

FLOAT_BYTES_MAX = 24  # The longest text of a float32 here has 20.
# A memo of texts: rows of a flood have the same weights and values. An entry is a tag, 0 or the
# number's bits, its layout and the text's length; then the text, 8 bytes to a word, and what lay
# behind it when it was kept.
_MEMO_ENTRIES, _ENTRY_WORDS = 1024, 4
MEMO_WORDS = _MEMO_ENTRIES * _ENTRY_WORDS
_POINT_SHIFT, _USED, _COUNT_SHIFT = 32, 1 << 33, 40
_TAG_MASK = (1 << _COUNT_SHIFT) - 1
_SPREAD = 0x61C88647  # An odd factor: the golden ratio, 32 bits.
assert FLOAT_BYTES_MAX <= 8 * (_ENTRY_WORDS - 1) <= SPILL_BYTES
_POWER_MIN, _POWER_MAX = -31, 45
_LOW32 = (1 << 32) - 1
_FIXED_POINT_MIN, _FIXED_POINT_MAX = -4, 16  # As Python writes floats.
_ZERO_POINT = int.from_bytes(b"0.000000", "little")


def _power_halves() -> np.ndarray:
    """Return 10^k in 64 significant bits, rounded up, as rows of (high, low) 32 bits."""
    rows = []
    for k in range(_POWER_MIN, _POWER_MAX + 1):
        shift = 63 - (k * 1741647 >> 19)  # floor(log2(10^k)) = k·1741647 >> 19 in this range.
        numerator, denominator = (10**k, 1) if k >= 0 else (1, 10**-k)
        if shift >= 0:
            numerator <<= shift
        else:
            denominator <<= -shift
        power = -(-numerator // denominator)
        assert power >> 63 == 1, f"10^{k}"
        rows.append((power >> 32, power & _LOW32))
    return np.array(rows, np.int64)


_POWERS = _power_halves()


@njit("i8(i8, i8)", cache=True, nogil=True)
def _scaled(power, value):
    """Return floor(power·value / 2^64), its lowest bit set when something was cut off."""
    low = _POWERS[power, 1] * value
    middle = _POWERS[power, 0] * value + (low >> 32)
    cut = ((middle & _LOW32) > 1) | 0
    return (middle >> 32) | cut


@njit("UniTuple(i8, 2)(i8)", cache=True, nogil=True)
def shortest(bits):
    """Return (digits, exponent) of |x|: digits·10^exponent. `bits` is a finite float32's, not 0."""
    fraction = bits & 0x7FFFFF
    raised = (bits >> 23) & 0xFF
    c, q = (fraction | 0x800000, raised - 150) if raised else (fraction, -149)
    if -24 < q <= 0 and c & ((1 << -q) - 1) == 0:
        return c >> -q, 0  # A whole number below 2^24.
    odd = c & 1
    closer = 1 if fraction == 0 and raised > 1 else 0  # The neighbour below is half as far.
    k = (q * 1262611 - 524031 * closer) >> 22  # floor(log10(2^q or 3/4·2^q)).
    power = -k - _POWER_MIN
    h = q + (-k * 1741647 >> 19) + 1
    lower = _scaled(power, (4 * c - 2 + closer) << h) + odd
    v = _scaled(power, 4 * c << h)
    upper = _scaled(power, (4 * c + 2) << h) - odd
    s = v >> 2
    if s >= 10:
        ten = s // 10
        below, above = lower <= 40 * ten, 40 * ten + 40 <= upper
        if below != above:
            return ten + above, k + 1
    below, above = lower <= 4 * s, 4 * s + 4 <= upper
    if below != above:
        return s + above, k
    middle = 4 * s + 2
    return s + (v > middle or (v == middle and s & 1 == 1)), k


@njit("i8(CPointer(u1), i8, i8)", cache=True, nogil=True)
def _put_part(out, place, end):
    """Put a point in front of out[place:end], 8 bytes at most; return the new end."""
    behind = load_u64(out, place)
    out[place] = 46
    store_word(out, place + 1, behind)
    return end + 1


@njit("i8(CPointer(u1), i8, i8, i8)", cache=True, nogil=True)
def _put_scientific(out, at, digits, exponent):
    """Write d.ddde+-XX; the digits' trailing zeros are left out."""
    while digits % 10 == 0:
        digits //= 10
    end = put_int(out, at, digits)
    if end > at + 1:
        end = _put_part(out, at + 1, end)
    out[end], out[end + 1] = 101, 45 if exponent < 0 else 43
    return put_digits(out, end + 2, abs(exponent), 2)


@njit("i8(CPointer(u1), i8, i8, i8)", cache=True, nogil=True)
def _put_whole(out, end, exponent, point):
    """Write `exponent` zeros behind digits that end there, and ".0" if `point`."""
    for _ in range(exponent):
        out[end] = 48
        end += 1
    if point:
        out[end], out[end + 1] = 46, 48
        end += 2
    return end


@njit("i8(CPointer(u1), i8, i8, i8)", cache=True, nogil=True)
def put_float(out, at, bits, point):
    """Write the float32 of these bits; return the index behind it. `point`: 5 is "5.0", not "5".

    FLOAT_BYTES_MAX bytes must be free at `at`. Laid out as Python does.
    """
    assert bits & 0x7F800000 != 0x7F800000  # Vectors, scores and weights are finite.
    if bits & 0x80000000:
        out[at] = 45
        at += 1
    digits, exponent = (0, 0) if bits & 0x7FFFFFFF == 0 else shortest(bits & 0x7FFFFFFF)
    while exponent < 0 and digits % 10 == 0:  # Zeros behind the last digit that counts.
        digits //= 10
        exponent += 1
    end = put_int(out, at, digits)
    place = end - at + exponent  # Digits in front of the point.
    if not _FIXED_POINT_MIN < place <= _FIXED_POINT_MAX:
        return _put_scientific(out, at, digits, place - 1)
    if exponent >= 0:
        return _put_whole(out, end, exponent, point)
    if place > 0:
        return _put_part(out, at + place, end)
    store_word(out, at, _ZERO_POINT)
    return put_int(out, at + 2 - place, digits)


@njit("i8(CPointer(u1), i8, i8, i8, CPointer(i8))", cache=True, nogil=True)
def put_known_float(out, at, bits, point, memo):
    """Do what put_float does, from `memo` (MEMO_WORDS, zeros at first) if it has the text."""
    tag = bits | point << _POINT_SHIFT | _USED
    entry = (bits * _SPREAD >> 24 & _MEMO_ENTRIES - 1) * _ENTRY_WORDS
    if memo[entry] & _TAG_MASK == tag:
        for word in range(_ENTRY_WORDS - 1):
            store_word(out, at + 8 * word, memo[entry + 1 + word])
        return at + (memo[entry] >> _COUNT_SHIFT)
    end = put_float(out, at, bits, point)
    for word in range(_ENTRY_WORDS - 1):
        memo[entry + 1 + word] = load_u64(out, at + 8 * word)
    memo[entry] = tag | (end - at) << _COUNT_SHIFT
    return end
