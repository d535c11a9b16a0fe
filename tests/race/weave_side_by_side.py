"""Lifted and compiled kernels in the same schedules: a process of its own, for test_weave_compiled.

Prints one JSON object: of each scenario how many executions either front has in each model, and
how many schedules were compared access by access; then what only compiled kernels show.
"""

import json
import os
import sys

from stress.races.scenario import load_scenario
from stress.races.weave.choosers import RandomWalk
from stress.races.weave.compiled import compiled_program, install_bridge
from stress.races.weave.dpor import Dpor
from stress.races.weave.explore import explore, run
from stress.races.weave.lift import program_of
from stress.races.weave.roles import Setting
from tests.race import weave_kernels, weave_rings

NAMES = (
    "tests.race.weave_rings:RING",
    "tests.race.weave_rings:WATERMARK",
    "tests.race.weave_kernels:SOUND",
    "tests.race.weave_kernels:WITH_REDO",
    "stress.races.example:SOUND",
)
BROKEN = ("RELAXED", "EARLY", "IN_PLACE", "COMMITTED_EARLY")
SEEDS = 60


def fronts(scenario, bridge):
    """Return a scenario as lifted and as compiled program."""
    return program_of(scenario), compiled_program(scenario, bridge)


def ordered_accesses(program, setting, seed):
    """Return what a random schedule of a program did, without its plain accesses."""
    trace = []
    execution, violation = run(program, RandomWalk(seed), setting, trace)
    kept = [row[:6] for row in trace if "plain" not in row[2]]
    return kept, execution.schedule, str(violation)


def compared(name, bridge):
    """Return the executions of both fronts, and how many schedules were the same in both."""
    lifted, compiled = fronts(load_scenario(name), bridge)
    counts, same = {}, 0
    for model in ("sc", "tso", "c11"):
        setting = Setting(model, stale_max=1)
        counts[model] = [
            explore(program, Dpor(), setting).executions for program in (lifted, compiled)
        ]
        for seed in range(SEEDS):
            both = [ordered_accesses(program, setting, seed) for program in (lifted, compiled)]
            assert both[0] == both[1], (name, model, seed, both)
            same += 1
    return {"executions": counts, "same": same}


def flag_loads(program):
    """Return how often a listener that waits for a plain word looked at it, at most."""
    most = 0
    for seed in range(SEEDS):
        trace = []
        run(program, RandomWalk(seed), Setting(races="off"), trace)
        looked = [row for row in trace if row[1:4] == ("listener", "load plain", "flag")]
        most = max(most, len(looked))
    return most


def kind_found(program, setting):
    """Return the kind of what goes wrong first, or what was refused."""
    try:
        found = explore(program, Dpor(), setting, 1000).finding
    except Exception as error:
        return type(error).__name__
    return found and found.violation.kind


def main():
    """Compare, and print what came of it."""
    bridge = install_bridge()  # Before any kernel is compiled; importing these compiles none.
    beyond = weave_rings.ring(3, 2, first=weave_rings.LAST - 2)
    broken = {}
    for name in BROKEN:
        programs = fronts(getattr(weave_kernels, name), bridge)
        setting = Setting(kills_max=int(name in ("IN_PLACE", "COMMITTED_EARLY")))
        broken[name] = [kind_found(program, setting) for program in programs]
    told = {
        "compared": {name: compared(name, bridge) for name in NAMES},
        "broken": broken,
        "flag loads": [flag_loads(program) for program in fronts(weave_kernels.PLAIN, bridge)],
        "half a word": kind_found(compiled_program(weave_kernels.HALF, bridge), Setting()),
        "beyond the last": kind_found(compiled_program(beyond, bridge), Setting(stale_max=0)),
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)  # Greenlets are parked in compiled code.
