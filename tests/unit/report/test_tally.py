"""A tally is exact until it has to drop, then never too large, and keeps who has most.

Method: against a Counter of everything.
"""

import collections

from hypothesis import given
from hypothesis import strategies as st

from engine.report.tally import Tally

ADDED = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 9)), max_size=200)


def both(added, kept_max):
    tally, true = Tally(2, by=1, kept_max=kept_max), collections.Counter()
    for name, amount in added:
        tally.add(name, 1, amount)
        true[name] += amount
        assert len(tally) <= kept_max
    return tally, true


@given(ADDED)
def test_sums_are_exact_while_all_names_are_kept(added):
    tally, true = both(added, 64)
    assert tally.complete
    assert {name: sums[1] for name, sums in tally.largest(64)} == dict(true)
    assert all(tally[name][0] == sum(n == name for n, _ in added) for name in true)


@given(ADDED, st.integers(2, 12))
def test_what_is_kept_is_never_more_than_what_came(added, kept_max):
    tally, true = both(added, kept_max)
    assert all(sums[1] <= true[name] for name, sums in tally.largest(kept_max))
    assert tally.complete is (len(true) <= kept_max)


@given(ADDED)
def test_largest_come_first_and_equal_ones_by_name(added):
    tally, _ = both(added, 64)
    found = [(-sums[1], str(name)) for name, sums in tally.largest(10)]
    assert found == sorted(found)


def test_name_with_most_is_kept_among_many():
    tally = Tally(1, kept_max=16)
    for k in range(1000):
        tally.add(f"noise {k}", 1)
        tally.add("loud", 2)
    assert not tally.complete
    assert tally.largest(1) == [("loud", [2000])]


def test_name_that_never_came_has_nothing():
    assert Tally(3)["nobody"] == [0, 0, 0]
