"""A ring gives what was put in, in order, once, and its ends attach and leave by one table.

Method: machines of rounds (rounds.py): drawn numbers of records in drawn batches through a ring of
drawn size and age; drawn attaching and leaving of several at once. The models are a count, and the
table of the life cycle. What it cannot show: what the compiler makes of the source
(test_weave_compiled.py, tests/unit/rings).
"""

import itertools

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from engine.errors import SegmentError
from engine.layouts import RING
from engine.memory.atomics import pause
from engine.rings import lifecycle, spsc
from stress.races.scenario import Role
from tests.race.rounds import SEEDS, Rounds, assert_finds, bugs_of, finished, twin

SLOTS = RING.words
LAST = 1 << 60
_NAMES = ("claim", "publish", "peek", "release", "FULL")


def producer_of(ring_twin):
    """Return who sends `count` records from sequence `first` on, each made of its sequence."""
    claim, publish, full = ring_twin.claim, ring_twin.publish, ring_twin.FULL

    def produce(words, first, count, batch):
        ring, mask, sent = words[:SLOTS], words[spsc.CAPACITY] - 1, 0
        while sent < count:
            size = min(batch, count - sent)
            tail = claim(ring, size)
            if tail == full:
                pause()
                continue
            for sequence in range(first + sent, first + sent + size):
                words[SLOTS + (sequence & mask)] = 3 * sequence + 1
            sent += size
            publish(ring, first + sent)
        return sent

    return produce


def consumer_of(ring_twin):
    """Return who takes `count` records from sequence `first` on, at most `most` at a time.

    It returns how many were not those of their sequence.
    """
    peek, release = ring_twin.peek, ring_twin.release

    def consume(words, first, count, most):
        ring, mask, taken, wrong = words[:SLOTS], words[spsc.CAPACITY] - 1, 0, 0
        while taken < count:
            head, readable = peek(ring)
            if readable == 0:
                pause()
                continue
            size = min(readable, most, count - taken)
            for sequence in range(head, head + size):
                wrong += words[SLOTS + (sequence & mask)] != 3 * (first + taken) + 1
                taken += 1
            release(ring, head + size)
        return wrong

    return consume


class RingMachine(Rounds):
    """A ring, how many records it has had, and how many were taken."""

    @initialize(log2_capacity=st.integers(0, 3), first=st.sampled_from([0, 5, (1 << 32) - 3, LAST]))
    def begin(self, log2_capacity, first):
        """Make an empty ring."""
        spsc_twin = twin("engine.rings.spsc", _NAMES, self.edit)
        self.produce, self.consume = producer_of(spsc_twin), consumer_of(spsc_twin)
        self.capacity = 1 << log2_capacity
        self.words = np.zeros(SLOTS + self.capacity, np.int64)
        self.words[spsc.CAPACITY] = self.capacity
        self.words[[spsc.TAIL, spsc.HEAD_SEEN, spsc.HEAD, spsc.TAIL_SEEN]] = first
        self.sent = self.taken = first

    @rule(sent=st.integers(0, 6), left=st.integers(0, 8), batch=st.integers(1, 4), seed=SEEDS)
    def send_and_take(self, sent, left, batch, seed):
        """Send records while others are taken; up to `left` stay in the ring."""
        queued = self.sent - self.taken
        taken = queued + sent - min(left, queued + sent, self.capacity)
        first = (self.sent, self.taken)
        self.sent += sent
        self.taken += taken

        def judge(words, results):
            if results["consumer"]:
                yield f"{results['consumer']} records are not what was sent"
            if (words[spsc.TAIL], words[spsc.HEAD]) != (self.sent, self.taken):
                yield f"tail {words[spsc.TAIL]} of {self.sent}, head {words[spsc.HEAD]}"

        roles = {
            "producer": Role(self.produce, lambda: (first[0], sent, min(batch, self.capacity))),
            "consumer": Role(self.consume, lambda: (first[1], taken, batch)),
        }
        self.round(seed, roles, judge)

    @invariant()
    def check(self):
        """Sequences are ordered, copies of them are stale at most, slots hold what is queued."""
        if not hasattr(self, "words"):
            return
        head, tail, capacity = (self.words[at] for at in (spsc.HEAD, spsc.TAIL, spsc.CAPACITY))
        assert self.words[spsc.HEAD_SEEN] <= head <= self.words[spsc.TAIL_SEEN] <= tail
        assert tail - head <= capacity == self.capacity
        for sequence in range(head, tail):
            assert self.words[SLOTS + (sequence & (capacity - 1))] == 3 * sequence + 1


TestRing = finished(RingMachine)


@pytest.mark.parametrize("edit", bugs_of("ring"))
def test_ring_machine_finds_the_bug(edit):
    assert_finds(RingMachine, edit)


_STATE = RING.index("state")
STEPS = list(lifecycle.TRANSITIONS)


def taker_of(life_twin):
    """Return who takes one step of a ring's life, and says whether it was allowed."""
    take = life_twin.take

    def try_step(words, actor, action):
        try:
            take(words, actor, action)
        except SegmentError:
            return False
        return True

    return try_step


def some_order_explains(state: int, steps: list, allowed: list[bool], after: int) -> bool:
    """Return whether the steps, one after the other in some order, are allowed like this."""
    for order in itertools.permutations(range(len(steps))):
        now = state
        for k in order:
            table = lifecycle.TRANSITIONS[steps[k]]
            if (now in table) != allowed[k]:
                break
            now = table.get(now, now)
        else:
            if now == after:
                return True
    return False


class LifeMachine(Rounds):
    """A ring's state, changed by up to three at once."""

    @initialize(state=st.integers(0, len(lifecycle.STATES) - 1))
    def begin(self, state):
        """Take a ring in any state."""
        self.try_step = taker_of(twin("engine.rings.lifecycle", ("take",), self.edit))
        self.words = np.zeros(RING.words, np.int64)
        self.words[_STATE] = state

    @rule(steps=st.lists(st.sampled_from(STEPS), min_size=1, max_size=3), seed=SEEDS)
    def take_steps(self, steps, seed):
        """Have each of them tried by somebody, all at once."""
        before = int(self.words[_STATE])

        def judge(words, results):
            allowed = [bool(results[f"actor {k}"]) for k in range(len(steps))]
            after = int(words[_STATE])
            if not some_order_explains(before, steps, allowed, after):
                yield f"{steps} from {before}: {allowed}, now {after}"

        roles = {
            f"actor {k}": Role(self.try_step, lambda step=step: step)
            for k, step in enumerate(steps)
        }
        self.round(seed, roles, judge)


TestLife = finished(LifeMachine)


@pytest.mark.parametrize("edit", bugs_of("life"))
def test_life_machine_finds_the_bug(edit):
    assert_finds(LifeMachine, edit)
