"""Numbers, times and addresses as bytes: leaf kernels that write into a buffer of uint8.

Each takes (out, at, ...) and returns the index behind what it says. None checks bounds: the
renderer (template.py) keeps the longest line free. Words and blocks are stored whole, so up to
SPILL_BYTES behind the end may change: lines are written forwards, and more than that is kept free
behind the last.
"""

import numpy as np
from numba import njit

from engine.memory.lanes import lowest_bit
from engine.memory.pointers import COPY_BYTES, copy_block, store_word

SPILL_BYTES = COPY_BYTES
INT_BYTES_MAX = 20
ADDRESS_BYTES_MAX = 39
TIME_BYTES_MAX = 32
UID_BYTES = 12

EVE_TIME, ISO_TIME, PEOPLE_TIME, CLOCK_TIME = range(4)
DECIMAL_BYTES_MAX = INT_BYTES_MAX + 1
_DAY_NS = 86_400 * 10**9
_LOW32 = (1 << 32) - 1
_UID_DIGITS = UID_BYTES - 1
_FIVE62 = 62**5
_EIGHT = 10**8
_ZEROS = 0x3030303030303030
_INT64_MIN = -(1 << 63)
# The text of each part of an IPv4 address with its dot; in the highest byte how long it is.
_OCTET_COUNT_SHIFT = 56
_OCTETS = np.array(
    [
        int.from_bytes(f"{part}.".encode(), "little") | len(f"{part}.") << _OCTET_COUNT_SHIFT
        for part in range(256)
    ],
    np.int64,
)


@njit("i8(i8)", cache=True, nogil=True)
def _eight_digits(value):
    """Return the 8 decimal digits of 0 <= value < 10**8, a byte each, the first in the lowest.

    Halves, then pairs, then digits are parted side by side; a division by 10**k is a product and a
    shift that are exact in the range.
    """
    high = value * 109_951_163 >> 40  # value // 10**4
    halves = high | (value - 10_000 * high) << 32
    hundreds = halves * 10_486 >> 20 & 0x7F0000007F  # Each half // 100.
    pairs = (halves - 100 * hundreds) << 16 | hundreds
    tens = pairs * 103 >> 10 & 0x000F000F000F000F  # Each pair // 10.
    return (pairs - 10 * tens) << 8 | tens


@njit("i8(CPointer(u1), i8, i8, i8)", cache=True, nogil=True)
def put_digits(out, at, value, count):
    """Write 0 <= value < 10**8 with 1 <= count <= 8 digits, which it has at most."""
    store_word(out, at, (_eight_digits(value) | _ZEROS) >> 8 * (8 - count))
    return at + count


@njit("i8(CPointer(u1), i8, i8)", cache=True, nogil=True)
def _put_below(out, at, value):
    """Write 0 <= value < 10**8 without leading zeros."""
    digits = _eight_digits(value)
    zeros = min(lowest_bit(digits) >> 3, 7)
    store_word(out, at, (digits | _ZEROS) >> 8 * zeros)
    return at + 8 - zeros


@njit("i8(CPointer(u1), i8, i8)", cache=True, nogil=True)
def put_int(out, at, value):
    """Write an int64 in decimal."""
    if value < 0:
        out[at] = 45
        at += 1
        if value == _INT64_MIN:  # The one whose opposite is no int64.
            at = put_digits(out, _put_below(out, at, 922_337), 20_368_547, 8)
            return put_digits(out, at, 75_808, 5)
        value = -value
    if value < _EIGHT:
        return _put_below(out, at, value)
    high = value // _EIGHT
    if high < _EIGHT:
        at = _put_below(out, at, high)
    else:
        at = put_digits(out, _put_below(out, at, high // _EIGHT), high % _EIGHT, 8)
    return put_digits(out, at, value - high * _EIGHT, 8)


@njit("i8(CPointer(u1), i8, f8)", cache=True, nogil=True)
def put_thousandths(out, at, value):
    """Write a number of size below 10**12 with three decimals, ties to even."""
    thousandths = np.int64(np.rint(abs(value) * 1000.0))
    if value < 0.0 and thousandths:
        out[at] = 45
        at += 1
    at = put_int(out, at, thousandths // 1000)
    out[at] = 46
    return put_digits(out, at + 1, thousandths % 1000, 3)


@njit("i8(CPointer(u1), i8, UniTuple(i8, 3), i8)", cache=True, nogil=True)
def _put_clock_time(out, at, date, rest):
    """Write dd/mm/yyyy hh:mm:ss AM or PM; `rest`: ns of the day."""
    at = put_digits(out, at, date[2], 2)
    out[at] = 47
    at = put_digits(out, at + 1, date[1], 2)
    out[at] = 47
    at = put_digits(out, at + 1, date[0], 4)
    out[at] = 32
    seconds = rest // 10**9
    hour = seconds // 3600
    at = put_digits(out, at + 1, (hour + 11) % 12 + 1, 2)
    out[at] = 58
    at = put_digits(out, at + 1, seconds // 60 % 60, 2)
    out[at] = 58
    at = put_digits(out, at + 1, seconds % 60, 2)
    out[at], out[at + 1], out[at + 2] = 32, 65 if hour < 12 else 80, 77
    return at + 3


@njit("i8(CPointer(u1), i8, i8)", cache=True, nogil=True)
def put_decimal(out, at, time_ns):
    """Write ns as seconds with six decimals, cut off downwards."""
    micros = time_ns // 1000
    if micros < 0:
        out[at] = 45
        at += 1
        micros = -micros
    at = put_int(out, at, micros // 10**6)
    out[at] = 46
    return put_digits(out, at + 1, micros % 10**6, 6)


@njit("i8(CPointer(u1), i8, i8, i8)", cache=True, nogil=True)
def put_time(out, at, time_ns, style):
    """Write an int64 time in UTC: EVE_TIME (us, +0000), ISO_TIME (ns, Z), PEOPLE_TIME (us).

    CLOCK_TIME: day/month/year and hours from 12 to 11, AM or PM.
    """
    days = time_ns // _DAY_NS
    rest = time_ns % _DAY_NS
    # Days to date in the proleptic Gregorian calendar, years that begin in March (H. Hinnant).
    days += 719_468
    era = days // 146_097
    day = days - era * 146_097
    year = (day - day // 1460 + day // 36_524 - day // 146_096) // 365
    day -= 365 * year + year // 4 - year // 100
    month = (5 * day + 2) // 153
    day -= (153 * month + 2) // 5 - 1
    month = month + 3 if month < 10 else month - 9
    year += era * 400 + (month <= 2)
    if style == CLOCK_TIME:
        return _put_clock_time(out, at, (year, month, day), rest)
    seconds, fraction = rest // 10**9, rest % 10**9
    date = _eight_digits(10_000 * year + 100 * month + day) | _ZEROS
    minutes = seconds // 60
    clock = _eight_digits(10_000 * (minutes // 60) + 100 * (minutes % 60) + seconds % 60) | _ZEROS
    # "2023-11-", "14T22:13", ":20.": bytes of date and clock moved to their places.
    year_month = date & 0xFFFFFFFF | (date >> 32 & 0xFFFF) << 40
    store_word(out, at, year_month | 45 << 32 | 45 << 56)
    day_minute = date >> 48 | (clock >> 16 & 0xFFFF) << 24 | (clock >> 32 & 0xFFFF) << 48
    store_word(out, at + 8, day_minute | (32 if style == PEOPLE_TIME else 84) << 16 | 58 << 40)
    store_word(out, at + 16, 58 | (clock >> 48) << 8 | 46 << 24)
    if style == ISO_TIME:
        at = put_digits(out, at + 20, fraction // 10, 8)
        out[at], out[at + 1] = 48 + fraction % 10, 90
        return at + 2
    at = put_digits(out, at + 20, fraction // 1000, 6)
    if style == EVE_TIME:
        out[at] = 43
        return put_digits(out, at + 1, 0, 4)
    return at


@njit("i8(CPointer(u1), i8, i8)", cache=True, nogil=True)
def _put_hex(out, at, value):
    """Write 16 bits in hexadecimal without leading zeros."""
    begun = False
    for shift in (12, 8, 4, 0):
        digit = (value >> shift) & 15
        begun = begun or digit != 0 or shift == 0
        if begun:
            out[at] = 48 + digit if digit < 10 else 87 + digit
            at += 1
    return at


@njit("i8(i8, i8, i8)", cache=True, nogil=True)
def _group(high, low, k):
    """Return the k-th group of 16 bits of an IPv6 address."""
    return ((high if k < 4 else low) >> (48 - 16 * (k & 3))) & 0xFFFF


@njit("i8(CPointer(u1), i8, i8, i8)", cache=True, nogil=True)
def _put_address6(out, at, high, low):
    """Write an IPv6 address as RFC 5952 has it, never with an IPv4 part."""
    longest, first, run = 1, 8, 0  # The first of the longest runs of zeros, of 2 or more.
    for k in range(8):
        run = run + 1 if _group(high, low, k) == 0 else 0
        if run > longest:
            longest, first = run, k - run + 1
    k = 0
    while k < 8:
        if k == first:
            out[at], out[at + 1] = 58, 58
            at += 2
            k += longest
            continue
        if k and k != first + longest:
            out[at] = 58
            at += 1
        at = _put_hex(out, at, _group(high, low, k))
        k += 1
    return at


@njit("i8(CPointer(u1), i8, i8, i8, i8)", cache=True, nogil=True)
def put_address(out, at, version6, high, low):
    """Write an address."""
    if version6:
        return _put_address6(out, at, high, low)
    for shift in (24, 16, 8, 0):
        part = _OCTETS[(low >> shift) & 0xFF]
        store_word(out, at, part)
        at += part >> _OCTET_COUNT_SHIFT
    return at - 1


@njit("void(CPointer(u1), i8, i8)", cache=True, nogil=True)
def _put_digits62(out, at, value):
    """Write 0 <= value < 62**5 as 5 digits of base 62."""
    for place in range(at + 4, at - 1, -1):
        digit = value % 62
        value //= 62
        out[place] = digit + (48 if digit < 10 else 55 if digit < 36 else 61)


@njit("i8(CPointer(u1), i8, i8)", cache=True, nogil=True)
def put_uid(out, at, flow_hash):
    """Write "C" and all 64 bits of a flow's hash, 11 digits of base 62."""
    high, low = (flow_hash >> 32) & _LOW32, flow_hash & _LOW32
    pair = (high % _FIVE62) << 32 | low
    rest = (high // _FIVE62) << 32 | pair // _FIVE62
    out[at] = 67
    digit = rest // _FIVE62  # 20 at most.
    out[at + 1] = digit + (48 if digit < 10 else 55)
    _put_digits62(out, at + 2, rest % _FIVE62)
    _put_digits62(out, at + 7, pair % _FIVE62)
    return at + 1 + _UID_DIGITS


@njit("i8(CPointer(u1), i8, CPointer(u1), i8, i8)", cache=True, nogil=True)
def put_bytes(out, at, blob, begin, end):
    """Write blob[begin:end]; COPY_BYTES must be readable behind it."""
    place = at
    while True:
        copy_block(out, place, blob, begin)
        begin += COPY_BYTES
        place += COPY_BYTES
        if begin >= end:
            return place - begin + end
