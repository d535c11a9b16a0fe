"""Counters are written by one process, read by all, and summed by stage.

Method: a real segment, read back through a second mapping of it.
"""

import os

import pytest

from engine.events import COUNTERS, COUNTERS_MAX, counter_index
from engine.layouts import DONE, DRAIN, LEAVE, PROCESS, RUN, RUNNING
from engine.rings.statistics import Statistics, process_names, stage_of


@pytest.fixture
def statistics(new_run):
    """Return statistics of a run with 3 workers; they are unlinked at the end."""
    made = Statistics.create(new_run(), workers=3)
    yield made
    made.segment.unlink()


def attached(statistics):
    """Return a second mapping of the same statistics."""
    return Statistics.attach(statistics.segment.name.split(".")[1])


def test_processes_stand_upstream_first():
    assert process_names(2) == ["capture", "worker.0", "worker.1", "classifier", "recorder"]
    assert [stage_of(name) for name in process_names(1)] == list(COUNTERS)


def test_run_starts_running_with_nothing_counted(statistics):
    assert statistics.stop == RUN
    assert statistics["workers"] == 3
    assert statistics["processes"] == 6
    assert all(not any(stage.values()) for stage in statistics.totals().values())


def test_stop_word_is_seen_through_another_mapping(statistics):
    other = attached(statistics)
    for stop in (DRAIN, LEAVE):
        statistics["stop"] = stop
        assert other.stop == stop


def test_each_process_has_counters_of_its_own(statistics):
    for number, name in enumerate(process_names(3)):
        line = statistics.process(name)
        line.counters[:COUNTERS_MAX] = 100 * number + 1
    for number, line in enumerate(attached(statistics).processes()):
        assert set(line.values().values()) == {100 * number + 1}


def test_line_has_room_for_every_counter_and_no_more():
    assert len(range(PROCESS.index("counters_0"), PROCESS.words)) >= COUNTERS_MAX
    assert max(len(counters) for counters in COUNTERS.values()) <= COUNTERS_MAX


def test_totals_sum_the_workers(statistics):
    accepted = counter_index("worker", "accepted")
    for number in range(3):
        statistics.process(f"worker.{number}").counters[accepted] = 10**number
    totals = attached(statistics).totals()
    assert totals["worker"]["accepted"] == 111
    assert totals["worker"]["flows"] == 0
    assert list(totals) == list(COUNTERS)


def test_totals_do_not_change_what_they_sum(statistics):
    statistics.process("capture").counters[0] = 5
    assert statistics.totals() == statistics.totals()
    assert statistics.process("capture").values()["read"] == 5


def test_counter_names_are_distinct_in_each_stage():
    for counters in COUNTERS.values():
        names = [counter.name for counter in counters]
        assert len(names) == len(set(names))


def test_process_that_begins_says_who_it_is(statistics):
    line = statistics.process("worker.1")
    assert line["pid"] == 0
    line.begin()
    line.beat()
    seen = attached(statistics).process("worker.1")
    assert seen["pid"] == os.getpid()
    assert seen["heartbeat_ns"] > 0
    assert 0 < seen["start_cpu_ns"] <= seen["cpu_ns"]


def test_heartbeat_moves_on(statistics):
    line = statistics.process("capture")
    line.beat()
    before = line["heartbeat_ns"], line["cpu_ns"]
    line.beat()
    assert line["heartbeat_ns"] > before[0]
    assert line["cpu_ns"] >= before[1]


def test_states_are_kept_per_process(statistics):
    statistics.process("capture")["state"] = RUNNING
    statistics.process("recorder")["state"] = DONE
    states = [line["state"] for line in attached(statistics).processes()]
    assert states == [RUNNING, 0, 0, 0, 0, DONE]


def test_unknown_process_is_an_error(statistics):
    with pytest.raises(ValueError, match=r"worker\.3"):
        statistics.process("worker.3")
