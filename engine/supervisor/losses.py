"""How a process died, what is lost by it, and whether the others do anything: from exit status,
counters and rings.
"""

import os
import signal
import time

from engine.pipeline import Segments
from engine.rings.spsc import HEAD, TAIL
from engine.rings.statistics import Statistics, stage_of


def what_is_lost(segments: Segments, statistics: Statistics, name: str) -> str:
    """Return a sentence on the work of process `name` that will not be finished."""
    stage = stage_of(name)
    if stage == "capture":
        read = statistics.process(name).values()["read"]
        return f"{read:,} packets had been read, what follows them was not"
    if stage == "worker":
        number = int(name.partition(".")[2])
        waiting = segments.rings["packets", number].used
        live = statistics.process(name)["live"]
        return (
            f"{waiting:,} records in its packet ring and {live:,} live flows of its table "
            f"are not reported"
        )
    if stage == "classifier":
        waiting = sum(ring.used for (kind, _), ring in segments.rings.items() if kind == "events")
        return f"{waiting:,} slots of events were not merged, and what workers still hold"
    waiting = segments.rings["rows", None].used
    return f"{waiting:,} rows were not written, and what comes before them"


def what_all_lose(statistics: Statistics) -> str:
    """Return a clause on what is lost when all stages end at once."""
    live = sum(line["live"] for line in statistics.processes())
    return f"{live:,} live flows of all tables are not reported"


def how_it_ended(status: int) -> str:
    """Return what ended a process, from its status as waitpid has it."""
    if not os.WIFSIGNALED(status):
        return f"exit code {os.waitstatus_to_exitcode(status)}"
    number = os.WTERMSIG(status)
    if number == signal.SIGBUS:
        return "SIGBUS: a capture file became shorter while it was read"
    return signal.Signals(number).name


class Stillness:
    """How long nothing has moved in the rings of a run."""

    def __init__(self, segments: Segments) -> None:
        self._segments = segments
        self._seen: list[int] = []
        self._since_ns = time.monotonic_ns()

    def lasts_ns(self) -> int:
        """Return for how long; call it again and again."""
        rings = self._segments.rings.values()
        # Plain: whether they change is all that counts.
        seen = [int(ring.header[word]) for ring in rings for word in (HEAD, TAIL)]
        now_ns = time.monotonic_ns()
        if seen != self._seen:
            self._seen, self._since_ns = seen, now_ns
        return now_ns - self._since_ns
