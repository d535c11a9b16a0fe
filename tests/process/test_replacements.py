"""Goal: workers and classifiers that die or hang are replaced; the run ends as if nothing was.

Method: real runs whose processes are killed from outside: once, held in the middle by a FIFO; many
times at whatever they are doing, while a capture comes in pieces; at once whenever one begins. Exit
code, digest, files and `engine check` are compared with an undisturbed run's. Random kills hit few
instructions: that every one is survived is shown in tests/unit/flows/test_killed.py. What it cannot
show: how long a replacement took (it is awaited, not timed).
"""

import contextlib
import json
import os
import random
import signal

import pytest

from tests.process.conftest import SOME
from tests.process.runs import digest_of, first_packets, held_run, live_run, run_engine, until

SCORING = ("--no-score", "-n", "2", "--digest")
KILLS = 30
PIECE_BYTES = 1 << 15
COPIES = 40  # Of the capture: some 600,000 packets.


def told(folder) -> list[dict]:
    """Return what run.json says of replacements."""
    return json.loads((folder / "run.json").read_text())["replacements"]


def replaced(run, name: str, pid: int):
    """Wait until another process runs in the place of one; return what the run says then."""
    return run.sees(f"{name} is replaced", lambda look: look.pid(name) != pid)


def test_killed_worker_is_replaced_and_nothing_is_lost_or_doubled(tmp_path, some):
    whole = tmp_path / "some.pcap"
    whole.write_bytes(some)
    wanted = digest_of(*SCORING, "-r", whole)
    out = tmp_path / "out"
    with held_run(tmp_path, some, *SCORING, "-w", out) as (run, fifo):
        look = run.has_read(SOME)
        os.kill(look.pid("worker.1"), signal.SIGKILL)
        replaced(run, "worker.1", look.pid("worker.1"))
        fifo.close()
        ended = run.ended()
    assert ended.code == 0, ended.err
    assert f"worker.1 (pid {look.pid('worker.1')}) ended by SIGKILL; it is replaced" in ended.err
    (made,) = told(out)
    assert (made["process"], made["signal"], made["hung"]) == ("worker.1", "SIGKILL", False)
    assert made["packets_taken_back"] == 0, "it had nothing to do"
    assert json.loads((out / "run.json").read_text())["digest"] == wanted
    assert run_engine("check", out).code == 0


def pieces(content: bytes):
    """Yield a capture in pieces."""
    for at in range(0, len(content), PIECE_BYTES):
        yield content[at : at + PIECE_BYTES]


def test_workers_killed_again_and_again_change_nothing(tmp_path, capture):
    source = random.Random(7)
    wanted = digest_of(*SCORING, "-r", capture)
    out, kills = tmp_path / "out", 0
    content = capture.read_bytes()
    head = first_packets(content, 10)
    with held_run(tmp_path, head, *SCORING, "-w", out) as (run, fifo):
        look = run.has_read(10)
        for number, piece in enumerate(pieces(content[len(head) :])):
            fifo.feed(piece)
            if number % 8 == 0 and kills < KILLS:
                name = f"worker.{source.randrange(2)}"
                os.kill(look.pid(name), signal.SIGKILL)
                look = replaced(run, name, look.pid(name))
                kills += 1
            until("the piece is taken", lambda: fifo.is_empty)
        fifo.close()
        ended = run.ended()
    assert ended.code == 0, ended.err
    assert kills == KILLS
    assert len(told(out)) == KILLS
    print(sum(made["packets_taken_back"] for made in told(out)), "packets were taken back")
    assert json.loads((out / "run.json").read_text())["digest"] == wanted
    assert run_engine("check", out).code == 0


def test_classifier_killed_again_and_again_changes_nothing(tmp_path, capture):
    words = ("-n", "2", "--digest", "--flows", "csv")
    whole, out, kills = tmp_path / "whole", tmp_path / "out", 0
    assert run_engine("run", *words, "-r", capture, "-w", whole).code == 0
    content = capture.read_bytes()
    head = first_packets(content, 10)
    with held_run(tmp_path, head, *words, "-w", out) as (run, fifo):
        look = run.has_read(10)
        for number, piece in enumerate(pieces(content[len(head) :])):
            fifo.feed(piece)
            if number % 8 == 0 and kills < KILLS:
                os.kill(look.pid("classifier"), signal.SIGKILL)
                look = replaced(run, "classifier", look.pid("classifier"))
                kills += 1
            until("the piece is taken", lambda: fifo.is_empty)
        fifo.close()
        ended = run.ended()
    assert ended.code == 0, ended.err
    assert [made["process"] for made in told(out)] == ["classifier"] * KILLS
    found, wanted = (json.loads((path / "run.json").read_text()) for path in (out, whole))
    assert found["digest"] == wanted["digest"]
    count = found["counters"]["classifier"]
    assert count["finals"] == wanted["counters"]["classifier"]["finals"]
    lines = [(path / "flows.csv").read_bytes().count(b"\n") for path in (out, whole)]
    assert lines[0] == lines[1]  # They tell their sources, which differ, in every line.
    assert run_engine("check", out).code == 0


def test_worker_that_dies_whenever_it_begins_ends_the_run(tmp_path, some):
    with held_run(tmp_path, some, "--no-score", "-n", "1") as (run, _):
        pid = run.has_read(SOME).pid("worker.0")
        pids = {pid}
        os.kill(pid, signal.SIGKILL)
        while run.process.poll() is None:
            look = run.look()
            if look and look.pid("worker.0") not in pids:
                pids.add(look.pid("worker.0"))
                os.kill(look.pid("worker.0"), signal.SIGKILL)
        ended = run.ended()
    complaint = ended.complaint(4)
    assert "ended by SIGKILL, as one replacement after the other that took nothing" in complaint
    assert len(pids) > 4


@pytest.mark.slow
@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_worker_that_hangs_is_killed_and_replaced(start, tmp_path, some):
    settings = ("--set", "process.stall_timeout=3s", "--set", f"process.start={start}")
    out = tmp_path / "out"
    with held_run(tmp_path, some, *SCORING, *settings, "-w", out) as (run, fifo):
        look = run.has_read(SOME)
        os.kill(look.pid("worker.0"), signal.SIGSTOP)
        replaced(run, "worker.0", look.pid("worker.0"))
        fifo.close()
        ended = run.ended()
    assert ended.code == 0, ended.err
    (made,) = told(out)
    assert made["hung"]


@pytest.mark.slow
def test_workers_killed_at_full_speed_change_nothing(tmp_path, capture):
    words = [*SCORING, "--separate"]
    for number in range(COPIES):
        copy = tmp_path / f"{number}.pcap"
        copy.write_bytes(capture.read_bytes())
        words += ["-r", copy]
    wanted = digest_of(*words)
    out, taken = tmp_path / "out", 0
    with live_run(tmp_path, *words, "-w", out) as run:
        pids: set[int] = set()
        while run.process.poll() is None:
            look = run.look()
            accepted = look.lines["worker.0"]["accepted"] if look else taken
            if accepted > taken and look.pid("worker.0") not in pids:  # It is at work.
                taken = accepted
                pids.add(look.pid("worker.0"))
                with contextlib.suppress(ProcessLookupError):
                    os.kill(look.pid("worker.0"), signal.SIGKILL)
        ended = run.ended()
    assert ended.code == 0, ended.err
    assert len(told(out)) >= 1
    assert json.loads((out / "run.json").read_text())["digest"] == wanted
