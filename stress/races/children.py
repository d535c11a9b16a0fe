"""Roles as processes forked from one that has their kernels compiled, on words that all share.

A role's result comes back through a pipe. A child that does not end in time is killed and said to
hang; one that fails says why on the error output and has the result None.
"""

import json
import mmap
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from stress.races.scenario import Role

LIMIT_S = 60.0


def shared_words(count: int) -> np.ndarray:
    """Return zeros that this process and its children share."""
    return np.frombuffer(mmap.mmap(-1, max(8 * count, 8)), np.int64, count)


class Memory:
    """The words of a scenario as this process and its children share them, filled anew each time.

    A file in memory, so that what was written is given back however large it is.
    """

    def __init__(self, count: int) -> None:
        self._size = max(8 * count, 8)
        self._descriptor = os.memfd_create("races.words")
        os.ftruncate(self._descriptor, self._size)
        self.words = np.frombuffer(mmap.mmap(self._descriptor, self._size), np.int64, count)
        self._last: tuple[np.ndarray, np.ndarray] | None = None

    @property
    def span(self) -> tuple[int, int]:
        """Return address and size of what is watched."""
        return self.words.ctypes.data, self.words.nbytes

    def fill(self, words: np.ndarray) -> None:
        """Make the words these."""
        os.ftruncate(self._descriptor, 0)
        os.ftruncate(self._descriptor, self._size)
        if self._last is None or self._last[0] is not words:
            self._last = words, np.flatnonzero(words)
        places = self._last[1]
        self.words[places] = words[places]


@dataclass(slots=True)
class Outcome:
    """How a role ended: its result, or by which signal, or that it hung."""

    result: Any = None
    signal: int = 0
    hung: bool = False
    failed: bool = False

    @property
    def killed(self) -> bool:
        """Return whether the role died of SIGKILL of its own, in time."""
        return self.signal == signal.SIGKILL and not self.hung

    @property
    def trouble(self) -> str:
        """Return why there is no result, or nothing."""
        if self.hung:
            return "hung"
        return f"died of signal {self.signal}" if self.signal else "failed" * self.failed


class Child:
    """A role that runs in a process of its own."""

    def __init__(self, role: Role, words: np.ndarray, begin: Callable[[], None] = lambda: None):
        """`begin` is called in the child before the role: to arm an instrument."""
        self._reading, writing = os.pipe()
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid == 0:
            code = 1
            try:
                os.close(self._reading)
                arguments = role.arguments()
                begin()
                result = role.kernel(words, *arguments)
                os.write(writing, json.dumps(result, default=int).encode())
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)
        os.close(writing)

    def wait(self, deadline_s: float) -> Outcome:
        """Return how the role ended; kill it at the deadline (of time.monotonic)."""
        text = b""
        while True:
            rest_s = deadline_s - time.monotonic()
            if not select.select([self._reading], [], [], max(rest_s, 0))[0]:
                os.kill(self.pid, signal.SIGKILL)
                break
            part = os.read(self._reading, 1 << 16)
            if not part:
                break
            text += part
        hung = time.monotonic() >= deadline_s
        os.close(self._reading)
        status = os.waitpid(self.pid, 0)[1]
        by_signal = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        failed = not by_signal and os.WEXITSTATUS(status) != 0
        result = json.loads(text) if text and not failed else None
        return Outcome(_tuples(result), by_signal, hung and bool(by_signal), failed)


def _tuples(result: Any) -> Any:
    """Return a result as its role returned it: JSON has no tuples."""
    return tuple(_tuples(one) for one in result) if isinstance(result, list) else result
