"""Which stages are replaced when they die or hang, and how often.

A stage is replaced when its module knows how to recover: a worker takes its last batch back and
goes on (flows/recover.py); the classifier takes its last step back (classifier/transaction.py); the
recorder goes on from its ledger (recorder/ledger.py); capture reads everything again and leaves out
what its rings have had (capture/resume.py), where everything can be read again. The zygote has no
state but what it loads. Killed from outside one may be replaced any number of times. What it cannot
survive is what it is given: one that took nothing and died within a second, or hung, was in vain,
and so was a capture that sent nothing, however long it caught up; after so many of them in a row
the run ends. Not a few: somebody who kills at random often meets one that has only just begun.
"""

import signal
import time
from dataclasses import dataclass

from engine.capture.sources import passing_source
from engine.layouts import DONE
from engine.pipeline import Segments
from engine.rings.plan import RunPlan
from engine.rings.report import ReportLogs
from engine.rings.spsc import HEAD, TAIL
from engine.rings.statistics import stage_of

REPLACED = ("worker", "capture", "classifier", "recorder")
ZYGOTE = "zygote"
IN_VAIN_MAX = 32
HANG_WEIGHT = 8  # One that hung counts for so many: it took process.stall_timeout.
SHORT_S = 1.0
# Reports that a replaced capture tells again, and the fields by which they are the same.
_SAME = {
    "damage": ("source", "offset", "reason"),
    "step": ("source", "offset"),
    "source": ("source",),
    "suppressed": ("kind",),
}


@dataclass(slots=True)
class _Life:
    """A stage's process that has not ended."""

    taken: int = -1  # What its rings said when it began.
    began_s: float = 0.0
    in_vain: int = 0  # Replacements in vain before it.


class Replacements:
    """The replacements of a run; `made` is what run.json says of them."""

    def __init__(self, plan: RunPlan, segments: Segments, logs: ReportLogs) -> None:
        self._logs = logs
        self._on = plan.config.process.replace
        self._passing = passing_source(plan.files)
        self._segments = segments
        self._statistics = segments.statistics
        self._lives: dict[str, _Life] = {}
        self._hung: set[str] = set()
        self.made: list[dict] = []

    def began_ns(self, name: str) -> int:
        """Return when the process was started, if it is a replacement; else 0."""
        life = self._lives.get(name)
        return int(life.began_s * 1e9) if life else 0

    def is_told_hung(self, name: str) -> bool:
        """Return whether a process that hangs was killed, and its end is awaited."""
        return name in self._hung

    def tell_hung(self, name: str) -> bool:
        """Note that a process hangs; return whether it is to be killed and replaced."""
        if not self._may(name):
            return False
        self._hung.add(name)
        return True

    def grant(self, name: str, pid: int, number: int) -> bool:
        """Count a death by signal; return whether the process is to be replaced now."""
        hung = name in self._hung
        self._hung.discard(name)
        # A file that became shorter is shorter for a replacement too.
        if not self._may(name) or number == signal.SIGBUS:
            return False
        life = self._lives.get(name, _Life())
        taken, now_s = self._taken(name), time.monotonic()
        is_short = now_s - life.began_s < SHORT_S or name == "capture"
        in_vain = taken == life.taken and (hung or is_short)
        count = life.in_vain + (HANG_WEIGHT if hung else 1) if in_vain else 0
        self._lives[name] = _Life(taken, now_s, count)
        if count >= IN_VAIN_MAX:
            return False
        self._logs.reporter(name).send(
            "replaced",
            pid=pid,
            signal=signal.Signals(number).name,
            hung=hung,
            time_ns=time.time_ns(),
        )
        return True

    def note(self, report: dict) -> None:
        """Keep a report on replacements: who was replaced, and how many packets were taken back."""
        if report["report"] == "replaced":
            if any(_same_process(made, report) for made in self.made):
                return  # The heir has found again what the supervisor had found.
            names = ("process", "pid", "signal", "hung", "time_ns")
            self.made.append({name: report[name] for name in names} | {"packets_taken_back": 0})
        elif report["report"] == "recovered":
            for made in reversed(self.made):
                if made["process"] == report["process"]:
                    made["packets_taken_back"] += report["packets"]
                    return

    def is_in_vain(self, name: str) -> bool:
        """Return whether so many replacements in a row were in vain that there is no other."""
        return name in self._lives and self._lives[name].in_vain >= IN_VAIN_MAX

    def why_not(self, name: str) -> str:
        """Return why a stage that could be replaced is not, as a clause; empty if it could not."""
        if self._on and self._is_passing(name):
            return f"; {self._passing!r} can be read only once, so it is not replaced"
        return ""

    def _is_passing(self, name: str) -> bool:
        """Return whether what capture took out of a pipe would be lost."""
        if self._passing is None or name != "capture":
            return False
        line = self._statistics.process("capture")
        return bool(line["pid"]) and line["state"] != DONE

    def _may(self, name: str) -> bool:
        return self._on and not self._is_passing(name) and stage_of(name) in (*REPLACED, ZYGOTE)

    def _taken(self, name: str) -> int:
        """Return a number that grows whenever the stage takes or sends something."""
        rings = self._segments.rings
        if name == ZYGOTE:
            # Plain: whether they have moved is all that counts.
            return sum(int(ring.header[HEAD] + ring.header[TAIL]) for ring in rings.values())
        if name == "capture":
            # Plain: words of a process that is dead.
            return sum(
                int(ring.header[TAIL]) for (kind, _), ring in rings.items() if kind == "packets"
            )
        if name == "recorder":
            return int(rings["rows", None].header[HEAD])  # Plain: its writer is dead.
        if name == "classifier":
            # Plain: likewise.
            return sum(
                int(ring.header[HEAD]) for (kind, _), ring in rings.items() if kind == "events"
            )
        worker = int(name.partition(".")[2])
        head = int(rings["packets", worker].header[HEAD])  # Plain: its writer is dead.
        return head + int(rings["events", worker].header[TAIL])  # Plain: likewise.


def _same_process(one: dict, other: dict) -> bool:
    return (one["process"], one["pid"]) == (other["process"], other["pid"])


class Told:
    """What was told. A capture that replaces another reads everything again, and tells it again."""

    def __init__(self) -> None:
        self.reports: list[dict] = []
        self._places: dict[tuple, int] = {}

    def take(self, report: dict) -> bool:
        """Keep a report, in the place of one that is the same; return whether there was none.

        The later one is right: a capture that was told to stop may have counted less than the one
        that had to go on until its workers had the end.
        """
        fields = _SAME.get(report["report"])
        if fields is not None:
            key = (report["report"], *(report[name] for name in fields))
            at = self._places.setdefault(key, len(self.reports))
            if at < len(self.reports):
                self.reports[at] = report
                return False
        self.reports.append(report)
        return True
