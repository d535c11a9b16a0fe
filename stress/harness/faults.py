"""Bad luck: a recorder that is held up, rings of no size, a disk or /dev/shm without room."""

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from engine.rings.waiting import IDLE, Backoff, Sleeps
from stress.harness import traffic
from stress.harness.outcome import (
    ACCEPTABLE,
    FORBIDDEN,
    Found,
    NotHereError,
    Outcome,
    Scenario,
    Trial,
)
from stress.harness.runs import WHOLE, Ran, clear, faults, judge, run_engine, words_of
from tests.process.mounts import Mounts, NotPermittedError
from tests.process.runs import LiveRun, first_packets, mixed_capture

_SMALLEST = ("ring.packet_capacity=2", "ring.event_capacity=16", "ring.row_capacity=2")
_SMALL = ("ring.packet_capacity=64", "ring.event_capacity=64", "ring.row_capacity=16")
_PACKETS, _FEW = 20_000, 1_500  # Few through the smallest rings: every step waits there.
_STOP_S_MAX, _STOPS_MAX = 0.6, 8  # Well within process.stall_timeout, 30 s.
_NAPS = Sleeps(2e-3, 20e-3)
NO_ROOM = re.compile(
    r"engine: /dev/shm has no room for segment|engine: the run needs [0-9,]+ bytes"
)
FULL_DISK = re.compile(
    r"engine: recorder: cannot write \S+: No space left on device; "
    r"of ([0-9]+) rows ([0-9]+) were written, ([0-9]+) lost"
)
# A full disk may be met before a row is, or by the supervisor's own file.
_FULL_ELSEWHERE = re.compile(r"engine: .*(cannot|could not) .*No space left on device")


def set_words(*settings: str) -> tuple[str, ...]:
    """Return the words that change settings."""
    return tuple(word for setting in settings for word in ("--set", setting))


def digest_alone(trial: Trial, path: Path, *more: str) -> str:
    """Return the digest of a run that nothing disturbs."""
    ran = run_engine(trial.folder, words_of(path, trial.folder / "alone", *more))
    assert ran.code == 0, ran.err
    digest = ran.said["digest"]
    clear(trial.folder / "alone")
    return digest


def stop_and_go(name: str, naps_s: list[float]) -> Callable[[LiveRun], None]:
    """Return what stops a process of a run again and again, each time for one of the naps."""

    def during(run: LiveRun) -> None:
        look = run.sees("its stages run", lambda look: look.lines[name]["pid"] > 0)
        for nap_s in naps_s:
            if run.process.poll() is not None:
                return
            with suppress(ProcessLookupError):
                os.kill(look.pid(name), signal.SIGSTOP)
                _nap(nap_s)
                os.kill(look.pid(name), signal.SIGCONT)
            _nap(nap_s / 4)

    return during


def _nap(nap_s: float) -> None:
    """Let time pass: how long a process is held up is what is tried."""
    end_s = time.monotonic() + nap_s
    backoff = Backoff(_NAPS)
    while time.monotonic() < end_s:
        backoff.wait(IDLE)


def _slow_recorder(trial: Trial) -> list[Found]:
    """Stop the recorder again and again: offline, everybody waits and nothing is lost."""
    dice = trial.dice
    path = trial.folder / "many.pcap"
    rings = dice.choice((_SMALL, _SMALLEST))
    traffic.many_flows(path, dice, _PACKETS if rings is _SMALL else _FEW)
    words = ("-n", "2", *set_words(*rings))
    digest = digest_alone(trial, path, "-n", "1")
    naps_s = [dice.uniform(0.01, _STOP_S_MAX) for _ in range(dice.randrange(1, _STOPS_MAX))]
    during = stop_and_go("recorder", naps_s)
    ran = run_engine(trial.folder, words_of(path, trial.folder / "out", *words), during)
    return judge(ran, digest)


def _overload(trial: Trial) -> list[Found]:
    """Run with rings of no size and one stage held up: offline waits, nothing is lost."""
    dice = trial.dice
    path = trial.folder / "mixed.pcap"
    mixed_capture(path)
    path.write_bytes(first_packets(path.read_bytes(), _FEW))
    workers = dice.choice((1, 2, 3, 5))
    slow = dice.choice(("classifier", "recorder", "capture", f"worker.{workers - 1}"))
    words = ("-n", str(workers), "--early", *set_words(*_SMALLEST))
    digest = digest_alone(trial, path, "-n", "1", "--early")
    during = stop_and_go(slow, [dice.uniform(0.005, 0.1) for _ in range(dice.randrange(1, 20))])
    ran = run_engine(trial.folder, words_of(path, trial.folder / "out", *words), during)
    return judge(ran, digest)


@contextmanager
def _own_mounts(trial: Trial, shared_memory: str, disk_size: str) -> Iterator[Mounts]:
    """Have a namespace with a /dev/shm and a disk of these sizes."""
    try:
        mounts = Mounts(shared_memory, trial.folder / "disk", disk_size)
    except NotPermittedError as error:
        raise NotHereError(str(error)) from None
    try:
        yield mounts
    finally:
        mounts.close()


def _full_disk(trial: Trial) -> list[Found]:
    """Write onto a disk that has too little room, or nearly enough."""
    dice = trial.dice
    path = trial.folder / "many.pcap"
    traffic.many_flows(path, dice, _PACKETS // 2)
    size_kb = dice.choice((64, 200, 600, 1500, 4000, 65_536))
    with _own_mounts(trial, "1g", f"{size_kb}k") as mounts:
        out = trial.folder / "disk" / "out"
        words = words_of(path, out, "-n", "2", *set_words("flow.max_flows=65536"))
        ran = run_engine(trial.folder, words, mounts=mounts)
        ran = Ran(ran.code, ran.out, ran.err, mounts.inside(out), ran.left, ran.late)
        if ran.code == 0:
            return judge(ran)
        return faults(ran, (1,)) or _told_full(ran)


def _told_full(ran: Ran) -> list[Found]:
    """Return whether what a full disk cost is told, and true."""
    told = FULL_DISK.search(ran.err)
    if told is None:
        told_otherwise = _FULL_ELSEWHERE.search(ran.err)
        name = "told" if told_otherwise else "not told"
        return [(name, ran.err[-300:])]
    taken, written, lost = map(int, told.groups())
    return [("told" if taken == written + lost else "not told", told.group())]


def _shm_full(trial: Trial) -> list[Found]:
    """Run where /dev/shm has too little room, or just enough."""
    dice = trial.dice
    path = trial.folder / "many.pcap"
    traffic.many_flows(path, dice, 2000)
    size_mb = dice.choice((1, 2, 5, 9, 20, 40, 80, 200, 2000))
    rows = dice.choice((1024, 65_536, 1 << 20))
    with _own_mounts(trial, f"{size_mb}m", "64m") as mounts:
        words = words_of(path, trial.folder / "out", "-n", "2")
        ran = run_engine(
            trial.folder, (*words, *set_words(f"flow.max_flows={rows}")), mounts=mounts
        )
        if ran.code == 0:
            return judge(ran)
        told = "told" if NO_ROOM.search(ran.err) else "not told"
        return faults(ran, (1,)) or [(told, ran.err[-300:])]


_TOLD = (
    Outcome("told", ACCEPTABLE, "exit 1, and what is missing or lost is said, with right counts"),
    Outcome("not told", FORBIDDEN, "exit 1 without a word of the room that is missing"),
)
SCENARIOS = (
    Scenario("slow_recorder", "the recorder stops again and again", WHOLE, _slow_recorder),
    Scenario("overload", "rings of 2 to 16 slots and a stage that stops", WHOLE, _overload),
    Scenario("full_disk", "a disk of 64 KB to 64 MB", (*WHOLE, *_TOLD), _full_disk),
    Scenario("shm_full", "a /dev/shm of 1 MB to 2 GB", (*WHOLE, *_TOLD), _shm_full),
)
