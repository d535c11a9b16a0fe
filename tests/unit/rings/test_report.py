"""Reports arrive whole and in order, whoever reads them and when.

Method: real memory files, written in pieces drawn by Hypothesis, read between the pieces, and read
again from the beginning as the heir of a supervisor does.
"""

import contextlib
import os
import select
import string

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.events import REPORTS
from engine.rings.report import LINE_BYTES_MAX, Reporter, ReportLogs, ReportReader, make_log

TEXT = st.text(max_size=50)


@contextlib.contextmanager
def new_log():
    """Yield (reader, descriptor to write to)."""
    log = make_log()
    try:
        yield ReportReader(log), log
    finally:
        os.close(log)


@pytest.fixture
def log():
    """Return (reader, descriptor to write to); it is closed at the end."""
    with new_log() as made:
        yield made


@given(paths=st.lists(TEXT, max_size=10))
def test_reports_arrive_as_they_were_sent(paths):
    with new_log() as (reader, write):
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
    with new_log() as (reader, write):
        for size in (*cuts, len(lines)):
            os.write(write, lines[at : at + size])
            at += size
            found += reader.read()
    assert [report["number"] for report in found] == list(range(20))


def test_reading_an_empty_log_returns_at_once(log):
    reader, _ = log
    assert reader.read() == []


@given(texts=st.lists(TEXT, max_size=10), split=st.integers(0, 10))
def test_whoever_reads_later_reads_everything_again(texts, split):
    with new_log() as (reader, write):
        reporter = Reporter(write, "capture")
        found = []
        for at, text in enumerate(texts):
            reporter.send("failed", error=text, exit_code=at)
            found += reader.read() if at < split else []
        assert ReportReader(write).read() == found + reader.read()


def test_report_wakes_who_waits():
    logs = ReportLogs(("capture", "recorder"))
    try:
        assert logs.read() == []
        logs.reporter("recorder").send("ready")
        assert select.select([logs.wake], [], [], 0)[0]
        assert [(r["process"], r["report"]) for r in logs.read()] == [("recorder", "ready")]
        assert not select.select([logs.wake], [], [], 0)[0]
    finally:
        logs.close()


@pytest.mark.parametrize("fields", [{}, {"error": "x"}, {"error": "x", "exit_code": 1, "more": 2}])
def test_report_with_other_fields_than_declared_is_our_bug(log, fields):
    _, write = log
    with pytest.raises(AssertionError, match="failed"):
        Reporter(write, "capture").send("failed", **fields)


def test_report_kind_that_is_not_declared_is_our_bug(log):
    _, write = log
    with pytest.raises(KeyError):
        Reporter(write, "capture").send("unheard")


def test_report_beyond_the_limit_is_our_bug(log):
    _, write = log
    with pytest.raises(AssertionError, match="report of"):
        Reporter(write, "capture").send("failed", error="x" * (1 << 20), exit_code=1)


def test_report_of_just_the_limit_is_sent(monkeypatch):
    written = []
    monkeypatch.setattr(os, "write", lambda _, line: written.append(len(line)) or len(line))
    reporter = Reporter(0, "capture")
    reporter.send("failed", error="", exit_code=1)
    room = LINE_BYTES_MAX - written.pop()
    reporter.send("failed", error="x" * room, exit_code=1)
    assert written == [LINE_BYTES_MAX]
    with pytest.raises(AssertionError, match="report of"):
        reporter.send("failed", error="x" * (room + 1), exit_code=1)


@pytest.mark.parametrize("kind", REPORTS)
def test_text_of_a_report_uses_only_its_fields(kind):
    report = REPORTS[kind]
    used = {field for _, field, _, _ in string.Formatter().parse(report.text) if field}
    assert used <= {"process", *report.fields}


def test_half_a_line_of_a_dead_process_does_not_spoil_what_follows(log):
    reader, write = log
    os.write(write, b'{"report": "source", "pat')
    assert reader.read() == []
    reader.forget_partial()
    Reporter(write, "capture").send("ready")
    assert [report["report"] for report in reader.read()] == ["ready"]
    assert [report["report"] for report in ReportReader(write).read()] == ["ready"]
