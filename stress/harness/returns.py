"""How long a process that is killed is away: from SIGKILL until its replacement takes or sends.

A file is read through rings of two slots, so that everybody always has something to do; each kind
of process is killed once. What is measured are words of the rings that only the process moves; of
the recorder, which has a row now and then, that it says it is back. Watched every 0.1 to 1 ms, so
on a machine at leisure the figures are the engine's; when others are at work they are of both.
"""

import contextlib
import os
import signal
import time

from engine.errors import SegmentError
from engine.layouts import DONE, RUNNING
from engine.rings.ring import Ring
from engine.rings.segment import Segment, segment_name
from engine.rings.spsc import HEAD, TAIL
from engine.rings.statistics import Statistics
from engine.rings.waiting import IDLE, Backoff, Sleeps
from stress.harness.faults import digest_alone, set_words
from stress.harness.outcome import ACCEPTABLE, INTERESTING, Found, Outcome, Scenario, Trial
from stress.harness.runs import EXACT, WHOLE, judge, words_of
from stress.harness.runs import run_engine as run_words
from tests.process.runs import HANG_S, LiveRun, mixed_capture

BOUND_S = 1.0
_WORKERS = 2
_KINDS = ("worker.0", "classifier", "recorder", "capture", "zygote")
_HELD_UP = ("ring.packet_capacity=2", "ring.event_capacity=16")
_BETWEEN = 600  # Packets read between two kills.
_WATCH = Sleeps(1e-4, 1e-3)
_MOVES = {
    "worker.0": ("packets", HEAD),
    "classifier": ("events", HEAD),
    "capture": ("packets", TAIL),
}


class _Watched:
    """The words of a run that say whether a process is at work."""

    def __init__(self, name: str) -> None:
        self.statistics = Statistics.attach(name)
        self._rings = {
            (kind, worker): Ring(Segment.attach(segment_name(name, kind, worker), kind))
            for kind in ("packets", "events")
            for worker in range(_WORKERS)
        }

    def close(self) -> None:
        """Give the mappings up."""
        for ring in self._rings.values():
            ring.segment.close()
        self.statistics.segment.close()

    def moved(self, name: str) -> int:
        """Return a number that grows when a process does something; the recorder: is it back."""
        if name == "recorder":
            return int(self.statistics.process(name)["state"] >= RUNNING)
        kind, word = _MOVES[name]
        workers = (0,) if name == "worker.0" else range(_WORKERS)
        # Plain: that it moves is all that counts.
        return sum(int(self._rings[kind, worker].header[word]) for worker in workers)

    def is_done(self, name: str) -> bool:
        """Return whether a process has nothing more to do."""
        return self.statistics.process(name)["state"] == DONE


def _until(run: LiveRun, condition) -> bool:
    """Wait for a condition; return False if the run ends before."""
    backoff, end_s = Backoff(_WATCH), time.monotonic() + HANG_S
    while not condition():
        if run.process.poll() is not None:
            return False
        assert time.monotonic() < end_s, "a process that was killed does not come back"
        backoff.wait(IDLE)
    return True


def _away_s(run: LiveRun, watched: _Watched, name: str) -> float | None:
    """Kill a process; return how long it was away, None if it had nothing more to do."""
    look = run.look()
    pid = look.pid(name) if look else 0
    # A zygote is needed when a stage is: the first worker dies with it.
    seen = "worker.0" if name == "zygote" else name
    line = watched.statistics.process(seen)
    before = line["pid"]
    if not pid or watched.is_done(seen):
        return None
    begin_s = time.monotonic()
    for victim in {pid, before} if name == "zygote" else {pid}:
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
    if not _until(run, lambda: line["pid"] != before):
        return None
    at = 0 if name == "recorder" else watched.moved(seen)
    if not _until(run, lambda: watched.moved(seen) > at or watched.is_done(seen)):
        return None
    return time.monotonic() - begin_s


def _kill_each(run: LiveRun, times: dict[str, float]) -> None:
    """Kill one process of each kind, and note how long it was away."""
    run.sees("its stages run", lambda look: look.lines["recorder"]["pid"] > 0)
    name = next(found.run for found in run.segments)
    try:
        watched = _Watched(name)
    except SegmentError:
        return  # It is over.
    try:
        for kind in _KINDS:
            goal = watched.statistics.totals()["capture"]["read"] + _BETWEEN
            if not _until(
                run, lambda goal=goal: watched.statistics.totals()["capture"]["read"] >= goal
            ):
                return
            away_s = _away_s(run, watched, kind)
            if away_s is not None:
                times[kind] = away_s
    finally:
        watched.close()


def _try(trial: Trial) -> list[Found]:
    path = trial.folder / "mixed.pcap"
    mixed_capture(path)
    digest = digest_alone(trial, path, "-n", "1")
    words = ("-n", str(_WORKERS), *set_words(*_HELD_UP))
    times: dict[str, float] = {}
    ran = run_words(
        trial.folder,
        words_of(path, trial.folder / "out", *words),
        lambda run: _kill_each(run, times),
    )
    found = judge(ran, digest)
    if found[0][0] != EXACT:
        return found
    told = ", ".join(f"{kind} {1000 * away_s:.0f} ms" for kind, away_s in times.items())
    stages = [away_s for kind, away_s in times.items() if kind != "zygote"]
    if not stages:
        return [("too late", "the run was over")]
    return [("at once" if max(stages) < BOUND_S else "late back", told)]


SCENARIOS = (
    Scenario(
        "return_times",
        "how long a killed process is away, of each kind",
        (
            *WHOLE,
            Outcome("at once", ACCEPTABLE, "every stage is at work again within a second"),
            Outcome("late back", INTERESTING, "a stage took longer: is the machine busy?"),
            Outcome("too late", INTERESTING, "the run was over before anybody was killed"),
        ),
        _try,
    ),
)
