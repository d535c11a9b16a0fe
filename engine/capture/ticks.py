"""Turn the ticks of a pcapng interface into a stamp in ns, exactly.

stamp = floor(ticks · 10^9 / ticks per second) + if_tsoffset · 10^9, with 64-bit unsigned ticks and
10^n or 2^n of them a second, n to 127. What int64 cannot hold is found by the size of the factors;
everything else is done in limbs of 32 bits.
"""

from numba import njit

from engine.capture.state import OFFSET_S, RESOLUTION, STAMP, STAMP_BAD
from engine.config import SECOND_NS
from engine.memory.options import KERNEL

_BINARY = 0x80  # Of if_tsresol: the rest is a power of two.
_DECIMALS_NS = 9
_DECIMALS_MAX = 29  # 10^20 is above 2^64: further decimals leave nothing.
_BITS_MAX = 94  # 2^64 · 10^9 is below 2^94: likewise.
_LIMB, _LIMB_MASK = 32, (1 << 32) - 1


@njit(**KERNEL)
def set_stamp(source, interface, upper, lower):
    """Set the stamp of the packet found from the two halves of its ticks."""
    resolution = interface[RESOLUTION]
    # Fast: microseconds of the years 1970 to 2248, no offset.
    if resolution == 6 and upper < 1 << 21 and interface[OFFSET_S] == 0:
        source[STAMP] = (upper << _LIMB | lower) * 1000
        source[STAMP_BAD] = 0
        return
    exponent = resolution & ~_BINARY
    if resolution & _BINARY:
        top, middle, low = _multiply(upper, lower, SECOND_NS)
        top, middle, low = _shift(top, middle, low, exponent)
    elif exponent <= _DECIMALS_NS:
        top, middle, low = _multiply(upper, lower, _power_of_ten(_DECIMALS_NS - exponent))
    else:
        top, middle, low = _divide(upper, lower, exponent - _DECIMALS_NS)
    _add_offset(source, interface[OFFSET_S], top, middle, low)


@njit(**KERNEL)
def _power_of_ten(exponent):
    """Return 10^exponent, exponent <= 9."""
    power = 1
    for _ in range(exponent):
        power *= 10
    return power


@njit(**KERNEL)
def _multiply(upper, lower, factor):
    """Return (top, middle, low) of (upper · 2^32 + lower) · factor; factor < 2^31."""
    low = lower * factor
    middle = upper * factor + (low >> _LIMB)
    return middle >> _LIMB, middle & _LIMB_MASK, low & _LIMB_MASK


@njit(**KERNEL)
def _shift(top, middle, low, bits):
    """Return the limbs of a number divided by 2^bits, rounded down."""
    if bits >= _BITS_MAX:
        return 0, 0, 0
    while bits >= _LIMB:
        top, middle, low = 0, top, middle
        bits -= _LIMB
    keep = _LIMB - bits
    mask = (1 << bits) - 1
    low = low >> bits | (middle & mask) << keep
    middle = middle >> bits | (top & mask) << keep
    return top >> bits, middle, low


@njit(**KERNEL)
def _divide(upper, lower, decimals):
    """Return the limbs of (upper · 2^32 + lower) / 10^decimals, rounded down."""
    if decimals > _DECIMALS_MAX - _DECIMALS_NS:
        return 0, 0, 0
    for _ in range(decimals):  # Floors of floors are the floor of the whole.
        rest = (upper % 10) << _LIMB | lower
        upper //= 10
        lower = rest // 10
    return 0, upper, lower


@njit(**KERNEL)
def _add_offset(source, seconds, top, middle, low):
    """Set the stamp to top:middle:low ns + seconds; mark it when int64 cannot hold it."""
    # seconds · 10^9 in limbs, the top one signed.
    low += (seconds & _LIMB_MASK) * SECOND_NS & _LIMB_MASK
    carried = (seconds >> _LIMB) * SECOND_NS + ((seconds & _LIMB_MASK) * SECOND_NS >> _LIMB)
    middle += (carried & _LIMB_MASK) + (low >> _LIMB)
    top += (carried >> _LIMB) + (middle >> _LIMB)
    low &= _LIMB_MASK
    middle &= _LIMB_MASK
    high_bit = middle >> (_LIMB - 1)
    if top != -high_bit:
        source[STAMP_BAD] = 1
        return
    source[STAMP_BAD] = 0
    source[STAMP] = ((middle ^ 1 << 31) - (1 << 31)) << _LIMB | low
