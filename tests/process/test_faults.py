"""Goal: what is wrong with the world is one line, says what to do, and has the right exit code.

Method: the command with sources, settings, options and folders that cannot be used; sources that
change while they are read, held by a FIFO beside them. Never a traceback, never a hang.
"""

import os
import random

import pytest

from tests.process.conftest import SOME
from tests.process.runs import Fifo, first_packets, held_run, live_run, run_engine

READ = ("--no-score", "-n", "1")


def test_missing_file_is_refused_before_anything_starts(tmp_path):
    ended = run_engine("run", "-r", "absent.pcap", cwd=tmp_path)
    assert ended.complaint(2) == "cannot read 'absent.pcap': No such file or directory"


@pytest.mark.slow
def test_folder_without_files_is_refused(tmp_path):
    complaint = run_engine("run", "-r", tmp_path, *READ).complaint(2)
    assert complaint == f"folder {str(tmp_path)!r} has no files in it"


@pytest.mark.slow
def test_device_is_refused():
    complaint = run_engine("run", "-r", "/dev/zero", *READ).complaint(2)
    assert complaint == "'/dev/zero' is not a file, but a character device"


@pytest.mark.parametrize(
    "size", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in (3, 10_000))]
)
def test_file_that_is_no_capture_is_named(size, tmp_path):
    path = tmp_path / "noise"
    path.write_bytes(random.Random(size).randbytes(size))
    complaint = run_engine("run", "-r", path, *READ).complaint(1)
    assert complaint.startswith("capture: no source can be read; ")
    assert str(path) in complaint
    assert complaint.endswith("this is not a capture file")


@pytest.mark.slow
def test_files_beside_captures_are_named_and_the_captures_read(tmp_path, some):
    (tmp_path / "README").write_text("what the captures are")
    (tmp_path / "a.pcap").write_bytes(some)
    ended = run_engine("run", "-r", tmp_path, *READ)
    assert ended.code == 0
    assert f"{SOME} packets of 2 sources" in ended.err
    assert f"no captures, not read: {tmp_path / 'README'}" in ended.err


@pytest.mark.slow
def test_damaged_capture_is_read_as_far_as_it_goes(tmp_path, some):
    path = tmp_path / "cut.pcap"
    path.write_bytes(some[:-1])
    ended = run_engine("run", "-r", path, *READ)
    assert ended.code == 0
    assert f"{SOME - 1} packets" in ended.err
    assert f"damaged: {path}: cut" in ended.err
    assert run_engine("run", "--strict", "-r", path, *READ).code == 3


SETTINGS = {
    "flow.max_flow=1": "unknown setting 'flow.max_flow'; known: flow.active_timeout, ",
    "flows.max=1": "unknown setting 'flows.max'; known: capture, engine, flow, ",
    "flow.idle_timeout=4s": "flow.idle_timeout must be 5 s to 24 h or off, is 4s",
    "ring.packet_capacity=1000": "ring.packet_capacity must be a power of two, is 1000; use 1024",
    "ring.event_capacity=8": "ring.event_capacity must be 16 to 4194304 slots, is 8",
    "capture.arena_bytes=1MiB": (
        "capture.arena_bytes must be at least twice capture.stream_buffer_bytes (1048576), is "
    ),
    "flow.max_flows=64": "flow.max_flows must be at least 64 for each of the 2 workers (128), is ",
    "engine.workers=many": "engine.workers must be a whole number of processes, is 'many'",
    "hash.key=zz": "hash.key must be 32 hex digits or empty, is 'zz'",
    "engine.workers": "--set takes section.key=value, is 'engine.workers'",
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_wrong_setting_is_named_with_what_it_may_be(setting, capture):
    words = ("--set", "engine.workers=2", "--set", setting)
    ended = run_engine("run", "-r", capture, *words)
    assert ended.complaint(2).startswith(SETTINGS[setting])


CONFIGURATIONS = {
    "[flow\n": "is not TOML: ",
    "max_flows = 9\n": "unknown setting 'max_flows'; settings stand in [sections]",
    '[flow]\ntcp_end = "maybe"\n': "flow.tcp_end must be true or false, is 'maybe'",
    "[flow]\nidle_timeout = [1]\n": "flow.idle_timeout must be a number with a unit",
}


@pytest.mark.slow
@pytest.mark.parametrize("text", CONFIGURATIONS)
def test_wrong_configuration_is_one_line(text, tmp_path):
    (tmp_path / "engine.toml").write_text(text)
    complaint = run_engine("config", "check", "-c", tmp_path / "engine.toml").complaint(2)
    assert CONFIGURATIONS[text] in complaint


OPTIONS = {
    ("port", "http", "and"): "filter 'port http and': ",
    ("--count", "-1"): "--count must not be negative, is -1",
    ("--early",): "--early adds early records to flow outputs: give --flows too",
    ("--flows", "csv"): "--flows writes files: name a folder with -w DIR",
    ("-c", "absent.toml"): "cannot read configuration 'absent.toml': No such file or directory",
    ("--set", "model.path=absent.model"): "cannot read model 'absent.model': ",
}


@pytest.mark.slow
@pytest.mark.parametrize("words", OPTIONS, ids=" ".join)
def test_wrong_option_is_one_line(words, capture, tmp_path):
    complaint = run_engine("run", "-r", capture, *words, cwd=tmp_path).complaint(2)
    assert complaint.startswith(OPTIONS[words])


@pytest.mark.slow
@pytest.mark.parametrize(
    "words", [("run", "--nothing"), ("run", "-n", "x"), ("nothing",), ("run", "--flows", "x")]
)
def test_wrong_usage_says_where_the_help_is(words):
    ended = run_engine(*words)
    assert ended.code == 2
    assert "Error: " in ended.err
    assert "--help" in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.slow
def test_folder_that_is_not_empty_is_refused_and_kept(tmp_path, capture):
    (tmp_path / "mine").write_text("kept")
    complaint = run_engine("run", "-r", capture, *READ, "-w", tmp_path).complaint(2)
    assert complaint.endswith("is not empty: name another, or give --overwrite")
    assert run_engine("run", "-r", capture, *READ, "-w", tmp_path, "--overwrite").code == 0
    assert (tmp_path / "mine").read_text() == "kept"


@pytest.mark.slow
@pytest.mark.parametrize("place", ["file/below", "file", "/proc/nothing"])
def test_folder_that_cannot_be_written_fails_before_anything_is_read(place, tmp_path, capture):
    (tmp_path / "file").write_text("")
    ended = run_engine("run", "-r", capture, *READ, "-w", tmp_path / place)
    assert ended.complaint(1).startswith("cannot use folder ")
    assert "nothing read" in ended.err


VERBS = {
    ("check", "absent"): "absent is not a folder that a run has written",
    ("diff", "a", "b"): "a is not a folder that a run has written",
    ("features", "show", "absent"): "no feature is named 'absent'; see `engine features list`",
    ("model", "show", "absent"): "cannot read model 'absent': No such file or directory",
    ("stats", "--run", "absent"): "no engine of the name 'absent' is running here",
    ("check", "--run", "absent"): "no engine of the name 'absent' is running here",
}


@pytest.mark.slow
@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_verb_on_what_is_not_there_is_one_line(words, tmp_path):
    assert run_engine(*words, cwd=tmp_path).complaint(2) == VERBS[words]


@pytest.mark.slow
def test_source_that_vanishes_before_its_turn_is_told_and_the_others_are_read(tmp_path, some):
    folder = tmp_path / "sources"
    folder.mkdir()
    for name in ("b.pcap", "c.pcap"):
        (folder / name).write_bytes(some)
    fifo = Fifo(folder / "a.fifo")
    words = ("-r", fifo.path, "-r", folder / "b.pcap", "-r", folder / "c.pcap", "--separate")
    with live_run(tmp_path, *words, *READ) as run:
        fifo.feed(some)
        run.has_read(SOME)
        (folder / "b.pcap").unlink()
        fifo.close()
        ended = run.ended()
    assert ended.code == 0, ended.err
    assert f"{2 * SOME:,} packets of 3 sources" in ended.err
    assert f"cannot open '{folder / 'b.pcap'}': No such file or directory" in ended.err


@pytest.mark.slow
def test_source_that_shrinks_while_it_is_read_ends_the_run_with_a_message(tmp_path, some):
    shrinking = tmp_path / "later.pcap"
    shrinking.write_bytes(some)
    with held_run(tmp_path, some, *READ, "-r", shrinking) as (run, fifo):
        look = run.sees("both are open", lambda look: look.totals["capture"]["read"] >= SOME)
        assert look.totals["capture"]["read"] < 2 * SOME  # The last packet waits for the FIFO's.
        os.truncate(shrinking, 100)
        fifo.close()
        ended = run.ended()
    assert ended.code in (0, 1)
    assert f"shrank from {len(some)} to 100 bytes while it was read" in ended.err


@pytest.mark.slow
def test_source_that_grows_is_read_as_it_was_found(tmp_path, some):
    growing, out = tmp_path / "later.pcap", tmp_path / "out"
    growing.write_bytes(some)
    with held_run(tmp_path, some, *READ, "-r", growing, "-w", out) as (run, fifo):
        run.sees("both are open", lambda look: look.totals["capture"]["read"] >= SOME)
        with open(growing, "ab") as file:
            file.write(some[24:])
        fifo.close()
        ended = run.ended()
    assert ended.code == 0, ended.err
    assert f"{2 * SOME:,} packets" in ended.err
    assert run_engine("check", out).code == 0


@pytest.mark.slow
def test_damaged_run_folder_is_told_and_no_traceback(tmp_path, capture):
    out = tmp_path / "out"
    assert run_engine("run", "-r", capture, *READ, "--flows", "csv", "-w", out).code == 0
    content = (out / "flows.csv").read_bytes()
    (out / "flows.csv").write_bytes(content[: len(content) // 2])
    checked = run_engine("check", out)
    assert checked.code == 1
    assert "flows.csv" in checked.out
    assert "Traceback" not in checked.err
    (out / "run.json").write_bytes(b"{}")
    assert "Traceback" not in run_engine("check", out).err


def limited(hard: int, soft: int) -> tuple[str, ...]:
    """Return what to put before a command for it to have these limits of open files."""
    return ("prlimit", f"--nofile={soft}:{hard}")


@pytest.mark.slow
def test_captures_beyond_the_usual_limit_of_open_files_are_all_read(tmp_path, some):
    folder = tmp_path / "many"
    folder.mkdir()
    content = first_packets(some, 3)
    for number in range(200):
        (folder / f"{number}.pcap").write_bytes(content)
    words = ("run", "-r", folder, *READ)
    ended = run_engine(*words, before=limited(hard=1024, soft=128))
    assert ended.code == 0, ended.err
    assert "600 packets of 200 sources in " in ended.err
    assert "damaged" not in ended.err
    complaint = run_engine(*words, before=limited(hard=256, soft=256)).complaint(2)
    assert complaint.startswith("200 sources merged by 1 workers need 312 open files, 256 are ")
    assert run_engine(*words, "--separate", before=limited(hard=256, soft=128)).code == 0
