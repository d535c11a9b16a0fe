"""Goal: `engine check` of a running engine proves what is quiet, leaves open what is on its way,
and calls wrong only what can be nothing else.

Method: statistics with counters that a run might have, and such that no run may have.
"""

import subprocess

import pytest

from engine.check import OPEN, check_live, is_wrong, report
from engine.rings.plan import new_run_name
from engine.rings.statistics import Statistics


@pytest.fixture
def live():
    """Return the statistics of a run, and a function that counts."""
    run = new_run_name()
    statistics = Statistics.create(run, 2)

    def count(process: str, **values: int) -> None:
        line = statistics.process(process)
        names = list(line.values())
        for name, value in values.items():
            line.counters[names.index(name)] = value

    yield run, count
    statistics.segment.unlink()
    statistics.segment.close()


def test_quiet_engine_is_proved(live):
    run, count = live
    count("capture", read=10, published=8, filtered=2)
    count("worker.0", accepted=5)
    count("worker.1", accepted=3)
    count("classifier", final_packets=8)
    findings = check_live(run)
    assert not is_wrong(findings), report(findings)
    assert any("the sums are exact" in f.text for f in findings)
    tables = [f for f in findings if "flow table" in f.text]
    assert [f.verdict for f in tables] == [OPEN, OPEN]  # This run has none: nothing is claimed.


def test_packets_on_their_way_are_in_flight(live):
    run, count = live
    count("capture", read=10, published=10)
    count("worker.0", accepted=6)
    texts = [f.text for f in check_live(run) if f.verdict == OPEN]
    assert any("10, 4 of them in flight" in text for text in texts)
    assert not is_wrong(check_live(run))


def test_more_taken_than_sent_is_wrong_in_a_quiet_engine(live):
    run, count = live
    count("capture", read=10, published=10)
    count("worker.0", accepted=11)
    assert is_wrong(check_live(run))


def test_sums_are_open_while_a_process_is_being_replaced(live):
    run, count = live
    count("capture", read=10, published=10)
    count("worker.0", accepted=11)
    statistics = Statistics.attach(run)
    line = statistics.process("capture")
    dead = subprocess.Popen(["true"])
    dead.wait()
    line["pid"] = dead.pid
    findings = check_live(run)  # Dead, and not replaced yet.
    assert not is_wrong(findings), report(findings)
    assert any("is being replaced" in f.text for f in findings)
    assert line.begin()
    assert not is_wrong(check_live(run))  # In its place, and behind.
    line.back()
    assert is_wrong(check_live(run))
    statistics.segment.close()
