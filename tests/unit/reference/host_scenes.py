"""Events for hosts, made by hand, and the features that a record then takes.

Panes are numbered: pane p is from 5 p to 5 p + 5 seconds.
"""

from struct import unpack

import pytest

from engine.config import PANE_NS, Config, with_settings
from engine.reference.events import (
    EARLY,
    EARLY_RANK,
    ENDED,
    FINAL_RANK,
    PACKET_CLASS,
    TIMER_CLASS,
    Counts,
    Delta,
    Ended,
    Event,
    Fact,
    Increase,
    Key,
    Record,
)
from engine.reference.hosts import FEATURES, Hosts

TCP, UDP, ICMP = 6, 17, 1
ANNA, BERT, CARL = b"\x0a\0\0\1", b"\x0a\0\0\2", b"\x0a\0\0\3"  # Internal.
FAR = b"\x08\x08\x08\x08"  # External.
GROUP = b"\xe0\0\0\xfb"  # Multicast: no host.
SYN = ("started", "syn")
EVER = ("started",)
ANSWERED, REFUSED = (*SYN, "answered"), (*SYN, "answered", "refused")
OTHERS = [bytes((10, 0, 1, number)) for number in range(40)]
INSIDE = OTHERS[:32]
OUTSIDE = [bytes((9, 0, 0, number)) for number in range(32)]
SIX_FAR, SIX_HOME = bytes.fromhex("2001" + "00" * 14), bytes.fromhex("fd00" + "00" * 13 + "01")
_INITIATOR_ALWAYS, _RESPONDER_ALWAYS = 103, 91  # Valid in every row.


def hosts_of(**limits: object) -> Hosts:
    """Return hosts under settings: max_hosts=16 stands for host.max_hosts."""
    dotted = {f"host.{name}": value for name, value in limits.items()}
    return Hosts(with_settings(Config(), dotted).host)


def key(initiator: bytes, responder: bytes, port: int = 80, protocol: int = TCP) -> Key:
    """Return whose flow it is."""
    version = 4 if len(initiator) == 4 else 6
    return Key(version, protocol, initiator, responder, 4000, port, 0, False)


def flow(initiator: bytes, responder: bytes, port: int = 80, protocol: int = TCP, **counts: int):
    """Return key and increase of a flow: 1 packet of 100 bytes forward where nothing is said."""
    if not counts:
        counts = {"fwd_packets": 1, "fwd_bytes": 100}
    if "squares" not in counts:  # Those of one packet that has all bytes.
        counts["squares"] = (counts.get("fwd_bytes", 0) + counts.get("bwd_bytes", 0)) ** 2
    return key(initiator, responder, port, protocol), Increase(**counts)


class Scene:
    """Hosts, and a number for each event so that positions differ."""

    def __init__(self, **limits: object) -> None:
        self.hosts = hosts_of(**limits)
        self._number = 0

    @property
    def counters(self) -> dict[str, int]:
        """Return the counters so far."""
        return dict(self.hosts.counters)

    def delta(self, pane: int, whose, marks: tuple[str, ...] = ("started",), at: int = 0) -> None:
        """Give a delta of a pane; its flow's first packet is `at` ns into it."""
        self._number += 1
        position = pane * PANE_NS + at, self._number
        self._take(Delta(0, (pane + 1) * PANE_NS, position, *whose, marks))

    def query(self, pane: int, host: bytes, name: int = 0, parent: int = 0, **classes: int) -> None:
        """Give a query in a pane; `name` and `parent` are hashes, c3=4: four of class 3."""
        counts = bytes(classes.get(f"c{number}", 0) for number in range(40))
        self._fact(pane, host, False, 0, name, parent, counts)

    def answer(self, pane: int, host: bytes, code: int = 0) -> None:
        """Give an answer in a pane."""
        self._fact(pane, host, True, code, 0, 0, bytes(40))

    def _fact(self, pane: int, *content) -> None:
        self._number += 1
        time = pane * PANE_NS
        self._take(Fact(0, time, (time, self._number), *content))

    def final(self, time: int, whose: Key, duration: int = 0, **how: object) -> Record:
        """Give a final with an ended mark: of class 2 with a remainder, else of a timer.

        `how` may say data_packets, first_end, proper, remainder, marks.
        """
        remainder = how.get("remainder")
        place = (TIMER_CLASS, 0) if remainder is None else (PACKET_CLASS, FINAL_RANK)
        return self._record(
            (time, *place),
            whose,
            first=(time - duration, 0),
            last_ns=time,
            reason=ENDED,
            counts=Counts(1, 0, 100, 0, how.get("data_packets", 0), 0),
            remainder=remainder,
            marks=how.get("marks", ()),
            ended=Ended(how.get("proper", False), how.get("first_end", "")),
        )

    def early(self, time: int, whose: Key, last: int | None = None) -> Record:
        """Give an early record, of a flow whose last packet was at `last`; return it."""
        return self._record(
            (time, PACKET_CLASS, EARLY_RANK),
            whose,
            first=(time, 0),
            last_ns=time if last is None else last,
            reason=EARLY,
            counts=Counts(1, 0, 100, 0, 0, 0),
        )

    def row(self, pane: int, initiator: bytes, responder: bytes = GROUP, **more: int) -> dict:
        """Return the features a record takes in the next pane."""
        record = self.early((pane + 1) * PANE_NS, key(initiator, responder, **more))
        return features(record)

    def _record(self, place: tuple[int, int, int], whose: Key, **content: object) -> Record:
        """Give a record; `place` is its time, class and rank."""
        self._number += 1
        time, order_class, rank = place
        record = Record(
            source=0,
            time=time,
            order_class=order_class,
            rank=rank,
            position=(time, self._number),
            key=whose,
            sequence=0,
            continued=False,
            start_ns=0,
            end_ns=0,
            features=bytes(83 * 4),
            valid=0,
            **content,
        )
        return self._take(record)

    def _take(self, event: Event) -> Event:
        return self.hosts.take(event)


def features(record: Record) -> dict[int, float | None]:
    """Return the features of hosts of a record; None: not valid."""
    values = unpack("<59f", record.host_features)
    found = {}
    for number, value in zip(FEATURES, values, strict=True):
        found[number] = value if record.host_valid >> number & 1 else None
        assert found[number] is not None or value == 0.0, "what is not valid is 0"
    return found


def has_rows(row: dict) -> tuple[bool, bool]:
    """Return whether there was a row of the initiator, of the responder."""
    return row[_INITIATOR_ALWAYS] is not None, row[_RESPONDER_ALWAYS] is not None


def near(value: float):
    """Return what a float32 of this value equals."""
    return pytest.approx(value, rel=2e-7, abs=1e-12)
