"""Goal: numbers, times and addresses are written as Python writes them; floats as short as can be.

Method: Hypothesis draws values; Python's own formatting is the reference. That no shorter decimal
reads back is judged by numpy's printing, which searches for it in another way.
"""

import ipaddress
import re

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numba import njit

from engine.memory.pointers import pointer
from engine.recorder.shortest import FLOAT_BYTES_MAX, MEMO_WORDS, put_float, put_known_float
from engine.recorder.text import (
    ADDRESS_BYTES_MAX,
    EVE_TIME,
    INT_BYTES_MAX,
    ISO_TIME,
    PEOPLE_TIME,
    SPILL_BYTES,
    TIME_BYTES_MAX,
    put_address,
    put_int,
    put_thousandths,
    put_time,
    put_uid,
)
from tests.unit.recorder.rows import iso_text, uid_text

INT64 = st.integers(-(2**63), 2**63 - 1)
FLOAT_BITS = st.integers(0, 2**32 - 1).filter(lambda bits: bits & 0x7F800000 != 0x7F800000)


@njit
def _float(out, bits, point):
    return put_float(pointer(out), 0, bits, point)


@njit
def _known_float(out, bits, point, memo):
    return put_known_float(pointer(out), 0, bits, point, pointer(memo))


@njit
def _int(out, value):
    return put_int(pointer(out), 0, value)


@njit
def _thousandths(out, value):
    return put_thousandths(pointer(out), 0, value)


@njit
def _time(out, value, style):
    return put_time(pointer(out), 0, value, style)


@njit
def _address(out, version6, high, low):
    return put_address(pointer(out), 0, version6, high, low)


@njit
def _uid(out, value):
    return put_uid(pointer(out), 0, value)


def written(kernel, *arguments, most: int) -> str:
    out = np.full(most + 2 * SPILL_BYTES, 255, np.uint8)
    size = kernel(out, *arguments)
    assert size <= most
    assert (out[size + SPILL_BYTES :] == 255).all(), "written far behind the end"
    return out[:size].tobytes().decode()


def float_text(bits: int, point: int = 1) -> str:
    return written(_float, bits, point, most=FLOAT_BYTES_MAX)


def signed(word: int) -> int:
    return word - 2**64 if word >> 63 else word


def digits_of(text: str) -> str:
    return re.sub(r"[.-]", "", text.partition("e")[0]).strip("0")


@given(FLOAT_BITS)
@example(0x80000000)
@example(0x7F7FFFFF)
@example(0x00000001)
@example(0x00800000)
@example(0x4B7FFFFF)
def test_float_reads_back_as_the_same_bits(bits):
    for point in (0, 1):
        assert int(np.float32(float_text(bits, point)).view(np.uint32)) == bits


@given(FLOAT_BITS)
def test_float_has_the_digits_that_numpy_finds(bits):
    value = np.uint32(bits).view(np.float32)
    expected = digits_of(np.format_float_scientific(value, unique=True, trim="-"))
    assert digits_of(float_text(bits)) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, "0.0"),
        (5, "5.0"),
        (-1.5, "-1.5"),
        (0.1, "0.1"),
        (1e16, "1e+16"),
        (1.5e-5, "1.5e-05"),
        (0.00012345678, "0.00012345678"),
        (3.4028235e38, "3.4028235e+38"),
        (2e10, "20000000000.0"),
    ],
)
def test_float_is_laid_out_as_python_does(value, expected):
    assert float_text(int(np.float32(value).view(np.uint32))) == expected


@given(st.lists(st.tuples(FLOAT_BITS, st.integers(0, 1)), min_size=1, max_size=8))
def test_known_float_is_written_as_it_was(numbers):
    memo = np.zeros(MEMO_WORDS, np.int64)
    many = [(bits, 1) for bits in range(1 << 29, (1 << 29) + 300)]  # More than are remembered.
    for bits, point in [*numbers, *numbers, *many, *numbers, *many]:
        expected = written(_float, bits, point, most=FLOAT_BYTES_MAX)
        assert written(_known_float, bits, point, memo, most=FLOAT_BYTES_MAX) == expected


def test_whole_float_has_no_point_where_none_is_wanted():
    assert float_text(int(np.float32(1500).view(np.uint32)), 0) == "1500"


@given(INT64)
@example(-(2**63))
@example(-10)
@example(0)
def test_int_is_written_in_decimal(value):
    assert written(_int, value, most=INT_BYTES_MAX) == str(value)


@given(st.floats(-1e11, 1e11))
@example(-0.0004)
@example(0.9995)
def test_thousandths_are_the_number_to_three_decimals(value):
    text = written(_thousandths, value, most=INT_BYTES_MAX + 5)
    expected = round(abs(value) * 1000.0)
    assert (
        text == ("-" if value < 0 and expected else "") + f"{expected // 1000}.{expected % 1000:03}"
    )


@given(INT64)
@example(951_782_400 * 10**9)  # 29 February 2000.
@example(-1)
def test_time_is_that_of_the_calendar(value):
    iso = iso_text(value)
    assert written(_time, value, ISO_TIME, most=TIME_BYTES_MAX) == iso
    assert written(_time, value, EVE_TIME, most=TIME_BYTES_MAX) == iso[:-4] + "+0000"
    assert written(_time, value, PEOPLE_TIME, most=TIME_BYTES_MAX) == iso[:-4].replace("T", " ")


@given(st.lists(st.sampled_from([0, 0, 0, 1, 0x10, 0xABC, 0xFFFF]), min_size=8, max_size=8))
def test_ipv6_address_is_written_as_rfc_5952_has_it(groups):
    number = sum(group << 16 * k for k, group in enumerate(groups))
    text = written(
        _address, 1, signed(number >> 64), signed(number % 2**64), most=ADDRESS_BYTES_MAX
    )
    plain = ":".join(f"{group:x}" for group in reversed(groups))
    runs = sorted((-len(m[0]), m.start()) for m in re.finditer(r"\b0(:0)+\b", plain))
    if runs:
        length, start = runs[0]
        plain = plain[:start].rstrip(":") + "::" + plain[start - length :].lstrip(":")
    assert text == plain
    assert int(ipaddress.IPv6Address(text)) == number


@given(st.integers(0, 2**32 - 1))
def test_ipv4_address_is_four_decimals(number):
    text = written(_address, 0, 0, number, most=ADDRESS_BYTES_MAX)
    assert text == str(ipaddress.IPv4Address(number))


@given(st.integers(0, 2**64 - 1))
def test_uid_is_all_bits_in_base_62(number):
    assert written(_uid, signed(number), most=12) == uid_text(number)
