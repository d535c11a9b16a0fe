"""The harness names its outcomes first, finds what is planted, and nothing in what is shipped.

Goal: a broken ring, a table that lost a row, a record gone from a file, another digest, a segment
left and an exit code that is not expected are each the forbidden outcome that is named for them; a
forbidden outcome ends the command with 1 and the line that repeats it. Method: planted faults, and
single trials of what is shipped; long ones are `python -m stress run all`.
"""

import random
import time
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner

from engine.flows.check import regions
from engine.layouts import PACKET, places
from engine.memory.pointers import pointer
from engine.packets.key import secret_words, shard_of
from stress.harness import floods, listing, running, soaks, storm, traffic
from stress.harness.kills import KINDS, replaced
from stress.harness.outcome import (
    ACCEPTABLE,
    FORBIDDEN,
    NotHereError,
    Outcome,
    Scenario,
    Tally,
    Trial,
)
from stress.harness.runs import EXACT, Ran, faults, judge, run_engine, words_of
from stress.harness.scenarios import SCENARIOS, as_record, line_of, try_scenario
from tests.unit.flows.driving import packet

DEADLINE_S = 120
QUICK = ("ring_soak", "table_soak", "kill_soak", "hash_flood_unknown")


@pytest.mark.parametrize("name", SCENARIOS)
def test_outcomes_are_named_before_a_run(name):
    scenario = SCENARIOS[name]
    grades = {outcome.grade for outcome in scenario.outcomes}
    assert {ACCEPTABLE, FORBIDDEN} <= grades
    names = [outcome.name for outcome in scenario.outcomes]
    assert len(set(names)) == len(names)
    told = CliRunner().invoke(listing.command, []).output
    assert f"\n{scenario.name}: {scenario.title}\n" in "\n" + told


def test_outcome_that_is_not_named_stops_the_harness(tmp_path):
    tally = Tally(SCENARIOS["ring_soak"])
    trial = Trial("ring_soak", 1, 0, tmp_path)
    with pytest.raises(AssertionError, match="has no outcome 'odd'"):
        tally.take(trial, [("odd", "")])
    with pytest.raises(AssertionError, match="came to nothing"):
        tally.take(trial, [])


@pytest.mark.compiled
def test_ring_that_publishes_before_it_writes_is_found():
    end_s = time.monotonic() + DEADLINE_S
    seen = set()
    for seed in range(1000):
        seen |= {name for name, _ in soaks.ring_run(random.Random(seed), write_first=0)}
        if "torn" in seen:
            break
        assert time.monotonic() < end_s, seen
    assert "torn" in seen


def break_a_row(shard):
    """Free a row behind the table's back."""
    table = regions(shard.table)
    table.rows[table.live[0], places.FIRST_REFERENCE] = -1


def lose_events(shard):
    """Take events that nobody counts."""
    shard.take()
    shard.send(*[packet(shard.word("clock_ns"), 70_000 + k) for k in range(200)])


@pytest.mark.parametrize(("harm", "outcome"), [(break_a_row, "invariant"), (lose_events, "lost")])
def test_harmed_table_is_found(harm, outcome):
    assert soaks.table_run(random.Random(3), harm)[0][0] == outcome


@pytest.fixture(scope="module")
def ran(tmp_path_factory) -> Ran:
    """Return what a small run left."""
    folder = tmp_path_factory.mktemp("run")
    path = folder / "scan.pcap"
    traffic.vertical_scan(path, random.Random(1), 400)
    return run_engine(folder, words_of(path, folder / "out", "-n", "1", "--no-score"))


def test_run_that_ends_well_is_exact(ran):
    assert judge(ran, ran.said["digest"])[0][0] == EXACT


def test_record_that_is_gone_is_found(ran):
    path = ran.folder / "flows.csv"
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:5] + lines[6:]))
    try:
        assert [name for name, _ in judge(ran)] == ["unproved"]
    finally:
        path.write_bytes(whole)


def test_other_digest_exit_segment_and_end_are_found(ran):
    assert judge(ran, "other")[0][0] == "other digest"
    assert faults(replace(ran, code=1))[0][0] == "other exit"
    assert faults(replace(ran, code=4), (0,))[0][0] == "other exit"
    assert faults(replace(ran, err="Traceback (most recent call last)"))[0][0] == "other exit"
    assert faults(replace(ran, left=("engine-x",)))[0][0] == "left over"
    assert faults(replace(ran, late="it hangs"))[0][0] == "late"
    assert faults(replace(ran, code=4), (4,)) == []


@pytest.mark.parametrize("name", QUICK)
def test_one_trial_comes_to_nothing_forbidden(name):
    tally = try_scenario(SCENARIOS[name], seed=11, seconds=0)
    assert tally.trials == 1
    assert tally.forbidden == []


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in SCENARIOS if name not in QUICK])
def test_trials_come_to_nothing_forbidden(name):
    tally = try_scenario(SCENARIOS[name], seed=11, seconds=3)
    assert tally.trials or tally.left_out
    assert tally.forbidden == []


def test_flows_that_collide_under_one_key_are_spread_by_another():
    found = traffic.colliding_flows(300, (5, 6), 3, 1000)
    shares = {}
    for key in ((5, 6), (6, 5)):
        shards = []
        for client, port in found.tolist():
            record = np.zeros(PACKET.words, np.int64)
            record[PACKET.index("source_low")] = client
            record[PACKET.index("destination_low")] = traffic.SERVER
            record[PACKET.index("key")] = port | 80 << 16 | 6 << 48
            shards.append(shard_of(pointer(record), 0, pointer(secret_words(key)), 3))
        shares[key] = max(shards.count(shard) for shard in range(3)) / len(shards)
    assert shares[5, 6] == 1.0
    assert shares[6, 5] < 0.5


@pytest.mark.parametrize(("counts", "outcome"), [((5, 4, 1), "exact"), ((6, 3, 1), "lopsided")])
def test_worker_with_more_than_its_share_is_found(counts, outcome, tmp_path):
    lines = {f"worker.{k}": {"counters": {"accepted": count}} for k, count in enumerate(counts)}
    record = msgspec.json.encode({"processes": {"capture": {"counters": {}}, **lines}})
    (tmp_path / "run.json").write_bytes(record)
    ran = Ran(0, "", "", tmp_path)
    assert floods.judge_load(ran, [(EXACT, "")])[0][0] == outcome
    assert floods.judge_load(ran, [("unproved", "")]) == [("unproved", "")]


def test_worst_of_many_trials_is_shown_where_a_scenario_says_so(tmp_path):
    for name, shown in (("hash_flood_unknown", "1.420"), ("malformed_flood", "1.020")):
        tally = Tally(SCENARIOS[name])
        for share in ("1.020", "1.420", "1.020"):
            tally.take(Trial(name, 1, 0, tmp_path), [(EXACT, f"the busiest had {share}")])
        assert f"3 exact: the busiest had {shown}" in line_of(tally)


def planted(*found):
    """Return a scenario that comes to these outcomes, one trial after the other."""
    outcomes = (
        Outcome("well", ACCEPTABLE, "as it should be"),
        Outcome("ill", FORBIDDEN, "as it should not"),
    )
    return Scenario("planted", "for tests", outcomes, lambda trial: [(found[trial.number], "seen")])


def run_planted(monkeypatch, scenario, *words):
    monkeypatch.setattr(running, "SCENARIOS", {"planted": scenario})
    return CliRunner().invoke(running.command, ["all", "--seed", "7", *words])


def test_forbidden_outcome_ends_the_command_with_1_and_what_repeats_it(monkeypatch):
    done = run_planted(monkeypatch, planted("ill"), "--seconds", "0")
    assert done.exit_code == 1
    assert "again: python -m stress run planted --seed 7 --trial 0" in done.output
    assert "1 ill (FORBIDDEN): seen" in done.output
    assert run_planted(monkeypatch, planted("well"), "--seconds", "0").exit_code == 0
    done = run_planted(monkeypatch, planted("well", "ill"), "--trial", "1")
    assert "--trial 1" in done.output


def test_scenario_that_cannot_be_tried_here_is_left_out_with_the_reason():
    def refuse(trial):
        raise NotHereError("no rights")

    tally = try_scenario(replace(planted("well"), try_once=refuse), seed=1, seconds=0)
    assert line_of(tally).endswith("left out: no rights")
    record = as_record([tally], 1)["scenarios"][0]
    assert (record["trials"], record["left_out"]) == (0, "no rights")


def test_kept_result_names_every_outcome(monkeypatch, tmp_path):
    monkeypatch.setattr("stress.kept.results_folder", lambda: tmp_path)
    done = run_planted(monkeypatch, planted("well"), "--seconds", "0", "--save")
    assert done.exit_code == 0
    (path,) = tmp_path.iterdir()
    kept = msgspec.json.decode(path.read_bytes())
    assert kept["kind"] == "stress"
    assert kept["seed"] == 7
    outcomes = kept["scenarios"][0]["outcomes"]
    assert outcomes["well"] == {"grade": "acceptable", "count": 1}
    assert outcomes["ill"] == {"grade": "forbidden", "count": 0}
    assert {"commit", "machine", "date", "command"} <= set(kept)


def test_who_is_replaced_is_among_who_is_killed():
    assert set(replaced()) <= set(KINDS)


def test_storm_that_loses_packets_is_found(tmp_path, monkeypatch):
    counts = iter((100, 99))

    def ran(*words):
        said = {"digest": "same", "packets": {"read": next(counts)}}
        return Ran(0, msgspec.json.encode(said).decode(), "", tmp_path)

    monkeypatch.setattr(storm, "run_engine", ran)
    monkeypatch.setattr(storm, "judge", lambda *_: [(EXACT, "")])
    trial = Trial("kill_storm", 7, 0, tmp_path, input=str(tmp_path / "none.pcap"))
    ((name, _),) = SCENARIOS["kill_storm"].try_once(trial)
    assert name == "other counts"
    assert trial.again.endswith(f"--trial 0 --input {tmp_path}/none.pcap")
    assert SCENARIOS["kill_storm"].grade(name) == FORBIDDEN
