"""Features 82 to 91 and 93 to 141 but 99: a host's row of a pane (SEMANTICS.rst, "Hosts").

Every value is worked out anew from the panes of its window, for each row.
"""

import math
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

from engine.config import PANE_NS, SECOND_NS
from engine.features.services import SERVICES
from engine.reference.features import Value, deviation, mean
from engine.reference.host_panes import LENGTH_BINS, SPAN_NS_MAX, Pane
from engine.reference.sketches import distinct, entropy, hyperloglog, largest_distinct, top

RATE_CELL_NS = 150 * SECOND_NS  # Of feature 120.
RATE_CELLS, RATE_CELLS_MIN = 8, 4
SLICE_NS = 10 * SECOND_NS  # Of feature 137.
SMB_BYTES_MIN = 65_536
DAY_NS = 24 * 3600 * SECOND_NS
BEACON_GAPS_MIN = 4
SPANS_NS_MAX = 1 << 61  # A sum of durations in a cell stops here.


@dataclass(slots=True)
class Part:
    """One part of a host, as its rows need it."""

    known_since: int
    panes: list[Pane]  # Ascending; those given up lie before every window.


class Window:
    """The panes of a window that ends with a pane."""

    def __init__(self, part: Part, seconds: int, end: int) -> None:
        self.cell_ns = seconds * SECOND_NS // 2
        self.start = ((end - PANE_NS) // self.cell_ns - 1) * self.cell_ns
        self.end = end
        self.known_since = part.known_since
        self.panes = [pane for pane in part.panes if pane.start >= self.start]

    def total(self, name: str) -> int:
        """Return a sum."""
        return sum([pane.sums[name] for pane in self.panes])

    def union(self, name: str) -> set:
        """Return the things of all panes."""
        return set().union(*[pane.things.get(name, ()) for pane in self.panes])

    def span(self, name: str) -> Value:
        """Return the mean of durations, in s."""
        found = mean(self._span_total(name), len(self.values(name)))
        return None if found is None else found / 1e9

    def span_deviation(self, name: str) -> Value:
        """Return the deviation of durations, in s."""
        durations = self.values(name)
        squares = sum([duration * duration for duration in durations])
        found = deviation(len(durations), self._span_total(name), squares)
        return None if found is None else found / 1e9

    def _span_total(self, name: str) -> int:
        cells: Counter = Counter()
        for pane in self.panes:
            cells[pane.start // self.cell_ns] += sum(pane.lists.get(name, ()))
        return sum([min(total, SPANS_NS_MAX) for total in cells.values()])

    def values(self, name: str) -> list[int]:
        """Return the values of all panes."""
        return [value for pane in self.panes for value in pane.lists.get(name, ())]

    def bins(self, name: str) -> Counter:
        """Return the sums of bins."""
        totals: Counter = Counter()
        for pane in self.panes:
            totals.update(pane.bins.get(name, {}))
        return totals

    def distinct(self, name: str) -> int:
        """Return how many things a bitmap of 256 bits takes those of a name for."""
        return distinct(self.union(name))

    def rate(self, name: str) -> float:
        """Return a sum per second of the time covered."""
        covered = self.end - max(self.start, self.known_since)
        return float(self.total(name)) / (float(covered) / 1e9)

    def is_known(self, seconds: int) -> bool:
        """Return whether the host is known for so long."""
        return self.end - self.known_since >= seconds * SECOND_NS


def responder_row(part: Part, end: int) -> dict[int, Value]:
    """Return features 82 to 91 of the pane that ends at `end`."""
    w = Window(part, 10, end)
    fwd, bwd = w.total("fwd"), w.total("bwd")
    lengths, prefixes = w.bins("lengths"), w.bins("prefixes")
    amplified = float(w.total("fwd_udp_bytes") + 1) / float(w.total("bwd_udp_bytes") + 1)
    faster = (w.rate("fwd") + 1.0) / (Window(part, 60, end).rate("fwd") + 1.0)
    return {
        82: _ratio(w.total("syn_alone"), w.total("syn")),
        83: _ratio(fwd - bwd, fwd + bwd),
        84: math.log10(1.0 + hyperloglog(w.union("senders"))),
        85: _ratio(w.total("fwd_impossible"), w.total("fwd_tcp")),
        86: _evenness(lengths, range(LENGTH_BINS), 4.0, fwd),
        87: math.log2(amplified) if w.total("udp") else None,
        88: _ratio(w.total("proper"), w.total("ended")),
        89: _evenness(prefixes, range(64), 6.0, fwd),
        90: math.log2(faster) if w.is_known(10) else None,
        91: math.log10(1.0 + w.rate("starts")),
    }


def initiator_row(part: Part, end: int) -> dict[int, Value]:
    """Return features 93 to 98 and 100 to 141 of the pane that ends at `end`."""
    half_minute, minute = Window(part, 30, end), Window(part, 60, end)
    minutes = Window(part, 300, end)
    return {
        **_ransomware(half_minute, minutes),
        **_traffic(minute),
        **_internal(minutes),
        120: _rate_deviation(part, end),
        **_scans(half_minute),
        **_symptoms(minutes),
    }


def beacon_regularity(starts: list[int], end: int) -> Value:
    """Return feature 99 of a pair whose last starts are these."""
    recent = [start for start in starts if start >= end - DAY_NS]
    gaps = [min(later - earlier, SPAN_NS_MAX) for earlier, later in pairwise(recent)]
    if len(gaps) < BEACON_GAPS_MIN:
        return None
    variation = _variation(gaps)
    return None if variation is None else max(0.0, 1.0 - variation)


def _ratio(count: int, total: int) -> Value:
    return float(count) / float(total) if total else None


def _evenness(bins: Counter, names, bits: float, count: int) -> Value:
    """Return the entropy of bins, as a share of what it is at most; valid from 2 counted."""
    if count < 2:
        return None
    return min(entropy(bins[name] for name in names) / bits, 1.0)


def _spread(values: list[int]) -> Value:
    """Return the deviation of a sample."""
    return deviation(len(values), sum(values), sum(value * value for value in values))


def _variation(values: list[int]) -> Value:
    """Return the coefficient of variation of at least 2 values; their mean must be above 0."""
    if len(values) < 2 or sum(values) == 0:
        return None
    return _spread(values) / mean(sum(values), len(values))


def _ransomware(w: Window, minutes: Window) -> dict[int, Value]:
    written, read = w.total("smb_written"), w.total("smb_read")
    starts, peers = w.total("starts"), w.distinct("peers")
    balance = 1.0 - _ratio(abs(read - written), read + written) if written else None
    shift = (w.rate("starts") + 0.01) / (minutes.rate("starts") + 0.01)
    new_share = _ratio(w.distinct("new_peers"), peers)
    return {
        93: w.rate("smb_packets") if w.total("fwd") else None,
        94: math.log10(1.0 + float(written)),
        95: balance if written >= SMB_BYTES_MIN else None,
        96: float(w.distinct("admin_peers")),
        97: math.log10(1.0 + float(w.total("external_payload"))),
        98: None if new_share is None else min(new_share, 1.0),
        100: math.log2(shift) if w.is_known(30) else None,
        101: _ratio(w.total("failed"), starts),
    }


def _traffic(w: Window) -> dict[int, Value]:
    starts, tcp, peers = w.total("starts"), w.total("tcp"), w.bins("peers")
    return {
        102: w.rate("packets"),
        103: w.rate("starts"),
        104: _ratio(tcp, tcp + w.total("udp")),
        105: mean(w.total("bytes"), w.total("packets")),
        106: _evenness(w.bins("ports"), range(64), 6.0, starts),
        107: w.span_deviation("durations"),
        108: _evenness(peers, range(64), 6.0, starts),
        109: _ratio(max(peers.values(), default=0), starts),
        110: float(w.distinct("ports")),
        111: _variation(w.values("gaps")) if starts >= 3 else None,
    }


def _internal(w: Window) -> dict[int, Value]:
    starts, packets = w.total("internal_starts"), w.total("internal_packets")
    length, squares = w.total("internal_bytes"), w.total("internal_squares")
    spread = deviation(packets, length, squares)
    staged = float(w.total("internal_bwd") + 1) / float(w.total("external_fwd") + 1)
    services = w.bins("internal_services")
    return {
        112: w.rate("internal_starts"),
        113: _ratio(w.total("known_starts"), starts),
        114: _evenness(services, SERVICES, math.log2(12.0), starts),
        115: None if spread is None or length == 0 else spread / mean(length, packets),
        116: w.span("internal_durations"),
        117: float(w.distinct("internal_peers")),
        118: float(largest_distinct(w.union("internal_ports"), 6, 6)),
        119: math.log2(staged),
        121: _evenness(w.bins("internal_peers"), range(64), 6.0, starts),
    }


def _rate_deviation(part: Part, end: int) -> Value:
    """Return feature 120: the newest whole cell beside those before it."""
    cells: Counter = Counter()
    for pane in part.panes:
        cells[pane.start // RATE_CELL_NS] += pane.sums["internal_starts"]
    newest = end // RATE_CELL_NS - 1
    before = [
        cells[cell]
        for cell in range(newest - RATE_CELLS, newest)
        if cell * RATE_CELL_NS >= part.known_since
    ]
    if len(before) < RATE_CELLS_MIN:
        return None
    usual = mean(sum(before), len(before))
    return (float(cells[newest]) - usual) / (_spread(before) + 1.0)


def _scans(w: Window) -> dict[int, Value]:
    pairs = w.distinct("pairs")
    unanswered = _ratio(w.distinct("silent_pairs"), pairs) if pairs >= 4 else None
    return {
        123: float(largest_distinct(w.union("port_peers"), 4, 8)),
        130: float(w.distinct("new_pairs")),
        131: None if unanswered is None else min(unanswered, 1.0),
        133: float(max([pane.sums["starts"] for pane in w.panes], default=0)),
        134: float(w.distinct("external_peers")),
        138: float(len(w.union("services"))) / 12.0,
        140: _ratio(w.total("rsts"), w.total("tcp")),
        141: _ratio(w.total("syn_alone"), w.total("syn")),
    }


def _symptoms(w: Window) -> dict[int, Value]:
    queries, characters = w.total("queries"), w.bins("characters")
    nameless = w.total("nameless")
    sent = float(w.total("external_fwd") + 1) / float(w.total("external_bwd") + 1)
    return {
        122: entropy(characters[number] for number in range(40)) if queries else None,
        124: 60.0 * w.rate("queries"),
        125: _ratio(w.total("failures"), w.total("answers")),
        126: _ratio(nameless, nameless + w.total("named")),
        127: float(w.total("http")),
        128: float(w.distinct("refusing")),
        129: float(w.total("short_sessions")),
        132: math.log2(sent),
        135: float(w.total("uploads")),
        136: float(_names(w)),
        137: _slice_spread(w),
        139: w.span("durations"),
    }


def _names(w: Window) -> int:
    """Return feature 136: names of the bucket of parents that was queried most."""
    parents = w.bins("parents")
    if not parents:
        return 0
    most = min(parents, key=lambda bucket: (-parents[bucket], bucket))
    names = {name for parent, name in w.union("names") if top(parent, 4) == most}
    return distinct(names, 6)


def _slice_spread(w: Window) -> Value:
    """Return feature 137: how much the starts of whole slices of 10 s differ."""
    slices: Counter = Counter()
    for pane in w.panes:
        slices[pane.start // SLICE_NS] += pane.sums["starts"]
    since = max(w.start, w.known_since)
    whole = range(-(-since // SLICE_NS), w.end // SLICE_NS)
    spread = _spread([slices[number] for number in whole])
    return None if spread is None else spread * 6.0
