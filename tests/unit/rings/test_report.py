"""Reports arrive whole and in order, however the pipe cuts them.

Method: a real pipe, written in pieces drawn by Hypothesis, read between the pieces.
"""

import contextlib
import os
import string

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.events import REPORTS
from engine.rings.report import Reporter, ReportReader

TEXT = st.text(max_size=50)


@contextlib.contextmanager
def new_pipe():
    """Yield (reader, descriptor to write to)."""
    read, write = os.pipe()
    try:
        yield ReportReader(read), write
    finally:
        os.close(read)
        os.close(write)


@pytest.fixture
def pipe():
    """Return (reader, descriptor to write to); both are closed at the end."""
    with new_pipe() as made:
        yield made


@given(paths=st.lists(TEXT, max_size=10))
def test_reports_arrive_as_they_were_sent(paths):
    with new_pipe() as (reader, write):
        reporter = Reporter(write, "capture")
        for at, path in enumerate(paths):
            reporter.send("damage", source=at, path=path, offset=at, reason="cut\nhere")
        found = reader.read()
    assert [(report["source"], report["path"]) for report in found] == list(enumerate(paths))
    assert all(report["process"] == "capture" for report in found)
    assert all(report["report"] == "damage" for report in found)


@given(cuts=st.lists(st.integers(1, 30), min_size=1, max_size=40))
def test_report_cut_anywhere_is_read_once_and_whole(cuts):
    lines = b"".join(msgspec.json.encode({"number": number}) + b"\n" for number in range(20))
    found, at = [], 0
    with new_pipe() as (reader, write):
        for size in (*cuts, len(lines)):
            os.write(write, lines[at : at + size])
            at += size
            found += reader.read()
    assert [report["number"] for report in found] == list(range(20))


def test_reading_an_empty_pipe_returns_at_once(pipe):
    reader, _ = pipe
    assert reader.read() == []
    assert not reader.closed


def test_end_of_the_pipe_is_noticed_after_its_last_report():
    read, write = os.pipe()
    reader = ReportReader(read)
    Reporter(write, "capture").send("ready")
    os.close(write)
    assert [report["report"] for report in reader.read()] == ["ready"]
    assert reader.closed
    assert reader.read() == []
    os.close(read)


@pytest.mark.parametrize("fields", [{}, {"error": "x"}, {"error": "x", "exit_code": 1, "more": 2}])
def test_report_with_other_fields_than_declared_is_our_bug(pipe, fields):
    _, write = pipe
    with pytest.raises(AssertionError, match="failed"):
        Reporter(write, "capture").send("failed", **fields)


def test_report_kind_that_is_not_declared_is_our_bug(pipe):
    _, write = pipe
    with pytest.raises(KeyError):
        Reporter(write, "capture").send("unheard")


def test_report_beyond_the_limit_is_our_bug(pipe):
    _, write = pipe
    with pytest.raises(AssertionError, match="report of"):
        Reporter(write, "capture").send("failed", error="x" * (1 << 20), exit_code=1)


@pytest.mark.parametrize("kind", REPORTS)
def test_text_of_a_report_uses_only_its_fields(kind):
    report = REPORTS[kind]
    used = {field for _, field, _, _ in string.Formatter().parse(report.text) if field}
    assert used <= {"process", *report.fields}


def test_half_a_line_of_a_dead_process_does_not_spoil_what_follows(pipe):
    reader, write = pipe
    os.write(write, b'{"report": "source", "pat')
    assert reader.read() == []
    reader.forget_partial()
    Reporter(write, "capture").send("ready")
    assert [report["report"] for report in reader.read()] == ["ready"]
