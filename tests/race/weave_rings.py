"""The ring and its watermark as scenarios: the engine's own kernels, few records.

With a broken producer or consumer in it, a scenario has one step wrong.
"""

import numpy as np
from numba import njit

from engine.layouts import RING as RING_LAYOUT
from engine.memory.atomics import pause, store_relaxed
from engine.rings import spsc
from stress.engine_model import ENGINE_MODEL
from stress.races.scenario import Role, Scenario

LAST = (1 << 63) - 1  # The last sequence there is.
RING_WORDS = RING_LAYOUT.words
_RING_NAMES = {
    spsc.CAPACITY: "capacity",
    spsc.TAIL: "tail",
    spsc.HEAD_SEEN: "head_seen",
    spsc.HEAD: "head",
    spsc.TAIL_SEEN: "tail_seen",
    spsc.LOCK: "lock",
    spsc.MARK_TIME: "mark time",
    spsc.MARK_REFERENCE: "mark reference",
}


def empty_ring(capacity, first):
    """Return the words of a ring whose next record has sequence `first`, and its slots."""
    words = np.zeros(RING_WORDS + capacity, np.int64)
    words[spsc.CAPACITY] = capacity
    words[[spsc.TAIL, spsc.HEAD_SEEN, spsc.HEAD, spsc.TAIL_SEEN]] = first
    return words


def ring_names(capacity):
    return _RING_NAMES | {RING_WORDS + k: f"slot {k}" for k in range(capacity)}


@njit(nogil=True)
def produce(words, first, count, batch):
    """Send `count` records, each made of its sequence, in batches."""
    ring, slots, capacity = words[:RING_WORDS], words[RING_WORDS:], words[spsc.CAPACITY]
    sent = 0
    while sent < count:
        tail = spsc.claim(ring, batch)
        if tail == spsc.FULL:
            pause()
            continue
        for sequence in range(tail, tail + batch):
            slots[sequence & (capacity - 1)] = 3 * (sequence - first) + 1
        spsc.publish(ring, tail + batch)
        sent += batch
    return sent


@njit(nogil=True)
def produce_too_early(words, first, count, batch):
    """Publish before the slots are written."""
    ring, slots, capacity = words[:RING_WORDS], words[RING_WORDS:], words[spsc.CAPACITY]
    sent = 0
    while sent < count:
        tail = spsc.claim(ring, batch)
        if tail == spsc.FULL:
            pause()
            continue
        spsc.publish(ring, tail + batch)
        for sequence in range(tail, tail + batch):
            slots[sequence & (capacity - 1)] = 3 * (sequence - first) + 1
        sent += batch
    return sent


@njit(nogil=True)
def produce_relaxed(words, first, count, batch):
    """Publish without release."""
    ring, slots, capacity = words[:RING_WORDS], words[RING_WORDS:], words[spsc.CAPACITY]
    sent = 0
    while sent < count:
        tail = spsc.claim(ring, batch)
        if tail == spsc.FULL:
            pause()
            continue
        for sequence in range(tail, tail + batch):
            slots[sequence & (capacity - 1)] = 3 * (sequence - first) + 1
        store_relaxed(ring, spsc.TAIL, tail + batch)
        sent += batch
    return sent


@njit(nogil=True)
def consume(words, first, count, slot_words=1):
    """Return how many records came, in order and once each; -1 if one did not."""
    ring, slots, capacity = words[:RING_WORDS], words[RING_WORDS:], words[spsc.CAPACITY]
    seen = 0
    while seen < count:
        head, readable = spsc.peek(ring)
        if readable == 0:
            pause()
            continue
        for sequence in range(head, head + readable):
            if slots[(sequence & (capacity - 1)) * slot_words] != 3 * seen + 1:
                return -1
            seen += 1
        spsc.release(ring, head + readable)
    return seen


@njit(nogil=True)
def consume_released(words, first, count):
    """Release slots before they are read."""
    ring, slots, capacity = words[:RING_WORDS], words[RING_WORDS:], words[spsc.CAPACITY]
    seen = 0
    while seen < count:
        head, readable = spsc.peek(ring)
        if readable == 0:
            pause()
            continue
        spsc.release(ring, head + readable)
        for sequence in range(head, head + readable):
            if slots[sequence & (capacity - 1)] != 3 * seen + 1:
                return -1
            seen += 1
    return seen


def ring(count=3, capacity=2, batch=1, first=0, producer=produce, consumer=consume):
    """Return the scenario of `count` records through a ring."""

    def check(words, results):
        wrong = []
        if results["consumer"] != count:
            wrong.append(f"the consumer returned {results['consumer']} of {count}")
        if words[spsc.HEAD] != first + count or words[spsc.TAIL] != first + count:
            wrong.append(f"head {words[spsc.HEAD]}, tail {words[spsc.TAIL]}")
        return wrong

    return Scenario(
        setup=lambda: empty_ring(capacity, first),
        roles={
            "producer": Role(producer, lambda: (first, count, batch)),
            "consumer": Role(consumer, lambda: (first, count)),
        },
        check=check,
        labels=ring_names(capacity),
        model=ENGINE_MODEL,
    )


@njit(nogil=True)
def publish_and_promise(words, count):
    """Publish a record, then the watermark that covers it, `count` times."""
    ring = words[:RING_WORDS]
    for sequence in range(count):
        words[RING_WORDS + sequence] = sequence + 1
        spsc.publish(ring, sequence + 1)
        spsc.publish_watermark(ring, sequence + 1, 3 * (sequence + 1))


@njit(nogil=True)
def promise_and_publish(words, count):
    """Promise first: what the watermark says is not there yet."""
    ring = words[:RING_WORDS]
    for sequence in range(count):
        spsc.publish_watermark(ring, sequence + 1, 3 * (sequence + 1))
        words[RING_WORDS + sequence] = sequence + 1
        spsc.publish(ring, sequence + 1)


@njit(nogil=True)
def read_promises(words, looks):
    """Return what was wrong with the watermarks seen: 1 torn, 2 backwards, 4 not yet published."""
    ring = words[:RING_WORDS]
    wrong, latest = 0, 0
    for _ in range(looks):
        mark, reference, is_whole = spsc.read_watermark(ring)
        if not is_whole:
            continue
        wrong |= 1 * (reference != 3 * mark) | 2 * (mark < latest)
        latest = mark
        head, readable = spsc.peek(ring)
        wrong |= 4 * (head + readable < mark)
        for sequence in range(head, head + readable):
            wrong |= 8 * (words[RING_WORDS + sequence] != sequence + 1)
        spsc.release(ring, head + readable)
    return wrong


@njit(nogil=True)
def read_tail_first(words, looks):
    """Look at the tail before the watermark."""
    ring = words[:RING_WORDS]
    wrong = 0
    for _ in range(looks):
        head, readable = spsc.peek(ring)
        mark, _, is_whole = spsc.read_watermark(ring)
        wrong |= 4 * (is_whole and head + readable < mark)
        spsc.release(ring, head + readable)
    return wrong


def watermark(count=2, looks=2, worker=publish_and_promise, reader=read_promises):
    """Return the scenario of a watermark beside its ring."""
    capacity = 4
    return Scenario(
        setup=lambda: empty_ring(capacity, 0),
        roles={
            "worker": Role(worker, lambda: (count,)),
            "classifier": Role(reader, lambda: (looks,)),
        },
        check=lambda words, results: (
            [f"marks are wrong: {results['classifier']}"] if results["classifier"] else []
        ),
        labels=ring_names(capacity),
        model=ENGINE_MODEL,
    )


# As `python -m stress races weave tests.race.weave_rings:RING` takes them.
RING = ring(3, 2)
RING_FULL = ring(4, 2)
RING_BATCHES = ring(4, 4, batch=2)
RING_LAST = ring(3, 2, first=LAST - 3)
WATERMARK = watermark(2, 1)
WATERMARK_TWICE = watermark(2, 2)
# Each with one step wrong; what finds them is kept in replays/.
PUBLISHED_EARLY = ring(producer=produce_too_early)
PUBLISHED_RELAXED = ring(producer=produce_relaxed)
RELEASED_EARLY = ring(consumer=consume_released)
PROMISED_EARLY = watermark(worker=promise_and_publish)
TAIL_FIRST = watermark(reader=read_tail_first)
