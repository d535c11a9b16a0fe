"""Events and their watermark: what it promises is whole, grows, and has been published.

The writer ends each step as a worker does (flows/consume.py), the reader looks as the merge does.
"""

from typing import NamedTuple

import numpy as np

from engine.flows.emit import EVENT_TAIL
from engine.layouts import RING
from engine.layouts.table import TABLE, WORKER_COUNTERS_MAX
from engine.memory.atomics import load_acquire, pause
from engine.memory.pointers import pointer
from stress.races.scenario import Role, Scenario
from stress.zoo.protocols.waiting import MODEL, TRIES
from stress.zoo.twins import Edit, twin_of
from stress.zoo.uncached import uncached

SPSC, CONSUME = "engine.rings.spsc", "engine.flows.consume"
CAPACITY = 1 << 20  # Slots that nobody writes: the ring is never full.
_LOCK = RING.index("watermark_lock")
_CLOCK, _CLOCK_REFERENCE = TABLE.index("clock_ns"), TABLE.index("clock_reference")


class _Part(NamedTuple):
    """Of a shard (flows/shard.py) what publishing needs."""

    ring: np.ndarray
    table: np.ndarray
    counters: np.ndarray
    shown: np.ndarray


def scenario(edit: Edit | None, count: int) -> Scenario:
    """Return a writer of `count` watermarks and their reader."""
    spsc = twin_of(
        SPSC, ("publish", "publish_watermark", "peek", "release", "read_watermark"), edit
    )
    consume = twin_of(CONSUME, ("publish",), edit)
    consume.spsc = spsc

    def setup() -> np.ndarray:
        words = np.zeros(RING.words, np.int64)
        words[RING.index("capacity")] = CAPACITY
        return words

    def check(words: np.ndarray, results: dict) -> list[str]:
        names = ("torn", "older than one before", "beyond the tail")
        latest, *wrong = results["reader"]
        said = [f"{n} watermarks {name}" for n, name in zip(wrong, names, strict=True) if n]
        return said or ([] if latest == count else [f"the last watermark seen is {latest}"])

    return Scenario(
        setup=setup,
        roles={
            "worker": Role(_writer(consume), lambda: (*_own(), count)),
            "reader": Role(_reader(spsc), lambda: (count,)),
        },
        check=check,
        labels={
            RING.index(name): name
            for name in ("tail", "watermark_lock", "watermark_time", "watermark_reference")
        },
        model=MODEL,
    )


def _own() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the worker's table, its counters, and a packet ring that nobody fills."""
    return tuple(
        np.zeros(size, np.int64) for size in (TABLE.words, WORKER_COUNTERS_MAX, RING.words)
    )


def _writer(consume):
    publish = consume.publish

    @uncached
    def write(words, table, counters, packets, count):
        part = _Part(pointer(words), pointer(table), pointer(counters), pointer(counters))
        for number in range(1, count + 1):
            table[EVENT_TAIL] = number
            table[_CLOCK], table[_CLOCK_REFERENCE] = number, 3 * number
            publish(part, pointer(packets))
        return count

    return write


def _reader(spsc):
    peek, release, read_watermark = spsc.peek, spsc.release, spsc.read_watermark

    @uncached
    def read(words, count):
        ring = pointer(words)
        tries = latest = torn = older = beyond = 0
        while latest < count and tries < TRIES:
            time, reference, whole = read_watermark(ring)
            if not whole or time == latest:
                tries += 1
                if whole or load_acquire(ring, _LOCK) & 1:  # Else it has changed: look again.
                    pause()
                continue
            torn += reference != 3 * time
            older += time < latest
            head, readable = peek(ring)
            beyond += head + readable < time
            release(ring, head + readable)
            latest = max(time, latest)
            tries = 0
        return latest, torn, older, beyond

    return read
