"""A ring of two slots: every record arrives once, whole and in order (rings/spsc.py)."""

import numpy as np

from engine.layouts import RING
from engine.memory.atomics import pause
from engine.memory.pointers import pointer
from stress.races.scenario import Role, Scenario
from stress.zoo.protocols.waiting import MODEL, TRIES
from stress.zoo.twins import Edit, twin_of
from stress.zoo.uncached import uncached

MODULE = "engine.rings.spsc"
CAPACITY, SLOT_WORDS = 2, 2
_NAMES = ("claim", "publish", "peek", "release", "FULL")


def scenario(edit: Edit | None, count: int) -> Scenario:
    """Return a producer and a consumer of `count` records."""
    twin = twin_of(MODULE, _NAMES, edit)

    def setup() -> np.ndarray:
        words = np.zeros(RING.words + CAPACITY * SLOT_WORDS, np.int64)
        words[RING.index("capacity")] = CAPACITY
        return words

    def check(words: np.ndarray, results: dict) -> list[str]:
        received, wrong = results["consumer"]
        if received != count:
            return [f"{received} of {count} records arrived"]
        return [f"{wrong} of {count} records are not what was sent"] if wrong else []

    return Scenario(
        setup=setup,
        roles={
            "producer": Role(_producer(twin), lambda: (count,)),
            "consumer": Role(_consumer(twin), lambda: (count,)),
        },
        check=check,
        labels={RING.index(name): name for name in ("head", "tail", "head_seen", "tail_seen")},
        model=MODEL,
    )


def _producer(twin):
    claim, publish, full = twin.claim, twin.publish, twin.FULL
    begin = RING.words

    @uncached
    def produce(words, count):
        ring, tries, sequence = pointer(words), 0, 0
        while sequence < count and tries < TRIES:
            if claim(ring, 1) == full:
                tries += 1
                pause()
                continue
            slot = begin + sequence % CAPACITY * SLOT_WORDS
            words[slot] = sequence + 1  # Plain: published by the tail.
            words[slot + 1] = 10 * sequence  # Plain: likewise.
            sequence += 1
            publish(ring, sequence)
            tries = 0
        return sequence

    return produce


def _consumer(twin):
    peek, release = twin.peek, twin.release
    begin = RING.words

    @uncached
    def consume(words, count):
        ring, tries, wrong, sequence = pointer(words), 0, 0, 0
        while sequence < count and tries < TRIES:
            first, readable = peek(ring)
            if readable == 0:
                tries += 1
                pause()
                continue
            for at in range(first, first + readable):
                slot = begin + at % CAPACITY * SLOT_WORDS
                # Plain: the tail has published both words.
                if words[slot] != at + 1 or words[slot + 1] != 10 * at:
                    wrong += 1
            sequence = first + readable
            release(ring, sequence)
            tries = 0
        return sequence, wrong

    return consume
