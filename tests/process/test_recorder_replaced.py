"""Goal: a recorder that is killed is replaced, and no file tells that anybody died.

Method: real runs with every format over a capture that comes in pieces, whose recorder is killed
between them, while it begins, while it works and while it brings its files to an end. Lines, tables
and digest are those of a run that nobody disturbed, and `engine check` proves them. Every step is
killed at in tests/unit/recorder/test_recovery.py. What it cannot show: a machine that loses power.
"""

import contextlib
import json
import os
import random
import signal

import pyarrow.parquet
import pytest

from engine.layouts import DONE, RUNNING
from engine.recorder.outputs import EVE, FILES, PARQUET
from tests.process.runs import first_packets, held_run, run_engine, until

WORDS = ("-n", "2", *(word for name in FILES for word in ("--flows", name)))
HISTORY = ("--set", "flow.history=true")
PIECES = 24


def told(folder) -> dict:
    """Return run.json."""
    return json.loads((folder / "run.json").read_text())


def lines(path) -> list[bytes]:
    """Return what a file of lines says of the capture: not when it was written."""
    found = path.read_bytes().splitlines()
    return [line for line in found if line[:1] != b"#" and b'"event_type":"stats"' not in line]


def fed(folder, content: bytes, out, between, at_end):
    """Run over a capture in pieces; `between` and `at_end` are given the run. Return its end."""
    head = first_packets(content, 10)
    size = -(-len(content) // PIECES)
    with held_run(folder, head, *WORDS, *HISTORY, "-w", out) as (run, fifo):
        run.has_read(10)
        for at in range(len(head), len(content), size):
            fifo.feed(content[at : at + size])
            between(run)
            until("the piece is taken", lambda: fifo.is_empty)
        fifo.close()
        at_end(run)
        return run.ended()


def kill(look) -> None:
    """Kill the recorder that was seen; it may be gone already."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(look.pid("recorder"), signal.SIGKILL)


def assert_same(out, undisturbed) -> None:
    """Assert that both folders hold the same records, and that what is there proves itself."""
    for file in {EVE, "hosts.jsonl", *FILES.values()} - {PARQUET}:
        expected = lines(undisturbed / file)
        assert len(expected) > 10 or file == EVE, file
        assert lines(out / file) == expected, file
    tables = [pyarrow.parquet.read_table(folder / PARQUET) for folder in (out, undisturbed)]
    assert tables[0].equals(tables[1])
    for word in ("digest", "exit_code"):
        assert told(out)[word] == told(undisturbed)[word]
    counters = [told(folder)["counters"]["recorder"] for folder in (out, undisturbed)]
    assert counters[0]["rows"] == counters[1]["rows"] > 0
    assert counters[0]["rows_lost"] == 0
    assert not list(out.glob("*.partial"))
    checked = run_engine("check", out)
    assert checked.code == 0 and ", 0 wrong" in checked.out, checked.out + checked.err


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, capture):
    """Return the folder of its FIFO, and that of an undisturbed run's files."""
    folder = tmp_path_factory.mktemp("recorder")
    ended = fed(folder, capture.read_bytes(), folder / "out", lambda run: None, lambda run: None)
    assert ended.code == 0, ended.err
    return folder, folder / "out"


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_recorder_killed_again_and_again_leaves_the_same_files(undisturbed, capture, seed):
    folder, expected = undisturbed
    out, dice, kills = folder / f"killed{seed}", random.Random(seed), []

    def strike(run) -> None:
        moment = dice.choice(["spared", "new", "running"])
        if moment == "spared":
            return
        look = run.look()
        kill(look)
        kills.append(look.pid("recorder"))
        look = run.sees("it is replaced", lambda look: look.pid("recorder") != kills[-1])
        if moment != "new":
            run.sees("it works", lambda look: look.lines["recorder"]["state"] >= RUNNING)

    def strike_at_the_end(run) -> None:
        seen = {}
        while run.process.poll() is None and len(seen) < 6:
            look = run.look()
            if not look or look.pid("recorder") in seen:
                continue
            if len(seen) % 2 == 0 or look.lines["recorder"]["state"] == DONE:
                seen[look.pid("recorder")] = True
                kill(look)

    ended = fed(folder, capture.read_bytes(), out, strike, strike_at_the_end)
    assert ended.code == 0, ended.err
    made = [m for m in told(out)["replacements"] if m["process"] == "recorder"]
    assert len(made) >= len(kills) > 8
    assert_same(out, expected)
