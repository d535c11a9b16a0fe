"""What the classifier must not lose, in one region (memory/kept.py): words that outlive it.

The hosts first (hosts/space.py), if there are any, then the *small* words, which change with every
step and are kept as a whole when a step begins, then the set of alerted parts. The rest of what a
classifier has is made again: lanes from the rings, verdicts of vectors by scoring them once more.

The region's own control words say how far a commit is (transaction.py).
"""

from typing import NamedTuple

import numpy as np

from engine.classifier.alerted import empty_set, places_for
from engine.events import CLASSIFIER
from engine.hosts.space import PENDING_WORDS, host_shape, initialise
from engine.layouts import SEGMENT
from engine.memory import kept, xxh3
from engine.memory.region import HEADER_BYTES, map_region
from engine.rings.plan import RunPlan
from engine.rings.segment import Segment

# What a merge counts: the words of events.CLASSIFIER, then these.
DELTA_PACKETS = len(CLASSIFIER)  # Packets in deltas and remainders: equals final_packets at the end
CLOCK = DELTA_PACKETS + 1  # Time of the last event taken.
TALLY_WORDS = CLOCK + 1
LIST_PLACE, LIST_IS_LAST, IS_DONE = range(3)  # Words of `listing`.

assert SEGMENT.size_bytes == HEADER_BYTES
_LISTING_WORDS = 3
_SIZES = (TALLY_WORDS, PENDING_WORDS, xxh3.STATE_WORDS, 1, _LISTING_WORDS)
_SMALL_WORDS = -(-sum(_SIZES) // kept.LINE_WORDS) * kept.LINE_WORDS
IS_BEGUN = kept.OWN_WORDS  # Control words of the region: 1 when the content is ready to go on with.


class State(NamedTuple):
    """The region's content as arrays."""

    hosts: np.ndarray | None  # words of hosts/space.py
    small: np.ndarray  # the five that follow
    tally: np.ndarray
    pending: np.ndarray  # of hosts/space.py
    digest: np.ndarray  # of memory/xxh3.py
    members: np.ndarray  # (1,): alerted parts
    listing: np.ndarray  # LIST_PLACE: next host to be listed, 0: none; LIST_IS_LAST; IS_DONE: all
    alerted: np.ndarray  # of alerted.py
    control: np.ndarray  # of the region

    @property
    def region(self) -> int:
        """Return the region's address."""
        return kept.region_of(self.small)


def _host_words(plan: RunPlan) -> int:
    """Return the words of hosts, a multiple of a line."""
    shape = host_shape(plan.config.host, plan.config.flow.max_flows)
    return shape.words if plan.facts else 0


def words_of(plan: RunPlan) -> int:
    """Return how many words of content a run's region has."""
    alerted = places_for(plan.config.flow.max_flows) if plan.score else 0
    return _host_words(plan) + _SMALL_WORDS + alerted


def state_of(plan: RunPlan, content: np.ndarray) -> State:
    """Return the state in a region's content; what is not begun is made empty, but for hosts."""
    hosts = _host_words(plan)
    small = content[hosts : hosts + _SMALL_WORDS]
    cuts = np.cumsum(_SIZES)
    parts = np.split(small[: cuts[-1]], cuts[:-1])
    alerted, control = content[hosts + _SMALL_WORDS :], kept.control_of(content)
    state = State(content[:hosts] if hosts else None, small, *parts, alerted, control)
    if not control[IS_BEGUN]:
        small[:] = 0
        xxh3.begin(state.digest)
        empty_set(alerted)
        control[IS_BEGUN] = 1  # Plain: for whoever comes after this process.
    return state


def attach_state(plan: RunPlan, segment: Segment | None) -> State:
    """Return the state of a run; `segment`: the hosts', whose words others read."""
    over = (segment.descriptor, len(segment.words)) if segment else None
    state = state_of(plan, map_region(words_of(plan), plan.state_path, over))
    state.control[kept.IS_ON] = bool(plan.state_path)
    return state


def private_state(plan: RunPlan, keeps: bool = False) -> State:
    """Return the state of a run in memory of this process; `keeps`: what `undo` needs."""
    content = map_region(words_of(plan))
    if plan.facts:
        shape = host_shape(plan.config.host, plan.config.flow.max_flows)
        initialise(content, plan.config.host, shape, plan.hash_key)
    state = state_of(plan, content)
    state.control[kept.IS_ON] = keeps
    return state
