"""The twin's events as a worker sends them, and hosts that take them as the classifier does."""

import numpy as np

from engine.classifier import lanes as lanes_of
from engine.classifier import merge
from engine.config import Config, with_settings
from engine.events import CLASSIFIER
from engine.features.services import SERVICES
from engine.hosts import listing
from engine.hosts.space import private_words, space_arrays
from engine.layouts import (
    DELTA,
    DELTA_EVENT,
    EVENT_SLOT_WORDS,
    FACT,
    FACT_EVENT,
    RECORD,
    RECORD_EVENT,
    ROW,
)
from engine.reference.events import MARKS, Event, Fact, Increase, Key, Record
from tests.unit.classifier.builders import packed, plain_ring, publish_event

HASH_KEY = (0x0123456789ABCDEF, 0xFEDCBA9876543210)
ROWS_MAX = 8
_ENDS = {"": 0, "forward": 4, "backward": 8}


def signed(value: int) -> int:
    """Return 64 bits as an int64."""
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value


def halves(address: bytes) -> tuple[int, int]:
    """Return the two words of an address."""
    number = int.from_bytes(address)
    return signed(number >> 64), signed(number) if len(address) == 16 else number


def slots_of(event: Event) -> np.ndarray:
    """Return the words of an event."""
    if isinstance(event, Record):
        return _record(event)
    words = np.zeros(EVENT_SLOT_WORDS, np.int64)
    words[DELTA_EVENT.index("position_time")] = event.position[0]
    words[DELTA_EVENT.index("position_reference")] = event.position[1]
    if isinstance(event, Fact):
        return _fact(event, words)
    head = {"kind": DELTA, "class": 0, "marks": marks(event.marks)}
    head["service"] = SERVICES.index(event.key.service)
    words[0] = packed(DELTA_EVENT, "head", **head)
    _set_key(words, event.key)
    words[DELTA_EVENT.index("fwd_bytes") :] = increase_words(event.increase)
    return words


def marks(names: tuple[str, ...]) -> int:
    """Return marks as bits."""
    return sum(1 << MARKS.index(name) for name in names)


def _set_key(words: np.ndarray, key: Key) -> None:
    at = DELTA_EVENT.index("initiator_high")
    words[at : at + 4] = (*halves(key.initiator), *halves(key.responder))
    fields = {"initiator_port": key.initiator_port, "responder_port": key.responder_port}
    fields |= {"version6": int(key.version == 6), "protocol": key.protocol, "vlan": key.vlan}
    words[at + 4] = packed(DELTA_EVENT, "key", **fields)


def increase_words(increase: Increase) -> list[int]:
    """Return the words of an increase, as a delta and a remainder end."""
    plain = ("fwd_bytes", "bwd_bytes", "fwd_payload", "bwd_payload", "squares")
    return [
        *(getattr(increase, name) for name in plain),
        increase.fwd_packets | increase.bwd_packets << 32,
        increase.fwd_data_packets | increase.rsts << 32,
        increase.fwd_impossible | increase.bwd_impossible << 32,
    ]


def _fact(event: Fact, words: np.ndarray) -> np.ndarray:
    head = {"kind": FACT, "class": 2, "rank": 1, "response": event.response, "code": event.code}
    words[0] = packed(FACT_EVENT, "head", **head)
    at = FACT_EVENT.index("host_high")
    words[at : at + 2] = halves(event.host)
    words[at + 2 : at + 4] = signed(event.name_hash), signed(event.parent_hash)
    words[at + 4] = len(event.host) == 16
    words[at + 5 : at + 10] = np.frombuffer(event.classes, np.int64)
    return words


def _record(event: Record) -> np.ndarray:
    words = np.zeros(RECORD_EVENT.words, np.int64)
    head = {
        "kind": RECORD,
        "class": event.order_class,
        "rank": event.rank,
        "reason": event.reason,
        "marks": marks(event.marks),
        "service": SERVICES.index(event.key.service),
        "remainder": event.remainder is not None,
    }
    if event.ended is not None:
        head["ended"] = 1 | 2 * event.ended.proper | _ENDS[event.ended.first_end]
    words[0] = packed(RECORD_EVENT, "head", **head)
    _set_key(words, event.key)
    values = {
        "position_time": event.position[0],
        "position_reference": event.position[1],
        "time_ns": event.time,
        "first_ns": event.first[0],
        "first_reference": event.first[1],
        "last_ns": event.last_ns,
        "fwd_data_packets": event.counts.fwd_data_packets,
        "bwd_data_packets": event.counts.bwd_data_packets,
    }
    for name, value in values.items():
        words[RECORD_EVENT.index(name)] = value
    if event.remainder is not None:
        at = RECORD_EVENT.index("fwd_bytes")
        words[at : at + 8] = increase_words(event.remainder)
    return words


class EngineHosts:
    """Hosts behind the classifier's merge, of one worker; limits are those of [host]."""

    def __init__(self, separate: bool = False, **limits: object) -> None:
        dotted = {f"host.{name}": value for name, value in limits.items()}
        self.section = with_settings(Config(), dotted).host
        self.words = private_words(self.section, 64, HASH_KEY)
        self.tally = np.zeros(merge.TALLY_WORDS, np.int64)
        self.space = space_arrays(self.words, self.tally)
        self.separate = separate
        self._ring = plain_ring(64, EVENT_SLOT_WORDS)
        self._lanes = lanes_of.make_lanes([self._ring])
        self._keys = lanes_of.make_keys(self._lanes)
        self._rows = np.zeros((ROWS_MAX, ROW.words), np.int64)

    def take(self, event: Event) -> np.ndarray | None:
        """Take an event; return the row of a record."""
        publish_event(self._ring, slots_of(event))
        pair = (self._rows, self._rows.view(np.float32))
        count, slots = merge.merge(self._lanes, self._keys, pair, self.space, self.separate)
        merge.release_taken(self._lanes)
        assert slots, "an event waits"
        assert count == isinstance(event, Record)
        return self._rows[0].copy() if count else None

    def end_pane(self) -> None:
        """End the open pane."""
        listing.end_pane(self.space)

    @property
    def counters(self) -> dict[str, int]:
        """Return the classifier's counters."""
        return {counter.name: int(self.tally[at]) for at, counter in enumerate(CLASSIFIER)}

    def listed(self) -> np.ndarray:
        """Return the rows of all hosts, as for hosts.jsonl."""
        parts, place = [], 1
        while place:
            rows = np.zeros((ROWS_MAX, ROW.words), np.int64)
            count, place = listing.list_hosts(self.space, (rows, rows.view(np.float32)), place)
            parts.append(rows[:count])
        return np.concatenate(parts)


def host_features(row: np.ndarray) -> tuple[bytes, int]:
    """Return the 59 features of hosts in a row, little endian, and the validity bits of all."""
    at = 2 * ROW.index("vector_0")
    floats = row.view(np.float32)
    values = np.concatenate([floats[at + 82 : at + 92], floats[at + 93 : at + 142]])
    valid = sum((int(row[ROW.index("valid") + k]) & (1 << 64) - 1) << 64 * k for k in range(3))
    return values.tobytes(), valid
