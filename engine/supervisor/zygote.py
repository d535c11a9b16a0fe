"""The zygote: a process that has every kernel loaded and forks the stages from itself.

A stage that had to import and load for itself would take two seconds; forked from here it runs
after 30 ms, and so does its replacement. The zygote opens no ring, starts no thread and compiles
nothing after its first fork. Supervisor and zygote speak JSON, a line a message, over two pipes:

    supervisor -> zygote    {"start": name}   {"kill": name}
    zygote -> supervisor    {"said": "compiling"}   {"said": "loaded", "seconds": s}
                            {"said": "started", "name": n, "pid": p, "cpu_s": its own until now}
                            {"said": "ended", "name": n, "pid": p, "status": s}
                            {"said": "failed", "error": text}

It ends, with all its children, when the supervisor closes its pipe or dies.
"""

import contextlib
import os
import resource
import select
import signal

import msgspec

from engine.errors import EngineError
from engine.rings.plan import RunPlan
from engine.supervisor.entry import die_with, run_stage_process

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


def send_line(descriptor: int, **message) -> None:
    """Write a message; shorter than what a pipe takes at once."""
    os.write(descriptor, msgspec.json.encode(message) + b"\n")


def cpu_s() -> float:
    """Return the CPU seconds of this process and of its children that have been waited for."""
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


class Zygote:
    """The process itself, after the fork from the supervisor."""

    def __init__(self, plan: RunPlan, pipes: tuple[int, int], reports: dict[str, int]) -> None:
        self._plan = plan
        self._commands, self._answers = Lines(pipes[0]), pipes[1]
        self._reports = reports  # Writing end of each stage's reports.
        self._children: dict[int, str] = {}

    def run(self) -> None:
        """Load, then serve until the supervisor is gone."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        wake_read, wake_write = os.pipe()
        os.set_blocking(wake_read, False)
        os.set_blocking(wake_write, False)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        if not self._load():
            return
        while not self._commands.closed:
            select.select([self._commands.descriptor, wake_read], [], [])
            with contextlib.suppress(BlockingIOError):
                os.read(wake_read, _CHUNK_BYTES)
            self._bury()
            for command in self._commands.read():
                if "start" in command:
                    self._start(command["start"])
                else:
                    self._kill(command["kill"])
        for pid in self._children:
            os.kill(pid, signal.SIGKILL)
        for pid in self._children:
            os.waitpid(pid, 0)  # When the supervisor goes on, nothing of the run is left.

    def _load(self) -> bool:
        from engine.supervisor.kernels import load_kernels

        try:
            seconds = load_kernels(lambda: send_line(self._answers, said="compiling"))
        except EngineError as error:
            send_line(self._answers, said="failed", error=str(error))
            return False
        send_line(self._answers, said="loaded", seconds=seconds)
        return True

    def _start(self, name: str) -> None:
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                os.close(self._commands.descriptor)
                os.close(self._answers)
                code = run_stage_process(self._plan, name, self._reports[name], parent)
            finally:
                os._exit(code)
        self._children[pid] = name
        send_line(self._answers, said="started", name=name, pid=pid, cpu_s=cpu_s())

    def _kill(self, name: str) -> None:
        for pid, child in self._children.items():
            if child == name:
                os.kill(pid, signal.SIGKILL)

    def _bury(self) -> None:
        """Report every child that has ended."""
        for pid in list(self._children):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                name = self._children.pop(pid)
                send_line(self._answers, said="ended", name=name, pid=pid, status=status)


def zygote_process(
    plan: RunPlan, pipes: tuple[int, int], reports: dict[str, int], parent: int
) -> None:
    """Be the zygote; never returns. `pipes`: commands to read, answers to write."""
    code = 1
    try:
        die_with(parent)
        Zygote(plan, pipes, reports).run()
        code = 0
    finally:
        os._exit(code)
