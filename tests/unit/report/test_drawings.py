"""Drawings say the numbers they are given, stay inside their frame, and close what they open.

Method: drawn counts through the diagram, values and ranges through strips, series through charts;
what comes out is parsed. What it cannot show: whether it is pleasant to look at.
"""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.report.charts import axis, bar, chart, strip
from engine.report.diagram import Link, Node, diagram
from engine.report.numbers import share, size_text, value
from engine.report.ranges import Range
from engine.report.timeline import Columns
from tests.unit.report.pages import Page

COUNTS = st.integers(0, 2**62)
FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(st.lists(COUNTS, min_size=1, max_size=12))
def test_diagram_names_each_count_above_none(counts):
    whole = sum(counts)
    nodes = [Node("all", whole, 0)]
    names = [f"part {k:02}" for k in range(len(counts))]  # None begins another.
    nodes += [Node(name, count, 1) for name, count in zip(names, counts, strict=True)]
    links = [Link("all", name, count) for name, count in zip(names, counts, strict=True)]
    page = Page(diagram(nodes, links, "drawn"))
    words = page.text()
    if not whole:
        assert "Nothing was counted." in words
        return
    for name, count in zip(names, counts, strict=True):
        shown = re.search(rf"(?<![0-9,]){count:,} {name}", words) is not None
        assert shown is (count > 0)
    assert page.tags.count("path") == sum(count > 0 for count in counts)


@given(st.lists(st.integers(1, 10**9), min_size=2, max_size=10))
def test_ribbons_are_as_thick_as_their_counts(counts):
    nodes = [Node("all", sum(counts), 0)]
    nodes += [Node(f"part {k}", count, 1) for k, count in enumerate(counts)]
    links = [Link("all", f"part {k}", count) for k, count in enumerate(counts)]
    page = Page(diagram(nodes, links, "drawn"))
    for path, count in zip(page.values("d"), counts, strict=True):
        thick = float(re.search(r"v([\d.]+)C", path)[1])
        assert thick == pytest.approx(max(1.5, 170 * count / sum(counts)), abs=0.06)
    left = max(float(re.findall(r"[\d.]+,([\d.]+)", path)[-1]) for path in page.values("d"))
    height = float(page.values("viewbox")[0].split()[3])
    assert left <= height


@given(FLOATS, st.lists(FLOATS, min_size=3, max_size=3).map(sorted))
def test_strip_keeps_value_and_range_inside_its_frame(number, marks):
    drawn = strip(number, Range(*marks, count=100))
    page = Page(drawn)
    places = [float(v.rstrip("%")) for name in ("x", "x1", "x2", "cx") for v in page.values(name)]
    assert all(0 <= place <= 100 for place in places), drawn
    outside = number < marks[0] or number > marks[2]
    assert ("mark outside" in page.values("class")) is outside


def test_strip_orders_value_and_range_as_they_are():
    for number in (-5.0, 0.5, 7.0, 1e6):
        page = Page(strip(number, Range(0.0, 1.0, 2.0, count=100)))
        mark = float(page.values("cx")[0].rstrip("%"))
        low = float(page.values("x")[0].rstrip("%"))
        assert (mark < low) is (number < 0)


def test_strip_without_range_says_so():
    assert "no range" in strip(1.0, None)


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=96), st.booleans())
def test_chart_tells_each_columns_amount(amounts, gaps):
    columns = Columns(np.arange(len(amounts)) * 60.0 * (2 if gaps else 1), 60.0, gaps)
    page = Page(
        chart(columns, {"": np.array(amounts, float)}, lambda amount: f"{amount:.0f} of it")
    )
    shown = [f": {amount} of it" for amount in amounts if amount > 1e-9 * max(amounts)]
    titles = [word for word in page.words[""] if " of it" in word]
    assert [title[title.index(": ") :] for title in titles] == shown
    Page(axis(columns))


def test_stacked_series_fill_the_column_of_their_sum():
    columns = Columns(np.arange(2) * 1.0, 1.0, False)
    series = {"one": np.array([30.0, 0.0]), "other": np.array([70.0, 50.0])}
    page = Page(chart(columns, series, str))
    heights = [float(height) for height in page.values("height")]
    assert heights == [30.0, 70.0, 50.0]
    assert [float(y) for y in page.values("y")] == [70.0, 0.0, 50.0]


def test_bar_of_nothing_is_drawn():
    assert "width:0.5%" in bar(0, 0)
    assert "width:100.0%" in bar(7, 7)


def test_shares_never_round_to_none_or_all():
    texts = [share(*pair) for pair in ((0, 9), (9, 9), (1, 10**6), (10**6 - 1, 10**6), (1, 3))]
    assert texts == ["0 %", "100 %", "< 0.1 %", "> 99.9 %", "33.3 %"]
    assert share(0, 0) == "-"


def test_sizes_have_three_digits():
    texts = [size_text(size) for size in (0, 999, 1000, 12_345, 999_499, 999_500, 2**62)]
    assert texts == ["0 B", "999 B", "1 kB", "12.3 kB", "999 kB", "1 MB", "4.61 EB"]


def test_values_keep_what_tells_them_apart():
    assert [value(v) for v in (0.0, -3.0, 0.12345, 1234.5678, 5e20)] == [
        "0",
        "-3",
        "0.1235",
        "1,234.568",
        "5e+20",
    ]
