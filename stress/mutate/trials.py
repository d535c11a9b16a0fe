"""Judge mutants: copies of the tree, a judge in each, and what becomes of every mutant."""

import json
import math
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from stress.mutate.mutants import ROOT, Mutant
from stress.mutate.suites import compiled_suites_of, suites_of

COPIED = ("engine", "stress", "tests", "setup.cfg", "pyproject.toml")
# Compiled or not, and the suites of each way.
WAYS = ((False, suites_of), (True, compiled_suites_of))
_IGNORED = shutil.ignore_patterns("results", "*.pcap*")


def _say_nothing(mutant: Mutant, found: dict) -> None:
    """Tell nobody."""


class Judge:
    """A judge in a copy of the tree."""

    def __init__(self, tree: Path, compiled: bool) -> None:
        environment = dict(os.environ) | {"XDG_CACHE_HOME": str(tree / ".cache"), "PYTHONPATH": ""}
        environment.pop("NUMBA_DISABLE_JIT", None)
        if not compiled:
            environment["NUMBA_DISABLE_JIT"] = "1"
        self._tree = tree
        self._process = subprocess.Popen(
            [sys.executable, "-m", "stress.mutate.judge"],
            cwd=tree,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def judge(self, file: str, text: str, suites: list[str]) -> dict:
        """Return {by, how, said} of the suite that notices another text of a file, else {}."""
        path = str(self._tree / "engine" / file)
        wanted = {"path": path, "text": text, "suites": suites}
        self._process.stdin.write(json.dumps(wanted) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the judge is gone"
        return json.loads(line)

    def close(self) -> None:
        """Let it end."""
        self._process.stdin.close()
        self._process.wait()


@contextmanager
def judges(count: int, compiled: bool) -> Iterator[list[Judge]]:
    """Yield judges, each in a copy of its own, which is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="ml-defender-mutants-") as folder:
        made = []
        for number in range(count):
            tree = Path(folder) / str(number)
            for name in COPIED:
                copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
                options = {"ignore": _IGNORED} if copy is shutil.copytree else {}
                tree.mkdir(exist_ok=True)
                copy(ROOT / name, tree / name, **options)
            made.append(Judge(tree, compiled))
        try:
            yield made
        finally:
            for one in made:
                one.close()


def judged(
    mutants: list[Mutant], jobs: int, tell=_say_nothing, seconds: int = 0
) -> dict[str, dict]:
    """Return {name: {by, how, said}, or {} of one that nothing noticed}, in the order given.

    `seconds`: begin no more after that long; those left are not in the answer. 0: all.
    """
    ends = time.monotonic() + seconds if seconds else math.inf
    found: dict[str, dict] = {}
    left = mutants
    for compiled, suites in WAYS:
        told = _each([one for one in left if suites(one.file)], jobs, compiled, tell, ends)
        found |= told
        left = [m for m in left if not told.get(m.name) and (m.name in told or not suites(m.file))]
    unfinished = {m.name for m in left if compiled_suites_of(m.file) and time.monotonic() > ends}
    names = [mutant.name for mutant in mutants if mutant.name in found]
    return {name: found[name] for name in names if found[name] or name not in unfinished}


def unsound(files: Iterable[str], jobs: int) -> list[str]:
    """Return which suites for files fail for what is shipped: they could judge nothing."""
    said = []
    for compiled, suites in WAYS:
        wanted = {suite: file for file in files for suite in suites(file)}
        shipped = [Mutant(suite, "", file, "", None) for suite, file in wanted.items()]
        told = _each(shipped, jobs, compiled)
        failed = {name: one for name, one in told.items() if one}
        said += [f"fails as shipped: {name}: {one['said']}" for name, one in failed.items()]
    return said


def _each(
    mutants: list[Mutant], jobs: int, compiled: bool, tell=_say_nothing, ends: float = math.inf
) -> dict[str, dict]:
    """Judge each mutant, as many at a time as there are jobs."""
    found: dict[str, dict] = {}
    waiting: queue.SimpleQueue = queue.SimpleQueue()
    for mutant in mutants:
        waiting.put(mutant)
    suites = dict(WAYS)[compiled]

    def work(judge: Judge) -> None:
        while time.monotonic() < ends:
            try:
                mutant = waiting.get_nowait()
            except queue.Empty:
                return
            if mutant.edit is None:  # A suite, and a file as it is shipped.
                text = (ROOT / "engine" / mutant.file).read_text(encoding="utf-8")
                found[mutant.name] = judge.judge(mutant.file, text, [mutant.name])
            else:
                found[mutant.name] = judge.judge(mutant.file, mutant.edit.new, suites(mutant.file))
            tell(mutant, found[mutant.name])

    if not mutants:
        return found
    with judges(min(jobs, len(mutants)), compiled) as made:
        threads = [threading.Thread(target=work, args=(judge,)) for judge in made]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return found
