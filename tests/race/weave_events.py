"""A worker's events and their reader as a scenario: the worker looks for room as its kernels do.

What is spsc.claim elsewhere is two steps here: `has_room`, before a packet is taken, and
`next_slot` for each event that comes of it (flows/emit.py).
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from engine.flows.emit import EVENT_TAIL, has_room, next_slot
from engine.layouts import EVENT_SLOT_WORDS, RING
from engine.layouts.table import TABLE
from engine.memory.atomics import pause
from engine.memory.pointers import pointer, shifted
from engine.rings import spsc
from stress.engine_model import ENGINE_MODEL
from stress.races.scenario import Role, Scenario
from tests.race.weave_rings import consume

CAPACITY = 2
_SLOTS = RING.words


class Part(NamedTuple):
    """Of a shard (flows/shard.py) what making an event needs."""

    ring: np.ndarray
    table: np.ndarray
    slots: np.ndarray


@njit(nogil=True)
def emit(words, table, count):
    """Write and publish `count` events."""
    ring = pointer(words)
    part = Part(ring, pointer(table), shifted(ring, _SLOTS))
    sent = 0
    while sent < count:
        if not has_room(part, 1):
            pause()
            continue
        event = next_slot(part)
        event[0] = 3 * sent + 1  # Plain: published by the tail.
        sent += 1
        spsc.publish(ring, table[EVENT_TAIL])
    return sent


def events(count: int = 3, worker=emit) -> Scenario:
    """Return the scenario of `count` events through a ring of CAPACITY slots."""

    def setup() -> np.ndarray:
        words = np.zeros(_SLOTS + CAPACITY * EVENT_SLOT_WORDS, np.int64)
        words[spsc.CAPACITY] = CAPACITY
        return words

    def check(words, results) -> list[str]:
        came = results["classifier"]
        return [] if came == count else [f"the classifier returned {came} of {count}"]

    return Scenario(
        setup=setup,
        roles={
            "worker": Role(worker, lambda: (np.zeros(TABLE.words, np.int64), count)),
            "classifier": Role(consume, lambda: (0, count, EVENT_SLOT_WORDS)),
        },
        check=check,
        labels={spsc.TAIL: "tail", spsc.HEAD: "head", spsc.HEAD_SEEN: "head_seen"},
        model=ENGINE_MODEL,
    )


EVENTS = events()
