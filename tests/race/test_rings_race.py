"""Two threads on two cores at one ring, one counter, one watermark: nothing torn, nothing lost.

Method: each experiment names its outcomes and counts them. Beside each runs its broken twin, in
which one step is wrong, and which must show the bad outcome in the same run: an instrument that
cannot go red says nothing. It is run again, up to a deadline, while the machine is too busy to run
two threads at once. The kernels release the interpreter lock. What it cannot show: reorderings that
this CPU does not make; the orders in LLVM's code are tested in unit/.
"""

import os
import threading
import time

import numpy as np
import pytest
from numba import njit

from engine.layouts import RING
from engine.memory.atomics import fetch_add, load_relaxed, pause, store_relaxed
from engine.rings import spsc

pytestmark = [
    pytest.mark.compiled,
    pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores"),
]

RECORDS = 100_000
INCREMENTS = 5_000_000
MARKS = 3_000_000
CAPACITY = 8
WORDS = 4
TRIES = 1 << 16  # Of a kernel before it gives its core to whoever wants it.
DEADLINE_S = 120


def together(*actions):
    """Run the actions in a thread each, begun as close together as can be."""
    gate = threading.Barrier(len(actions))

    def run(action):
        gate.wait()
        action()

    threads = [threading.Thread(target=run, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def shows(bad_outcome):
    """Return whether the bad outcome comes up in one of the runs until the deadline."""
    end_s = time.monotonic() + DEADLINE_S
    while time.monotonic() < end_s:
        if bad_outcome():
            return True
    return False


def new_ring():
    """Return (header, slots) of an empty ring."""
    header = np.zeros(RING.words, np.int64)
    header[spsc.CAPACITY] = CAPACITY
    return header, np.zeros((CAPACITY, WORDS), np.int64)


def until(finished, step):
    """Repeat a step, giving way between, until it has finished; fail at the deadline."""
    end_s = time.monotonic() + DEADLINE_S
    while not finished():
        assert time.monotonic() < end_s, "an end waits for ever"
        step()
        os.sched_yield()


@njit(nogil=True)
def _produce(header, slots, count, write_first):
    """Send records, each made of its sequence; `count` in all."""
    for _ in range(TRIES):
        first = spsc.claim(header, 1)
        if first == count:
            return
        if first == spsc.FULL:
            pause()
            continue
        if not write_first:
            spsc.publish(header, first + 1)
        for word in range(WORDS):
            slots[first % CAPACITY, word] = first * WORDS + word
        if write_first:
            spsc.publish(header, first + 1)


@njit(nogil=True)
def _consume(header, slots, count, seen):
    """Count in seen[0] the records received, in seen[1] those that are not what was sent."""
    for _ in range(TRIES):
        if seen[0] == count:
            return
        first, readable = spsc.peek(header)
        if readable == 0:
            pause()
            continue
        for sequence in range(first, first + readable):
            for word in range(WORDS):
                if slots[sequence % CAPACITY, word] != sequence * WORDS + word:
                    seen[1] += 1
                    break
            seen[0] += 1
        spsc.release(header, first + readable)


def records_torn(write_first):
    """Return (received, torn) of one run through a ring."""
    header, slots = new_ring()
    seen = np.zeros(2, np.int64)
    together(
        lambda: until(
            lambda: header[spsc.TAIL] == RECORDS,
            lambda: _produce(header, slots, RECORDS, write_first),
        ),
        lambda: until(
            lambda: seen[0] == RECORDS,
            lambda: _consume(header, slots, RECORDS, seen),
        ),
    )
    return tuple(seen.tolist())


def test_ring_between_threads_tears_and_loses_no_record():
    assert records_torn(write_first=True) == (RECORDS, 0)


def test_ring_that_publishes_before_it_writes_tears_records():
    assert shows(lambda: records_torn(write_first=False)[1] > 0)


@njit(nogil=True)
def _add(words, count):
    for _ in range(count):
        fetch_add(words, 0, 1)


@njit(nogil=True)
def _load_and_store(words, count):
    for _ in range(count):
        store_relaxed(words, 0, load_relaxed(words, 0) + 1)


def counted(add):
    """Return what two threads counted together."""
    words = np.zeros(1, np.int64)
    together(lambda: add(words, INCREMENTS), lambda: add(words, INCREMENTS))
    return int(words[0])


def test_fetch_add_of_two_writers_loses_nothing():
    assert counted(_add) == 2 * INCREMENTS


def test_load_and_store_of_two_writers_loses_some():
    assert shows(lambda: counted(_load_and_store) < 2 * INCREMENTS)


@njit(nogil=True)
def _publish_marks(header, count, done):
    for mark in range(1, count + 1):
        spsc.publish_watermark(header, mark, 3 * mark)
    store_relaxed(done, 0, 1)


@njit(nogil=True)
def _read_marks(header, done, locked, seen):
    """Count in seen[0] the watermarks taken, in seen[1] those that nobody published."""
    latest = 0
    while True:  # Ends: the writer waits for nobody.
        ended = load_relaxed(done, 0)
        mark, reference, whole = spsc.read_watermark(header)
        if whole or not locked:
            seen[0] += 1
            if reference != 3 * mark or (locked and mark < latest):
                seen[1] += 1
            latest = mark
        if ended == 1:
            return


def marks_torn(locked):
    """Return (taken, torn) of one run; unlocked, a reader takes what it sees."""
    header, _ = new_ring()
    seen, done = np.zeros(2, np.int64), np.zeros(1, np.int64)
    together(
        lambda: _publish_marks(header, MARKS, done),
        lambda: _read_marks(header, done, locked, seen),
    )
    return tuple(seen.tolist())


def test_watermark_is_never_taken_torn_nor_backwards():
    taken, torn = marks_torn(locked=True)
    assert taken > 0
    assert torn == 0


def test_watermark_without_its_lock_is_taken_torn():
    assert shows(lambda: marks_torn(locked=False)[1] > 0)
