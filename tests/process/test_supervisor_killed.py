"""Goal: a supervisor that is killed leaves a run that ends whole: what was read is written, what
was written is proved, no process and no segment is left. Killed with its zygote: test_deaths.py.

Method: real runs; SIGKILL in the middle, before the stages run, while they drain, while one of them
is dead. Their files are then those of a run whose capture ends where this one stopped reading, and
`engine check` proves them. What it cannot show: every moment; `python -m stress run kill_soak`
draws them.
"""

import json
import os
import signal
from pathlib import Path

import pytest

from engine.layouts import DRAIN
from engine.rings.segment import find_segments
from tests.process.conftest import SOME
from tests.process.runs import HANG_S, LiveRun, held_run, live_run, run_engine, until

WRITING = ("--no-score", "-n", "2", "--flows", "parquet", "--early", "--digest", "-w")
NOT_ALWAYS = ("none", "classifier", "recorder")


def kill_supervisor(run: LiveRun) -> None:
    run.send(signal.SIGKILL)
    run.process.wait(HANG_S)


def assert_whole(run: LiveRun, out: Path, names: set[str]) -> dict:
    """Return run.json of a run whose supervisor was killed, when it has come to its end."""
    until("no process of the run is left", lambda: not run.pids())
    assert not names & {found.name for found in find_segments()}
    assert not list(out.glob("*.partial"))
    record = json.loads((out / "run.json").read_text())
    assert (record["ended"], record["exit_code"]) == ("supervisor_killed", 4)
    checked = run_engine("check", out)
    assert checked.code == 0, checked.out
    assert "the supervisor was killed" in checked.out
    return record


def names_of(run: LiveRun) -> set[str]:
    return {found.name for found in run.segments}


@pytest.mark.parametrize(
    "victim",
    ["worker.1", *(pytest.param(name, marks=pytest.mark.slow) for name in NOT_ALWAYS)],
)
def test_what_was_read_is_written_whole_when_the_supervisor_is_killed(victim, tmp_path, some):
    (tmp_path / "some.pcap").write_bytes(some)
    whole, out = tmp_path / "whole", tmp_path / "out"
    assert run_engine("run", "-r", tmp_path / "some.pcap", *WRITING, whole).code == 0
    with held_run(tmp_path, some, *WRITING, out) as (run, _):
        look = run.has_read(SOME)
        names = names_of(run)
        if victim != "none":
            os.kill(look.pid(victim), signal.SIGKILL)
        kill_supervisor(run)
        record = assert_whole(run, out, names)
        assert "the supervisor was killed; what had been read is written whole" in run.err
    assert record["counters"]["capture"]["read"] == SOME
    assert record["digest"] == json.loads((whole / "run.json").read_text())["digest"]
    assert [made["process"] for made in record["replacements"]] in ([], [victim])
    if victim != "none":
        assert len(record["replacements"]) == 1


@pytest.mark.slow
def test_supervisor_killed_while_the_run_drains_leaves_it_whole(tmp_path, some):
    out = tmp_path / "out"
    with held_run(tmp_path, some, *WRITING, out) as (run, _):
        look = run.has_read(SOME)
        names = names_of(run)
        os.kill(look.pid("worker.1"), signal.SIGSTOP)  # It does not come to its end.
        run.send(signal.SIGTERM)
        run.sees("it drains", lambda look: look.stop == DRAIN)
        kill_supervisor(run)
        os.kill(look.pid("worker.1"), signal.SIGCONT)
        record = assert_whole(run, out, names)
    assert record["counters"]["capture"]["read"] == SOME


@pytest.mark.slow
def test_supervisor_killed_in_the_middle_of_a_file_leaves_what_was_read_whole(tmp_path, capture):
    out = tmp_path / "out"
    held_up = ("--set", "ring.packet_capacity=2", "--set", "ring.event_capacity=16")
    with live_run(tmp_path, "-r", capture, *held_up, *WRITING, out) as run:
        look = run.sees("it reads", lambda look: look.totals["capture"]["read"] > SOME)
        names = names_of(run)
        kill_supervisor(run)
        record = assert_whole(run, out, names)
    assert record["counters"]["capture"]["read"] >= look.totals["capture"]["read"]


@pytest.mark.slow
def test_supervisor_killed_before_the_stages_run_leaves_nothing(tmp_path, capture):
    out = tmp_path / "out"
    with live_run(tmp_path, "-r", capture, *WRITING, out) as run:
        names = run.until("it has segments, and a zygote", lambda: len(run.pids()) > 1) and (
            names_of(run)
        )
        kill_supervisor(run)
        until("no process of the run is left", lambda: not run.pids())
        assert not names & {found.name for found in find_segments()}
    record = json.loads((out / "run.json").read_text())
    assert record["ended"] in ("failed", "supervisor_killed")
    assert record["exit_code"] == 4
    assert not list(out.glob("*.partial"))
