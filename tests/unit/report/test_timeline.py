"""A timeline spreads flows as it says, loses nothing, and stays within its cells and columns.

Method: each flow's share of each column computed by itself, in whole numbers of the drawn grid;
then sums over flows whose times and lengths are far apart. Cells are joined with few allowed.
What it cannot show: amounts exact to the last digit; they are drawn, not reported.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.report import timeline
from engine.report.timeline import COLUMNS_MAX, Timeline

BASE_S = 1_700_000_000
NS = 10**9
SECONDS = 1e-4  # What float64 leaves of a tenth of a second, 292 years from 1970.
# Begin and length in tenths of a second, amount.
FLOWS = st.lists(
    st.tuples(st.integers(0, 3000), st.integers(0, 900), st.integers(1, 10**6)),
    min_size=1,
    max_size=40,
)


def made(flows, parts=1):
    """Return a timeline of (begin ns, end ns, amount), added in `parts` parts."""
    line = Timeline(1)
    for part in range(parts):
        some = np.array(flows[part::parts], np.int64).reshape(-1, 3)
        line.add(some[:, 0], some[:, 1], some[:, 2])
    return line


def tenths(flows):
    return [
        (BASE_S * NS + begin * NS // 10, BASE_S * NS + (begin + length) * NS // 10, amount)
        for begin, length, amount in flows
    ]


def expected(flows, columns):
    """Return each column's amount by definition."""
    sums = np.zeros(len(columns))
    for begin_ns, end_ns, amount in flows:
        begin_s, end_s = begin_ns / NS, end_ns / NS
        for at, left_s in enumerate(columns.begins_s.tolist()):
            right_s = left_s + columns.width_s
            if end_ns - begin_ns > 10**8:
                common_s = max(0.0, min(right_s, end_s) - max(left_s, begin_s))
                sums[at] += amount * common_s / (end_s - begin_s)
            elif left_s <= begin_s < right_s:
                sums[at] += amount
    return sums


@given(FLOWS, st.integers(1, 3))
def test_amounts_are_spread_between_first_and_last_packet(flows, parts):
    flows = tenths(flows)
    line = made(flows, parts)
    columns = line.columns()
    most = sum(amount for _, _, amount in flows)
    if columns.width_s >= 1:  # Cells lie inside columns; begins of columns are exact.
        np.testing.assert_allclose(
            line.sums(columns)[0], expected(flows, columns), atol=2e-3 * most
        )
    assert line.sums(columns).sum() == pytest.approx(most, rel=SECONDS)


TIMES = st.integers(-(2**62), 2**62)


@given(st.lists(st.tuples(TIMES, st.integers(0, 2**61), st.integers(0, 2**40)), min_size=1))
def test_sum_of_columns_is_the_sum_of_flows_at_any_times(drawn):
    flows = [(begin, begin + length, amount) for begin, length, amount in drawn]
    line = made(flows)
    columns = line.columns()
    assert 1 <= len(columns) <= COLUMNS_MAX
    total = sum(amount for _, _, amount in flows)
    assert line.sums(columns).sum() == pytest.approx(total, rel=SECONDS)
    assert np.all(np.diff(columns.begins_s) > 0)


@given(FLOWS)
def test_few_cells_lose_nothing(flows):
    before = timeline.CELLS_MAX
    timeline.CELLS_MAX = 8
    try:
        line = made(tenths(flows), parts=2)
    finally:
        timeline.CELLS_MAX = before
    total = sum(amount for _, _, amount in flows)
    assert line.sums(line.columns()).sum() == pytest.approx(total, rel=SECONDS)


def test_silence_is_exactly_nothing():
    begins_s = (0, 400_000, 700_000, 1_000_000)
    flows = [(b * NS, b * NS + 7 * NS, 123_457 * (b + 3)) for b in begins_s]
    line = made(flows)
    columns = line.columns()
    assert len(columns) > 60
    assert np.count_nonzero(line.sums(columns)) == len(flows)


def test_long_silence_is_left_out():
    line = made([(0, NS, 10), (2 * NS, 3 * NS, 10), (10**9 * NS, 10**9 * NS + NS, 10)])
    columns = line.columns()
    assert columns.gaps
    assert columns.width_s < 1
    assert np.diff(columns.begins_s).max() > 9e8


def test_short_silence_is_shown():
    line = made([(0, NS, 10), (4 * NS, 5 * NS, 10), (9 * NS, 10 * NS, 10)])
    columns = line.columns()
    assert not columns.gaps
    np.testing.assert_allclose(np.diff(columns.begins_s), columns.width_s)
    assert 0 in line.sums(columns)


def test_nothing_has_no_columns():
    assert Timeline(2).columns() is None
