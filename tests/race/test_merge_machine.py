"""Events come out of the merge in their order, each once, as soon as watermarks allow it.

Method: a machine of rounds (rounds.py). In a round two workers publish drawn events and promise how
far they have come (rings/spsc.py) while the classifier takes what it may (classifier/merge.py), so
often as is drawn; behind it, alone, it must have all that the promises cover. The model is a sorted
list and the smaller promise. What it cannot show: what the events mean (tests/property).
"""

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from engine.classifier import lanes
from engine.classifier.order import (
    BEGINNING,
    CLASS_SHIFT,
    HEAD_AT,
    KEY_WORDS,
    POSITION_REFERENCE_AT,
    POSITION_TIME_AT,
)
from engine.layouts import CLASS_PACKET, EVENT_SLOT_WORDS, FACT, RING
from engine.memory.pointers import pointer, shifted
from engine.rings import spsc
from stress.races.scenario import Role
from tests.race.rounds import SEEDS, Rounds, assert_finds, bugs_of, finished, twin

WORKERS, CAPACITY = 2, 8
FEW = 8  # Executions of each chooser, in a round of a canary: what is planted shows soon.
_SLOTS_AT = RING.words
_RING = _SLOTS_AT + CAPACITY * EVENT_SLOT_WORDS
_LANES = WORKERS * _RING  # What the classifier keeps: its lanes, keys, what it has taken.
_KEYS = _LANES + WORKERS * lanes.LANE_WORDS
_TAKEN = _KEYS + (WORKERS + 1) * KEY_WORDS
_LOG = _TAKEN + 1
_WORDS = _LOG + 512
_HEAD = FACT | CLASS_PACKET << CLASS_SHIFT
_READ = ("read_watermark", "peek_behind", "release")  # By the merge.
_RINGS = ("claim", "publish", "publish_watermark", "FULL", *_READ)
_MERGE = ("_choose", "_give_back")


def worker_of(ring_twin, promises_first):
    """Return who publishes an event for each time, and promises each, then `promise`.

    Who `promises_first` promises all of it before he publishes anything.
    """
    claim, publish, full = ring_twin.claim, ring_twin.publish, ring_twin.FULL
    promise_up_to = ring_twin.publish_watermark

    def emit(words, number, times, promise):
        ring = pointer(words[number * _RING :])
        if promises_first:
            promise_up_to(ring, promise, promise)
        for time in times:
            tail = claim(ring, 1)
            assert tail != full
            slot = shifted(ring, _SLOTS_AT + (tail & (CAPACITY - 1)) * EVENT_SLOT_WORDS)
            slot[HEAD_AT] = _HEAD
            slot[POSITION_TIME_AT] = slot[POSITION_REFERENCE_AT] = time
            publish(ring, tail + 1)
            if not promises_first:
                promise_up_to(ring, time, time)
        promise_up_to(ring, promise, promise)

    return emit


def classifier_of(merge_twin):
    """Return who looks `looks` times and takes what may be taken."""
    choose, give_back = merge_twin._choose, merge_twin._give_back

    def take(words, looks):
        table = pointer(words)
        first_lane, first_key = shifted(table, _LANES), shifted(table, _KEYS)
        for number in range(WORKERS):
            lane = shifted(first_lane, number * lanes.LANE_WORDS)
            lane[lanes.HEADER] = np.int64(words.ctypes.data) + 8 * number * _RING
            lane[lanes.SLOTS] = lane[lanes.HEADER] + 8 * _SLOTS_AT
        for _ in range(looks):
            best = choose(first_lane, first_key, WORKERS, False)
            if best >= 0:
                lane = shifted(first_lane, best * lanes.LANE_WORDS)
                place = lane[lanes.HEAD] & (CAPACITY - 1)
                slot = best * _RING + _SLOTS_AT + place * EVENT_SLOT_WORDS
                table[_LOG + table[_TAKEN]] = table[slot + POSITION_TIME_AT]
                table[_TAKEN] += 1
                lane[lanes.HEAD] += 1
                give_back(lane)
        return 0

    return take


class MergeMachine(Rounds):
    """Two event rings, what was published and promised in each, and what the classifier has."""

    promises_first = False

    @initialize()
    def begin(self):
        """Make empty rings, with nothing promised."""
        rings = twin("engine.rings.spsc", _RINGS, self.edit)
        self.emit = worker_of(rings, self.promises_first)
        merge = twin("engine.classifier.merge", _MERGE, self.edit)
        for name in _READ:
            setattr(merge, name, getattr(rings, name))
        self.take = classifier_of(merge)
        self.words = np.zeros(_WORDS, np.int64)
        for number in range(WORKERS):
            ring = self.words[number * _RING :]
            ring[spsc.CAPACITY] = CAPACITY
            ring[[spsc.MARK_TIME, spsc.MARK_REFERENCE]] = BEGINNING
            lane = self.words[_LANES + number * lanes.LANE_WORDS :]
            lane[lanes.CAPACITY], lane[lanes.MARK_TIME] = CAPACITY, BEGINNING
        self.events: list[list[int]] = [[] for _ in range(WORKERS)]
        self.promised = [number - WORKERS for number in range(WORKERS)]

    @rule(
        gaps=st.tuples(*[st.lists(st.integers(1, 3), max_size=4)] * WORKERS),
        ahead=st.tuples(*[st.integers(0, 3)] * WORKERS),
        looks=st.integers(0, 6),
        seed=SEEDS,
    )
    def publish_and_merge(self, gaps, ahead, looks, seed):
        """Publish events while others are merged; then merge what is covered."""
        taken = self.taken()
        roles = {"classifier": Role(self.take, lambda: (looks,))}
        for number in range(WORKERS):
            waiting = sum(event not in taken for event in self.events[number])
            times = []
            for gap in gaps[number][: CAPACITY - waiting]:
                self.promised[number] += WORKERS * gap  # No two events have the same time.
                times.append(self.promised[number])
            self.promised[number] += WORKERS * ahead[number]
            self.events[number] += times
            arguments = (number, tuple(times), self.promised[number])
            roles[f"worker {number}"] = Role(self.emit, lambda arguments=arguments: arguments)
        self.round(seed, roles, self.judge)
        self.round(seed, {"classifier": Role(self.take, lambda: (WORKERS * CAPACITY,))}, self.judge)
        covered = min(self.promised)
        assert self.taken() == [event for event in self.in_order() if event <= covered]

    def judge(self, words, results):
        """Whatever was taken are the first events of all."""
        taken = self.taken(words)
        if taken != self.in_order()[: len(taken)]:
            yield f"{taken} of {self.in_order()}"

    def in_order(self) -> list[int]:
        """Return all events that were published, as the merge must bring them."""
        return sorted(event for events in self.events for event in events)

    def taken(self, words=None) -> list[int]:
        """Return what the classifier has taken."""
        words = self.words if words is None else words
        return words[_LOG : _LOG + words[_TAKEN]].tolist()

    @invariant()
    def check(self):
        """What was taken was given back, and the rest waits in the rings."""
        if not hasattr(self, "words"):
            return
        heads = [self.words[number * _RING + spsc.HEAD] for number in range(WORKERS)]
        tails = [self.words[number * _RING + spsc.TAIL] for number in range(WORKERS)]
        assert sum(heads) == len(self.taken())
        assert tails == [len(events) for events in self.events]
        assert all(tail - head <= CAPACITY for head, tail in zip(heads, tails, strict=True))


TestMerge = finished(MergeMachine)
# Not those of the watermark: what is read torn, or seen too soon behind the writer's fence, is a
# promise that was kept before (stress/zoo/protocols/watermark.py shows them), and two bugs of the
# merge's protocol are in capture.
_BUGS = [bug for bug in bugs_of("merge") if bug.id in ("merge_tail_first", "merge_no_promise")]


@pytest.mark.parametrize("edit", _BUGS)
def test_merge_machine_finds_the_bug(edit):
    assert_finds(MergeMachine, edit, FEW)


class PromisesFirst(MergeMachine):
    """Workers who promise events before they publish them."""

    promises_first = True


def test_merge_machine_finds_a_promise_that_comes_first():
    assert_finds(PromisesFirst, executions=FEW)
