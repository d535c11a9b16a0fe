"""Goal: a zygote that is killed is replaced, and the stages go on meanwhile; the run ends as if
nothing had been, and dies with nobody left.

Method: a run held in the middle by a FIFO, and runs of a file through rings of no size; SIGKILL of
the zygote, and of stages, which its successor must replace. Spawned, of each stage.
"""

import json
import os
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest

from engine.rings.segment import find_segments
from tests.process.conftest import SOME
from tests.process.runs import (
    HANG_S,
    Ended,
    LiveRun,
    digest_of,
    held_run,
    live_run,
    run_engine,
    until,
)

WORDS = ("--no-score", "-n", "2", "--digest", "--flows", "csv")
STAGES = ("capture", "worker.0", "worker.1", "classifier", "recorder")
SPAWNED = ("--set", "process.start=spawn")
HELD_UP = ("--set", "ring.packet_capacity=2", "--set", "ring.event_capacity=16")


def another(run: LiveRun, name: str, pid: int) -> int:
    """Kill a process, and wait for another in its place; return its pid."""
    os.kill(pid, signal.SIGKILL)
    look = run.sees(f"{name} is replaced", lambda look: look.pid(name) not in (0, pid))
    return look.pid(name)


def assert_replaced(out: Path, ended: Ended, digest: str, names: Sequence[str]) -> None:
    """Assert that a run ended as if nobody had been killed, and says who was replaced, in order."""
    assert ended.code == 0, ended.err
    record = json.loads((out / "run.json").read_text())
    assert record["digest"] == digest
    assert [made["process"] for made in record["replacements"]] == list(names)
    assert run_engine("check", out).code == 0


def test_stages_go_on_when_the_zygote_is_killed_and_replaced(tmp_path, some):
    (tmp_path / "some.pcap").write_bytes(some)
    wanted = digest_of("-r", tmp_path / "some.pcap", "--no-score", "-n", "1")
    out = tmp_path / "out"
    with held_run(tmp_path, some, *WORDS, "-w", out) as (run, fifo):
        look = run.has_read(SOME)
        killed = [look.pid("zygote")]
        killed.append(another(run, "zygote", killed[0]))
        another(run, "zygote", killed[1])
        again = run.look()
        assert [again.pid(name) for name in STAGES] == [look.pid(name) for name in STAGES]
        another(run, "worker.1", look.pid("worker.1"))  # The third zygote forks it.
        fifo.close()
        ended = run.ended()
    assert ended.code == 0, ended.err
    record = json.loads((out / "run.json").read_text())
    assert record["digest"] == wanted
    assert [(made["process"], made["pid"]) for made in record["replacements"]] == [
        *(("zygote", pid) for pid in killed),
        ("worker.1", look.pid("worker.1")),
    ]
    assert run_engine("check", out).code == 0


@pytest.mark.slow
def test_zygote_and_stages_killed_together_are_all_replaced(tmp_path, capture):
    wanted = digest_of("-r", capture, "--no-score", "-n", "1")
    out = tmp_path / "out"
    with live_run(tmp_path, "-r", capture, *WORDS, *HELD_UP, "-w", out) as run:
        look = run.sees("it reads", lambda look: look.totals["capture"]["read"] > SOME)
        for name in ("zygote", *STAGES):
            os.kill(look.pid(name), signal.SIGKILL)
        ended = run.ended()
    assert ended.code == 0, ended.err
    record = json.loads((out / "run.json").read_text())
    assert record["digest"] == wanted
    assert {made["process"] for made in record["replacements"]} == {"zygote", *STAGES}
    assert run_engine("check", out).code == 0


@pytest.mark.slow
def test_heir_of_a_replaced_zygote_replaces_the_stages_that_die_with_the_supervisor(
    tmp_path, capture
):
    out = tmp_path / "out"
    with live_run(tmp_path, "-r", capture, *WORDS, *HELD_UP, "-w", out) as run:
        look = run.sees("it reads", lambda look: look.totals["capture"]["read"] > SOME)
        names = {found.name for found in run.segments}
        another(run, "zygote", look.pid("zygote"))
        run.send(signal.SIGKILL)
        run.process.wait(HANG_S)
        until("no process of the run is left", lambda: not run.pids())
        assert not names & {found.name for found in find_segments()}
    record = json.loads((out / "run.json").read_text())
    assert record["ended"] == "supervisor_killed", record["replacements"]
    assert record["counters"]["capture"]["read"] > SOME
    assert run_engine("check", out).code == 0


@pytest.mark.slow
def test_spawned_stages_are_replaced_likewise(tmp_path, some):
    (tmp_path / "some.pcap").write_bytes(some)
    wanted = digest_of("-r", tmp_path / "some.pcap", "--no-score", "-n", "1")
    out, names = tmp_path / "out", ("recorder", "classifier", "worker.1")
    with held_run(tmp_path, some, *WORDS, *SPAWNED, "-w", out) as (run, fifo):
        look = run.has_read(SOME)
        for name in names:
            another(run, name, look.pid(name))
        fifo.close()
        ended = run.ended()
    assert_replaced(out, ended, wanted, names)


@pytest.mark.slow
def test_spawned_capture_is_replaced_likewise(tmp_path, capture):
    wanted = digest_of("-r", capture, "--no-score", "-n", "1")
    out = tmp_path / "out"
    with live_run(tmp_path, "-r", capture, *WORDS, *HELD_UP, *SPAWNED, "-w", out) as run:
        look = run.sees("it reads", lambda look: look.totals["capture"]["read"] > SOME)
        os.kill(look.pid("capture"), signal.SIGKILL)
        ended = run.ended()
    assert_replaced(out, ended, wanted, ["capture"])
