"""Which stages are replaced when they die or hang, and how often.

A stage is replaced when its module knows how to recover: a worker takes its last batch back and
goes on (flows/recover.py). Killed from outside it may be replaced any number of times. What it
cannot survive is what it is given: a replacement that took nothing and died within a second, or
hung, was in vain, and after so many of them in a row the run ends. Not a few: somebody who kills at
random often meets one that has only just begun.
"""

import signal
import time
from dataclasses import dataclass

from engine.pipeline import Segments
from engine.rings.plan import RunPlan
from engine.rings.spsc import HEAD, TAIL
from engine.rings.statistics import stage_of

REPLACED = ("worker",)
IN_VAIN_MAX = 32
HANG_WEIGHT = 8  # One that hung counts for so many: it took process.stall_timeout.
SHORT_S = 1.0


@dataclass(slots=True)
class _Life:
    """A stage's process that has not ended."""

    taken: int = -1  # What its rings said when it began.
    began_s: float = 0.0
    in_vain: int = 0  # Replacements in vain before it.


class Replacements:
    """The replacements of a run; `made` is what run.json says of them."""

    def __init__(self, plan: RunPlan, segments: Segments) -> None:
        self._on = plan.config.process.replace
        self._segments = segments
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
        """Count a death by signal; return whether the stage is to be replaced now."""
        hung = name in self._hung
        self._hung.discard(name)
        # A file that became shorter is shorter for a replacement too.
        if not self._may(name) or number == signal.SIGBUS:
            return False
        life = self._lives.get(name, _Life())
        taken, now_s = self._taken(name), time.monotonic()
        in_vain = taken == life.taken and (hung or now_s - life.began_s < SHORT_S)
        count = life.in_vain + (HANG_WEIGHT if hung else 1) if in_vain else 0
        self._lives[name] = _Life(taken, now_s, count)
        if count >= IN_VAIN_MAX:
            return False
        self.made.append(
            {
                "process": name,
                "pid": pid,
                "signal": signal.Signals(number).name,
                "hung": hung,
                "time_ns": time.time_ns(),
                "packets_taken_back": 0,
            }
        )
        return True

    def recovered(self, name: str, packets: int) -> None:
        """Note how many packets a replacement took back."""
        for made in reversed(self.made):
            if made["process"] == name:
                made["packets_taken_back"] += packets
                return

    def is_in_vain(self, name: str) -> bool:
        """Return whether so many replacements in a row were in vain that there is no other."""
        return name in self._lives and self._lives[name].in_vain >= IN_VAIN_MAX

    def _may(self, name: str) -> bool:
        return self._on and stage_of(name) in REPLACED

    def _taken(self, name: str) -> int:
        """Return a number that grows whenever a worker takes or sends something."""
        worker = int(name.partition(".")[2])
        rings = self._segments.rings
        head = int(rings["packets", worker].header[HEAD])  # Plain: its writer is dead.
        return head + int(rings["events", worker].header[TAIL])  # Plain: likewise.
