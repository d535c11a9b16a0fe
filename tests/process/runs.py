"""Runs of the real command: to their end, or held in the middle by a FIFO that the test feeds.

Every process of a run has a mark in its environment, by which those left behind are found. Nothing
here waits for time to pass: what must come is polled for, and a test fails when it does not.
"""

import contextlib
import os
import secrets
import select
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fcntl import F_SETPIPE_SZ, fcntl
from pathlib import Path

import msgspec

from engine.capture.synthetic import attacks, office
from engine.capture.synthetic.frames import Tape
from engine.errors import SegmentError
from engine.layouts import SEGMENT
from engine.rings.segment import Found, find_segments
from engine.rings.statistics import Statistics
from engine.rings.waiting import IDLE, Backoff, Sleeps

ROOT = Path(__file__).resolve().parents[2]
ENGINE = Path(sys.executable).with_name("engine")
HANG_S = 90  # For what takes seconds: a machine may be busy.
PIPE_BYTES = 1 << 20
MARK = "ENGINE_TEST_MARK"
_FILE_HEADER_BYTES, _RECORD_HEADER_BYTES = 24, 16
_POLLS = Sleeps(2e-3, 20e-3)


def environment(**extra: str) -> dict[str, str]:
    """Return an environment in which `engine` is this checkout's."""
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, "PYTHONPATH": path, **extra}


@dataclass(frozen=True)
class Ended:
    """What a command left: exit code and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def value(self) -> dict:
        """Return the JSON object on standard output."""
        return msgspec.json.decode(self.out)

    def complaint(self, code: int) -> str:
        """Return the one line that the command complained with; it must have ended with `code`."""
        assert "Traceback" not in self.err, self.err
        lines = [line for line in self.err.splitlines() if line.startswith("engine: ")]
        assert len(lines) == 1, self.err
        assert self.code == code, f"exit {self.code}: {self.err}"
        return lines[0].removeprefix("engine: ")


def run_engine(*words: object, before: tuple[object, ...] = (), **options) -> Ended:
    """Run `engine WORDS` to its end, `before` in front of it; options are those of subprocess."""
    line = [str(word) for word in (*before, ENGINE, *words)]
    options.setdefault("stdin", subprocess.DEVNULL)
    if "input" in options:
        del options["stdin"]
    ended = subprocess.run(
        line, capture_output=True, env=environment(), timeout=HANG_S, check=False, **options
    )
    return Ended(ended.returncode, *(text.decode() for text in (ended.stdout, ended.stderr)))


def digest_of(*words: object, **options) -> str:
    """Return the digest of a run that ends well."""
    ended = run_engine("run", "--json", "--digest", *words, **options)
    assert ended.code == 0, ended.err
    return ended.value["digest"]


def until(what: str, condition: Callable[[], object]):
    """Return what `condition` returns once that is true; fail when it does not come."""
    deadline = time.monotonic() + HANG_S
    backoff = Backoff(_POLLS)
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited {HANG_S} s in vain for: {what}"
        backoff.wait(IDLE)
    return found


def mixed_capture(path: Path) -> int:
    """Write an office of 20 s, a scan and a brute force; return the number of packets."""
    tape = Tape(7)
    place = office.build(tape)
    end_us = 20 * 1_000_000
    office.work(tape, place, end_us)
    attacks.scan(tape, place, 3e6)
    attacks.brute_force(tape, place, 5e6)
    return tape.write(path, end_us)


def first_packets(content: bytes, count: int) -> bytes:
    """Return a pcap file of the first packets of another (little endian)."""
    at = _FILE_HEADER_BYTES
    for _ in range(count):
        at += _RECORD_HEADER_BYTES + struct.unpack_from("<I", content, at + 8)[0]
    assert at <= len(content)
    return content[:at]


class Fifo:
    """A FIFO that the test writes; it never blocks for what fits into a pipe."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        fcntl(self._descriptor, F_SETPIPE_SZ, PIPE_BYTES)

    def feed(self, content: bytes) -> None:
        """Put bytes in; what was not taken yet must leave room."""
        assert len(content) <= PIPE_BYTES
        os.set_blocking(self._descriptor, False)
        assert os.write(self._descriptor, content) == len(content), "the pipe is full"

    @property
    def is_empty(self) -> bool:
        """Return whether the run has taken all that was put in."""
        return not select.select([self._descriptor], [], [], 0)[0]

    def close(self) -> None:
        """End the stream."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


@dataclass(frozen=True)
class Look:
    """What a run's statistics held at a moment. Copied: who keeps them mapped keeps them live."""

    stop: int
    totals: dict[str, dict[str, int]]
    lines: dict[str, dict[str, int]]  # Of each process.
    supervisor: int  # Its pid.

    def pid(self, name: str) -> int:
        """Return the pid of a process; of the zygote 0 if there is none now."""
        if name != "zygote":
            return self.lines[name]["pid"]
        stages = {line["pid"] for line in self.lines.values()}  # Orphans are the supervisor's too.
        for path in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):  # Gone meanwhile.
                state, parent = path.read_text().rpartition(")")[2].split()[:2]
                if int(parent) == self.supervisor and state not in "ZX":
                    pid = int(path.parent.name)
                    if pid not in stages:
                        return pid
        return 0


def _look(statistics: Statistics) -> Look | None:
    try:
        if statistics["phase"] != 1:
            return None
        words = ("pid", "state", "live")
        lines = {
            line.name: {word: line[word] for word in words} | line.values()
            for line in statistics.processes()
        }
        owner = int(statistics.segment.header[SEGMENT.index("owner")])
        return Look(statistics.stop, statistics.totals(), lines, owner)
    finally:
        statistics.segment.close()


class LiveRun:
    """An `engine run` in progress, in a session of its own."""

    def __init__(
        self,
        folder: Path,
        words: tuple[object, ...],
        before: tuple[str, ...] = (),
        stdin=subprocess.DEVNULL,
        err=None,
        extra: dict[str, str] | None = None,
    ) -> None:
        """`before` stands in front of the command; `err` takes standard error, else a file.

        `extra` is added to the environment.
        """
        self._mark = secrets.token_hex(8)
        self._out, self._err = folder / f"{self._mark}.out", folder / f"{self._mark}.err"
        with open(self._out, "wb") as out, open(self._err, "wb") as own_err:
            self.process = subprocess.Popen(
                [*before, str(ENGINE), "run", *map(str, words)],
                stdin=stdin,
                stdout=out,
                stderr=own_err if err is None else err,
                env=environment(**{MARK: self._mark}, **(extra or {})),
                start_new_session=True,
            )

    def until(self, what: str, condition: Callable[[], object]):
        """Wait for something to come while the run goes on."""

        def watched():
            found = condition()
            if not found and self.process.poll() is not None:
                raise AssertionError(f"it ended with {self.process.returncode}: {self.err}")
            return found

        return until(what, watched)

    @property
    def err(self) -> str:
        """Return what is on standard error so far."""
        return self._err.read_text()

    @property
    def segments(self) -> list[Found]:
        """Return the run's segments that exist."""
        return [found for found in find_segments() if found.owner_pid == self.process.pid]

    def look(self) -> "Look | None":
        """Return what the run says of itself now; None before its stages run."""
        for found in self.segments:
            if found.kind == "statistics":
                with contextlib.suppress(SegmentError):  # Not published yet, or gone.
                    return _look(Statistics.attach(found.run))
        return None

    def sees(self, what: str, condition: Callable[["Look"], object]) -> "Look":
        """Wait until a condition holds for what the run says of itself; return that."""

        def looked() -> Look | None:
            look = self.look()
            return look if look and condition(look) else None

        return self.until(what, looked)

    def has_read(self, count: int) -> "Look":
        """Wait until `count` packets are read, and what they have caused is done."""

        def is_quiet(look: Look) -> bool:
            stages = ("capture", "worker", "classifier")
            capture, worker, merged = (look.totals[stage] for stage in stages)
            return (
                capture["read"] == count
                and capture["published"] == worker["accepted"]
                and worker["early"] == merged["early"]
            )

        return self.sees(f"{count} packets are read", is_quiet)

    def pids(self) -> set[int]:
        """Return every process of the run that still lives."""
        mark = f"{MARK}={self._mark}".encode()
        found = set()
        for path in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):  # Gone meanwhile, or not ours.
                if mark in path.read_bytes().split(b"\0"):
                    found.add(int(path.parent.name))
        return found

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the supervisor alone."""
        self.process.send_signal(number)

    def send_all(self, number: signal.Signals) -> None:
        """Send a signal to every process, as a terminal does."""
        os.killpg(self.process.pid, number)

    def ended(self) -> Ended:
        """Wait for the end of the run, and for that of all its processes."""
        code = self.process.wait(HANG_S)
        until("no process of the run is left", lambda: not self.pids())
        return Ended(code, self._out.read_text(), self.err)

    def end(self) -> None:
        """Kill whatever is left."""
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(HANG_S)


@contextlib.contextmanager
def live_run(folder: Path, *words: object, **options) -> Iterator[LiveRun]:
    """Start `engine run WORDS`; nothing of it is left afterwards."""
    run = LiveRun(folder, words, **options)
    try:
        yield run
    finally:
        run.end()
        find_segments(remove_stale=True)


@contextlib.contextmanager
def held_run(
    folder: Path, content: bytes, *words: object, **options
) -> Iterator[tuple[LiveRun, Fifo]]:
    """Start a run that has read `content` from a FIFO and waits for more."""
    folder.mkdir(exist_ok=True)
    fifo = Fifo(folder / "held.fifo")
    try:
        with live_run(folder, "-r", fifo.path, *words, **options) as run:
            fifo.feed(content)
            yield run, fifo
    finally:
        fifo.close()
        fifo.path.unlink()
