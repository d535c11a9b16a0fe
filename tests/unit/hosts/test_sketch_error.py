"""Goal: what engine/hosts/README.rst says of the error of sketches is so.

Method: both tables are worked out again from fixed seeds; claims are made of the numbers. What it
cannot show: errors on things whose hashes an attacker chose.
"""

from pathlib import Path

import pytest

from tests.unit.hosts.sketch_errors import (
    COUNTS,
    SKETCHES,
    errors,
    false_known,
    filter_table,
    sketch_table,
)

README = Path(__file__).parents[3] / "engine" / "hosts" / "README.rst"


@pytest.mark.parametrize("table", [sketch_table, filter_table])
def test_readme_has_the_table(table) -> None:
    assert "\n".join(table()) in README.read_text(encoding="utf-8")


@pytest.mark.parametrize("count", [count for count in COUNTS if count <= 300])
def test_bitmap_of_256_bits_is_near_up_to_300(count: int) -> None:
    mean, worst = errors("256 bits", count)
    assert mean <= 0.05
    assert worst <= 0.2


@pytest.mark.parametrize("count", COUNTS)
def test_hyperloglog_is_near_at_every_count(count: int) -> None:
    mean, worst = errors("HyperLogLog", count)
    assert mean <= 0.065  # 1.04 / sqrt(256), its standard error.
    assert worst <= 0.2


def test_bitmaps_say_no_more_than_when_they_are_full() -> None:
    for name, most in (("256 bits", 1420), ("64 bits", 266)):
        assert errors(name, 10_000) == pytest.approx((1 - most / 10_000,) * 2)


def test_largest_counts_of_buckets_err_upwards_on_few_and_downwards_on_many() -> None:
    for name in ("123", "118", "136"):
        assert errors(name, 1)[0] > 1
        assert errors(name, 10_000)[0] > 0.8
    assert all(errors(name, 100)[0] < 0.15 for name in SKETCHES)


def test_filter_of_a_generation_takes_little_for_known() -> None:
    assert false_known(256)[1] < 0.01
    assert false_known(512)[1] < 0.05
