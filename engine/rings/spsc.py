"""Single-producer single-consumer ring: the steps, and why they are enough.

    producer                                  consumer
    --------------------------------------    --------------------------------------
    sequence = claim(ring, count)             first, count = peek(ring)
    slots[(sequence + k) & mask] = ...        ... = slots[(first + k) & mask]
    publish(ring, sequence + count)           release(ring, first + count)

`ring` is a pointer to (or array of) the words of layouts.RING. Each step reads or writes at most
one shared word, so any interleaving of two processes is an interleaving of these steps.

Memory order
  A slot is written before `publish` stores tail with release, and read after `peek` loads tail with
  acquire: the reader of sequence s sees slot s whole.
  A slot is read before `release` stores head with release, and overwritten after `claim` loads head
  with acquire: a slot is never overwritten while being read.
  head_seen and tail_seen are stale copies. Staleness errs toward "full" and "empty", never toward
  "free" and "ready", because both sequences only grow.

Watermark (event rings): the worker's promise that everything up to a position has been published.
It is two words under a sequence lock. The worker publishes events first, then the watermark; the
classifier reads the watermark first, then tail: what the watermark promises is then within the tail
it sees.
"""

from numba import njit

from engine.layouts import RING
from engine.memory.atomics import (
    fence_acquire,
    fence_release,
    load_acquire,
    load_relaxed,
    store_relaxed,
    store_release,
)
from engine.memory.options import KERNEL

CAPACITY = RING.index("capacity")
TAIL = RING.index("tail")
HEAD_SEEN = RING.index("head_seen")
HEAD = RING.index("head")
TAIL_SEEN = RING.index("tail_seen")
LOCK = RING.index("watermark_lock")
MARK_TIME = RING.index("watermark_time")
MARK_REFERENCE = RING.index("watermark_reference")

FULL = -1


@njit(**KERNEL)
def claim(ring, count):
    """Return the first of `count` free slots, or FULL. Producer only."""
    tail = ring[TAIL]  # Plain: the producer is the only writer of its own line.
    if tail + count - ring[HEAD_SEEN] > ring[CAPACITY]:
        ring[HEAD_SEEN] = load_acquire(ring, HEAD)
        if tail + count - ring[HEAD_SEEN] > ring[CAPACITY]:
            return FULL
    return tail


@njit(**KERNEL)
def publish(ring, tail):
    """Make every slot below sequence `tail` visible. Producer only; claimed before."""
    assert ring[TAIL] <= tail  # Plain: the producer is the only writer of its own line.
    assert tail - ring[HEAD_SEEN] <= ring[CAPACITY]
    store_release(ring, TAIL, tail)


@njit(**KERNEL)
def peek(ring):
    """Return (first readable sequence, count of readable slots). Consumer only."""
    head = ring[HEAD]  # Plain: the consumer is the only writer of its own line.
    if head == ring[TAIL_SEEN]:
        ring[TAIL_SEEN] = load_acquire(ring, TAIL)
    return head, ring[TAIL_SEEN] - head


@njit(**KERNEL)
def peek_behind(ring, taken):
    """Return how many slots are readable from `taken` on, which is not released yet. Consumer."""
    if taken == ring[TAIL_SEEN]:  # Plain: the consumer is the only writer of its own line.
        ring[TAIL_SEEN] = load_acquire(ring, TAIL)
    return ring[TAIL_SEEN] - taken


@njit(**KERNEL)
def release(ring, head):
    """Give every slot below sequence `head` back to the producer. Consumer only."""
    assert ring[HEAD] <= head  # Plain: the consumer is the only writer of its own line.
    assert head <= ring[TAIL_SEEN]
    store_release(ring, HEAD, head)


@njit(**KERNEL)
def publish_watermark(ring, time, reference):
    """Promise that all events up to (time, class 2, position) are published. Worker only."""
    lock = ring[LOCK] | 1  # Plain: the producer's own line. Odd already after a producer's death.
    store_relaxed(ring, LOCK, lock)
    fence_release()  # The lock is odd before either word changes.
    store_relaxed(ring, MARK_TIME, time)
    store_relaxed(ring, MARK_REFERENCE, reference)
    store_release(ring, LOCK, lock + 1)


@njit(**KERNEL)
def read_watermark(ring):
    """Return (time, reference, True), or (0, 0, False) while it is being written. Any reader."""
    before = load_acquire(ring, LOCK)
    time = load_relaxed(ring, MARK_TIME)
    reference = load_relaxed(ring, MARK_REFERENCE)
    fence_acquire()  # Both words are read before the lock is read again.
    return time, reference, before & 1 == 0 and load_relaxed(ring, LOCK) == before
