"""What a person sees while a run goes on: a bar on a terminal, plain lines elsewhere, nothing with
--json.

Everything goes to standard error; standard output belongs to alerts.
"""

import sys
import time

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from engine.errors import EngineError
from engine.events import REPORTS
from engine.recorder.escape import shown_text
from engine.rings.statistics import Statistics

REFRESH_S = 0.2
PLAIN_S = 10.0
NO_CAPTURE = "no_capture"  # How the reason of such damage begins.
DAMAGE_LINES_MAX = 20  # Shown while it runs; run.json has them all.


def is_no_capture(report: dict) -> bool:
    """Return whether a report is of a file that is no capture at all."""
    return report["report"] == "damage" and report["reason"].startswith(NO_CAPTURE)


class Silent:
    """Shows nothing but errors."""

    def report(self, report: dict) -> None:
        """A stage has reported something."""

    def tell(self, text: str) -> None:
        """Something has happened that did not end the run."""

    def tick(self, statistics: Statistics, interrupts: int) -> None:
        """Time has passed."""

    def close(self) -> None:
        """The run is over."""


class Shown(Silent):
    """Shows progress, damage and what is being waited for."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._live = self._console.is_terminal
        self._progress = self._make_bar() if self._live else None
        self._task = None
        self._begin = 0.0  # When the stages began to run.
        self._next = 0.0
        self._damage = 0
        self._draining = False

    def _make_bar(self) -> Progress:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[done]}"),
            TextColumn("{task.fields[counts]}"),
            TimeRemainingColumn(),
        )
        return Progress(*columns, console=self._console, auto_refresh=False, transient=True)

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False)

    def report(self, report: dict) -> None:
        """Say what is damaged, as long as it is few; files that are no captures are summed up."""
        if report["report"] not in ("damage", "suppressed") or is_no_capture(report):
            return
        self._damage += 1
        if self._damage <= DAMAGE_LINES_MAX:
            values = {
                name: shown_text(value) if isinstance(value, str) else value
                for name, value in report.items()
            }
            self._say("damaged: " + REPORTS[report["report"]].text.format(**values))
        elif self._damage == DAMAGE_LINES_MAX + 1:
            self._say("further damage is not shown here; run.json has it (-w DIR)")

    def tell(self, text: str) -> None:
        """Say it, a line."""
        self._say(text)

    def tick(self, statistics: Statistics, interrupts: int) -> None:
        """Bring the display up to date, if it is time."""
        if interrupts and not self._draining:
            self._draining = True
            self._say("stopping: flows are flushed (again to stop at once)")
        now = time.monotonic()
        if now < self._next or not statistics["phase"]:
            return
        if not self._begin:
            self._begin = now
            self._next = now + (0.0 if self._live else PLAIN_S)
            return
        self._next = now + (REFRESH_S if self._live else PLAIN_S)
        totals = statistics.totals()
        read = totals["capture"]["read"]
        flows = totals["worker"]["flows"]
        rate = read / max(now - self._begin, 1e-9)
        alerts = totals["classifier"]["alerts"]
        counts = f"{read:,} packets  {rate:,.0f}/s  {flows:,} flows  {alerts:,} alerts"
        if not self._live:
            self._say(counts)
            return
        total = statistics["source_bytes"] or None
        done = statistics.process("capture")["progress"]
        if self._task is None:
            self._progress.start()
            self._task = self._progress.add_task("reading", total=total, done="", counts="")
        share = f"{100 * done / total:3.0f}%" if total else "  -"
        self._progress.update(self._task, completed=done, done=share, counts=counts)
        self._progress.refresh()

    def close(self) -> None:
        """Take the bar away."""
        if self._task is not None:
            self._progress.stop()


def show_error(error: EngineError | str) -> None:
    """Write an error for a person, escaped."""
    print(f"engine: {shown_text(str(error))}", file=sys.stderr, flush=True)
