"""Who starts the stages and hears of their ends: through the zygote, or one program each.

Both say the same to the supervisor: what `poll` returns are the zygote's messages.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

from engine.errors import ProcessError
from engine.rings.plan import RunPlan
from engine.supervisor.entry import encode_plan
from engine.supervisor.kernels import load_kernels
from engine.supervisor.zygote import Lines, send_line, zygote_process

END_S = 2.0  # Given to the zygote to end by itself.
_GONE = "the zygote process ended, and every stage with it"


class ForkNursery:
    """Starts stages through the zygote (process.start = fork)."""

    def __init__(self, plan: RunPlan, reports: dict[str, int]) -> None:
        commands_read, self._commands = os.pipe()
        answers_read, answers_write = os.pipe()
        parent = os.getpid()
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._commands)
            os.close(answers_read)
            zygote_process(plan, (commands_read, answers_write), reports, parent)
        os.close(commands_read)
        os.close(answers_write)
        self._answers = Lines(answers_read)
        self._loaded = False

    @property
    def descriptors(self) -> list[int]:
        """Return what becomes readable when there is something to poll."""
        return [self._answers.descriptor]

    def poll(self) -> list[dict]:
        """Return what has happened since the last call; ProcessError when the zygote is gone."""
        messages = self._answers.read()
        if self._answers.closed and not messages:
            raise ProcessError(_GONE)
        self._loaded |= any(message["said"] == "loaded" for message in messages)
        return messages

    def start(self, name: str) -> None:
        """Start a stage, or its replacement."""
        self._tell(start=name)

    def kill(self, name: str) -> None:
        """End a stage's process at once, if it lives."""
        self._tell(kill=name)

    def _tell(self, **command) -> None:
        try:
            send_line(self._commands, **command)
        except BrokenPipeError:
            raise ProcessError(_GONE) from None

    def close(self) -> None:
        """End the zygote and all that it still has; at once if it is still loading or stopped."""
        os.close(self._commands)
        os.close(self._answers.descriptor)
        deadline = time.monotonic() + (END_S if self._loaded else 0.0)
        while not os.waitpid(self.pid, os.WNOHANG)[0]:
            if time.monotonic() > deadline:
                os.kill(self.pid, signal.SIGKILL)  # Its children die with it (entry.die_with).
                os.waitpid(self.pid, 0)
                return
            time.sleep(0.001)


class SpawnNursery:
    """Starts every stage as a program of its own (process.start = spawn)."""

    def __init__(
        self, plan: RunPlan, reports: dict[str, int], compiling: Callable[[], None]
    ) -> None:
        self._plan = encode_plan(plan)
        self._reports = reports
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
        report = self._reports[name]
        # Not a pipe: the plan of many sources is longer than one takes, and nobody reads it yet.
        with open(os.memfd_create("plan"), "wb") as file:
            file.write(self._plan)
            file.flush()
            os.lseek(file.fileno(), 0, os.SEEK_SET)
            words = [name, str(file.fileno()), str(report), str(os.getpid())]
            child = subprocess.Popen(
                [sys.executable, "-m", "engine.supervisor.entry", *words],
                pass_fds=(file.fileno(), report),
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
    plan: RunPlan, reports: dict[str, int], compiling: Callable[[], None]
) -> ForkNursery | SpawnNursery:
    """Return what starts the stages of a run. `compiling` is called by what does not poll."""
    if plan.config.process.start == "spawn":
        return SpawnNursery(plan, reports, compiling)
    return ForkNursery(plan, reports)
