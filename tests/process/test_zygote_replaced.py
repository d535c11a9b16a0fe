"""Goal: a zygote that is killed is replaced, and with it all stages, for they die with it; the run
ends as if nothing had been.

Method: runs of a file through rings of no size, so that there always is a middle; SIGKILL of the
zygote, at once or again and again; of each stage where there is no zygote. A run that reads what
can be read only once must end: test_deaths.py.
"""

import json
import os
import signal

import pytest

from tests.process.conftest import SOME
from tests.process.runs import LiveRun, Look, digest_of, live_run, run_engine

WORDS = ("--no-score", "-n", "2", "--digest", "--flows", "csv")
HELD_UP = ("--set", "ring.packet_capacity=2", "--set", "ring.event_capacity=16")


def kill_zygote(run: LiveRun, read: int, others: list[int]) -> int:
    """Kill the zygote when so many packets are read; not one of the others. Return its pid."""

    def is_there(look: Look) -> bool:
        return look.totals["capture"]["read"] > read and look.pid("zygote") not in (0, *others)

    pid = run.sees("it reads on", is_there).pid("zygote")
    os.kill(pid, signal.SIGKILL)
    return pid


@pytest.mark.parametrize("kills", [1, pytest.param(4, marks=pytest.mark.slow)])
def test_killed_zygote_is_replaced_with_every_stage(kills, tmp_path, capture):
    wanted = digest_of("-r", capture, "--no-score", "-n", "1")
    out, zygotes = tmp_path / "out", []
    with live_run(tmp_path, "-r", capture, *WORDS, *HELD_UP, "-w", out) as run:
        for kill in range(kills):
            zygotes.append(kill_zygote(run, (1 + 2 * kill) * SOME, zygotes))
        ended = run.ended()
    assert ended.code == 0, ended.err
    record = json.loads((out / "run.json").read_text())
    assert record["digest"] == wanted
    made = record["replacements"]
    assert [(m["pid"], m["signal"]) for m in made if m["process"] == "zygote"] == [
        (pid, "SIGKILL") for pid in zygotes
    ]
    assert {m["process"] for m in made} >= {"capture", "worker.0", "worker.1", "recorder"}
    assert run_engine("check", out).code == 0


@pytest.mark.slow
def test_spawned_stages_are_replaced_likewise(tmp_path, capture):
    wanted = digest_of("-r", capture, "--no-score", "-n", "1")
    out, names = tmp_path / "out", ("capture", "recorder", "classifier", "worker.1")
    spawned = ("--set", "process.start=spawn")
    with live_run(tmp_path, "-r", capture, *WORDS, *HELD_UP, *spawned, "-w", out) as run:
        run.sees("it reads", lambda look: look.totals["capture"]["read"] > SOME)
        for name in names:
            pid = run.look().pid(name)
            os.kill(pid, signal.SIGKILL)
            run.sees(f"{name} is replaced", lambda look, name=name, pid=pid: look.pid(name) != pid)
        ended = run.ended()
    assert ended.code == 0, ended.err
    record = json.loads((out / "run.json").read_text())
    assert record["digest"] == wanted
    assert [made["process"] for made in record["replacements"]] == list(names)
