"""Goal: a process that dies or hangs and is not replaced ends the run: exit 4, which one, what was
lost, nothing left. Who is replaced: test_replacements.py, test_zygote_replaced.py; a supervisor
that dies alone: test_supervisor_killed.py.

Method: runs held in the middle by a FIFO; one of their processes is killed or stopped from outside.
What is lost is compared with what the statistics said before. What it cannot show: how long the
supervisor took to notice (it is told by a pipe, and polls no slower than every 50 ms).
"""

import json
import os
import signal
import time

import pytest

from engine.layouts import DRAIN
from engine.rings.segment import find_segments
from tests.process.conftest import SOME
from tests.process.runs import HANG_S, held_run, run_engine, until

KEEPING = ("--set", "process.replace=false")
WRITING = ("--no-score", "-n", "2", *KEEPING, "--flows", "csv", "-w")
LOST = {
    "capture": "900 packets had been read, what follows them was not",
    "worker.1": "0 records in its packet ring and {live} live flows of its table are not reported",
    "classifier": "0 slots of events were not merged, and what workers still hold",
    "recorder": "0 rows were not written, and what comes before them",
}


def segment_names(run) -> set[str]:
    return {found.name for found in run.segments}


@pytest.mark.parametrize("name", LOST)
def test_killed_process_ends_the_run_and_says_what_was_lost(name, tmp_path, some):
    out = tmp_path / "out"
    with held_run(tmp_path, some, *WRITING, out) as (run, _):
        look = run.has_read(SOME)
        names = segment_names(run)
        os.kill(look.pid(name), signal.SIGKILL)
        ended = run.ended()
    complaint = ended.complaint(4)
    lost = LOST[name].format(live=f"{look.lines['worker.1']['live']:,}")
    assert complaint == f"{name} (pid {look.pid(name)}) ended by SIGKILL; {lost}"
    assert len(names) >= 8
    assert not names & {found.name for found in find_segments()}
    assert json.loads((out / "run.json").read_text())["exit_code"] == 4
    assert {path.name for path in out.iterdir()} == {
        "run.json",
        "eve.json.partial",
        "flows.csv.partial",
        "hosts.jsonl.partial",
    }


@pytest.mark.slow
def test_killed_zygote_ends_a_run_that_replaces_nobody(tmp_path, some):
    with held_run(tmp_path, some, "--no-score", "-n", "2", *KEEPING) as (run, _):
        look = run.has_read(SOME)
        names = segment_names(run)
        zygote = look.pid("zygote")
        os.kill(zygote, signal.SIGKILL)
        ended = run.ended()
    live = sum(line["live"] for line in look.lines.values())
    assert ended.complaint(4) == (
        f"the zygote (pid {zygote}) ended by SIGKILL; "
        f"{live:,} live flows of all tables are not reported"
    )
    assert not names & {found.name for found in find_segments()}


@pytest.mark.slow
@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_stages_end_when_nobody_is_left_and_the_segments_can_be_removed(start, tmp_path, some):
    words = ("--no-score", "-n", "2")
    spawned = ("--set", f"process.start={start}")
    with (
        held_run(tmp_path / "one", some, *words, *spawned) as (run, _),
        held_run(tmp_path / "other", some, *words) as (other, fifo),
    ):
        look = run.has_read(SOME)
        other.has_read(SOME)
        names, others = segment_names(run), segment_names(other)
        zygote = look.pid("zygote")
        assert bool(zygote) == (start == "fork")
        if zygote:
            os.kill(zygote, signal.SIGSTOP)  # It inherits nothing.
        run.send(signal.SIGKILL)
        if zygote:
            os.kill(zygote, signal.SIGKILL)
        run.process.wait(HANG_S)
        until("the children are gone", lambda: not run.pids())
        assert run_engine("shm", "clean").code == 0
        left = {found.name for found in find_segments()}
        assert not names & left
        assert others <= left
        fifo.close()
        assert other.ended().code == 0


@pytest.mark.slow
def test_worker_that_hangs_ends_the_run(tmp_path, some):
    words = ("--no-score", "-n", "2", "--set", "process.stall_timeout=3s", *KEEPING)
    with held_run(tmp_path, some, *words) as (run, _):
        look = run.has_read(SOME)
        os.kill(look.pid("worker.0"), signal.SIGSTOP)
        ended = run.ended()
    live = look.lines["worker.0"]["live"]
    assert ended.complaint(4) == (
        f"worker.0 (pid {look.pid('worker.0')}) has not answered for 3 s "
        f"(process.stall_timeout); 0 records in its packet ring and {live:,} live flows of its "
        f"table are not reported"
    )


@pytest.mark.slow
def test_run_that_was_stopped_as_a_whole_goes_on(tmp_path, some):
    words = ("--no-score", "-n", "1", "--set", "process.stall_timeout=3s")
    with held_run(tmp_path, some, *words) as (run, fifo):
        run.has_read(SOME)
        run.send_all(signal.SIGSTOP)
        over_s = time.monotonic() + 3.5
        until("the stall timeout is over", lambda: time.monotonic() > over_s)
        run.send_all(signal.SIGCONT)
        fifo.close()
        ended = run.ended()
    assert ended.code == 0, ended.err


@pytest.mark.slow
def test_spawned_worker_that_is_killed_ends_the_run(tmp_path, some):
    words = ("--no-score", "-n", "1", "--set", "process.start=spawn", *KEEPING)
    with held_run(tmp_path, some, *words) as (run, _):
        look = run.has_read(SOME)
        names = segment_names(run)
        os.kill(look.pid("worker.0"), signal.SIGKILL)
        ended = run.ended()
    assert "ended by SIGKILL" in ended.complaint(4)
    assert not names & {found.name for found in find_segments()}


@pytest.mark.slow
def test_stopped_worker_does_not_hold_up_a_second_interrupt(tmp_path, some):
    with held_run(tmp_path, some, "--no-score", "-n", "2") as (run, _):
        look = run.has_read(SOME)
        names = segment_names(run)
        os.kill(look.pid("worker.1"), signal.SIGSTOP)  # Nothing drains now.
        run.send(signal.SIGINT)
        run.sees("it drains", lambda look: look.stop == DRAIN)
        run.send(signal.SIGTERM)  # Only INT insists.
        run.send(signal.SIGINT)
        ended = run.ended()
    assert ended.code == 130
    assert "Traceback" not in ended.err
    assert not names & {found.name for found in find_segments()}
