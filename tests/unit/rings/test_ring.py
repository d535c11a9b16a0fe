"""A ring in shared memory: what the supervisor makes is what producer and consumer find.

Method: records through a real segment, both ends in one process; check() on rings with one wrong
word each.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import SegmentError
from engine.rings import lifecycle, spsc
from engine.rings.private import PrivateRing
from engine.rings.ring import Ring
from engine.rings.segment import segment_name


@pytest.fixture
def make_ring(new_run):
    """Return a function that makes rings; they are unlinked at the end."""
    made = []

    def make(capacity=4, slot_bytes=64, extra_words=0):
        name = segment_name(new_run(), "packets", 2)
        made.append(Ring.create(name, "packets", capacity, slot_bytes, extra_words))
        return made[-1]

    yield make
    for ring in made:
        ring.segment.unlink()


def test_ends_find_the_ring_the_supervisor_made(make_ring):
    ring = make_ring(capacity=8, slot_bytes=128, extra_words=8)
    producer = Ring.attach(ring.segment.name, "packets", "producer")
    consumer = Ring.attach(ring.segment.name, "packets", "consumer")
    assert producer.slots.shape == consumer.slots.shape == (8, 16)
    assert len(producer.extra) == 8
    first = spsc.claim(producer.header, 2)
    producer.slots[first : first + 2] = [[1] * 16, [2] * 16]
    producer.extra[first] = 7
    spsc.publish(producer.header, first + 2)
    at, count = spsc.peek(consumer.header)
    assert consumer.slots[at : at + count, 0].tolist() == [1, 2]
    assert consumer.extra[at] == 7
    assert ring.used == 2
    spsc.release(consumer.header, at + 1)
    assert ring.used == 1
    ring.check()


def test_slots_header_and_extra_words_share_no_byte(make_ring):
    ring = make_ring(capacity=2, slot_bytes=64, extra_words=3)
    ring.slots[:] = -1
    ring.extra[:] = 5
    assert int(ring.header[spsc.CAPACITY]) == 2
    assert (ring.slots == -1).all()
    ring.check()


def test_second_producer_is_refused(make_ring):
    name = make_ring().segment.name
    Ring.attach(name, "packets", "producer")
    with pytest.raises(SegmentError, match="producer cannot attach"):
        Ring.attach(name, "packets", "producer")


def test_consumer_learns_that_the_producer_is_done(make_ring):
    ring = make_ring()
    producer = Ring.attach(ring.segment.name, "packets", "producer")
    consumer = Ring.attach(ring.segment.name, "packets", "consumer")
    producer.detach("producer")
    assert lifecycle._load_state(consumer.header) == lifecycle.DRAINING
    consumer.detach("consumer")
    assert lifecycle._load_state(ring.header) == lifecycle.DOWN


@pytest.mark.parametrize("capacity", [0, 1, 3, 6, -4])
def test_capacity_must_be_a_power_of_two(make_ring, capacity):
    with pytest.raises(AssertionError, match=f"capacity {capacity}"):
        make_ring(capacity)


def test_ring_of_one_process_has_the_same_capacities(make_ring):
    for capacity in (2, 4, 64):
        assert PrivateRing(capacity, 64).capacity == make_ring(capacity).capacity == capacity
    for capacity in (0, 1, 3, 6, -4):
        with pytest.raises(AssertionError, match=f"capacity {capacity}"):
            PrivateRing(capacity, 64)


@pytest.mark.parametrize(
    ("word", "value"),
    [
        (spsc.HEAD, 3),
        (spsc.HEAD, -1),
        (spsc.TAIL, 7),
        (spsc.HEAD_SEEN, 2),
        (spsc.TAIL_SEEN, 3),
    ],
)
def test_check_finds_a_wrong_word(make_ring, word, value):
    ring = make_ring()
    ring.header[[spsc.TAIL, spsc.HEAD]] = 2, 1
    ring.check()
    ring.header[word] = value
    with pytest.raises(AssertionError):
        ring.check()


@given(batches=st.lists(st.tuples(st.integers(1, 4), st.integers(0, 4)), max_size=20))
def test_records_leave_in_the_order_they_came(new_run, batches):
    ring = Ring.create(segment_name(new_run(), "packets", 0), "packets", 4, 64)
    ring.segment.unlink()
    sent, received = 0, []
    for count, taken in batches:
        first = spsc.claim(ring.header, count)
        if first != spsc.FULL:
            for sequence in range(first, first + count):
                ring.slots[sequence % 4] = np.arange(sent, sent + 8)
                sent += 1
            spsc.publish(ring.header, first + count)
        at, readable = spsc.peek(ring.header)
        for sequence in range(at, at + min(taken, readable)):
            received.append(ring.slots[sequence % 4, 0])
        spsc.release(ring.header, at + min(taken, readable))
        ring.check()
    assert received == list(range(len(received)))
    assert sent - len(received) == ring.used
