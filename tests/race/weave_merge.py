"""The merge of event rings by their watermarks as a scenario: two workers, one classifier.

Each worker publishes its events and, behind each, the watermark that covers it; at its end it
promises everything. The classifier takes the smallest head as classifier/merge.py chooses it.
"""

import numpy as np
from numba import njit

from engine.classifier import merge
from engine.classifier.order import (
    BEGINNING,
    HEAD_AT,
    INFINITE,
    KEY_WORDS,
    POSITION_REFERENCE_AT,
    POSITION_TIME_AT,
    is_before,
)
from engine.layouts import CLASS_PACKET, EVENT_SLOT_WORDS, FACT, FACT_EVENT, RING
from engine.memory.atomics import pause
from engine.memory.pointers import pointer, shifted
from engine.rings import spsc
from stress.engine_model import ENGINE_MODEL
from stress.races.scenario import Role, Scenario

WORKERS = 2
CAPACITY = 2
_RING_WORDS = RING.words
_LANE = _RING_WORDS + CAPACITY * EVENT_SLOT_WORDS  # Words of a ring with its slots.
_HEAD = FACT | CLASS_PACKET << FACT_EVENT.shift("head", "class")


@njit(nogil=True)
def emit(words, worker, times, promises_first):
    """Publish an event for each time, in a ring of its own, and promise it.

    Who `promises_first` says that nothing will follow before he publishes his last event.
    """
    ring = pointer(words[worker * _LANE :])
    slots = shifted(ring, _RING_WORDS)
    for number in range(len(times)):
        tail = spsc.claim(ring, 1)
        while tail == spsc.FULL:
            pause()
            tail = spsc.claim(ring, 1)
        if promises_first and number + 1 == len(times):
            spsc.publish_watermark(ring, INFINITE, INFINITE)
        slot = shifted(slots, (tail & (CAPACITY - 1)) * EVENT_SLOT_WORDS)
        slot[HEAD_AT] = _HEAD
        slot[POSITION_TIME_AT] = times[number]
        slot[POSITION_REFERENCE_AT] = times[number]
        spsc.publish(ring, tail + 1)
        if not promises_first or number + 1 < len(times):
            spsc.publish_watermark(ring, times[number], times[number])
    spsc.publish_watermark(ring, INFINITE, INFINITE)


@njit(nogil=True)
def take(words, count, lanes, keys, believes):
    """Take all events; return how many came, or minus the place of one that came out of order.

    Who `believes` takes an empty lane for one that promised everything.
    """
    lane_words, base = merge.LANE_WORDS, np.int64(words.ctypes.data)
    for worker in range(WORKERS):
        lane = shifted(pointer(lanes), worker * lane_words)
        lane[merge.HEADER] = base + 8 * worker * _LANE
        lane[merge.SLOTS] = base + 8 * (worker * _LANE + _RING_WORDS)
    first_lane, first_key = pointer(lanes), pointer(keys)
    last = shifted(first_key, (WORKERS + 1) * KEY_WORDS)
    taken = 0
    while taken < count:
        best = merge._choose(first_lane, first_key, WORKERS, False)
        if best < 0 and believes:
            for worker in range(WORKERS):
                lane = shifted(first_lane, worker * lane_words)
                if lane[merge.HEAD] != lane[merge.TAIL]:
                    best = worker
        if best < 0:
            pause()
            continue
        key = shifted(first_key, best * KEY_WORDS)
        taken += 1
        if not is_before(last, key):
            return -taken
        for word in range(KEY_WORDS):
            last[word] = key[word]
        lane = shifted(first_lane, best * lane_words)
        lane[merge.HEAD] += 1
        merge._give_back(lane)
    return taken


def lanes():
    """Return the classifier's view of the rings, as merge.make_lanes does, without addresses."""
    made = np.zeros((WORKERS, merge.LANE_WORDS), np.int64)
    made[:, merge.CAPACITY] = CAPACITY
    made[:, merge.MARK_TIME] = BEGINNING
    return made.reshape(-1)


def merging(times, promises_first=False, believes=False):
    """Return the scenario of events at these times, a list for each worker."""
    count = sum(map(len, times))

    def setup():
        words = np.zeros(WORKERS * _LANE, np.int64)
        words[[worker * _LANE + spsc.CAPACITY for worker in range(WORKERS)]] = CAPACITY
        for at in (spsc.MARK_TIME, spsc.MARK_REFERENCE):
            words[[worker * _LANE + at for worker in range(WORKERS)]] = BEGINNING
        return words

    def worker(number):
        mine = np.array(times[number], np.int64)
        return Role(emit, lambda: (number, mine, promises_first))

    def keys():
        return np.full((WORKERS + 2) * KEY_WORDS, BEGINNING, np.int64)

    names = {"tail": spsc.TAIL, "head": spsc.HEAD, "lock": spsc.LOCK, "mark": spsc.MARK_TIME}
    return Scenario(
        setup=setup,
        roles={
            "worker 0": worker(0),
            "worker 1": worker(1),
            "classifier": Role(take, lambda: (count, lanes(), keys(), believes)),
        },
        check=lambda words, results: (
            [] if results["classifier"] == count else [f"taken: {results['classifier']} of {count}"]
        ),
        labels={
            number * _LANE + at: f"{name} {number}"
            for name, at in names.items()
            for number in range(WORKERS)
        },
        model=ENGINE_MODEL,
    )


# As `python -m stress races weave tests.race.weave_merge:MERGE` takes them.
MERGE = merging(((1,), (2,)))
MERGE_ALTERNATING = merging(((1, 3), (2, 4)))
MERGE_UNEVEN = merging(((5, 6, 7), (1,)))
# Each with one step wrong; what finds them is kept in replays/.
MERGE_PROMISED_EARLY = merging(((1, 3), (2,)), promises_first=True)
MERGE_BELIEVING = merging(((1, 3), (2,)), believes=True)
