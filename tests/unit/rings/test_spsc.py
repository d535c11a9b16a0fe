"""The ring against a list, under every interleaving Hypothesis can find.

Method: both processes are one thread here. Each rule is one step of one process, so a Hypothesis
program is a schedule, and a failure shrinks to the shortest schedule. Canaries are steps broken on
purpose: the machine must find each of them. Limit: schedules are sequentially consistent. What the
compiler or a CPU may reorder is argued in engine/rings/spsc.py and hunted in tests/race.
"""

import re

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from numba import njit

from engine.layouts import RING
from engine.rings import spsc

EMPTY = -1


def at(process, *places):
    """Enable a rule while `process` stands at one of `places`."""
    return precondition(lambda self: getattr(self, process) in places)


class TwoProcesses(RuleBasedStateMachine):
    """A producer and a consumer, each stopped between two of its own steps."""

    producer = "idle"  # idle -> writing -> idle
    consumer = "idle"  # idle -> reading -> idle

    @initialize(log2_capacity=st.integers(0, 3))
    def create(self, log2_capacity):
        self.capacity = 1 << log2_capacity
        self.ring = np.zeros(RING.words, np.int64)
        self.ring[spsc.CAPACITY] = self.capacity
        self.slots = np.full(self.capacity, EMPTY, np.int64)
        self.queued = []  # The model: records published and not yet released.
        self.next_record = 0

    @at("producer", "idle")
    @rule(count=st.integers(1, 8))
    def producer_claims(self, count):
        first = spsc.claim(self.ring, count)
        if first == spsc.FULL:
            assert len(self.queued) + count > self.capacity, "full, yet there was room"
        else:
            self.first, self.claimed, self.written = int(first), count, 0
            self.producer = "writing"

    @at("producer", "writing")
    @rule()
    def producer_writes(self):
        if self.written < self.claimed:
            place = (self.first + self.written) & (self.capacity - 1)
            self.slots[place] = self.next_record + self.written
            self.written += 1

    @at("producer", "writing")
    @rule()
    def producer_publishes_what_it_wrote(self):
        spsc.publish(self.ring, self.first + self.written)
        self.queued += range(self.next_record, self.next_record + self.written)
        self.next_record += self.written
        self.producer = "idle"

    @at("consumer", "idle")
    @rule()
    def consumer_peeks(self):
        first, count = spsc.peek(self.ring)
        if count == 0:
            assert not self.queued, "empty, yet something is queued"
        else:
            self.head, self.readable = int(first), int(count)
            self.consumer = "reading"

    @at("consumer", "reading")
    @rule()
    def consumer_reads(self):
        sequences = range(self.head, self.head + self.readable)
        received = [int(self.slots[s & (self.capacity - 1)]) for s in sequences]
        assert received == self.queued[: self.readable]

    @at("consumer", "reading")
    @rule(part=st.integers(0, 8))
    def consumer_releases_some(self, part):
        count = min(part, self.readable)
        spsc.release(self.ring, self.head + count)
        del self.queued[:count]
        self.consumer = "idle"

    @invariant()
    def sequences_are_ordered(self):
        head, tail = int(self.ring[spsc.HEAD]), int(self.ring[spsc.TAIL])
        assert 0 <= head <= tail <= head + self.capacity
        assert self.ring[spsc.HEAD_SEEN] <= head
        assert self.ring[spsc.TAIL_SEEN] <= tail
        assert tail - head == len(self.queued)
        assert tail == self.next_record


TestTwoProcesses = TwoProcesses.TestCase
TestTwoProcesses.settings = settings(stateful_step_count=40)


def claim_ignoring_the_consumer(ring, count):
    """Never look whether there is room."""
    return int(ring[spsc.TAIL])


def claim_one_too_many(ring, count):
    """Take one slot more than there are."""
    used = int(ring[spsc.TAIL] - ring[spsc.HEAD])
    return int(ring[spsc.TAIL]) if used + count <= ring[spsc.CAPACITY] + 1 else spsc.FULL


def claim_trusting_the_stale_head(ring, count):
    """Never load the consumer's head again."""
    used = int(ring[spsc.TAIL] - ring[spsc.HEAD_SEEN])
    return int(ring[spsc.TAIL]) if used + count <= ring[spsc.CAPACITY] else spsc.FULL


def peek_ignoring_the_last_record(ring):
    """See one record less than there are."""
    first, count = int(ring[spsc.HEAD]), int(ring[spsc.TAIL] - ring[spsc.HEAD])
    return first, max(0, count - 1)


def peek_beyond_the_tail(ring):
    """See one record more than there are."""
    return int(ring[spsc.HEAD]), int(ring[spsc.TAIL] - ring[spsc.HEAD]) + 1


def publish_the_whole_claim(ring, tail):
    """Publish one slot that was not written."""
    ring[spsc.TAIL] = tail + 1


def release_one_too_many(ring, head):
    """Give back a slot that was not read."""
    ring[spsc.HEAD] = min(head + 1, ring[spsc.TAIL])


def release_nothing(ring, head):
    """Forget to give back."""


CANARIES = (
    ("claim", claim_ignoring_the_consumer),
    ("claim", claim_one_too_many),
    ("claim", claim_trusting_the_stale_head),
    ("peek", peek_ignoring_the_last_record),
    ("peek", peek_beyond_the_tail),
    ("publish", publish_the_whole_claim),
    ("release", release_one_too_many),
    ("release", release_nothing),
)


@pytest.mark.parametrize(
    ("step", "broken"), CANARIES, ids=lambda one: getattr(one, "__name__", one)
)
def test_machine_finds_a_step_that_is_broken(monkeypatch, step, broken):
    monkeypatch.setattr(spsc, step, broken)
    generate_only = settings(
        max_examples=1_000,
        stateful_step_count=40,
        phases=[Phase.generate],
        database=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    with pytest.raises(AssertionError):
        run_state_machine_as_test(TwoProcesses, settings=generate_only)


def ring_of(capacity):
    """Return the header of an empty ring."""
    ring = np.zeros(RING.words, np.int64)
    ring[spsc.CAPACITY] = capacity
    return ring


def test_sequences_beyond_32_bits_wrap_no_slot():
    ring = ring_of(4)
    ring[[spsc.TAIL, spsc.HEAD, spsc.HEAD_SEEN, spsc.TAIL_SEEN]] = (1 << 40) - 2
    first = spsc.claim(ring, 4)
    assert first == (1 << 40) - 2
    spsc.publish(ring, first + 4)
    assert spsc.claim(ring, 1) == spsc.FULL
    assert spsc.peek(ring) == (first, 4)


def test_claim_of_more_than_the_capacity_never_succeeds():
    assert spsc.claim(ring_of(4), 5) == spsc.FULL


def test_producer_may_not_take_back_what_it_published():
    ring = ring_of(4)
    spsc.publish(ring, spsc.claim(ring, 2) + 2)
    with pytest.raises(AssertionError):
        spsc.publish(ring, 1)


def test_producer_may_not_publish_beyond_its_claim():
    with pytest.raises(AssertionError):
        spsc.publish(ring_of(4), 5)


def test_consumer_may_not_release_what_it_has_not_seen():
    ring = ring_of(4)
    spsc.publish(ring, spsc.claim(ring, 2) + 2)
    with pytest.raises(AssertionError):
        spsc.release(ring, 1)  # Nothing was peeked.
    spsc.peek(ring)
    spsc.release(ring, 2)
    with pytest.raises(AssertionError):
        spsc.release(ring, 1)  # Backwards.


def test_watermark_is_read_as_it_was_published():
    ring = ring_of(4)
    for time, reference in ((5, 7), (-1, (1 << 63) - 1), ((1 << 63) - 1, (1 << 63) - 1)):
        spsc.publish_watermark(ring, time, reference)
        assert spsc.read_watermark(ring) == (time, reference, True)


def test_watermark_never_written_is_zero_and_consistent():
    assert spsc.read_watermark(ring_of(4)) == (0, 0, True)


def test_watermark_is_not_taken_while_it_is_being_written():
    ring = ring_of(4)
    spsc.publish_watermark(ring, 5, 7)
    ring[spsc.LOCK] += 1  # The writer stopped between its first and its last store.
    assert not spsc.read_watermark(ring)[2]
    ring[spsc.MARK_TIME] = 6
    assert not spsc.read_watermark(ring)[2]


# Order of the accesses that other processes see, as patterns of LLVM's code.
STORES = {
    "publish": [r"store atomic i64 .* release"],
    "release": [r"store atomic i64 .* release"],
    "claim": [r"load atomic i64, .* acquire"],
    "peek": [r"load atomic i64, .* acquire"],
    "publish_watermark": [
        r"store atomic i64 .* monotonic",
        r"fence release",
        r"store atomic i64 .* monotonic",
        r"store atomic i64 .* monotonic",
        r"store atomic i64 .* release",
    ],
    "read_watermark": [
        r"load atomic i64, .* acquire",
        r"load atomic i64, .* monotonic",
        r"load atomic i64, .* monotonic",
        r"fence acquire",
        r"load atomic i64, .* monotonic",
    ],
}


@pytest.mark.compiled
@pytest.mark.parametrize("name", STORES)
def test_compiled_step_keeps_the_order_it_is_argued_with(name):
    kernel = njit(getattr(spsc, name).py_func)  # Code from the cache cannot be inspected.
    arguments = {"claim": (1,), "publish": (0,), "release": (0,), "publish_watermark": (1, 2)}
    kernel(ring_of(4), *arguments.get(name, ()))
    code = next(iter(kernel.inspect_llvm().values()))
    function = code[code.index("define") :].partition("\n}")[0]
    shared = re.findall(r"(?:store|load) atomic i64.*|fence \w+", function)
    assert len(shared) == len(STORES[name]), shared
    for found, pattern in zip(shared, STORES[name], strict=True):
        assert re.match(pattern, found)
