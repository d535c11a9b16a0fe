"""xsan between processes that share nothing but POSIX shared memory: each is started anew.

parent                                     a role's process
--------------------------------------     --------------------------------------------
makes the segments, starts the roles       hooks, compiles its role, maps the segments
words as set up, shadow zero
"go" to all                           -->  runs the role
reads reports and results             <--  its result; its sites, which are its own
"""

import contextlib
import json
import mmap
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np
import posix_ipc

from stress.races import xsan
from stress.races.children import LIMIT_S
from stress.races.findings import Findings
from stress.races.scenario import compile_roles, fresh_words, load_scenario

START_S = 600.0  # A process compiles everything anew: nothing instrumented is cached.


def _map(name: str, count: int, create: bool) -> np.ndarray:
    """Return the words of a segment, made or found."""
    flags = posix_ipc.O_CREX if create else 0
    segment = posix_ipc.SharedMemory(name, flags, size=8 * count if create else 0)
    words = np.frombuffer(mmap.mmap(segment.fd, 8 * count), np.int64, count)
    segment.close_fd()
    return words


@contextlib.contextmanager
def _segments(count: int) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Make segments for words and shadow; give their stem; remove them."""
    stem = f"/races-{os.getpid()}"
    try:
        words = _map(f"{stem}-words", count, True)
        yield stem, words, _map(f"{stem}-shadow", xsan.shadow_words(count), True)
    finally:
        for part in ("words", "shadow"):
            with contextlib.suppress(posix_ipc.ExistentialError):
                posix_ipc.unlink_shared_memory(f"{stem}-{part}")


class _Process:
    """A role in a process of its own: it is told to go, and answers once for each run."""

    def __init__(self, *words: str) -> None:
        command = [sys.executable, "-m", "stress.races.xsan_spawned", *words]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def answer(self, limit_s: float) -> dict:
        """Return the next answer; a process that gives none in time, or ends, is ended."""
        deadline_s = time.monotonic() + limit_s
        line = b""
        while not line.endswith(b"\n"):
            rest_s = max(deadline_s - time.monotonic(), 0)
            ready = select.select([self._process.stdout], [], [], rest_s)[0]
            part = os.read(self._process.stdout.fileno(), 1 << 20) if ready else b""
            if not part:
                self.end()
                return {"trouble": "failed" if ready else "hung"}
            line += part
        return json.loads(line)

    def go(self) -> None:
        """Have it run its role once more."""
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(b"go\n")
            self._process.stdin.flush()

    def end(self) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self._process.wait()


def look_for_races(name: str, runs: int = xsan.RUNS) -> Findings:
    """Run each role of the scenario MODULE:NAME in a process started anew; return what races."""
    scenario = load_scenario(name)
    first = fresh_words(scenario)
    names = list(scenario.roles)
    found = Findings(runs=runs)
    with _segments(len(first)) as (stem, words, shadow), contextlib.ExitStack() as stack:
        processes = [_Process(name, role, str(at), stem) for at, role in enumerate(names)]
        for process in processes:
            stack.callback(process.end)
        told = [process.answer(START_S) for process in processes]
        for _ in range(runs):
            words[:], shadow[:] = first, 0
            for process in processes:
                process.go()
            told = [process.answer(LIMIT_S) for process in processes]
            tables = [one.get("sites", {}) for one in told]
            one = xsan.races_in(shadow, names, lambda at, n, t=tables: t[at].get(str(n), "?"))
            found.races += one.races
            found.accesses += one.accesses
            bad = [
                f"{role} {one['trouble']}"
                for role, one in zip(names, told, strict=True)
                if "trouble" in one
            ]
            results = dict(zip(names, (one.get("result") for one in told), strict=True))
            found.violations += bad or scenario.check(words.copy(), results)
        found.places = sum(one.get("places", 0) for one in told)
    found.set_apart(scenario.validated)
    return found


def _serve(name: str, role_name: str, number: str, stem: str) -> None:
    """Run a role whenever told to, until nobody tells any more."""
    installed, back_end = xsan.install()
    scenario = load_scenario(name)
    compile_roles(scenario, (role_name,))
    count = len(fresh_words(scenario))
    words = _map(f"{stem}-words", count, False)
    shadow = _map(f"{stem}-shadow", xsan.shadow_words(count), False)
    role = scenario.roles[role_name]
    print(json.dumps({}), flush=True)
    for _ in sys.stdin:
        arguments = role.arguments()
        back_end.attach(words, shadow, int(number))
        result = role.kernel(words, *arguments)
        back_end.detach()
        said = {"result": result, "sites": installed.table(), "places": installed.rewriter.places}
        print(json.dumps(said, default=int), flush=True)


if __name__ == "__main__":
    _serve(*sys.argv[1:])
