"""Goal: sketches and filters are those of "Hosts" in SEMANTICS.rst, to the bit.

Method: hashes chosen so that their bits, registers and probes can be written down by hand.
"""

from math import log

import pytest

from engine.config import SECOND_NS
from engine.reference.hashes import fixed_hash
from engine.reference.sketches import (
    Filters,
    address_hash,
    distinct,
    entropy,
    hyperloglog,
    largest_distinct,
    pair_hash,
    port_hash,
    prefix_hash,
)

HOUR = 3600 * SECOND_NS


def test_hashes_are_of_the_words_that_the_section_names() -> None:
    address, six = b"\x0a\1\2\3", bytes(range(16))
    assert address_hash(address) == fixed_hash([4, 0, 0x0A010203])
    assert port_hash(6, 443) == fixed_hash([6 << 16 | 443])
    assert pair_hash(address, 6, 443) == fixed_hash([4, 0, 0x0A010203, 6 << 16 | 443])
    assert prefix_hash(address) == fixed_hash([4, 0, 0x0A010000])
    assert prefix_hash(six) == fixed_hash([6, 0x00010203 << 32, 0])


@pytest.mark.parametrize(
    ("bits_set", "expected"),
    [(0, 0), (1, 1), (10, 10), (60, 68), (128, 177), (255, 1420), (256, 1420)],
)
def test_distinct_counts_the_bits_of_a_bitmap_of_256(bits_set: int, expected: int) -> None:
    hashes = [bit << 56 | low for bit in range(bits_set) for low in (0, 77)]
    assert distinct(hashes) == expected
    assert distinct(hashes) == round(256 * log(256 / max(256 - bits_set, 1)))


def test_distinct_of_64_bits_reads_the_top_six() -> None:
    assert distinct([bit << 58 | 1 << 57 for bit in range(64)], 6) == 266  # 64 ln 64.
    assert distinct([5 << 58, 5 << 58 | 1 << 57], 6) == 1


def test_largest_distinct_is_that_of_the_fullest_bucket() -> None:
    first, second = 3 << 60, 4 << 60
    pairs = [(first, 1 << 56), (first, 2 << 56), (second, 1 << 56), (first | 9, 3 << 56)]
    assert largest_distinct(pairs, 4, 8) == 3
    assert largest_distinct([], 4, 8) == 0


def test_hyperloglog_of_few_counts_the_empty_registers() -> None:
    assert hyperloglog([]) == 0.0
    assert hyperloglog([7 << 56 | 1]) == 256.0 * log(256 / 255)
    assert hyperloglog([7 << 56 | 1, 7 << 56 | 2]) == 256.0 * log(256 / 255)


def test_hyperloglog_of_many_is_the_harmonic_mean_of_the_registers() -> None:
    ones = [register << 56 | 1 << 55 for register in range(256)]  # Rank 1 everywhere.
    scale = 0.7213 / (1 + 1.079 / 256) * 65536
    assert hyperloglog(ones) == scale / (256 / 2)  # Below 640, but no register is empty.
    rare = [0, *ones[1:]]  # Rank 57 where nothing but zeros follows.
    assert hyperloglog(rare) == scale / (255 / 2 + 2.0**-57)
    deep = [register << 56 | 1 << 50 for register in range(255)]  # Rank 6; one is empty.
    assert hyperloglog(deep) == scale / (255 / 64 + 1.0)


def test_hyperloglog_of_an_estimate_up_to_640_with_empty_registers_counts_these() -> None:
    hashes = [register << 56 | 1 << 55 for register in range(255)]
    assert hyperloglog(hashes) == 256.0 * log(256 / 1)


def test_entropy_is_over_the_bins_that_are_not_empty() -> None:
    assert entropy([]) == 0.0
    assert entropy([0, 0]) == 0.0
    assert str(entropy([5])) == "0.0"
    assert entropy([1, 0, 1]) == 1.0
    assert entropy([1, 1, 2]) == 1.5


def test_key_is_in_a_filter_when_its_three_bits_are() -> None:
    filters = Filters()
    key = 5 << 52 | 6 << 40 | 7 << 28 | 0xFFFFFFF
    assert not filters.holds(key)
    filters.enter([5 << 52 | 6 << 40 | 6 << 28], 1, 0)
    assert not filters.holds(key)
    filters.enter([7 << 52 | 7 << 40 | 7 << 28], 1, 0)
    assert filters.holds(key)
    assert filters.holds(key ^ 0xFFFFFFF)


def test_bits_of_two_generations_do_not_make_a_key() -> None:
    filters = Filters()
    filters.enter([1 << 52 | 1 << 40 | 1 << 28], 1, 0)
    filters.roll(HOUR)
    filters.enter([2 << 52 | 2 << 40 | 2 << 28], 1, HOUR)
    assert not filters.holds(1 << 52 | 1 << 40 | 2 << 28)


def test_younger_becomes_the_older_an_hour_after_its_first_keys() -> None:
    filters, key = Filters(), 1 << 52
    filters.enter([key], 1, 5 * SECOND_NS)
    filters.roll(HOUR)
    assert filters.younger
    filters.roll(HOUR + 5 * SECOND_NS)
    assert filters.older
    assert not filters.younger
    assert filters.holds(key)
    filters.enter([2 << 52], 1, HOUR + 10 * SECOND_NS)
    filters.roll(2 * HOUR + 5 * SECOND_NS)
    assert filters.holds(key)
    filters.roll(2 * HOUR + 10 * SECOND_NS)
    assert not filters.holds(key)
    assert filters.holds(2 << 52)


def test_empty_younger_never_becomes_the_older() -> None:
    filters, key = Filters(), 1 << 52
    filters.enter([key], 1, 0)
    filters.roll(HOUR)
    filters.roll(9 * HOUR)
    assert filters.holds(key)


def test_younger_becomes_the_older_with_512_new_starts() -> None:
    filters = Filters()
    filters.enter([1 << 52], 511, 0)
    filters.roll(5 * SECOND_NS)
    assert filters.younger
    filters.enter([1 << 52], 0, 5 * SECOND_NS)
    filters.roll(10 * SECOND_NS)
    assert filters.younger
    filters.enter([1 << 52], 1, 10 * SECOND_NS)
    filters.roll(15 * SECOND_NS)
    assert not filters.younger
    assert filters.insertions == 0
