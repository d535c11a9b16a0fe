"""The event ring is filled to its last slot, and not beyond.

Method: the worker's own look at its ring, which is a claim without the taking, at the limits. That
the look is ordered with what the classifier reads is the model checker's (tests/race).
"""

import pytest

from engine.flows.emit import EVENT_TAIL, has_room
from engine.flows.shard import shard_of_arrays
from engine.rings import spsc
from tests.conftest import WITHOUT_JIT
from tests.unit.flows.driving import Shard

pytestmark = pytest.mark.skipif(not WITHOUT_JIT, reason="kernels are called as plain Python")
CAPACITY = 64


@pytest.mark.parametrize("used", [0, 1, CAPACITY - 1, CAPACITY])
def test_worker_has_room_for_what_is_free_and_no_more(used):
    made = Shard(event_capacity=CAPACITY)
    shard = shard_of_arrays(made.worker._arrays)
    first = 5 * CAPACITY - 3
    ring = made.ring.header
    ring[[spsc.TAIL, spsc.HEAD, spsc.TAIL_SEEN]] = first
    ring[spsc.HEAD_SEEN] = first - CAPACITY  # Seen before all that was taken.
    made.table[EVENT_TAIL] = first + used
    free = CAPACITY - used
    assert has_room(shard, free)
    assert not has_room(shard, free + 1)
    assert ring[spsc.HEAD_SEEN] == first
