"""Put one mutant after the other to its suites, in a copy of the tree; each in a process forked.

`python -m stress.mutate.judge`, with the copy as current directory. A line of JSON in, {path, text,
suites}, a line out: {} if all suites pass, else {by, how, said}. What is imported here knows
nothing of the engine; the engine is imported behind the fork, with the mutant in it.
"""

import contextlib
import importlib
import json
import os
import shlex
import signal
import sys
import traceback
from pathlib import Path

CPU_LIMIT_S, WALL_LIMIT_S = 25, 90  # Of a suite.
_INTERPRETED = ("numba", "numpy", "pytest", "hypothesis.stateful", "greenlet", "msgspec", "click")
_INTERPRETED += ("stress.races.weave.lift", "stress.races.weave.dpor", "zstandard", "xxhash")
_QUIET = ("-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:faulthandler")
PROFILE = "mutants"


def main() -> None:
    """Serve until the input ends."""
    sys.dont_write_bytecode = True  # A mutant's file must leave none behind.
    if os.environ.get("NUMBA_DISABLE_JIT"):
        for name in _INTERPRETED:
            importlib.import_module(name)
    said = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        wanted = json.loads(line)
        path = Path(wanted["path"])
        shipped, times = path.read_bytes(), path.stat()
        path.write_text(wanted["text"], encoding="utf-8")
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns + 10**12))
        try:
            found = _judged(wanted["suites"])
        finally:
            path.write_bytes(shipped)
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        print(json.dumps(found), file=said, flush=True)


def _judged(suites: list[str]) -> dict:
    """Return who noticed, of a process that runs the suites in order and tells by a pipe."""
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        os.setsid()
        os.close(reads)
        _run(suites, writes)
        os._exit(0)
    os.close(writes)
    with os.fdopen(reads) as told:
        lines = [json.loads(line) for line in told]
    _, status = os.waitpid(child, 0)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # What its tests have started.
    last = lines[-1] if lines else {"by": "", "how": "error", "said": "it did not start"}
    if last.get("how") == "running":  # It died within a suite.
        name = signal.Signals(status & 127).name if status & 127 else f"exit {status >> 8}"
        how = "time" if name in ("SIGPROF", "SIGALRM") else "death"
        return {"by": last["by"], "how": how, "said": name}
    return last


def _run(suites: list[str], pipe: int) -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(nothing, descriptor)

    def tell(**words) -> None:
        os.write(pipe, json.dumps(words).encode() + b"\n")

    for suite in suites:
        signal.setitimer(signal.ITIMER_PROF, CPU_LIMIT_S)
        signal.alarm(WALL_LIMIT_S)
        tell(by=suite, how="running")
        try:
            found = _weave(suite) if suite.startswith("weave ") else _tests(suite)
        except BaseException:
            found = {"how": "error", "said": traceback.format_exc(limit=-1)[-300:]}
        if found:
            tell(by=suite, **found)
            return
    tell()


def _weave(suite: str) -> dict:
    """Run a protocol under the model checker; what it cannot say the meaning of is no kill."""
    from stress.mutate.suites import EXECUTIONS, MORE, WEAVE
    from stress.races.weave.cells import RefusedError

    name = suite.removeprefix(WEAVE)
    try:
        said = (_scenario if ":" in name else _protocol)(name, MORE.get(name, EXECUTIONS))
    except RefusedError:
        return {}
    return {"how": "failed", "said": said} if said else {}


def _protocol(name: str, most: int) -> str:
    """Return what is found in a protocol of the zoo."""
    from stress.zoo.checked import look
    from stress.zoo.scenarios import shipped

    return look(shipped(name), name, "c11+hb", most).said


def _scenario(name: str, most: int) -> str:
    """Return what is found in another scenario, MODULE:NAME."""
    from stress.races.scenario import load_scenario
    from stress.races.weave.choosers import Priorities, RandomWalk
    from stress.races.weave.dpor import Dpor
    from stress.races.weave.explore import explore
    from stress.races.weave.lift import program_of
    from stress.zoo.checked import FORMS, SEED

    program = program_of(load_scenario(name))
    for chooser in (Priorities(SEED), RandomWalk(SEED), Dpor()):
        finding = explore(program, chooser, FORMS["c11+hb"], most).finding
        if finding is not None:
            return str(finding.violation)
    return ""


class _Told:
    """What pytest says: the first test that failed."""

    def __init__(self) -> None:
        self.failed = ""

    def pytest_runtest_logreport(self, report) -> None:
        if report.failed and not self.failed:
            self.failed = report.nodeid


def _tests(suite: str) -> dict:
    """Run tests, drawn ones by a fixed seed and without shrinking."""
    importlib.import_module("engine")  # First: it says where compiled kernels are kept.
    import hypothesis
    import pytest

    if PROFILE not in hypothesis.settings._profiles:
        hypothesis.settings.register_profile(
            PROFILE,
            max_examples=15,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
            report_multiple_bugs=False,
            suppress_health_check=list(hypothesis.HealthCheck),
        )
    words = [*_QUIET, f"--hypothesis-profile={PROFILE}"]
    if "--noconftest" not in suite:
        words += ["-m", "not compiled and not slow"]
    told = _Told()
    code = int(pytest.main([*words, *shlex.split(suite)], plugins=[told]))
    if code in (0, 5):
        return {}
    return {"how": "failed" if told.failed else "error", "said": told.failed or f"exit {code}"}


if __name__ == "__main__":
    main()
