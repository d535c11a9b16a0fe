"""Goal: too little memory and a full disk are said; stale segments are found, live ones kept.

Method: commands in a mount namespace of their own, with a /dev/shm and a disk of the size wanted,
so that nothing else on the machine sees or cleans them. Skipped where that is not permitted.
"""

import csv
import re
import signal
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.process.conftest import SOME
from tests.process.mounts import LARGE, Mounts, NotPermittedError
from tests.process.runs import HANG_S, held_run, run_engine, until

SMALL = "40m"


@pytest.fixture
def mounts(tmp_path):
    """Return a function that makes a namespace with a /dev/shm of a size; and the disk's path."""
    with ExitStack() as stack:

        def make(shared_memory: str = LARGE) -> tuple[Mounts, Path]:
            try:
                made = Mounts(shared_memory, tmp_path / "disk")
            except NotPermittedError as error:
                pytest.skip(str(error))
            stack.callback(made.close)
            return made, tmp_path / "disk"

        yield make


@pytest.mark.slow
def test_too_little_shared_memory_is_said_with_what_would_help(mounts, capture):
    own, _ = mounts(SMALL)
    words = ("run", "-r", capture, "--no-score", "-n", "1")
    complaint = run_engine(*words, before=own.enter).complaint(1)
    assert re.fullmatch(
        r"/dev/shm has no room for segment '[a-z]+': it needs [0-9,]+ bytes, [0-9,]+ are free; "
        r"lower flow.max_flows or the ring capacities \(engine config check\), remove stale "
        r"segments \(engine shm clean\), or enlarge /dev/shm",
        complaint,
    )
    assert own.segments == set()
    small = ("--set", "flow.max_flows=4096", "--set", "ring.packet_capacity=1024")
    small += ("--set", "ring.event_capacity=1024", "--set", "ring.row_capacity=256")
    assert run_engine(*words, *small, before=own.enter).code == 0


@pytest.mark.slow
def test_more_memory_than_the_machine_has_is_refused(capture):
    most = ("flow.max_flows=67108864", "ring.packet_capacity=4194304")
    most += ("ring.event_capacity=4194304", "ring.row_capacity=1048576")
    words = [word for setting in most for word in ("--set", setting)] + ["--set"]
    checked = run_engine("config", "check", *words, "engine.workers=64")
    wanted = int(re.search(r"^all +([0-9,]+) bytes", checked.out, re.M)[1].replace(",", ""))
    memory = re.search(r"^MemAvailable: +([0-9]+) kB", Path("/proc/meminfo").read_text(), re.M)
    if wanted < 2 * int(memory[1]) * 1024:
        pytest.skip("this machine has so much memory")
    complaint = run_engine("run", "-r", capture, "-n", "64", *words[:-1]).complaint(1)
    assert complaint.startswith("the run needs ")
    assert "lower flow.max_flows, host.max_hosts or the ring capacities" in complaint


def test_full_disk_ends_the_run_with_the_counts_of_what_was_written(mounts, capture):
    own, disk = mounts()
    words = ("run", "-r", capture, "--no-score", "-n", "2", "--flows", "csv", "-w", disk / "out")
    ended = run_engine(*words, before=own.enter)
    assert ended.code == 1
    assert "Traceback" not in ended.err
    told = re.search(
        r"^engine: recorder: cannot write \S+/flows.csv.partial: No space left on device; "
        r"of ([0-9]+) rows ([0-9]+) were written, ([0-9]+) lost",
        ended.err,
        re.M,
    )
    assert told, ended.err
    taken, written, lost = map(int, told.groups())
    with open(own.inside(disk) / "out" / "flows.csv.partial", newline="") as file:
        rows = list(csv.reader(file))
    assert len(rows) - 1 == written > 0
    assert {len(row) for row in rows} == {len(rows[0])}
    assert lost == taken - written
    assert own.segments == set()


@pytest.mark.slow
def test_stale_segments_are_listed_and_removed_and_live_ones_kept(mounts, tmp_path, some):
    own, _ = mounts()
    words = ("--no-score", "-n", "1", "--set", "flow.max_flows=4096")
    with (
        held_run(tmp_path / "one", some, *words, before=own.enter) as (dead, _),
        held_run(tmp_path / "two", some, *words, before=own.enter) as (live, fifo),
    ):
        until("both have begun", lambda: owners(own) == {dead.process.pid, live.process.pid})
        until("both read", lambda: len(reading(own)) == 2)
        dead.send_all(signal.SIGKILL)  # A zygote that lived would tidy up.
        dead.process.wait(HANG_S)
        until("its children are gone", lambda: not dead.pids())
        listed = segments(own)
        stale = {row["name"] for row in listed if not row["live"]}
        kept = {row["name"] for row in listed if row["live"]}
        assert {row["owner_pid"] for row in listed if not row["live"]} == {dead.process.pid}
        assert {row["owner_pid"] for row in listed if row["live"]} == {live.process.pid}
        shown = run_engine("shm", "list", before=own.enter).out.splitlines()
        assert sum(line.startswith("stale") for line in shown) == len(stale) == len(kept)
        assert shown[-1] == f"{len(listed)} segments, {len(stale)} of them stale"
        cleaned = run_engine("shm", "clean", before=own.enter)
        assert cleaned.out.startswith(f"removed {len(stale)} stale segments, ")
        assert own.segments == kept
        fifo.close()
        assert live.ended().code == 0
        assert own.segments == set()


def segments(own: Mounts) -> list[dict]:
    return run_engine("shm", "list", "--json", before=own.enter).value["segments"]


def owners(own: Mounts) -> set[int]:
    return {row["owner_pid"] for row in segments(own)}


def reading(own: Mounts) -> list[str]:
    """Return the runs that have read what they were given."""
    runs = {row["run"] for row in segments(own) if row["kind"] == "statistics"}
    shown = [run_engine("stats", "--json", "--run", run, before=own.enter) for run in runs]
    return [
        ended.value["run"]
        for ended in shown
        if ended.code == 0 and ended.value["counters"]["capture"]["read"] == SOME
    ]
