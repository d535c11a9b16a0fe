"""A run from its first segment to its last: start the stages, watch them, end them, say what
happened.

    make segments -> start zygote -> kernels loaded -> start stages -> watch -> all ended -> unlink

Whatever happens, the segments are unlinked: by the run itself, or, after kill -9 of it, by the next
(segments whose locks nobody holds belong to dead runs).

First INT, TERM or HUP: capture stops reading, everything drains, every flow becomes a record, exit
0. Second INT, or one while kernels are being compiled: processes are killed at once, exit 130. A
stage that is killed or falls silent is replaced where it can be (replacements.py); else it ends the
run with exit 4 and a message that says which, and what of its work is lost.
"""

import os
import select
import signal
import time
from dataclasses import dataclass, field, replace

from engine.errors import ProcessError, SegmentError
from engine.flows.witness import outside_of_table
from engine.layouts import DONE, DRAIN, LEAVE, RUN, RUNNING
from engine.pipeline import Segments
from engine.recorder.run_json import Process, process_facts
from engine.rings.plan import RunPlan
from engine.rings.report import ReportReader
from engine.rings.segment import find_segments
from engine.rings.statistics import Statistics, process_names, stage_of
from engine.supervisor.losses import what_all_lose, what_is_lost
from engine.supervisor.nursery import make_nursery
from engine.supervisor.replacements import REPLACED, Replacements, Told
from engine.supervisor.zygote import cpu_s

POLL_S = 0.05
BLIND_NS = 500_000_000  # Not having looked for so long means that we were stopped ourselves.
LEAVE_S = 2.0  # Given to stages that are told to leave, before they are killed.
INTERRUPTED = 130
DIED = 4


@dataclass(slots=True)
class Outcome:
    """How a run ended. `counters` are sums by stage; times in seconds."""

    exit_code: int = 0
    errors: list[str] = field(default_factory=list)
    reports: list[dict] = field(default_factory=list)
    replacements: list[dict] = field(default_factory=list)
    counters: dict[str, dict[str, int]] = field(default_factory=dict)
    processes: dict[str, Process] = field(default_factory=dict)
    started_ns: int = 0
    ended_ns: int = 0
    ready_ns: int = 0  # When all stages ran, by the clock of started_ns; 0: they never did.
    start_s: float = 0.0  # From the start until the stages ran.
    wall_s: float = 0.0  # From then until the last stage ended.
    cpu_s: float = 0.0  # Of all processes from ready to done, run.json too: what packets cost.
    start_cpu_s: float = 0.0  # Of all processes until they were ready.
    compiled: bool = False

    def summary_of(self, process: str) -> dict:
        """Return what a stage reported at its end; empty if it did not come to it."""
        for report in self.reports:
            if report["report"] == "finished" and report["process"] == process:
                return report["summary"]
        return {}


class Supervisor:
    """A run in progress. `observer` is shown what happens: see progress.py."""

    def __init__(self, plan: RunPlan, observer, arena: bool) -> None:
        self._plan = plan
        self._observer = observer
        self._arena = arena
        self._outcome = Outcome(started_ns=time.time_ns())
        self._names = process_names(plan.workers)
        self._alive: dict[str, int] = {}
        self._interrupts = 0
        self._begin = time.monotonic()
        self._own_start_cpu_s = self._zygote_start_cpu_s = 0.0
        self._looked_ns = self._looking_since_ns = time.monotonic_ns()
        self._readers: dict[str, ReportReader] = {}
        self._told = Told()
        self._outcome.reports = self._told.reports
        self._writers: dict[str, int] = {}
        self._nursery = None
        self._replacements: Replacements | None = None
        self.segments: Segments | None = None
        self.statistics: Statistics | None = None

    def run(self) -> Outcome:
        """Run to the end and return how it was; the segments are gone then.

        SegmentError if there is no room for them: then nothing was started.
        """
        before = self._take_signals()  # First of all: from here on none may end us by itself.
        try:
            find_segments(remove_stale=True)
            self.segments = self._make_segments()
            self._plan = replace(self._plan, state_path=self.segments.state_path)
            try:
                self._begin_run()
                self._watch()
            except ProcessError as error:
                self._fail(f"{error}; {what_all_lose(self.statistics)}", error.exit_code)
            finally:
                self._finish()
        finally:
            for number, action in before.items():
                signal.signal(number, action)
        return self._outcome

    def _make_segments(self) -> Segments:
        try:
            return Segments(self._plan, self._arena)
        except OSError as error:
            raise SegmentError(f"cannot make shared memory: {error}") from None

    def _take_signals(self) -> dict:
        """Have the signals that end a run come to us; a HUP that nohup turned off stays off."""
        numbers = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            numbers.append(signal.SIGHUP)
        return {number: signal.signal(number, self._interrupted) for number in numbers}

    def _begin_run(self) -> None:
        self.statistics = self.segments.statistics
        self._replacements = Replacements(self._plan, self.segments)
        self._outcome.replacements = self._replacements.made
        if all(file.bytes or file.mapped for file in self._plan.files):
            self.statistics["source_bytes"] = sum(file.bytes for file in self._plan.files)
        self.statistics["sources"] = len(self._plan.files)
        if self._interrupts:  # While memory was being reserved.
            self.statistics["stop"] = DRAIN
        for name in self._names:
            reading, self._writers[name] = os.pipe()
            self._readers[name] = ReportReader(reading)
        self._nursery = make_nursery(self._plan, self._writers, self._note_compiling)

    def _interrupted(self, number: int, frame) -> None:
        self._interrupts += 1
        if self.statistics is None:
            return  # _begin_run sees that it came.
        if self.statistics.stop == RUN and not self._is_compiling:
            self.statistics["stop"] = DRAIN
        elif number == signal.SIGINT or self._is_compiling:
            self._leave_at_once()

    def _leave_at_once(self) -> None:
        self.statistics["stop"] = LEAVE
        self._outcome.exit_code = INTERRUPTED

    @property
    def _is_compiling(self) -> bool:
        return self._outcome.compiled and not self._alive

    def _watch(self) -> None:
        """Serve until every stage has ended, or the run is to be left."""
        started = False
        while self._alive or not started:
            ready = [reader.descriptor for reader in self._readers.values() if not reader.closed]
            select.select(ready + self._nursery.descriptors, [], [], POLL_S)
            self._read_reports()
            for message in self._nursery.poll():
                started |= message["said"] == "loaded"
                self._take(message)
            if self.statistics.stop == LEAVE or self._outcome.errors:
                return
            self._check_heartbeats()
            self._observer.tick(self.statistics, self._interrupts)

    def _take(self, message: dict) -> None:
        """Act on what the nursery says."""
        said = message["said"]
        if said == "compiling":
            self._note_compiling()
        elif said == "failed":
            self._fail(message["error"], 1)
        elif said == "loaded":
            for name in reversed(self._names):  # Readers first: nobody waits for a late one.
                self._nursery.start(name)
                self._alive[name] = 0
        elif said == "started":
            self._alive[message["name"]] = message["pid"]
            self._zygote_start_cpu_s = message["cpu_s"]
        else:
            self._bury(message["name"], message["pid"], message["status"])

    def _note_compiling(self) -> None:
        self._outcome.compiled = True
        if self._interrupts:
            self._leave_at_once()

    def _bury(self, name: str, pid: int, status: int) -> None:
        """Take note that a stage's process has ended; it is a failure unless it was done."""
        self._read_reports()
        self._readers[name].forget_partial()
        self._alive.pop(name, None)
        if self.statistics.stop == LEAVE:
            return  # As it was told to, whatever it was doing.
        if status == 0 and self.statistics.process(name)["state"] == DONE:
            return
        if os.WIFSIGNALED(status) and self._is_replaced(name, pid, os.WTERMSIG(status)):
            return
        failed = [r for r in self._outcome.reports if r["report"] == "failed"]
        for report in failed:
            if report["process"] == name:
                self._fail(f"{name}: {report['error']}", report["exit_code"])
                return
        how = f"exit code {os.waitstatus_to_exitcode(status)}"
        if os.WIFSIGNALED(status):
            number = os.WTERMSIG(status)
            how = signal.Signals(number).name
            if number == signal.SIGBUS:
                how += ": a capture file became shorter while it was read"
        how += self._replacements.why_not(name)
        if self._replacements.is_in_vain(name):
            how += ", as one replacement after the other that took nothing"
        lost = what_is_lost(self.segments, self.statistics, name)
        self._fail(f"{name} (pid {pid}) ended by {how}; {lost}", DIED)

    def _is_replaced(self, name: str, pid: int, number: int) -> bool:
        """Replace a stage that was killed, if it may be; return whether all is well."""
        if self._was_done(name):
            return True
        if not self._replacements.grant(name, pid, number):
            return False
        self._observer.tell(
            f"{name} (pid {pid}) ended by {signal.Signals(number).name}; it is replaced"
        )
        self._nursery.start(name)
        self._alive[name] = 0
        return True

    def _was_done(self, name: str) -> bool:
        """Return whether a dead process had done all that it had to do, and published it."""
        if stage_of(name) not in REPLACED or self.statistics.process(name)["state"] != DONE:
            return False
        # At the end of its ring the recorder's files are not whole, the digest is not told.
        return name not in ("recorder", "classifier") or bool(self._outcome.summary_of(name))

    def _check_heartbeats(self) -> None:
        """Fail the run if a stage has been silent for too long, as far as we were looking.

        Stopped as a whole (Ctrl-Z) and continued, a run is not hung.
        """
        limit_ns = self._plan.config.process.stall_timeout
        now = time.monotonic_ns()
        if now - self._looked_ns > BLIND_NS:
            self._looking_since_ns = now
        self._looked_ns = now
        for name in self._alive:
            line = self.statistics.process(name)
            began_ns = self._replacements.began_ns(name)
            silent_since_ns = max(line["heartbeat_ns"], self._looking_since_ns, began_ns)
            if line["state"] == RUNNING and now - silent_since_ns > limit_ns:
                if self._replacements.is_told_hung(name) or self._replacements.tell_hung(name):
                    self._nursery.kill(name)
                    continue
                lost = what_is_lost(self.segments, self.statistics, name)
                self._fail(
                    f"{name} (pid {line['pid']}) has not answered for {limit_ns / 1e9:g} s "
                    f"(process.stall_timeout); {lost}",
                    DIED,
                )
                return

    def _read_reports(self) -> None:
        for reader in self._readers.values():
            for report in reader.read():
                if not self._told.take(report):
                    continue
                self._observer.report(report)
                if report["report"] == "ready":
                    self._note_ready()
                elif report["report"] == "recovered":
                    self._replacements.recovered(report["process"], report["packets"])

    def _note_ready(self) -> None:
        ready = {r["process"] for r in self._outcome.reports if r["report"] == "ready"}
        if len(ready) == len(self._names) and not self._outcome.ready_ns:
            self._outcome.start_s = time.monotonic() - self._begin
            self._outcome.ready_ns = time.time_ns()
            self._own_start_cpu_s = cpu_s()
            self.statistics["phase"] = 1

    def _fail(self, error: str, exit_code: int) -> None:
        self._outcome.errors.append(error)
        self._outcome.exit_code = self._outcome.exit_code or exit_code

    def _finish(self) -> None:
        """End what still lives, collect, unlink."""
        outcome = self._outcome
        ran = time.monotonic() - self._begin - outcome.start_s if outcome.ready_ns else 0.0
        own_cpu_s = cpu_s()
        self._leave()
        self._read_reports()
        self._compare_tables()
        self.statistics["phase"] = 2
        outcome.wall_s = ran
        outcome.ended_ns = time.time_ns()
        outcome.counters = self.statistics.totals()
        outcome.processes = process_facts(self.statistics)
        self._sum_cpu(own_cpu_s)
        for reader in self._readers.values():
            os.close(reader.descriptor)
        for descriptor in self._writers.values():
            os.close(descriptor)
        self.segments.unlink()

    def _compare_tables(self) -> None:
        """Fail a run that ended well but for what workers counted outside of their tables."""
        if self._outcome.exit_code:
            return
        for number, table in enumerate(self.segments.tables):
            line = self.statistics.process(f"worker.{number}")
            for text in outside_of_table(line.name, line.values(), table.words):
                self._fail(text, DIED)

    def _sum_cpu(self, own_cpu_s: float) -> None:
        """Part the CPU time of all: until each was ready, and from then until it was done.

        What follows, giving memory back, is in neither: it costs the same for one packet. The
        zygote sleeps while stages run.
        """
        lines = self.statistics.processes()
        start_ns = sum(line["start_cpu_ns"] for line in lines)
        self._outcome.start_cpu_s = (
            self._own_start_cpu_s + self._zygote_start_cpu_s + start_ns / 1e9
        )
        stages_ns = sum(line["cpu_ns"] for line in lines) - start_ns
        self._outcome.cpu_s = stages_ns / 1e9 + max(0.0, own_cpu_s - self._own_start_cpu_s)

    def _leave(self) -> None:
        """Tell whoever lives to leave; kill who does not."""
        if self._nursery is None:
            return
        try:
            if self._alive:
                self.statistics["stop"] = LEAVE
                limit = time.monotonic() + (0 if self._interrupts > 1 else LEAVE_S)
                while self._alive and time.monotonic() < limit:
                    for message in self._nursery.poll():
                        if message["said"] == "ended":
                            self._alive.pop(message["name"], None)
                    self._read_reports()
                    time.sleep(POLL_S / 5)
                for name in self._alive:
                    self._nursery.kill(name)
        except ProcessError:
            pass  # The zygote is gone, and with it its children.
        self._nursery.close()
