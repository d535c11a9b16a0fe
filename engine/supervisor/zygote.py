"""The zygote: a process that has every kernel loaded and forks the stages from itself.

A stage that had to import and load for itself would take two seconds; forked from here it runs
after 30 ms, and so does its replacement. The zygote opens no ring, starts no thread and compiles
nothing after its first fork. Supervisor and zygote speak JSON, a line a message, over two pipes:

    supervisor -> zygote    {"start": name}   {"kill": name}   {"end": true}
    zygote -> supervisor    {"said": "compiling"}   {"said": "loaded", "seconds": s}
                            {"said": "started", "name": n, "pid": p, "cpu_s": its own until now}
                            {"said": "ended", "name": n, "pid": p, "status": s}
                            {"said": "failed", "error": text}

Told to end it ends, with all its children. Supervisors that die do not say so: then the zygote is
the heir and does what was left to do (Supervisor.inherit), with itself in the nursery's place. One
that is still loading, for a run of which nothing has run, leaves the loading for that.

Stages are tied to the zygote: when it ends they end, unless the supervisor lives (entry.py). Then
that has adopted them, and the next zygote has them as elders: its own they are not, and when the
supervisor dies the kernel kills them.
"""

import contextlib
import os
import resource
import select
import signal
import traceback
from collections.abc import Callable

import msgspec

from engine.errors import EngineError
from engine.rings.plan import RunPlan
from engine.rings.report import ReportLogs
from engine.supervisor.entry import ORPHANED, run_stage_process, signal_at_end_of

_CHUNK_BYTES = 1 << 16


class Lines:
    """What has arrived through a pipe, line by line."""

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self.descriptor = descriptor
        self.closed = False
        self._pending = b""

    def read(self) -> list[dict]:
        """Return the messages that have arrived. Never blocks."""
        while not self.closed:
            try:
                piece = os.read(self.descriptor, _CHUNK_BYTES)
            except BlockingIOError:
                break
            self.closed = not piece
            self._pending += piece
        *lines, self._pending = self._pending.split(b"\n")
        return [msgspec.json.decode(line) for line in lines]


def send_line(descriptor: int, **message) -> bool:
    """Write a message, shorter than what a pipe takes at once; return whether anybody reads it."""
    try:
        os.write(descriptor, msgspec.json.encode(message) + b"\n")
    except BrokenPipeError:
        return False  # Who reads the other pipe hears of the end.
    return True


def cpu_s() -> float:
    """Return the CPU seconds of this process and of its children that have been waited for."""
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


class Zygote:
    """The process itself, after the fork from the supervisor; then the heir's nursery."""

    is_gone = False  # As the other nurseries say it.

    def __init__(
        self,
        plan: RunPlan,
        pipes: tuple[int, int],
        logs: ReportLogs,
        elders: dict[str, tuple[int, int]],
    ) -> None:
        """`pipes`: commands to read, answers to write. `elders`: pid and pidfd of each."""
        self.plan = plan
        self._commands, self._answers = Lines(pipes[0]), pipes[1]
        self._logs = logs
        self._elders = elders
        self._above = os.getppid()
        self._children: dict[int, str] = {}
        self._messages: list[dict] = []
        self.ended: dict[str, dict] = {}  # How each stage ended that has not been started again.
        self._wake = os.pipe()

    def serve(self, orphaned: Callable[[], None]) -> bool:
        """Load, then serve until the supervisor is gone; return whether it did not say so.

        `orphaned` is called when it ends while kernels are loaded.
        """
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        for descriptor in self._wake:
            os.set_blocking(descriptor, False)
        signal.set_wakeup_fd(self._wake[1], warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        if not self._load(orphaned):
            return False
        while not self._commands.closed:
            select.select([self._commands.descriptor, *self.descriptors], [], [])
            for message in self.poll():
                send_line(self._answers, **message)
            for command in self._commands.read():
                if "end" in command:
                    return False
                if "start" in command:
                    self.start(command["start"])
                else:
                    self.kill(command["kill"])
        self._messages.clear()  # Nobody has heard them; they are in `ended` and `children`.
        self._bury_elders()
        return True

    def _bury_elders(self) -> None:
        """Note the ends of those whom the kernel kills with the supervisor, when they are dead."""
        for name, (pid, descriptor) in self._elders.items():
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)  # One that is stopped.
            select.select([descriptor], [], [])
            if name not in self.children and name not in self.ended:
                killed = int(signal.SIGKILL)
                self.ended[name] = {"said": "ended", "name": name, "pid": pid, "status": killed}

    def _load(self, orphaned: Callable[[], None]) -> bool:
        from engine.supervisor.kernels import load_kernels

        def leave(*_) -> None:
            if os.getppid() != self._above:
                orphaned()

        signal.signal(ORPHANED, leave)
        signal_at_end_of(self._above, ORPHANED)
        try:
            seconds = load_kernels(lambda: send_line(self._answers, said="compiling"))
        except EngineError as error:
            send_line(self._answers, said="failed", error=str(error))
            return False
        signal.signal(ORPHANED, lambda *_: None)  # From now on it only wakes us.
        send_line(self._answers, said="loaded", seconds=seconds)
        return True

    @property
    def descriptors(self) -> list[int]:
        """Return what becomes readable when there is something to poll."""
        return [self._wake[0]]

    @property
    def children(self) -> dict[str, int]:
        """Return the pids of the stages that run."""
        return {name: pid for pid, name in self._children.items()}

    def poll(self) -> list[dict]:
        """Return what has happened since the last call: stages that began or ended."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake[0], _CHUNK_BYTES)
        for pid in list(self._children):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                name = self._children.pop(pid)
                self.ended[name] = {"said": "ended", "name": name, "pid": pid, "status": status}
                self._messages.append(self.ended[name])
        messages, self._messages = self._messages, []
        return messages

    def start(self, name: str) -> None:
        """Fork a stage, or its replacement."""
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                signal.set_wakeup_fd(-1)
                for number in (signal.SIGCHLD, ORPHANED):
                    signal.signal(number, signal.SIG_DFL)
                os.close(self._commands.descriptor)
                os.close(self._answers)
                reporter = self._logs.reporter(name)
                code = run_stage_process(self.plan, name, reporter, parent, self._above)
            finally:
                os._exit(code)
        self._children[pid] = name
        self.ended.pop(name, None)
        self._messages.append({"said": "started", "name": name, "pid": pid, "cpu_s": cpu_s()})
        os.write(self._wake[1], b"\0")  # To be told at once.

    def kill(self, name: str) -> None:
        """End a stage's process at once, if it lives."""
        for pid, child in self._children.items():
            if child == name:
                os.kill(pid, signal.SIGKILL)

    def close(self) -> None:
        """End every stage, and wait for it: when the supervisor goes on, nothing is left."""
        for pid in self._children:
            os.kill(pid, signal.SIGKILL)
        for pid in self._children:
            os.waitpid(pid, 0)
        self._children.clear()


def zygote_process(
    zygote: Zygote, inherit: Callable[[Zygote], None], abandon: Callable[[], bool]
) -> None:
    """Be the zygote; never returns.

    `inherit` ends the run of a dead supervisor; `abandon` one of which nothing has run yet, and
    returns whether that was so.
    """
    code = 1

    def leave() -> None:
        if abandon():
            os._exit(0)

    try:
        if zygote.serve(leave):
            inherit(zygote)
        zygote.close()
        code = 0
    except Exception:
        traceback.print_exc()  # Our bug: what a report of it needs.
    finally:
        os._exit(code)
