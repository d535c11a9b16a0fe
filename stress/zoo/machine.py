"""Instruments that run the machine's own code: each a process of its own, for it hooks numba.

`python -m stress.zoo.machine INSTRUMENT NAME ...` prints {name: what was found} as one line of
JSON. A scenario runs with many records, where there is no limit to their number. What is said of a
name: `said`, empty if nothing was found; `executions`; `accesses` made in them, where it counts.
"""

import json
import subprocess
import sys
import threading
from collections.abc import Callable

from stress.races.scenario import Scenario, compile_roles, fresh_words, load_scenario

NAMED = "stress.zoo.named:"
RUNS = 3
THREAD_RUNS = 20  # Of compiled code that nobody looks into.
KILLED_LIMIT_S = 10.0  # Of a role that takes a dead one's place.
# Stores of a replacement at which it dies too: its undoing, which comes first; and of how many
# first deaths that is tried of one.
SECONDS, SECOND_EVERY = (2, 6), 5
LIMIT_S = 3600


def _tsan(names: list[str]) -> dict[str, dict]:
    from stress.races.tsan import look_for_races

    found = look_for_races([NAMED + name for name in names], RUNS)
    return {name.removeprefix(NAMED): _told(one) for name, one in found.items()}


def _xsan(names: list[str]) -> dict[str, dict]:
    from stress.races.xsan import install, look_for_races

    installed, _ = install()
    return {name: _told(look_for_races(_scenario(name), installed, RUNS)) for name in names}


def _told(findings) -> dict:
    said = findings.lines()[0] if findings.found else ""
    return {"said": said, "executions": findings.runs, "accesses": findings.accesses}


def _killpoint(names: list[str]) -> dict[str, dict]:
    from stress.races import hook
    from stress.races.killpoint import Killer
    from stress.races.killpoint_code import KillBackEnd

    installed = hook.install(KillBackEnd())
    told = {}
    for name in names:
        scenario = _scenario(name)
        killer = Killer(scenario, installed, KILLED_LIMIT_S, reads=False)
        said, runs = "", 0
        for victim in scenario.roles:
            wrong, more = _kill(killer, victim)
            said, runs = said or wrong, runs + more
        told[name] = {"said": said, "executions": runs}
    return told


def _kill(killer, victim: str) -> tuple[str, int]:
    """Kill a role at each store, and who takes its place at his first few, until it goes wrong.

    Return (what is wrong, how many runs).
    """
    died = point = 1
    runs = 0
    while died:
        for second in (0, *SECONDS) if point % SECOND_EVERY == 0 else (0,):
            deaths = (point, second) if second else (point,)
            died, place, wrong = killer.run(victim, deaths)
            runs += 1
            if wrong:
                return f"killed at {deaths[:died]} ({place}): {'; '.join(wrong)}", runs
            if died < len(deaths):
                break
        point += 1
    return "", runs


def _threads(names: list[str]) -> dict[str, dict]:
    return {name: _run_threads(_scenario(name)) for name in names}


def _conservation(names: list[str]) -> dict[str, dict]:
    from stress.zoo.conservation import conserve

    return {name: {"said": conserve(name), "executions": 1} for name in names}


def _scenario(name: str) -> Scenario:
    return load_scenario(NAMED + name)


def _run_threads(scenario: Scenario) -> dict:
    """Run the roles as threads again and again, until something goes wrong."""
    compile_roles(scenario)
    threading.excepthook = lambda _: None  # A role that fails is named below.
    for executed in range(THREAD_RUNS):
        words, results = fresh_words(scenario), {}
        gate = threading.Barrier(len(scenario.roles))

        def run(name: str, role, words=words, results=results, gate=gate) -> None:
            arguments = role.arguments()
            gate.wait()
            results[name] = role.kernel(words, *arguments)

        threads = [threading.Thread(target=run, args=pair) for pair in scenario.roles.items()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        failed = [f"{name} failed" for name in scenario.roles if name not in results]
        wrong = failed or scenario.check(words, results)
        if wrong:
            return {"said": wrong[0], "executions": executed + 1}
    return {"said": "", "executions": THREAD_RUNS}


INSTRUMENTS: dict[str, Callable[[list[str]], dict[str, dict]]] = {
    "tsan": _tsan,
    "xsan": _xsan,
    "killpoint": _killpoint,
    "threads": _threads,
    "conservation": _conservation,
}


def look(instrument: str, names: list[str]) -> dict[str, dict]:
    """Run an instrument on scenarios of the zoo, in a process of its own; return what it said."""
    done = subprocess.run(
        [sys.executable, "-m", "stress.zoo.machine", instrument, *names],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{instrument} failed:\n{done.stderr[-4000:]}")
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    print(json.dumps(INSTRUMENTS[sys.argv[1]](sys.argv[2:])), flush=True)
