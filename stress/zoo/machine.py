"""Instruments that run the machine's own code: each a process of its own, for it hooks numba.

`python -m stress.zoo.machine INSTRUMENT NAME SECONDS` prints what was found as one line of JSON. A
scenario runs with many records, where there is no limit to their number. What is said of it:
`said`, empty if nothing was found; `executions`; `accesses` made in them, where it counts;
`unfinished_s`, of one that was ended before its end, for how long it had run.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

from stress.races.scenario import Scenario, compile_roles, fresh_words, load_scenario

NAMED = "stress.zoo.named:"
RUNS = 3
THREAD_RUNS = 20  # Of compiled code that nobody looks into.
KILLED_LIMIT_S = 10.0  # Of a role that takes a dead one's place.
# Stores of a replacement at which it dies too: its undoing, which comes first; and of how many
# first deaths that is tried of one.
SECONDS, SECOND_EVERY = (2, 6), 5
LIMIT_S = 120.0  # Of an instrument that looks at one scenario,
_MORE_S = 60.0  # and to compile it, before it is killed.


def _tsan(name: str, limit_s: float) -> dict:
    from stress.races.tsan import look_for_races

    (found,) = look_for_races([NAMED + name], RUNS).values()
    return _told(found)


def _xsan(name: str, limit_s: float) -> dict:
    from stress.races.xsan import install, look_for_races

    installed, _ = install()
    return _told(look_for_races(_scenario(name), installed, RUNS))


def _told(findings) -> dict:
    said = findings.lines()[0] if findings.found else ""
    return {"said": said, "executions": findings.runs, "accesses": findings.accesses}


def _killpoint(name: str, limit_s: float) -> dict:
    from stress.races import hook
    from stress.races.killpoint import Killer
    from stress.races.killpoint_code import KillBackEnd

    installed = hook.install(KillBackEnd())
    scenario = _scenario(name)
    killer = Killer(scenario, installed, KILLED_LIMIT_S, reads=False)
    begin_s, runs = time.monotonic(), 0
    for victim in scenario.roles:
        for deaths in _deaths(killer, victim):
            died, place, wrong = killer.run(victim, deaths)
            runs += 1
            if wrong:
                said = f"killed at {deaths[:died]} ({place}): {'; '.join(wrong)}"
                return {"said": said, "executions": runs}
            if time.monotonic() > begin_s + limit_s:
                return {"said": "", "executions": runs, "unfinished_s": limit_s}
    return {"said": "", "executions": runs, "exhausted": True}


def _deaths(killer, victim: str) -> Iterator[tuple[int, ...]]:
    """Yield where to kill a role: at each store; who takes its place, at his first few as well."""
    for point in range(1, killer.count(victim) + 1):
        yield (point,)
        if point % SECOND_EVERY == 0:
            yield from ((point, second) for second in SECONDS)


def _threads(name: str, limit_s: float) -> dict:
    return _run_threads(_scenario(name))


def _conservation(name: str, limit_s: float) -> dict:
    from stress.zoo.conservation import conserve

    return {"said": conserve(name), "executions": 1}


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


INSTRUMENTS: dict[str, Callable[[str, float], dict]] = {
    "tsan": _tsan,
    "xsan": _xsan,
    "killpoint": _killpoint,
    "threads": _threads,
    "conservation": _conservation,
}


def look(instrument: str, name: str, limit_s: float = LIMIT_S) -> dict:
    """Run an instrument on a scenario of the zoo, in a process of its own; return what it said."""
    process = subprocess.Popen(
        [sys.executable, "-m", "stress.zoo.machine", instrument, name, str(limit_s)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        said, complained = process.communicate(timeout=limit_s + _MORE_S)
    except subprocess.TimeoutExpired:
        return {"said": "", "executions": 0, "unfinished_s": limit_s + _MORE_S}
    finally:
        if process.poll() is None:  # With all that it has begun.
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    if process.returncode:
        raise RuntimeError(f"{instrument} of {name} failed:\n{complained[-4000:]}")
    return json.loads(said.splitlines()[-1])


if __name__ == "__main__":
    _instrument, _name, _limit_s = sys.argv[1:]
    print(json.dumps(INSTRUMENTS[_instrument](_name, float(_limit_s))), flush=True)
