"""Who may attach to a ring, and when: the whole life of a ring as one table.

A transition is one compare-and-swap of the ring's `state` word, so two processes can never take it
twice. There is no transition that is not in TRANSITIONS. A replacement of a dead process takes its
predecessor's place by `adopt`, which the supervisor allows only after it has seen the death.

Once the producer is done the ring is "draining" while a consumer is there and "producer_done" until
one comes.

Prohibited, and why:
  -> FREE       a used ring is never reused under its name; a new one is made
  DOWN -> any   the segment may already be unlinked
"""

import numpy as np
from numba import njit

from engine.errors import SegmentError
from engine.layouts import RING
from engine.memory.atomics import compare_swap, load_acquire

INITIAL, FREE, PRODUCER_UP, CONSUMER_UP, BOTH_UP, PRODUCER_DONE, DRAINING, DOWN = range(8)
STATES = (
    "initial",
    "free",
    "producer_up",
    "consumer_up",
    "both_up",
    "producer_done",
    "draining",
    "down",
)

TRANSITIONS = {
    ("creator", "seal"): {INITIAL: FREE},
    ("producer", "attach"): {FREE: PRODUCER_UP, CONSUMER_UP: BOTH_UP},
    ("consumer", "attach"): {FREE: CONSUMER_UP, PRODUCER_UP: BOTH_UP, PRODUCER_DONE: DRAINING},
    ("producer", "detach"): {PRODUCER_UP: PRODUCER_DONE, BOTH_UP: DRAINING},
    ("consumer", "detach"): {DRAINING: DOWN, BOTH_UP: PRODUCER_UP, CONSUMER_UP: DOWN},
    ("producer", "adopt"): {PRODUCER_UP: PRODUCER_UP, BOTH_UP: BOTH_UP},
    ("consumer", "adopt"): {
        CONSUMER_UP: CONSUMER_UP,
        BOTH_UP: BOTH_UP,
        DRAINING: DRAINING,
    },
}

_STATE = RING.index("state")


@njit("i8(i8[::1], i8, i8)", cache=True)
def _swap_state(ring, before, after):
    return compare_swap(ring, _STATE, before, after)


@njit("i8(i8[::1])", cache=True)
def _load_state(ring):
    return load_acquire(ring, _STATE)


def is_up(ring: np.ndarray, actor: str) -> bool:
    """Return whether a ring has such an actor, alive or dead, that has not detached."""
    return _load_state(ring) in TRANSITIONS[actor, "adopt"]


def take(ring: np.ndarray, actor: str, action: str) -> int:
    """Take a transition and return the new state; SegmentError if the ring's state forbids it."""
    allowed = TRANSITIONS[actor, action]
    while True:  # Ends: each failed swap means that the other actor moved, and its life is finite.
        state = _load_state(ring)
        if state not in allowed:
            raise SegmentError(f"a {actor} cannot {action} a ring that is {STATES[state]}")
        if _swap_state(ring, state, allowed[state]) == state:
            return allowed[state]
