"""The life cycle of a ring: both ends attach at once, and both have (rings/lifecycle.py)."""

import numpy as np

from engine.layouts import RING
from engine.rings.lifecycle import BOTH_UP, FREE, STATES, TRANSITIONS
from stress.races.scenario import Role, Scenario
from stress.zoo.protocols.waiting import MODEL
from stress.zoo.twins import Edit, twin_of
from stress.zoo.uncached import uncached

MODULE = "engine.rings.lifecycle"
_STATE = RING.index("state")
_FORBIDDEN = -1
_MOVES_MAX = len(STATES)


def scenario(edit: Edit | None, count: int) -> Scenario:
    """Return a producer and a consumer that attach; `count` says nothing here."""
    twin = twin_of(MODULE, ("_swap_state", "_load_state"), edit)

    def setup() -> np.ndarray:
        words = np.zeros(RING.words, np.int64)
        words[_STATE] = FREE
        return words

    def check(words: np.ndarray, results: dict) -> list[str]:
        wrong = [f"the {actor} could not attach" for actor, has in results.items() if not has]
        state = int(words[_STATE])
        return wrong or ([] if state == BOTH_UP else [f"both have attached: {STATES[state]}"])

    return Scenario(
        setup=setup,
        roles={
            "producer": Role(_taker(twin), lambda: (_allowed("producer"),)),
            "consumer": Role(_taker(twin), lambda: (_allowed("consumer"),)),
        },
        check=check,
        labels={_STATE: "state"},
        model=MODEL,
    )


def _allowed(actor: str) -> np.ndarray:
    """Return what becomes of each state when an actor attaches."""
    after = np.full(len(STATES), _FORBIDDEN, np.int64)
    for before, state in (TRANSITIONS[actor, "attach"]).items():
        after[before] = state
    return after


def _taker(twin):
    load_state, swap_state = twin._load_state, twin._swap_state

    @uncached
    def attach(words, allowed):
        for _ in range(_MOVES_MAX):
            state = load_state(words)
            if allowed[state] == _FORBIDDEN:
                return 0
            if swap_state(words, state, allowed[state]) == state:
                return 1
        return 0

    return attach
