"""Goal: what is printed of a run is what the run said and cost, and nothing is counted twice.

Method: answers of the engine written by hand, with figures that are easy to add. What it cannot
show: that the engine's own account is right; the end-to-end test compares it from outside.
"""

import json
from pathlib import Path

import pytest

from engine.bench.measure import Watched
from engine.bench.options import BenchOptions
from engine.bench.programs import Program, engine_program
from engine.bench.record import speed_record
from engine.bench.shown import count, show
from engine.bench.speed import Measured, Reading, ratio, read_engine, read_peer, summed
from engine.bench.workloads import Workload
from engine.errors import ProcessError

ANSWER = {
    "seconds": 0.5,
    "cpu_seconds": 1.0,
    "start_cpu_seconds": 1.5,
    "ready_ns": 7_000_000_000,
    "packets": {"read": 1000},
    "flows": 10,
    "alerts": 2,
    "processes": {
        "capture": {"cpu_seconds": 0.125},
        "worker.0": {"cpu_seconds": 0.25},
        "worker.1": {"cpu_seconds": 0.25},
        "classifier": {"cpu_seconds": 0.125},
    },
}
PEER = Program("argus", "argus", ("argus",), "argus -r {capture}", "3.0")


def engine_run(**changed) -> Watched:
    answer = json.dumps(ANSWER | changed)
    return Watched(0, began_ns=5_000_000_000, wall_s=4.0, user_s=2.5, system_s=0.5, stdout=answer)


def peer_run(cpu_s: float, wall_s: float = 9.0) -> Watched:
    return Watched(0, wall_s=wall_s, user_s=cpu_s)


def measured() -> Measured:
    ours = summed(engine_program("features", 2), [read_engine(engine_run())], None, 1000)
    start = read_peer(PEER, peer_run(1.0, 5.0), None)
    theirs = summed(PEER, [read_peer(PEER, peer_run(5.0), start)], start, 1000)
    workload = Workload("many", Path("many.pcap"), 1000, 80_000)
    return Measured(workload, 1000, 10, [ours, theirs], {"scored": "exit code 2: no model"})


def test_start_of_the_engine_is_counted_from_its_command():
    reading = read_engine(engine_run())
    assert (reading.start_s, reading.start_cpu_s) == (2.0, 1.5)
    assert (reading.cpu_s, reading.all_cpu_s, reading.wall_s) == (1.0, 3.0, 0.5)


def test_stages_and_the_rest_add_up_to_all_of_the_cpu_time():
    stages = read_engine(engine_run()).stages
    assert stages == {"capture": 0.125, "worker": 0.5, "classifier": 0.125, "rest": 0.25}


@pytest.mark.parametrize("answer", ["", "[]", "{}", "null", json.dumps(ANSWER | {"packets": 1})])
def test_answer_that_cannot_be_read_is_told(answer):
    with pytest.raises(ProcessError, match="cannot read"):
        read_engine(Watched(0, stdout=answer))


def test_start_of_a_peer_is_taken_away_from_its_runs():
    start = read_peer(PEER, peer_run(1.0, 5.0), None)
    reading = read_peer(PEER, peer_run(5.0), start)
    assert (reading.cpu_s, reading.wall_s, reading.all_cpu_s) == (4.0, 4.0, 5.0)


def test_run_that_costs_less_than_a_start_costs_nothing_rather_than_less():
    start = read_peer(PEER, peer_run(1.0, 5.0), None)
    assert read_peer(PEER, peer_run(0.5, 4.0), start).cpu_s == 0.0


def test_ratio_says_how_many_times_as_much_the_engine_does():
    ours, theirs = measured().results
    assert ours.per_cpu_s.median == 1000.0
    assert theirs.per_cpu_s.median == 250.0
    assert ratio(ours, theirs) == 4.0


def test_rate_by_wall_of_a_peer_that_mostly_waits_is_left_out():
    ours, theirs = measured().results
    assert ours.per_wall_s.median == 2000.0
    assert theirs.per_wall_s is None


def test_cost_by_difference_is_that_of_all_processes_without_a_start():
    start = Reading(cpu_s=0, wall_s=0, all_cpu_s=2.0, start_s=0, start_cpu_s=0)
    result = summed(engine_program("features", 2), [read_engine(engine_run())], start, 1000)
    assert result.cpu_s_by_difference == 1.0


def test_record_has_the_figures_of_every_program():
    record = speed_record([measured()], {"mix": "no test data"}, BenchOptions(workers=2))
    ours, theirs = record["workloads"][0]["programs"]
    assert ours["ns_per_packet"]["worker"]["median"] == 500_000.0
    assert theirs["features_ratio"] == 4.0
    assert theirs["scored_ratio"] is None
    assert json.loads(json.dumps(record)) == record


def test_people_are_told_what_was_left_out_and_why(capsys):
    options = BenchOptions(workers=2)
    record = speed_record([measured()], {"mix": "no test\ndata"}, options)
    facts = {"processor": "p", "cores": 4, "kernel": "6", "python": "3"}
    head = {"kind": "speed", "machine": facts, "engine": "1", "commit": "abc", "cores": [1, 3]}
    show(head | {"load_before": 0.1, "load_after": 0.2, "busy_before": 0.0} | record)
    text = capsys.readouterr().out
    assert "left out: scored: exit code 2: no model" in text
    assert "left out: mix: no test\\u000adata" in text
    assert all(line == line.rstrip() for line in text.splitlines())


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "-"),
        (0.5, "0.50"),
        (99.94, "99.9"),
        (123.4, "123"),
        (49_249, "49.2 k"),
        (3_814_000, "3.81 M"),
        (2.5e9, "2.50 G"),
    ],
)
def test_numbers_have_the_digits_that_matter(value, expected):
    assert count(value) == expected
