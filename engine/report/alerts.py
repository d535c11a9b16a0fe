"""The alerts of a run as eve.json has them, by kind, and within a kind by one of their ends.

An attacker chooses how many alerts there are, and from how many addresses: what is kept is bounded
(the limits below), and what is not kept is counted.
"""

from array import array
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np

from engine.features.catalogue import NAMES
from engine.recorder.outputs import EVE
from engine.recorder.read_back import BrokenOutputError, eve_lines
from engine.report.tally import Tally
from engine.report.timeline import Timeline

KINDS_MAX = 16
ADDRESSES_MAX = 32_768  # Of a kind and an end.
EXAMPLES_MAX, EXAMPLES_KEPT = 4096, 512  # Of a kind and an end: lines of alerts.
FLOWS_MAX = 4_000_000  # Identifiers of flows with an alert, 8 bytes each.
ENDS = ("initiator", "responder")
_MANY_TO_ONE = 4  # Initiators for each responder, from which on alerts are shown by responder.
_BATCH = 4096
_FEATURES = frozenset(NAMES)
_WEIGHT_MAX = 1e6  # Of what is added up; no forest comes near.
_Int64 = Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)]


class Top(msgspec.Struct, frozen=True):
    """A feature that moved a score, and how far."""

    name: str
    value: float
    weight: float


class _Ours(msgspec.Struct, frozen=True):
    record: str
    uid: str
    service: str
    start_ns: _Int64
    end_ns: _Int64
    first_offset: _Int64
    score: float
    threshold: float
    label: str
    top_features: list[Top]


class _Counts(msgspec.Struct, frozen=True):
    fwd_packets: _Int64 = msgspec.field(name="pkts_toserver")
    bwd_packets: _Int64 = msgspec.field(name="pkts_toclient")
    fwd_bytes: _Int64 = msgspec.field(name="bytes_toserver")
    bwd_bytes: _Int64 = msgspec.field(name="bytes_toclient")


class Alert(msgspec.Struct, frozen=True):
    """An alert event, with what the page shows of it."""

    flow_id: _Int64
    initiator: str = msgspec.field(name="src_ip")
    responder: str = msgspec.field(name="dest_ip")
    protocol: str = msgspec.field(name="proto")
    community_id: str
    source: str = msgspec.field(name="pcap_filename")
    flow: _Counts
    ml: _Ours
    initiator_port: int | None = msgspec.field(default=None, name="src_port")
    responder_port: int | None = msgspec.field(default=None, name="dest_port")


_ALERT = msgspec.json.Decoder(Alert)


@dataclass(slots=True)
class Group:
    """Alerts of a kind that share an end. `example` is the line of the one with most score."""

    end: str
    address: str
    count: int
    example: bytes


class Kind:
    """All alerts of a kind."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.count = 0
        self.score_max = 0.0
        self.first_ns, self.last_ns = (1 << 63) - 1, -(1 << 63)
        self.ends = {end: Tally(1, kept_max=ADDRESSES_MAX) for end in ENDS}
        self.services = Tally(1, kept_max=ADDRESSES_MAX)
        # Names of the catalogue only: in how many alerts, and their weights in thousandths.
        self.features = Tally(2, by=1)
        self._best: dict[str, dict[str, tuple[float, bytes]]] = {end: {} for end in ENDS}

    def add(self, alert: Alert, line: bytes) -> None:
        """Count an alert."""
        self.count += 1
        self.score_max = max(self.score_max, alert.ml.score)
        self.first_ns = min(self.first_ns, alert.ml.start_ns)
        self.last_ns = max(self.last_ns, alert.ml.end_ns)
        port = alert.responder_port
        self.services.add(alert.protocol if port is None else f"{alert.protocol} {port}", 1)
        for top in alert.ml.top_features:
            if top.name in _FEATURES:
                weight = min(abs(top.weight), _WEIGHT_MAX)
                self.features.add(top.name, 1, round(1000 * weight))
        for end in ENDS:
            address = getattr(alert, end)
            self.ends[end].add(address, 1)
            best = self._best[end].get(address)
            if best is None or alert.ml.score > best[0]:
                self._best[end][address] = alert.ml.score, line
            if len(self._best[end]) > EXAMPLES_MAX:
                self._forget(end)

    def _forget(self, end: str) -> None:
        """Keep the examples of the largest groups: who is not among them now has to come again."""
        largest = self.ends[end].largest(EXAMPLES_KEPT)
        self._best[end] = {
            address: self._best[end][address]
            for address, _ in largest
            if address in self._best[end]
        }

    def shown_end(self) -> str:
        """Return the end by which these alerts are fewer groups: the one that they have alike."""
        initiators, responders = (len(self.ends[end]) for end in ENDS)
        many = not self.ends["initiator"].complete
        return ENDS[1] if initiators > _MANY_TO_ONE * responders or many else ENDS[0]

    def groups(self, count: int) -> list[Group]:
        """Return the largest groups by that end."""
        end = self.shown_end()
        return [
            Group(end, address, alerts, self._best[end][address][1])
            for address, (alerts,) in self.ends[end].largest(count)
            if address in self._best[end]
        ]


@dataclass(slots=True)
class Alerts:
    """What eve.json has of alerts. `fault`: why it was not read to its end."""

    kinds: dict[str, Kind] = field(default_factory=dict)
    timelines: dict[str, Timeline] = field(default_factory=dict)
    count: int = 0
    other_kinds: int = 0
    flows: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    flows_complete: bool = True
    fault: str = ""

    def by_count(self) -> list[Kind]:
        """Return the kinds, most alerts first."""
        return sorted(self.kinds.values(), key=lambda kind: (-kind.count, kind.label))


def decoded(line: bytes) -> Alert:
    """Return the alert of a line that was read before."""
    return _ALERT.decode(line)


def read_alerts(folder: Path) -> Alerts:
    """Read all alerts of a run's folder, once through."""
    found = Alerts()
    flows = array("q")
    batches: dict[str, array] = {}
    if not (folder / EVE).is_file():
        found.fault = f"{EVE} is missing"
        return found
    try:
        for number, kind, line in eve_lines(folder / EVE):
            if kind != "alert":
                continue
            try:
                alert = _ALERT.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise BrokenOutputError(f"{EVE}, line {number}: {error}") from None
            found.count += 1
            if len(flows) < FLOWS_MAX:
                flows.append(alert.flow_id)
            _count(found, batches, alert, line)
    except BrokenOutputError as error:
        found.fault = str(error)
    except OSError as error:
        found.fault = f"{EVE} cannot be read: {error.strerror}"
    for label, times in batches.items():
        _flush(found.timelines[label], times)
    found.flows = np.unique(np.frombuffer(flows, np.int64)) if flows else found.flows
    found.flows_complete = len(flows) == found.count
    return found


def _count(found: Alerts, batches: dict[str, array], alert: Alert, line: bytes) -> None:
    label = alert.ml.label
    if label not in found.kinds:
        if len(found.kinds) == KINDS_MAX:
            found.other_kinds += 1
            return
        found.kinds[label] = Kind(label)
        found.timelines[label] = Timeline(1)
        batches[label] = array("q")
    found.kinds[label].add(alert, line)
    times = batches[label]
    times.append(alert.ml.start_ns)
    if len(times) == _BATCH:
        _flush(found.timelines[label], times)


def _flush(timeline: Timeline, times: array) -> None:
    begins = np.array(times, np.int64)
    timeline.add(begins, begins, np.ones(len(begins)))
    del times[:]
