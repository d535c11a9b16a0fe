"""A run from its first segment to its last: start the stages, watch them, end them, say what
happened.

    make segments -> start zygote -> kernels loaded -> start stages -> watch -> all ended -> unlink

Whatever happens, the segments are unlinked: by the run itself; after kill -9 of the supervisor by
the zygote, its heir; after kill -9 of both by the next run (nobody holds their locks).

First INT, TERM or HUP: capture stops reading, everything drains, every flow becomes a record, exit
0. Second INT, or one while kernels are being compiled: processes are killed at once, exit 130. A
stage that is killed or falls silent is replaced where it can be (replacements.py); else it ends the
run with exit 4 and a message that says which, and what of its work is lost.
"""

import os
import select
import signal
import time
from collections.abc import Callable
from dataclasses import replace

from engine.errors import SegmentError
from engine.flows.witness import outside_of_table
from engine.layouts import DONE, DRAIN, LEAVE, RUN, RUNNING, STARTING
from engine.pipeline import Segments
from engine.recorder.run_json import process_facts
from engine.rings.plan import RunPlan
from engine.rings.report import ReportLogs
from engine.rings.segment import find_segments
from engine.rings.statistics import Statistics, process_names, stage_of
from engine.supervisor.losses import Stillness, how_it_ended, what_all_lose, what_is_lost
from engine.supervisor.nursery import make_nursery
from engine.supervisor.outcome import Outcome
from engine.supervisor.progress import Silent
from engine.supervisor.replacements import REPLACED, ZYGOTE, Replacements, Told
from engine.supervisor.zygote import Zygote, cpu_s

POLL_S = 0.05
BLIND_NS = 500_000_000  # Not having looked for so long means that we were stopped ourselves.
LEAVE_S = 2.0  # Given to stages that are told to leave, before they are killed.
INTERRUPTED = 130
DIED = 4


class Supervisor:
    """A run in progress. `observer` is shown what happens: see progress.py.

    `write_down` is called with the plan and the outcome by the heir of a supervisor that died.
    """

    def __init__(
        self, plan: RunPlan, observer, arena: bool, write_down: Callable[[RunPlan, Outcome], None]
    ) -> None:
        self._plan = plan
        self._observer = observer
        self._arena = arena
        self._write_down = write_down
        self._outcome = Outcome(started_ns=time.time_ns())
        self._names = process_names(plan.workers)
        self._alive: dict[str, int] = {}
        self._interrupts = 0
        self._begin = time.monotonic()
        self._own_start_cpu_s = self._zygote_start_cpu_s = 0.0
        self._looked_ns = self._looking_since_ns = time.monotonic_ns()
        self._logs = ReportLogs((*self._names, ZYGOTE))
        self._told = Told()
        self._outcome.reports = self._told.reports
        self._loaded = False  # Kernels have been, so every stage has been started once.
        self._still: Stillness | None = None  # Of the run of a dead supervisor.
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
            finally:
                self._finish()
        finally:
            for number, action in before.items():
                signal.signal(number, action)
        return self._outcome

    def close(self) -> None:
        """Let the zygote go: run.json is written, so nobody has to do it if we die."""
        if self._nursery is not None:
            self._nursery.close()
        self._logs.close()

    def inherit(self, zygote: Zygote) -> None:
        """Do what is left to do, in the zygote: we are what the supervisor was when it forked it.

        Capture reads no further, everything drains; who died is replaced.
        """
        self._observer, self._nursery = Silent(), zygote
        self._outcome.orphaned = self._loaded = True
        self._still = Stillness(self.segments)
        self._plan = zygote.plan = replace(self._plan, state_path=self.segments.state_path)
        if self.statistics.stop == RUN:
            self.statistics["stop"] = DRAIN
        elif self.statistics.stop == LEAVE:
            self._fail("the supervisor was killed while the run was being left", DIED)
        self._looked_ns = self._looking_since_ns = time.monotonic_ns()
        try:
            self._read_reports()
            self._alive = zygote.children
            for name in reversed(self._names):
                if name in zygote.ended:
                    self._take(zygote.ended[name])
                elif name not in self._alive and not self._was_done(name):
                    self._start(name)
            self._watch()
        finally:
            self._finish()
        self._write_down(self._plan, self._outcome)

    def abandon(self) -> bool:
        """End a run of a dead supervisor of which nothing has run; return whether it is one."""
        if any(line["pid"] for line in self.statistics.processes()):
            return False
        self._outcome.orphaned = True
        self._fail("the supervisor was killed before anything was read", DIED)
        self._finish()
        self._write_down(self._plan, self._outcome)
        return True

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
        self._replacements = Replacements(self._plan, self.segments, self._logs)
        self._outcome.replacements = self._replacements.made
        if all(file.bytes or file.mapped for file in self._plan.files):
            self.statistics["source_bytes"] = sum(file.bytes for file in self._plan.files)
        self.statistics["sources"] = len(self._plan.files)
        if self._interrupts:  # While memory was being reserved.
            self.statistics["stop"] = DRAIN
        heir = (self.inherit, self.abandon)
        self._nursery = make_nursery(self._plan, self._logs, self._note_compiling, heir)

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
        while self._alive or not self._loaded:
            select.select([self._logs.wake, *self._nursery.descriptors], [], [], POLL_S)
            self._read_reports()
            for message in self._nursery.poll():
                self._take(message)
            if self.statistics.stop == LEAVE or self._outcome.errors:
                return
            if self._still and self._is_stuck():
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
            # Readers first: nobody waits for a late one. Of another zygote: they are started.
            for name in () if self._loaded else reversed(self._names):
                self._start(name)
            self._loaded = True
        elif said == "started":
            self._alive[message["name"]] = message["pid"]
            self._zygote_start_cpu_s = message["cpu_s"]
        elif said == "zygote":
            self._bury_zygote(message["pid"], message["status"])
        else:
            self._bury(message["name"], message["pid"], message["status"])

    def _start(self, name: str) -> None:
        self._nursery.start(name)
        self._alive[name] = 0

    def _bury_zygote(self, pid: int, status: int) -> None:
        """Take note that the zygote has ended; replace it if it may be. The stages go on."""
        if self.statistics.stop == LEAVE or self._outcome.errors:
            return
        text = f"the zygote (pid {pid}) ended by {how_it_ended(status)}"
        is_killed = os.WIFSIGNALED(status)
        if is_killed and self._replacements.grant(ZYGOTE, pid, os.WTERMSIG(status)):
            self._observer.tell(f"{text}; it is replaced")
            self._nursery.renew()
            return
        self._fail(f"{text}; {what_all_lose(self.statistics)}", DIED)

    def _note_compiling(self) -> None:
        self._outcome.compiled = True
        if self._interrupts:
            self._leave_at_once()

    def _bury(self, name: str, pid: int, status: int) -> None:
        """Take note that a stage's process has ended; it is a failure unless it was done."""
        self._read_reports()
        self._logs.forget_partial(name)
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
        how = how_it_ended(status) + self._replacements.why_not(name)
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
        self._start(name)
        return True

    def _was_done(self, name: str) -> bool:
        """Return whether a dead process had done all that it had to do, and published it."""
        if stage_of(name) not in REPLACED or self.statistics.process(name)["state"] != DONE:
            return False
        # At the end of its ring the recorder's files are not whole, the digest is not told.
        return name not in ("recorder", "classifier") or bool(self._outcome.summary_of(name))

    def _is_stuck(self) -> bool:
        """Fail the run of a dead supervisor if it does not come to its end; nobody could stop it.

        What stands still, as behind a pipe that nobody reads, may do so for the stall timeout.
        """
        if self._still.lasts_ns() < self._plan.config.process.stall_timeout:
            return False
        self._fail("the supervisor was killed, and the run does not come to its end", DIED)
        return True

    def _check_heartbeats(self) -> None:
        """Fail the run if a stage has been silent for too long, as far as we were looking.

        Stopped as a whole (Ctrl-Z) and continued, a run is not hung.
        """
        limit_ns = self._plan.config.process.stall_timeout
        now = time.monotonic_ns()
        if now - self._looked_ns > BLIND_NS:
            self._looking_since_ns = now
        self._looked_ns = now
        for name in (name for name, pid in self._alive.items() if pid):
            line = self.statistics.process(name)
            began_ns = self._replacements.began_ns(name)
            silent_since_ns = max(line["heartbeat_ns"], self._looking_since_ns, began_ns)
            if line["state"] in (STARTING, RUNNING) and now - silent_since_ns > limit_ns:
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
        for report in self._logs.read():
            if not self._told.take(report):
                continue
            self._observer.report(report)
            self._replacements.note(report)
            if report["report"] == "ready":
                self._note_ready()

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
        """Tell whoever lives to leave; kill who does not. No stage is left."""
        if self._nursery is None:
            return
        if self._alive:
            self.statistics["stop"] = LEAVE
            self._await_ends(0 if self._interrupts > 1 else LEAVE_S)
            for name in self._alive:
                self._nursery.kill(name)
            self._await_ends(LEAVE_S)
        if self._alive:
            self._nursery.close()  # A zygote that does not answer; they end with it.

    def _await_ends(self, seconds: float) -> None:
        limit = time.monotonic() + seconds
        while self._alive and not self._nursery.is_gone and time.monotonic() < limit:
            for message in self._nursery.poll():
                if message["said"] == "ended":
                    self._alive.pop(message["name"], None)
            self._read_reports()
            time.sleep(POLL_S / 5)
        if self._nursery.is_gone:
            self._alive.clear()
