"""ThreadSanitizer on numba kernels: the roles of a scenario as threads on one mapping.

    parent                                      child, with libtsan loaded before Python
    ---------------------------------------     -----------------------------------------------
    starts it, with a folder for its reports    hooks numba; compiles the roles
                                                runs them as threads, n times; checks the words
    reads the reports, names their sites   <--  writes what it found, and the names of its sites

Under libtsan a compiler is ten times slower and needs gigabytes: it writes down every byte that is
taken and given back. So with `kept` a child without libtsan compiles first, with functions that
stand in for it (tsan_stand_in.py), and keeps the code on disk (kept_code.py).

What TSan cannot see: more than one mapping or process (xsan can), stand-alone fences (it takes what
they order for unordered), accesses that did not happen in these runs.
"""

import ctypes
import functools
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import click
import numpy as np

from stress.races import hook
from stress.races.findings import Findings, Side, pair_of, show
from stress.races.scenario import Scenario, compile_roles, fresh_words, load_scenario
from stress.races.tsan_code import TsanBackEnd, site_of

RUNS = 10
LIMIT_S = 7200
_SAID = "said.json"
_KEPT_AS = "tsan"
_COMPILE = "--compile"  # In a folder's place: a process that compiles and runs nothing.
_OPTIONS = "exitcode=0 symbolize=0 history_size=4 report_signal_unsafe=0 report_thread_leaks=0 "
_OPTIONS += "report_destroy_locked=0 report_mutex_bugs=0 ignore_interceptors_accesses=1 "
_OPTIONS += "detect_deadlocks=0 suppress_equal_stacks=0 suppress_equal_addresses=0"
_REPORT = re.compile(r"WARNING: ThreadSanitizer: (.*?)\n(.*?)(?=^==================)", re.S | re.M)
_ACCESS = re.compile(
    r"^  (?:Previous )?((?:atomic )?(?:read|write)) of size \d+ .*?$\n((?:^    #.*\n)*)",
    re.M | re.I,
)
_FRAME = re.compile(r"\((?:\S+\+)?(0x[0-9a-f]+)\)|#\d+ (0x[0-9a-f]+)")


class TsanError(Exception):
    """There is no libtsan, or it would not run."""


def find_library() -> str | None:
    """Return the path of libtsan, or None where it is not installed."""
    for folder in (f"/usr/lib/{platform.machine()}-linux-gnu", "/usr/lib64", "/usr/lib"):
        found = sorted(Path(folder).glob("libtsan.so.[0-9]"), reverse=True)
        if found:
            return str(found[0])
    return None


def look_for_races(
    names: Sequence[str], runs: int = RUNS, kept: bool = False
) -> dict[str, Findings]:
    """Run scenarios MODULE:NAME under ThreadSanitizer, in a process of their own.

    `kept`: compile kernels that may be kept on disk before, unless they are there.
    """
    library = find_library()
    if library is None:
        raise TsanError("libtsan is missing: apt-get install libtsan2")
    if kept:
        _start(os.environ, _COMPILE, *names)
    with tempfile.TemporaryDirectory(prefix="races-") as folder:
        environment = os.environ | {
            "LD_PRELOAD": library,
            "TSAN_OPTIONS": f"{_OPTIONS} log_path={folder}/report",
        }
        _start(environment, folder, str(runs), str(int(kept)), *names)
        told = json.loads(Path(folder, _SAID).read_text(encoding="utf-8"))
    sites = {int(number): site for number, site in told["sites"].items()}
    found = {}
    for name, fields in zip(names, told["scenarios"], strict=True):
        races, validated = races_in(fields.pop("reports"), sites), fields.pop("validated")
        found[name] = Findings(races=races, places=told["places"], runs=runs, **fields)
        found[name].set_apart(frozenset(validated))
    return found


def _start(environment: Mapping[str, str], *words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "stress.races.tsan", *words],
        env=environment,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    if done.returncode:
        raise TsanError(f"the process under TSan failed:\n{done.stderr[-4000:]}")


def races_in(reports: str, sites: dict[int, str]) -> Counter:
    """Return the races of TSan's reports; those of which a side is no kernel's are left out."""
    races: Counter = Counter()
    for report in _REPORT.finditer(reports):
        sides = [
            Side(what.lower(), sites[number])
            for what, frames in _ACCESS.findall(report[2])
            if (number := _site_in(frames)) is not None
        ]
        if len(sides) >= 2:
            races[pair_of(*sides[:2])] += 1
    return races


def _site_in(frames: str) -> int | None:
    for first, second in _FRAME.findall(frames):
        number = site_of(int(first or second, 16))
        if number is not None:
            return number
    return None


def _run_roles(roles: dict[str, Callable[[], object]], between: ctypes.CDLL) -> dict:
    """Run the roles as threads, begun as close together as can be; return their results."""
    results: dict = {}
    gate = threading.Barrier(len(roles))

    def run(name: str, role: Callable[[], object]) -> None:
        between.AnnotateIgnoreSyncBegin(None, 0)
        try:
            gate.wait()
            results[name] = role()
        finally:
            between.AnnotateIgnoreSyncEnd(None, 0)

    threads = [threading.Thread(target=run, args=pair) for pair in roles.items()]
    between.AnnotateIgnoreSyncEnd(None, 0)  # Starting and joining a thread orders; little else.
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    between.AnnotateIgnoreSyncBegin(None, 0)
    return results


def _run_on(words: np.ndarray, kernel: Callable, rest: tuple) -> object:
    return kernel(words, *rest)


def _compile(names: list[str]) -> None:
    """Compile what scenarios run, and keep it."""
    from stress.races.tsan_stand_in import stand_in

    lasting = stand_in()
    hook.install(TsanBackEnd(), _KEPT_AS)
    for name in names:
        compile_roles(load_scenario(name))
    del lasting


def _child(folder: str, runs: int, kept: bool, names: list[str]) -> None:
    """Run scenarios with their kernels instrumented; write what they did to a file."""
    between = ctypes.CDLL(None)
    between.AnnotateIgnoreSyncBegin(None, 0)
    installed = hook.install(TsanBackEnd(), _KEPT_AS if kept else "")
    told, behind = [], 0
    for name in names:
        scenario = load_scenario(name)
        violations = _run_scenario(scenario, runs, between)
        reports = "".join(path.read_text() for path in sorted(Path(folder).glob("report.*")))
        told.append(
            {
                "violations": violations,
                "validated": sorted(scenario.validated),
                "reports": reports[behind:],
            }
        )
        behind = len(reports)
    said = {"sites": installed.table(), "places": installed.rewriter.places, "scenarios": told}
    Path(folder, _SAID).write_text(json.dumps(said), encoding="utf-8")


def _run_scenario(scenario: Scenario, runs: int, between: ctypes.CDLL) -> list[str]:
    """Return what the scenario's own check says of all runs."""
    compile_roles(scenario)
    violations: list[str] = []
    words = fresh_words(scenario)
    for _ in range(runs):
        words[:] = fresh_words(scenario)
        roles = {
            key: functools.partial(_run_on, words, role.kernel, role.arguments())
            for key, role in scenario.roles.items()
        }
        results = _run_roles(roles, between)
        missing = set(scenario.roles) - set(results)
        violations += [f"{role} failed" for role in sorted(missing)]
        violations += [] if missing else scenario.check(words.copy(), results)
    return violations


@click.command()
@click.argument("names", metavar="MODULE:NAME ...", nargs=-1, required=True)
@click.option("--runs", default=RUNS, show_default=True, help="How often the roles are run.")
@click.option("--kept", is_flag=True, help="Compile without libtsan, and keep the code on disk.")
@click.option("--save", is_flag=True, help="Keep the results in stress/results.")
def command(names: tuple[str, ...], runs: int, kept: bool, save: bool) -> None:
    """Run scenarios as threads under ThreadSanitizer; say which pairs of accesses race."""
    try:
        found = look_for_races(names, runs, kept)
    except TsanError as error:
        raise click.ClickException(str(error)) from error
    sys.exit(show(found, "tsan" if save else ""))


if __name__ == "__main__":
    if sys.argv[1] == _COMPILE:
        _compile(sys.argv[2:])
    else:
        _child(sys.argv[1], int(sys.argv[2]), sys.argv[3] == "1", sys.argv[4:])
