"""Numbers, times and addresses as bytes: leaf kernels that write into a buffer of uint8.

Each takes (out, at, ...) and returns the index behind what it wrote. None checks bounds: the
renderer (template.py) keeps the longest line free.
"""

import numpy as np
from numba import njit

from engine.memory.pointers import copy_bytes

INT_BYTES_MAX = 20
ADDRESS_BYTES_MAX = 39
TIME_BYTES_MAX = 32
UID_BYTES = 12

EVE_TIME, ISO_TIME, PEOPLE_TIME, CLOCK_TIME = range(4)
DECIMAL_BYTES_MAX = INT_BYTES_MAX + 1
_DAY_NS = 86_400 * 10**9
_LOW32 = (1 << 32) - 1
_UID_DIGITS = UID_BYTES - 1


@njit("i8(CPointer(u1), i8, i8, i8)", cache=True, nogil=True)
def put_digits(out, at, value, count):
    """Write the last `count` decimal digits of `value` >= 0; return the index behind them."""
    for place in range(at + count - 1, at - 1, -1):
        out[place] = 48 + value % 10
        value //= 10
    return at + count


@njit("i8(CPointer(u1), i8, i8)", cache=True, nogil=True)
def put_int(out, at, value):
    """Write an int64 in decimal."""
    last = 0
    if value < 0:
        out[at] = 45
        at += 1
        # -value may not fit: its last digit is taken off first.
        last = -(value + 1) % 10 + 1
        value = -(value + 1) // 10 + last // 10
        last %= 10
        if value == 0:
            out[at] = 48 + last
            return at + 1
    else:
        last = value % 10
        value //= 10
    count = 0
    rest = value
    while rest:
        count += 1
        rest //= 10
    at = put_digits(out, at, value, count)
    out[at] = 48 + last
    return at + 1


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
    if style == CLOCK_TIME:
        return _put_clock_time(out, at, (year + era * 400 + (month <= 2), month, day), rest)
    at = put_digits(out, at, year + era * 400 + (month <= 2), 4)
    out[at] = 45
    at = put_digits(out, at + 1, month, 2)
    out[at] = 45
    at = put_digits(out, at + 1, day, 2)
    out[at] = 32 if style == PEOPLE_TIME else 84
    seconds, fraction = rest // 10**9, rest % 10**9
    at = put_digits(out, at + 1, seconds // 3600, 2)
    out[at] = 58
    at = put_digits(out, at + 1, seconds // 60 % 60, 2)
    out[at] = 58
    at = put_digits(out, at + 1, seconds % 60, 2)
    out[at] = 46
    if style == ISO_TIME:
        at = put_digits(out, at + 1, fraction, 9)
        out[at] = 90
        return at + 1
    at = put_digits(out, at + 1, fraction // 1000, 6)
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
        part = (low >> shift) & 0xFF
        at = put_digits(out, at, part, 1 + (part >= 10) + (part >= 100))
        if shift:
            out[at] = 46
            at += 1
    return at


@njit("i8(CPointer(u1), i8, i8)", cache=True, nogil=True)
def put_uid(out, at, flow_hash):
    """Write "C" and all 64 bits of a flow's hash, 11 digits of base 62."""
    high, low = (flow_hash >> 32) & _LOW32, flow_hash & _LOW32
    out[at] = 67
    for place in range(at + _UID_DIGITS, at, -1):
        pair = (high % 62) << 32 | low
        high //= 62
        low = pair // 62
        digit = pair % 62
        out[place] = digit + (48 if digit < 10 else 55 if digit < 36 else 61)
    return at + 1 + _UID_DIGITS


@njit("i8(CPointer(u1), i8, CPointer(u1), i8, i8)", cache=True, nogil=True)
def put_bytes(out, at, blob, begin, end):
    """Write blob[begin:end]."""
    copy_bytes(out, at, blob, begin, end - begin)
    return at + end - begin
