"""Who starts stages and hears of their ends: through the zygote, or one program each.

Both say the same to the supervisor: what `poll` returns are the zygote's messages, and one more:

    {"said": "zygote", "pid": p, "status": s}    it has ended; its stages are ours now

`renew` makes another zygote. What is started before it has loaded waits in its pipe.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from engine.rings.plan import RunPlan
from engine.rings.report import ReportLogs
from engine.supervisor.entry import adopt_orphans, encode_plan
from engine.supervisor.kernels import load_kernels
from engine.supervisor.zygote import Lines, Zygote, send_line, zygote_process

END_S = 2.0  # Given to the zygote to end by itself.
Heir = tuple[Callable[[Zygote], None], Callable[[], bool]]  # As zygote_process takes them.


class ForkNursery:
    """Starts stages through the zygote (process.start = fork)."""

    def __init__(self, plan: RunPlan, logs: ReportLogs, heir: Heir) -> None:
        self._plan, self._logs, self._heir = plan, logs, heir
        self._pids: dict[str, int] = {}  # Of the stages that run; 0: not told yet.
        self._adopted: dict[str, int] = {}  # Descriptors of those whose zygote is dead.
        adopt_orphans()
        self.renew()

    def renew(self) -> None:
        """Fork a zygote."""
        commands_read, self._commands = os.pipe()
        answers_read, answers_write = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._commands)
            os.close(answers_read)
            elders = {name: (self._pids[name], at) for name, at in self._adopted.items()}
            pipes = (commands_read, answers_write)
            zygote_process(Zygote(self._plan, pipes, self._logs, elders), *self._heir)
        os.close(commands_read)
        os.close(answers_write)
        self._answers = Lines(answers_read)
        self._loaded = False
        for name, pid in self._pids.items():
            if not pid:  # Asked for, and never begun.
                self.start(name)

    @property
    def descriptors(self) -> list[int]:
        """Return what becomes readable when there is something to poll."""
        answers = [] if self._answers.closed else [self._answers.descriptor]
        return answers + list(self._adopted.values())

    @property
    def is_gone(self) -> bool:
        """Return whether there is no zygote, and no stage."""
        return self._answers.closed and not self._adopted

    def poll(self) -> list[dict]:
        """Return what has happened since the last call."""
        messages = self._reap()
        if self._answers.closed:
            return messages
        messages += self._answers.read()
        for message in messages:
            if message["said"] == "started":
                self._pids[message["name"]] = message["pid"]
            elif message["said"] == "ended":
                self._pids.pop(message["name"], None)
        self._loaded |= any(message["said"] == "loaded" for message in messages)
        return messages + (self._bury() if self._answers.closed else [])

    def _reap(self) -> list[dict]:
        """Return the ends of adopted stages."""
        messages = []
        for name, descriptor in list(self._adopted.items()):
            pid, status = os.waitpid(self._pids[name], os.WNOHANG)
            if pid:
                os.close(descriptor)
                del self._adopted[name]
                messages.append(_ended(name, pid, status))
        return messages

    def _bury(self) -> list[dict]:
        """Wait for the zygote and adopt its stages; say that it ended, and who with it."""
        _, status = os.waitpid(self.pid, 0)  # Then they are ours.
        os.close(self._commands)
        os.close(self._answers.descriptor)
        messages = [{"said": "zygote", "pid": self.pid, "status": status}]
        children = _children()
        for name, pid in list(self._pids.items()):
            if pid in children:
                if name not in self._adopted:
                    self._adopted[name] = os.pidfd_open(pid)
            elif pid:
                # The zygote had waited for it without telling: killed, for all that we know.
                messages.append(_ended(name, pid, int(signal.SIGKILL)))
                del self._pids[name]
        for pid in children - set(self._pids.values()):  # Begun without telling: start it again.
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        return messages

    def start(self, name: str) -> None:
        """Start a stage, or its replacement."""
        self._pids[name] = 0
        if not self._answers.closed:
            send_line(self._commands, start=name)

    def kill(self, name: str) -> None:
        """End a stage's process at once, if it lives."""
        if name in self._adopted:
            signal.pidfd_send_signal(self._adopted[name], signal.SIGKILL)
        elif not self._answers.closed:
            send_line(self._commands, kill=name)

    def close(self) -> None:
        """End the zygote and all stages; at once if it is still loading or stopped."""
        for name, descriptor in self._adopted.items():
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
            os.waitpid(self._pids[name], 0)
            os.close(descriptor)
        self._adopted.clear()
        if not self._answers.closed:
            self._end_zygote()

    def _end_zygote(self) -> None:
        send_line(self._commands, end=True)
        os.close(self._commands)
        os.close(self._answers.descriptor)
        self._answers.closed = True
        deadline = time.monotonic() + (END_S if self._loaded else 0.0)
        while not os.waitpid(self.pid, os.WNOHANG)[0]:
            if time.monotonic() > deadline:
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
                break
            time.sleep(0.001)
        for pid in _children():
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _ended(name: str, pid: int, status: int) -> dict:
    return {"said": "ended", "name": name, "pid": pid, "status": status}


def _children() -> set[int]:
    """Return the pids of this process's children."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # Gone meanwhile.
            if int(path.read_text().rpartition(")")[2].split()[1]) == os.getpid():
                found.add(int(path.parent.name))
    return found


class SpawnNursery:
    """Starts every stage as a program of its own (process.start = spawn)."""

    is_gone = False  # There is no zygote that could be.

    def __init__(self, plan: RunPlan, logs: ReportLogs, compiling: Callable[[], None]) -> None:
        self._plan = encode_plan(plan)
        self._logs = logs
        self._children: dict[str, subprocess.Popen] = {}
        self._messages: list[dict] = [{"said": "loaded", "seconds": load_kernels(compiling)}]

    @property
    def descriptors(self) -> list[int]:
        """Return nothing: ends are found by polling."""
        return []

    def poll(self) -> list[dict]:
        """Return what has happened since the last call."""
        messages, self._messages = self._messages, []
        for name, child in list(self._children.items()):
            if child.poll() is not None:
                del self._children[name]
                status = child.returncode << 8 if child.returncode >= 0 else -child.returncode
                messages.append({"said": "ended", "name": name, "pid": child.pid, "status": status})
        return messages

    def start(self, name: str) -> None:
        """Start a stage, or its replacement."""
        log, wake = self._logs.descriptors[name], self._logs.wake
        # Not a pipe: the plan of many sources is longer than one takes, and nobody reads it yet.
        with open(os.memfd_create("plan"), "wb") as file:
            file.write(self._plan)
            file.flush()
            os.lseek(file.fileno(), 0, os.SEEK_SET)
            numbers = (file.fileno(), log, wake, os.getpid())
            child = subprocess.Popen(
                [sys.executable, "-m", "engine.supervisor.entry", name, *map(str, numbers)],
                pass_fds=(file.fileno(), log, wake),
            )
        self._children[name] = child
        self._messages.append({"said": "started", "name": name, "pid": child.pid, "cpu_s": 0.0})

    def kill(self, name: str) -> None:
        """End a stage's process at once, if it lives."""
        if name in self._children:
            self._children[name].kill()

    def close(self) -> None:
        """End whatever still lives."""
        for child in self._children.values():
            child.kill()
            child.wait()
        self._children.clear()


def make_nursery(
    plan: RunPlan, logs: ReportLogs, compiling: Callable[[], None], heir: Heir
) -> ForkNursery | SpawnNursery:
    """Return what starts the stages of a run. `compiling` is called by what does not poll."""
    if plan.config.process.start == "spawn":
        return SpawnNursery(plan, logs, compiling)
    return ForkNursery(plan, logs, heir)
