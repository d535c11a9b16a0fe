"""Goal: a capture that is killed while it reads is replaced, and nothing of the run shows it.

Method: real runs whose capture is killed by SIGKILL again and again, whenever it has read a drawn
number of packets more; rings of two hold it back. Digest, counters and files are compared with
those of an undisturbed run, and `engine check` proves them. What it cannot show: every instruction
at which a death may come (tests/property/test_resume.py).
"""

import json
import os
import random
import signal
from pathlib import Path

import pytest

from engine.layouts import DRAIN
from tests.process.conftest import SOME
from tests.process.runs import Look, held_run, live_run, run_engine

TIGHT = ("--set", "ring.packet_capacity=2", "--set", "ring.event_capacity=16")
USUAL = ("--json", "--digest", "--no-score", "-n", "2")
WRITING = ("--early", "--flows", "csv", "-w")


def kill_again_and_again(run, deaths: int, step: int, seed: int) -> int:
    """Kill capture each time it has read up to `step` packets more; return how many died."""
    dice, killed, pid, wanted = random.Random(seed), 0, 0, 0

    def has_come(look: Look) -> bool:
        line = look.lines["capture"]
        return line["pid"] != pid and line["read"] >= wanted

    while killed < deaths:
        try:
            look = run.sees("capture has read on", has_come)
        except AssertionError:  # The run is over.
            break
        pid = look.pid("capture")
        os.kill(pid, signal.SIGKILL)
        killed += 1
        wanted = look.totals["capture"]["read"] + dice.randint(0, step)
    return killed


def undisturbed(*words: object) -> dict:
    """Return what a run that nobody disturbs says of itself."""
    ended = run_engine("run", *USUAL, *words)
    assert ended.code == 0, ended.err
    return ended.value


def compare(out: Path, found: dict, expected: dict, killed: int) -> None:
    """Compare two runs' results; capture died `killed` times in the one that wrote `out`."""
    assert found["digest"] == expected["digest"]
    assert found["packets"] == expected["packets"]
    checked = run_engine("check", out)
    assert checked.code == 0, checked.out
    made = json.loads((out / "run.json").read_text())["replacements"]
    assert [death["process"] for death in made] == ["capture"] * len(made)
    assert killed - 1 <= len(made) <= killed  # The last one may have come too late.
    assert len(made) > 0


def test_capture_killed_again_and_again_leaves_the_same_run(tmp_path, capture):
    expected = undisturbed("-r", capture)
    out = tmp_path / "out"
    with live_run(tmp_path, *USUAL, *TIGHT, "-r", capture, *WRITING, out) as run:
        killed = kill_again_and_again(run, 12, expected["packets"]["read"] // 12, 1)
        ended = run.ended()
    assert ended.code == 0, ended.err
    compare(out, json.loads(ended.out), expected, killed)


@pytest.mark.parametrize(
    "seed",
    [pytest.param(n, marks=pytest.mark.slow if n < 2 else pytest.mark.long) for n in range(4)],
)
def test_captures_of_many_sources_killed_again_and_again(tmp_path, capture, seed):
    """Compressed and plain sources, merged or one after the other."""
    import gzip

    content = capture.read_bytes()
    (tmp_path / "files").mkdir()
    for name in ("a.pcap", "b.pcap.gz", "c.pcap"):
        packed = gzip.compress(content, 1) if name.endswith("gz") else content
        (tmp_path / "files" / name).write_bytes(packed)
    words = ["-r", tmp_path / "files", *(("--separate",) if seed % 2 else ())]
    expected = undisturbed(*words)
    out = tmp_path / "out"
    with live_run(tmp_path, *USUAL, *TIGHT, *words, *WRITING, out) as run:
        killed = kill_again_and_again(run, 30, expected["packets"]["read"] // 30, seed)
        ended = run.ended()
    assert ended.code == 0, ended.err
    compare(out, json.loads(ended.out), expected, killed)


def test_killed_capture_of_a_pipe_ends_the_run_and_says_why(tmp_path, some):
    with held_run(tmp_path, some, "--no-score", "-n", "1") as (run, fifo):
        look = run.has_read(SOME)
        os.kill(look.pid("capture"), signal.SIGKILL)
        ended = run.ended()
    assert ended.complaint(4) == (
        f"capture (pid {look.pid('capture')}) ended by SIGKILL; '{fifo.path}' can be read only "
        "once, so it is not replaced; 900 packets had been read, what follows them was not"
    )


@pytest.mark.slow
def test_capture_killed_while_the_run_drains_is_replaced(tmp_path, capture):
    out = tmp_path / "out"
    with live_run(tmp_path, *USUAL, *TIGHT, "-r", capture, *WRITING, out) as run:
        look = run.sees("something is read", lambda look: look.totals["capture"]["read"] > 100)
        os.kill(look.pid("worker.0"), signal.SIGSTOP)
        run.send(signal.SIGINT)
        look = run.sees("it drains", lambda look: look.stop == DRAIN)
        os.kill(look.pid("capture"), signal.SIGKILL)
        os.kill(look.pid("worker.0"), signal.SIGCONT)
        ended = run.ended()
    assert ended.code == 0, ended.err
    assert json.loads(ended.out)["packets"]["read"] >= look.totals["capture"]["read"]
    checked = run_engine("check", out)
    assert checked.code == 0, checked.out


def test_process_replace_off_ends_the_run(tmp_path, capture):
    words = (*USUAL, *TIGHT, "--set", "process.replace=false")
    with live_run(tmp_path, *words, "-r", capture) as run:
        killed = kill_again_and_again(run, 1, 1, 1)
        ended = run.ended()
    assert killed == 1
    assert "capture (pid" in ended.complaint(4)
