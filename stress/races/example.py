"""A racy counter: two roles add 1 to the same word, and some additions are lost.

    python -m stress races tsan stress.races.example:RACY
    python -m stress races xsan stress.races.example:RACY
    python -m stress races weave stress.races.example:RACY

say which two lines race; SOUND, with an atomic addition, has nothing to be found.
"""

import numpy as np
from numba import njit

from engine.memory.atomics import fetch_add
from stress.races.scenario import Role, Scenario

COUNTER = 0


@njit(nogil=True, cache=True)
def add_plainly(words, times):
    """Add 1 to the counter, `times` times, as if nobody else did."""
    for _ in range(times):
        words[COUNTER] += 1


@njit(nogil=True, cache=True)
def add_atomically(words, times):
    """Add 1 to the counter, `times` times, in one step each."""
    for _ in range(times):
        fetch_add(words, COUNTER, 1)


def _counter(kernel, times: int) -> Scenario:
    def check(words: np.ndarray, results: dict) -> list[str]:
        found = int(words[COUNTER])
        return [] if found == 2 * times else [f"counter is {found}, 2 x {times} were added"]

    role = Role(kernel, lambda: (times,))
    return Scenario(
        setup=lambda: np.zeros(8, np.int64),
        roles={"first": role, "second": role},
        check=check,
        labels={COUNTER: "counter"},
        model={fetch_add: ("add", "relaxed")},
    )


RACY = _counter(add_plainly, 2)
SOUND = _counter(add_atomically, 2)
