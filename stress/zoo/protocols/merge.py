"""Ticks, watermarks and the merge: every event is taken, in order, and nobody waits for ever.

Capture gives packets to two workers and tells idle ones how far it has come (capture/publish.py),
a worker answers each packet with an event and a watermark (flows/consume.py), the classifier merges
(classifier/merge.py).
"""

from typing import NamedTuple

import numpy as np

from engine.capture import state
from engine.classifier.order import (
    BEGINNING,
    CLASS_SHIFT,
    HEAD_AT,
    KEY_WORDS,
    POSITION_REFERENCE_AT,
    POSITION_TIME_AT,
)
from engine.events import COUNTERS_MAX
from engine.flows.emit import EVENT_TAIL
from engine.layouts import CLASS_PACKET, EVENT_SLOT_WORDS, FACT, PACKET, RING
from engine.layouts.table import TABLE, WORKER_COUNTERS_MAX
from engine.memory.atomics import load_acquire, load_relaxed, pause
from engine.memory.pointers import pointer, shifted
from engine.packets.lines import LENGTHS, REFERENCE, TIME
from stress.races.scenario import Role, Scenario
from stress.zoo.protocols.waiting import MODEL, TRIES, place_of
from stress.zoo.twins import Edit, twin_of
from stress.zoo.uncached import uncached

SPSC, CONSUME = "engine.rings.spsc", "engine.flows.consume"
PUBLISH, MERGE = "engine.capture.publish", "engine.classifier.merge"
WORKERS, CAPACITY = 2, 4
_HEADER_WORDS, _PACKET_WORDS = RING.words, PACKET.words
_PACKETS = _HEADER_WORDS + CAPACITY * _PACKET_WORDS
_EVENTS = _HEADER_WORDS + CAPACITY * EVENT_SLOT_WORDS
_LOCK, _TIME, _REFERENCE = (
    RING.index(f"watermark_{name}") for name in ("lock", "time", "reference")
)
_EVENTS_AT = WORKERS * _PACKETS
_COUNTERS_AT = _EVENTS_AT + WORKERS * _EVENTS
WORDS = _COUNTERS_AT + COUNTERS_MAX
_PUBLISH_NAMES = ("has_room", "next_slot", "written_one", "publish_all", "send_ticks")
# Words of a lane (classifier/merge.py, whose import would compile all of it).
HEADER, SLOTS, LANE_CAPACITY, HEAD, TAIL, RELEASED, MARK_TIME, MARK_REFERENCE = range(8)
LANE_WORDS = 8
_CLOCK, _CLOCK_REFERENCE = TABLE.index("clock_ns"), TABLE.index("clock_reference")
_PACKET_HEAD = TABLE.index("packet_head")
_STEP_NS = 10


class _Part(NamedTuple):
    """Of a shard (flows/shard.py) what publishing needs."""

    ring: np.ndarray
    table: np.ndarray
    counters: np.ndarray
    shown: np.ndarray


def scenario(edit: Edit | None, count: int) -> Scenario:
    """Return capture, two workers and the classifier, with `count` packets."""
    spsc = twin_of(SPSC, ("claim", "peek", "peek_behind", "FULL"), edit)
    consume = twin_of(CONSUME, ("publish",), edit)
    publish = twin_of(PUBLISH, _PUBLISH_NAMES, edit)
    merge = twin_of(MERGE, ("_choose", "_give_back", "_copy_key", "is_before"), edit)
    merge.peek_behind = spsc.peek_behind

    def setup() -> np.ndarray:
        words = np.zeros(WORDS, np.int64)
        for worker in range(WORKERS):
            words[worker * _PACKETS + RING.index("capacity")] = CAPACITY
            words[_EVENTS_AT + worker * _EVENTS + RING.index("capacity")] = CAPACITY
        return words

    def check(words: np.ndarray, results: dict) -> list[str]:
        taken, wrong = results["classifier"]
        said = [f"{taken} of {count} events were merged"] if taken != count else []
        return said + ([f"{wrong} events out of order"] if wrong else [])

    return Scenario(
        setup=setup,
        roles={
            "capture": Role(_capture(publish), lambda: (*_capture_own(), count)),
            **{
                f"worker.{k}": Role(
                    _worker(spsc, consume),
                    lambda k=k: (*_worker_own(), k, count),
                )
                for k in range(WORKERS)
            },
            "classifier": Role(_classifier(merge), lambda: (*_classifier_own(), count)),
        },
        check=check,
        labels=_labels(),
        model=MODEL,
    )


def _labels() -> dict[int, str]:
    names = [word.name for line in RING.lines for word in line.words]
    return {
        begin + k * size + RING.index(name): f"{kind}.{k}.{name}"
        for kind, begin, size in (("packets", 0, _PACKETS), ("events", _EVENTS_AT, _EVENTS))
        for k in range(WORKERS)
        for name in names
    }


def _capture_own() -> tuple[np.ndarray, np.ndarray]:
    reader = np.zeros(state.READER_WORDS, np.int64)
    reader[state.WORKERS], reader[state.BATCH] = WORKERS, 2
    rings = np.zeros(WORKERS * state.RING_WORDS, np.int64)
    rings[state.RING_CAPACITY :: state.RING_WORDS] = CAPACITY
    return reader, rings


def _worker_own() -> tuple[np.ndarray, np.ndarray]:
    return np.zeros(TABLE.words, np.int64), np.zeros(WORKER_COUNTERS_MAX, np.int64)


def _classifier_own() -> tuple[np.ndarray, np.ndarray]:
    lanes = np.zeros((WORKERS, LANE_WORDS), np.int64)
    lanes[:, LANE_CAPACITY], lanes[:, MARK_TIME] = CAPACITY, BEGINNING
    return lanes.reshape(-1), np.full((WORKERS + 2) * KEY_WORDS, BEGINNING, np.int64)


def _capture(publish):
    has_room, next_slot, written_one = publish.has_room, publish.next_slot, publish.written_one
    publish_all, send_ticks = publish.publish_all, publish.send_ticks

    @uncached
    def send(words, reader, rings, count):
        first_ring, own = pointer(rings), pointer(reader)
        own[state.COUNTERS] = place_of(words, _COUNTERS_AT)
        for k in range(WORKERS):
            rings[k * state.RING_WORDS + state.RING_HEADER] = place_of(words, k * _PACKETS)
            rings[k * state.RING_WORDS + state.RING_SLOTS] = place_of(
                words, k * _PACKETS + _HEADER_WORDS
            )
        number = tries = 0
        while number < count and tries < TRIES:
            ring = shifted(first_ring, (number % 3 == 2) * state.RING_WORDS)
            if not has_room(ring):
                tries += 1
                publish_all(own, first_ring)
                send_ticks(own, first_ring)
                pause()
                continue
            slot = next_slot(ring)
            slot[TIME], slot[REFERENCE] = number // 2 * _STEP_NS, 2 * number
            slot[LENGTHS] = 1  # Else it were a control record.
            written_one(own, ring, 0)
            number, tries = number + 1, 0
            own[state.NEWEST_TIME], own[state.HAS_NEWEST] = (number - 1) // 2 * _STEP_NS, 1
            own[state.NEWEST_REFERENCE] = 2 * number - 1
        publish_all(own, first_ring)
        for k in range(WORKERS):
            ring = shifted(first_ring, k * state.RING_WORDS)
            # As the product does while it waits: until each was told, if it has room.
            while not has_room(ring) and tries < TRIES:
                tries += 1
                pause()
        send_ticks(own, first_ring)
        return number

    return send


def _worker(spsc, consume):
    peek, claim, full, publish = spsc.peek, spsc.claim, spsc.FULL, consume.publish

    @uncached
    def work(words, table, counters, number, count):
        packets = shifted(pointer(words), number * _PACKETS)
        events = shifted(pointer(words), _EVENTS_AT + number * _EVENTS)
        part = _Part(events, pointer(table), pointer(counters), pointer(counters))
        tries = 0
        while table[_CLOCK_REFERENCE] != 2 * count - 1 and tries < TRIES:
            first, readable = peek(packets)
            if readable == 0 or claim(events, 1) == full:
                tries += 1
                pause()
                continue
            slot = shifted(packets, _HEADER_WORDS + first % CAPACITY * _PACKET_WORDS)
            if slot[LENGTHS]:
                event = shifted(
                    events, _HEADER_WORDS + table[EVENT_TAIL] % CAPACITY * EVENT_SLOT_WORDS
                )
                event[HEAD_AT] = FACT | CLASS_PACKET << CLASS_SHIFT
                event[POSITION_TIME_AT], event[POSITION_REFERENCE_AT] = slot[TIME], slot[REFERENCE]
                table[EVENT_TAIL] += 1
            table[_CLOCK], table[_CLOCK_REFERENCE] = slot[TIME], slot[REFERENCE]
            table[_PACKET_HEAD] = first + 1
            publish(part, packets)
            tries = 0
        return table[EVENT_TAIL]

    return work


def _classifier(merge):
    choose, give_back, copy_key = merge._choose, merge._give_back, merge._copy_key
    is_before = merge.is_before

    @uncached
    def take(words, lanes, keys, count):
        first_lane, first_key = pointer(lanes), pointer(keys)
        for k in range(WORKERS):
            begin = _EVENTS_AT + k * _EVENTS
            lanes[k * LANE_WORDS + HEADER] = place_of(words, begin)
            lanes[k * LANE_WORDS + SLOTS] = place_of(words, begin + _HEADER_WORDS)
        last = shifted(first_key, (WORKERS + 1) * KEY_WORDS)
        taken = wrong = tries = 0
        while taken < count and tries < TRIES:
            best = choose(first_lane, first_key, WORKERS, False)
            if best < 0:
                tries += 1
                if not _has_moved(words, lanes):
                    pause()
                continue
            lane = shifted(first_lane, best * LANE_WORDS)
            key = shifted(first_key, best * KEY_WORDS)
            wrong += not is_before(last, key)
            copy_key(key, last)
            lane[HEAD] += 1
            taken += 1
            give_back(lane)
            tries = 0
        return taken, wrong

    return take


@uncached
def _has_moved(words, lanes):
    """Return whether an empty lane has a newer watermark than it took: a pause would not see it."""
    for k in range(WORKERS):
        ring = shifted(pointer(words), _EVENTS_AT + k * _EVENTS)
        lane = shifted(pointer(lanes), k * LANE_WORDS)
        if (
            lane[HEAD] == lane[TAIL]
            and load_acquire(ring, _LOCK) & 1 == 0
            and (
                load_relaxed(ring, _TIME) > lane[MARK_TIME]
                or load_relaxed(ring, _REFERENCE) > lane[MARK_REFERENCE]
            )
        ):
            return True
    return False
