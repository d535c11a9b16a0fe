"""Compiled kernels as a program: what numba made of a scenario, under the same checker.

    install_bridge()            first of all, in a process of its own: before any kernel is compiled
    compiled_program(...)       as lift.program_of, of optimised code

What only the compiler does shows here: a plain load that it takes out of a loop, accesses that it
folds. Numbers wrap as they do in the machine. End such a process by os._exit (bridge.py).
"""

from collections.abc import Collection

import numpy as np

from stress.races import hook
from stress.races.scenario import Role, Scenario, compile_roles, fresh_words
from stress.races.weave.bridge import Bridge
from stress.races.weave.execution import Execution
from stress.races.weave.explore import Check, Program


def install_bridge() -> Bridge:
    """Instrument all that numba compiles from now on; return who is called."""
    bridge = Bridge()
    hook.install(bridge)
    return bridge


def compiled_program(
    scenario: Scenario, bridge: Bridge, victims: Collection[str] | None = None
) -> Program:
    """Return a scenario as a program of its compiled kernels; `victims` as for program_of."""
    compile_roles(scenario)
    begin = fresh_words(scenario)
    initial = begin.tolist()
    words = begin.copy()  # Where kernels believe that their words are.
    heirs = {name: scenario.recovery.get(name, role) for name, role in scenario.roles.items()}
    mortal = scenario.roles if victims is None else victims

    def name_of(index: int) -> str:
        return scenario.labels.get(index) or f"words[{index}]"

    def program(execution: Execution) -> Check:
        region = execution.words("words", initial, name_of, scenario.tolerated).region
        bridge.execution, bridge.cell_at = execution, region.cell
        bridge.watch(words)
        execution.parked = bridge.parked
        for name, role in scenario.roles.items():
            heir = (_call(heirs[name], words),) if name in mortal else None
            execution.role(name, _call(role, words), successor=heir)

        def check(results: dict[str, object]) -> list[str]:
            now = begin.copy()
            for index, cell in region.cells.items():
                now[index] = cell.value
            return scenario.check(now, results)

        return check

    return program


def _call(role: Role, words: np.ndarray):
    return lambda: role.kernel(words, *role.arguments())
