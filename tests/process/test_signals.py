"""Goal: INT, TERM and HUP let a run finish what it has read; who reads, and how, changes nothing.

Method: runs held in the middle by a FIFO or a pipe that never ends; after the signal their files
must be those of a run on a capture that ends there. How a second INT cuts short is in
test_deaths.py, beside the hung worker that makes it needed.
"""

import os
import signal
from contextlib import ExitStack

import pytest

from engine import CACHE_HOME
from engine.rings.segment import find_segments
from tests.process.conftest import SOME
from tests.process.runs import digest_of, held_run, live_run, run_engine

WRITING = ("--no-score", "-n", "2", "--flows", "csv", "--early", "-w")
WAYS = {
    "INT of the terminal": lambda run: run.send_all(signal.SIGINT),
    "TERM": lambda run: run.send(signal.SIGTERM),
    "HUP": lambda run: run.send(signal.SIGHUP),
}


@pytest.fixture(scope="module")
def cut(tmp_path_factory, some):
    """Return the folder of a run on a capture of the packets that the FIFO gives."""
    folder = tmp_path_factory.mktemp("cut")
    (folder / "cut.pcap").write_bytes(some)
    ended = run_engine("run", "-r", folder / "cut.pcap", *WRITING, folder / "out")
    assert ended.code == 0, ended.err
    return folder / "out"


@pytest.mark.parametrize(
    "way",
    ["TERM", *(pytest.param(way, marks=pytest.mark.slow) for way in WAYS if way != "TERM")],
)
def test_signal_ends_reading_and_every_flow_is_written(way, tmp_path, some, cut):
    out = tmp_path / "out"
    with held_run(tmp_path, some, *WRITING, out) as (run, _):
        run.has_read(SOME)
        names = {found.name for found in run.segments}
        WAYS[way](run)
        ended = run.ended()
    assert ended.code == 0, ended.err
    assert "stopping: flows are flushed" in ended.err
    assert not names & {found.name for found in find_segments()}
    assert {path.name for path in out.iterdir()} == {
        "run.json",
        "eve.json",
        "flows.csv",
        "hosts.jsonl",
    }
    checked = run_engine("check", out)
    assert checked.code == 0, checked.out
    compared = run_engine("diff", cut, out)
    assert compared.code == 0, compared.out


@pytest.mark.slow
def test_nohup_keeps_a_run_from_ending_with_its_terminal(tmp_path, some):
    with ExitStack() as stack:
        before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # As nohup has it inherited.
        stack.callback(signal.signal, signal.SIGHUP, before)
        run, fifo = stack.enter_context(held_run(tmp_path, some, "--no-score", "-n", "1"))
        run.has_read(SOME)
        run.send_all(signal.SIGHUP)
        fifo.feed(b"")
        assert run.has_read(SOME).stop == 0
        fifo.close()
        assert run.ended().code == 0


@pytest.mark.compiled
def test_interrupt_does_not_wait_for_kernels_to_be_compiled(tmp_path, capture):
    cache = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    for _ in range(2):  # What the first has compiled is not compiled again.
        with live_run(tmp_path, "-r", capture, "--no-score", "-n", "1", extra=cache) as run:
            run.until("it says so", lambda: "compiling kernels, about a minute" in run.err)
            run.send(signal.SIGINT)
            assert run.ended().code == 130
            assert "Traceback" not in run.err


@pytest.mark.slow
@pytest.mark.compiled
def test_interrupt_while_stages_are_compiled_leaves_no_segment(tmp_path, capture):
    words = ("-r", capture, "--no-score", "-n", "1")
    with live_run(tmp_path, *words, extra=_without_flows(tmp_path / "cache")) as run:
        names = run.until("it has segments", lambda: {found.name for found in run.segments})
        run.send(signal.SIGINT)
        ended = run.ended()
    assert ended.complaint(130) == "interrupted before anything was read"
    assert not names & {found.name for found in find_segments()}


def _without_flows(folder):
    """Return what makes a run find all kernels that it compiles before it has segments.

    Those of the worker, which it compiles afterwards, take much longer than an interrupt, however
    busy the machine is; all of them would take longer than a test waits for segments.
    """
    kernels = folder / CACHE_HOME.name / "kernels"
    kernels.mkdir(parents=True)
    kernels.parent.chmod(0o700)
    for room in (CACHE_HOME / "kernels").iterdir():
        if not room.name.startswith("flows_"):
            (kernels / room.name).symlink_to(room)
    return {"XDG_CACHE_HOME": str(folder)}


@pytest.mark.slow
def test_pipe_that_never_ends_is_left_at_an_interrupt(tmp_path, some):
    reading, writing = os.pipe()
    words = ("-r", "-", "--no-score", "-n", "1", "--digest", "--json")
    with live_run(tmp_path, *words, stdin=reading) as run:
        os.close(reading)
        os.write(writing, some[: 48 << 10])  # Ends amid a record.
        run.sees("it reads", lambda look: look.totals["capture"]["read"] > 50)
        run.send(signal.SIGINT)
        ended = run.ended()
    os.close(writing)
    assert ended.code == 0, ended.err
    value = ended.value
    assert value["packets"]["read"] > 50
    assert value["packets"]["in_flight"] == 0
    assert value["counters"]["classifier"]["final_packets"] == value["packets"]["accepted"]


@pytest.mark.slow
def test_two_runs_at_once_do_not_touch_each_other(tmp_path, some, capture):
    alone = digest_of("-r", capture, "--no-score", "-n", "2")
    words = ("--no-score", "-n", "2", "--digest", "--json")
    content = capture.read_bytes()
    with (
        held_run(tmp_path / "one", some, *words) as (one, _),
        held_run(tmp_path / "two", some, *words) as (two, fifo),
    ):
        one.has_read(SOME)
        two.has_read(SOME)
        assert digest_of("-r", capture, "--no-score", "-n", "2") == alone  # A third between.
        one.send(signal.SIGTERM)
        assert one.ended().code == 0
        for at in range(len(some), len(content), 1 << 19):
            piece = content[at : at + (1 << 19)]
            two.until("the pipe is empty", lambda: fifo.is_empty)
            fifo.feed(piece)
        fifo.close()
        ended = two.ended()
    assert ended.code == 0, ended.err
    assert ended.value["digest"] == alone


@pytest.mark.slow
def test_standard_input_may_be_a_file_or_a_pipe(capture):
    expected = digest_of("-r", capture, "--no-score", "-n", "1")
    words = ("-r", "-", "--no-score", "-n", "1")
    with open(capture, "rb") as file:
        assert digest_of(*words, stdin=file) == expected
    assert digest_of(*words, input=capture.read_bytes()) == expected


@pytest.mark.slow
def test_closed_standard_streams_are_not_taken_for_the_engines_own_files(tmp_path, capture):
    # With descriptors 0 to 2 closed the first files opened would get their numbers.
    script = 'exec "$@" <&- >&- 2>&-'
    out = tmp_path / "out"
    ended = run_engine(
        *("run", "-r", capture, "--no-score", "-n", "1", "--flows", "csv", "-w", out),
        before=("sh", "-c", script, "sh"),
    )
    assert ended.code == 0
    assert run_engine("check", out).code == 0
    alerts = run_engine("run", "-r", capture, "-n", "1", before=("sh", "-c", script, "sh"))
    assert alerts.code == 0


@pytest.mark.slow
def test_spawned_stages_do_the_same(capture):
    words = ("-r", capture, "--no-score", "-n", "2")
    spawned = digest_of(*words, "--set", "process.start=spawn")
    assert spawned == digest_of(*words)
