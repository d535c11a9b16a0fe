"""Goal: the merge takes the events of all lanes in one order that depends on nothing else.

Method: lanes of drawn events, published in drawn steps through rings of 16 slots, with watermarks
drawn from what a worker may promise; after every call what has been taken must be a prefix of the
events sorted by definition. A worker that promises too much must be noticed in the same way. It
does not show the order of memory accesses: one thread runs it.
"""

import itertools

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.classifier import lanes as lanes_of
from engine.classifier import merge
from engine.classifier.order import INFINITE
from engine.config import SECOND_NS
from engine.events import CLASSIFIER
from engine.layouts import (
    CLASS_STOP,
    CLASS_TIMER,
    DELTA,
    ENDED,
    EVENT_SLOT_WORDS,
    FACT,
    IDLE,
    RANK_EARLY,
    RANK_FINAL,
    RECORD,
    ROW,
)
from engine.rings import spsc
from tests.unit.classifier.builders import (
    delta,
    empty_hosts,
    fact,
    free_slots,
    order_key,
    pane_record,
    plain_ring,
    publish_event,
    record,
)

# What counting leaves out: where only flow features are wanted nothing is known of hosts.
OF_HOSTS = [
    at
    for at, counter in enumerate(CLASSIFIER)
    if counter.name.startswith(("host", "pairs_", "starts_"))
]
TIMES = st.one_of(
    st.sampled_from([0, 1, 4, 5, 6, 10, 11]).map(lambda s: s * SECOND_NS),
    st.integers(-2, 12 * SECOND_NS),
)


@st.composite
def events_of_lanes(draw, separate):
    """Draw up to 4 lanes of events, each ascending; frame references are unique."""
    lanes = []
    number = 0
    for _ in range(draw(st.integers(1, 4))):
        events = []
        for _ in range(draw(st.integers(0, 14))):
            number += 1
            source = draw(st.integers(0, 2)) if separate else draw(st.integers(0, 1))
            events += draw(_events_at(draw(TIMES), source << 48 | number))
        lanes.append(sorted(events, key=lambda event: order_key(event, separate)))
    return lanes


@st.composite
def _events_at(draw, time, reference):
    """Draw what one position may cause: one event, or several of class 2."""
    kind = draw(st.sampled_from(["delta", "pane", "packet", "timer", "stop"]))
    content = {"first_reference": reference, "fwd_packets": 3, "bwd_total_bytes": 70}
    if kind == "delta":
        return [delta(time, reference, fwd=2, bwd=1)]
    if kind == "pane":
        return [pane_record((time, reference), **content)]
    if kind in ("timer", "stop"):
        order_class = CLASS_TIMER if kind == "timer" else CLASS_STOP
        later = time + draw(st.integers(0, 6 * SECOND_NS))
        content |= {"order_class": order_class, "rank": 0, "reason": IDLE}
        return [record(later, (time, reference), **content)]
    final = record(time, (time, reference), rank=RANK_FINAL, reason=ENDED, **content)
    early = record(time, (time, reference), rank=RANK_EARLY, sequence=1, **content)
    chosen = draw(st.sets(st.integers(0, 2), min_size=1))
    return [[final, fact(time, reference), early][at] for at in sorted(chosen)]


class World:
    """Workers that publish when told to, and what the merge has taken."""

    def __init__(self, lanes, separate, rows_max):
        self.separate = separate
        self.waiting = [list(events) for events in lanes]
        self.rings = [plain_ring(16, EVENT_SLOT_WORDS) for _ in lanes]
        self.lanes = lanes_of.make_lanes(self.rings)
        self.keys = lanes_of.make_keys(self.lanes)
        self.rows = np.zeros((rows_max, ROW.words), np.int64)
        self.views = (self.rows, self.rows.view(np.float32))
        self.tally = np.zeros(merge.TALLY_WORDS, np.int64)
        self.hosts = empty_hosts(self.tally)
        self.taken = []
        every = sorted(itertools.chain(*lanes), key=lambda event: order_key(event, separate))
        self.expected = [identity(event) for event in every if event[0] & 15 == RECORD]
        self.every = every

    def publish(self, lane, count, promise):
        """Publish up to `count` events of a lane, then promise what may be promised at most."""
        ring, waiting = self.rings[lane], self.waiting[lane]
        for _ in range(count):
            if not waiting or free_slots(ring) < len(waiting[0]) // EVENT_SLOT_WORDS:
                break
            publish_event(ring, waiting.pop(0))
        if not waiting:
            spsc.publish_watermark(ring.header, INFINITE, INFINITE)
        elif promise is not None:
            self.promise(lane, promise)

    def promise(self, lane, mark):
        """Set a watermark, if nothing that is still to come lies within it."""
        time, reference = mark
        key = (reference >> 48 if self.separate else 0, time, 2, time, reference, 15)
        old = spsc.read_watermark(self.rings[lane].header)[:2]
        old_key = (old[1] >> 48 if self.separate else 0, *old)
        is_kept = key < order_key(self.waiting[lane][0], self.separate)
        if is_kept and (key[0], time, reference) > old_key:
            spsc.publish_watermark(self.rings[lane].header, time, reference)

    def merge(self):
        """Let the merge run once; check what it has taken so far."""
        count, slots = merge.merge(self.lanes, self.keys, self.views, self.hosts, self.separate)
        merge.release_taken(self.lanes)
        self.taken += [identity(row) for row in self.rows[:count]]
        assert self.taken == self.expected[: len(self.taken)]
        return slots


def identity(words) -> tuple[int, ...]:
    """Return what tells records apart; row and record begin alike."""
    names = ("head", "position_time", "position_reference", "time_ns", "first_reference")
    return tuple(int(words[ROW.index(name)]) for name in (*names, "sequence"))


def finish(world) -> None:
    """Publish and merge everything that is left."""
    for _ in range(10_000):
        for lane in range(len(world.rings)):
            world.publish(lane, 100, None)
        slots = world.merge()
        if slots == 0 and lanes_of.is_finished(world.lanes) and not any(world.waiting):
            break
    assert world.taken == world.expected
    kinds = [int(event[0]) & 15 for event in world.every]
    tally = world.tally
    assert tally[merge.DELTAS] == kinds.count(DELTA)
    assert tally[merge.FACTS] == kinds.count(FACT)
    assert tally[merge.FINALS] + tally[merge.EARLY] == kinds.count(RECORD)
    assert tally[merge.DELTA_PACKETS] == 3 * kinds.count(DELTA)
    assert tally[merge.FINAL_PACKETS] == 3 * tally[merge.FINALS]
    assert tally[merge.FINAL_BYTES] == 70 * tally[merge.FINALS]
    for ring in world.rings:
        assert ring.header[spsc.HEAD] == ring.header[spsc.TAIL]


STEPS = st.lists(
    st.one_of(
        st.none(),
        st.tuples(
            st.integers(0, 3),
            st.integers(0, 4),
            st.none() | st.tuples(TIMES, st.integers(0, 3 << 48)),
        ),
    ),
    max_size=40,
)


@given(st.data(), st.booleans(), st.integers(1, 5), STEPS)
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_records_come_in_order_however_they_are_published(drawn, separate, rows_max, steps):
    world = World(drawn.draw(events_of_lanes(separate)), separate, rows_max)
    for step in steps:
        if step is None:
            world.merge()
        elif step[0] < len(world.rings):
            world.publish(*step)
    finish(world)


@given(st.data(), st.booleans())
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_counting_only_counts_what_merging_does(drawn, separate):
    lanes = drawn.draw(events_of_lanes(separate))
    merged, counted = World(lanes, separate, 3), World(lanes, separate, 3)
    finish(merged)
    for _ in range(1000):
        for lane in range(len(lanes)):
            counted.publish(lane, 100, None)
        state = (counted.lanes, counted.keys, counted.tally, separate)
        slots = merge.count_only(*state)
        merge.release_taken(counted.lanes)
        if slots == 0 and lanes_of.is_finished(counted.lanes):
            break
    words = [*(at for at in range(len(CLASSIFIER)) if at not in OF_HOSTS), merge.DELTA_PACKETS]
    assert counted.tally[words].tolist() == merged.tally[words].tolist()
    assert not counted.tally[OF_HOSTS].any()


def test_nothing_is_taken_beyond_the_watermark_of_an_empty_lane():
    lanes = [[fact(5, 50)], [fact(3, 30), fact(4, 40), fact(6, 60)]]
    world = World(lanes, False, 4)
    world.publish(1, 3, None)
    assert world.merge() == 0
    world.promise(0, (4, 39))
    assert world.merge() == 1
    world.promise(0, (4, 40))
    assert world.merge() == 1
    world.publish(0, 1, None)
    assert world.merge() == 2


def test_worker_that_promises_too_much_is_noticed():
    world = World([[fact(5, 50)], [fact(6, 60)]], False, 4)
    world.publish(1, 1, None)
    spsc.publish_watermark(world.rings[0].header, 7, 0)
    world.merge()
    world.publish(0, 1, None)
    with pytest.raises(AssertionError, match="out of order"):
        world.merge()


def test_watermark_that_is_being_written_is_not_believed():
    world = World([[fact(5, 50)], [fact(3, 30)]], False, 4)
    world.publish(1, 1, None)
    spsc.publish_watermark(world.rings[0].header, 4, 0)
    world.rings[0].header[spsc.LOCK] += 1
    assert world.merge() == 0
    world.rings[0].header[spsc.LOCK] += 1
    assert world.merge() == 1
