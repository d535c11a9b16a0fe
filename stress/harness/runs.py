"""Runs of the real engine within a trial: started, watched, judged, and nothing of them left.

What every run may come to is WHOLE; scenarios add to it what is special to them.
"""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from engine.check import check_folder, is_wrong
from engine.config import load
from engine.reference import Settings
from engine.reference import run as run_twin
from stress.harness.outcome import ACCEPTABLE, FORBIDDEN, Found, Outcome
from tests.process.mounts import Mounts
from tests.process.runs import LiveRun, find_segments

TWIN_PACKETS_MAX = 6000  # The twin takes 0.1 to 0.3 ms a packet.
EXACT, LATE = "exact", "late"
WHOLE = (
    Outcome(EXACT, ACCEPTABLE, "exit 0; engine check proves every sum; the digest as it should be"),
    Outcome("other exit", FORBIDDEN, "an exit code that is not expected, or a traceback"),
    Outcome("unproved", FORBIDDEN, "engine check finds something wrong"),
    Outcome("other digest", FORBIDDEN, "not the digest of the twin, or of a run left alone"),
    Outcome("left over", FORBIDDEN, "a process or a segment of the run is left"),
    Outcome(LATE, FORBIDDEN, "the run does not end"),
)


@dataclass(frozen=True, slots=True)
class Ran:
    """What a run left."""

    code: int
    out: str
    err: str
    folder: Path  # What it wrote.
    left: tuple[str, ...] = ()  # Names of segments.
    late: str = ""

    @property
    def said(self) -> dict:
        """Return the JSON object on standard output."""
        return msgspec.json.decode(self.out)

    @property
    def record(self) -> dict:
        """Return run.json."""
        return msgspec.json.decode((self.folder / "run.json").read_bytes())


def words_of(capture: Path | str, folder: Path, *more: str) -> tuple[str, ...]:
    """Return the words of a run that reads a capture and writes flows."""
    return ("-r", str(capture), "-w", str(folder), "--flows", "csv", "--json", *more)


@contextlib.contextmanager
def running(
    trial_folder: Path, words: tuple[str, ...], before: tuple[str, ...] = ()
) -> Iterator[LiveRun]:
    """Have a run in progress; nothing of it is left behind."""
    run = LiveRun(trial_folder, words, before=before)
    try:
        yield run
    finally:
        run.end()
        for found in find_segments():
            if found.owner_pid == run.process.pid:
                with contextlib.suppress(OSError):
                    os.unlink(f"/dev/shm/{found.name}")


def run_engine(
    trial_folder: Path,
    words: tuple[str, ...],
    during: Callable[[LiveRun], None] | None = None,
    mounts: Mounts | None = None,
) -> Ran:
    """Run the engine to its end; `during` does things to it meanwhile. words: of words_of."""
    folder = Path(words[words.index("-w") + 1])
    before = mounts.enter if mounts else ()
    with running(trial_folder, words, before) as run:
        try:
            if during is not None:
                during(run)
            ended = run.ended()
        except (AssertionError, subprocess.TimeoutExpired) as error:
            return Ran(-1, "", run.err, folder, late=str(error) or "it hangs")
        left = mounts.segments if mounts else {found.name for found in run.segments}
        return Ran(ended.code, ended.out, ended.err, folder, tuple(sorted(left)))


def faults(ran: Ran, codes: tuple[int, ...] = (0,)) -> list[Found]:
    """Return what no run may come to."""
    if ran.late:
        return [(LATE, ran.late)]
    found = []
    if ran.code not in codes or "Traceback" in ran.err:
        found.append(("other exit", f"exit {ran.code}: {ran.err[-600:]}"))
    if ran.left:
        found.append(("left over", ", ".join(ran.left)))
    return found


def judge(ran: Ran, digest: str | None = None) -> list[Found]:
    """Return what a run that must end well came to; `digest`: the one it must have."""
    found = faults(ran)
    if found:
        return found
    findings = check_folder(str(ran.folder))
    if is_wrong(findings):
        wrong = [finding.text for finding in findings if finding.verdict == "wrong"]
        found.append(("unproved", "; ".join(wrong)[:600]))
    if digest is not None and ran.said["digest"] != digest:
        found.append(("other digest", f"{ran.said['digest']}, must be {digest}"))
    return found or [(EXACT, f"{ran.said['packets']['read']:,} packets")]


def twin_digest(capture: Path, settings: tuple[str, ...] = ()) -> str:
    """Return the digest that a run without scores must have, by the twin."""
    return run_twin([capture], Settings(load(None, settings))).digest


def counters(ran: Ran, stage: str) -> dict[str, int]:
    """Return the counters of a stage of a run that ended well."""
    return ran.said["counters"][stage]


def clear(folder: Path) -> None:
    """Remove what a run wrote, so that the next may write there."""
    shutil.rmtree(folder, ignore_errors=True)
