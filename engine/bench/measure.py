"""Measured runs of commands: what one cost, and what several came to.

Every run is a fresh process on the same given cores, started through watched.py, which counts the
CPU time of everything that the command started.
"""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from engine.errors import ProcessError

_WATCHED = Path(__file__).with_name("watched.py")
_STDOUT_BYTES_MAX = 8 << 20
_GRACE_S = 30.0  # For the watcher to end what it started, beyond the command's own limit.
_END_S = 5.0


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, smallest and largest of the values of several runs."""

    median: float
    low: float
    high: float
    count: int

    def scaled(self, factor: float) -> "Spread":
        """Return the spread of the values times a positive factor."""
        return Spread(self.median * factor, self.low * factor, self.high * factor, self.count)

    def inverse(self, numerator: float) -> "Spread | None":
        """Return the spread of `numerator` divided by each value; None if a value is not above 0.

        With an even number of values the median is that of the values, not of the quotients.
        """
        if self.low <= 0:
            return None
        return Spread(
            numerator / self.median, numerator / self.high, numerator / self.low, self.count
        )


def spread(values: Sequence[float]) -> Spread:
    """Return median, smallest and largest of at least one value."""
    assert values, "a spread needs a value"
    return Spread(statistics.median(values), min(values), max(values), len(values))


@dataclass(frozen=True, slots=True)
class Watched:
    """What a command cost, with all that it started: the object that watched.py writes."""

    exit_code: int
    began_ns: int = 0  # By the clock of the day.
    wall_s: float = 0.0
    user_s: float = 0.0
    system_s: float = 0.0
    resident_bytes_max: int = 0  # Of the largest process.
    switches: int = 0
    late: bool = False  # It was ended: it ran beyond the limit.
    left_over: bool = False  # Processes of it lived on, and were ended.
    stdout: str = field(default="", repr=False)
    stderr: str = ""

    @property
    def cpu_s(self) -> float:
        """Return the CPU seconds of all processes, user and system."""
        return self.user_s + self.system_s

    @property
    def failure(self) -> str | None:
        """Return in one line why the run does not count; None if it does."""
        if self.late:
            return f"took longer than {self.wall_s:.0f} s"
        lines = [line.strip() for line in self.stderr.splitlines() if line.strip()]
        if self.exit_code:
            return f"exit code {self.exit_code}: {lines[-1] if lines else 'no message'}"
        if self.left_over:
            return "left processes behind"
        return None


def run_watched(
    command: Sequence[str],
    cores: Sequence[int],
    limit_s: float,
    environment: dict[str, str] | None = None,
) -> Watched:
    """Run a command on `cores` to its end, or for `limit_s`; return what it cost."""
    task = {
        "command": list(command),
        "cores": list(cores),
        "limit_s": limit_s,
        "stdout_bytes_max": _STDOUT_BYTES_MAX,
    }
    watcher = subprocess.Popen(
        [sys.executable, "-I", "-S", str(_WATCHED)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | (environment or {}),
    )
    try:
        answer, _ = watcher.communicate(json.dumps(task).encode(), limit_s + _GRACE_S)
    except BaseException:
        watcher.terminate()  # It ends the command, and all that the command started.
        watcher.wait(_END_S)
        raise
    if watcher.returncode not in (0, -9) or not answer:
        raise ProcessError(f"{command[0]}: its watcher ended by {watcher.returncode}")
    return Watched(**json.loads(answer))


def as_row(value: Spread | None) -> dict | None:
    """Return a spread as it stands in JSON."""
    return None if value is None else asdict(value)
