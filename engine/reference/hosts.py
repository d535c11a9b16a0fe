"""The hosts of a run: what they are given, their rows, what records take (SEMANTICS.rst, "Hosts").

Events come in order. For each touched part of a pane the row is worked out from all that the part
was given in the panes of its windows (host_rows); nothing is added up from row to row.
"""

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from struct import pack

from engine.config import PANE_NS, HostSection
from engine.reference.events import (
    DELTA_CLASS,
    Delta,
    Event,
    Fact,
    Increase,
    Key,
    Position,
    Record,
)
from engine.reference.features import Value
from engine.reference.homes import Homes
from engine.reference.host_panes import (
    EXTERNAL,
    INTERNAL,
    NO_HOST,
    SPAN_NS_MAX,
    Given,
    Pane,
    add_fact,
    add_to_initiator,
    add_to_responder,
    end_at_initiator,
    end_at_responder,
)
from engine.reference.host_rows import (
    RATE_CELL_NS,
    RATE_CELLS,
    Part,
    beacon_regularity,
    initiator_row,
    responder_row,
)
from engine.reference.sketches import Filters, address_hash, pair_hash

FEATURES = (*range(82, 92), *range(93, 142))  # Those of hosts.
BEACON_FEATURE = 99
BEACON_STARTS = 9
REMAINDER_STARTS_MAX = 131_072
Pair = tuple[bytes, bytes, int]  # Initiator, responder, protocol << 16 | responder port.


class Host:
    """A host: two parts, and what it has begun flows to."""

    __slots__ = ("address", "filters", "initiator", "kind", "last_start", "responder", "touched")

    def __init__(self, address: bytes, kind: str, known_since: int) -> None:
        self.address = address
        self.kind = kind
        self.initiator = Part(known_since, [])
        self.responder = Part(known_since, [])
        self.filters = Filters()
        self.last_start: int | None = None  # Time of the newest start applied.
        self.touched = known_since  # Start of the newest pane in which a part was touched.


@dataclass(frozen=True, slots=True)
class Start:
    """A start that was added to the initiator part of a host."""

    position: Position
    host: Host
    key: Key
    keys: tuple[int, ...]  # Of the filters: the peer, and the pair if the peer is internal.
    is_new: bool


class Rows:
    """The newest rows of one kind of part."""

    def __init__(self, rows_max: int) -> None:
        self._max = rows_max
        self._kept: dict[tuple[bytes, int], dict[int, Value]] = {}
        self._order: deque[tuple[bytes, int]] = deque()
        self._given_up: int | None = None  # Pane of the newest row given up.

    def keep(self, address: bytes, pane: int, row: dict[int, Value]) -> None:
        """Keep a row; the oldest is given up for it when there are too many."""
        self._kept[address, pane] = row
        self._order.append((address, pane))
        if len(self._order) > self._max:
            oldest = self._order.popleft()
            del self._kept[oldest]
            self._given_up = oldest[1]

    def find(self, address: bytes, pane: int) -> tuple[dict[int, Value], str]:
        """Return a row, or an empty one; and what became of it: joined, none or gone."""
        row = self._kept.get((address, pane))
        if row is not None:
            return row, "joined"
        gone = self._given_up is not None and pane <= self._given_up
        return {}, "gone" if gone else "none"


class Hosts:
    """Takes events in order. Records come back with the features of their hosts."""

    def __init__(self, settings: HostSection) -> None:
        self.counters: Counter = Counter()
        self._settings = settings
        self._homes = Homes(settings.home_networks)
        self._hosts: dict[bytes, Host] = {}
        self._externals = 0  # Hosts that are external.
        self._pairs: dict[Pair, deque[int]] = {}
        self._rows = {name: Rows(settings.rows) for name in ("initiator", "responder")}
        self._pane: int | None = None  # Start of the pane that has something and is not over.
        self._touched: dict[str, dict[bytes, Host]] = {"initiator": {}, "responder": {}}
        self._starts: list[Start] = []  # Of the pane.
        self._remainder_starts = 0  # Of the pane.

    def take(self, event: Event) -> Event:
        """Return the event; a record with the features of its hosts."""
        end = None if self._pane is None else self._pane + PANE_NS
        if end is not None and (event.time, event.order_class) > (end, DELTA_CLASS):
            self.end_pane()
        if isinstance(event, Delta):
            self._add(event.time - PANE_NS, event.position, event.key, event.increase, event.marks)
            return event
        start = event.time // PANE_NS * PANE_NS
        if isinstance(event, Fact):
            self._add_fact(start, event)
            return event
        remainder = event.remainder
        if remainder is not None and remainder.fwd_packets + remainder.bwd_packets > 0:
            self._add(start, event.first, event.key, remainder, event.marks, is_delta=False)
        if event.ended is not None:
            self._end(start, event)
        return self._joined(event)

    def end_pane(self) -> None:
        """End the pane that is open, if one is."""
        if self._pane is None:
            return
        end = self._pane + PANE_NS
        self._apply_starts(end)
        for name, row_of in (("initiator", initiator_row), ("responder", responder_row)):
            for address, host in self._touched[name].items():
                self.counters["host_rows"] += 1
                row = row_of(getattr(host, name), end)
                self._rows[name].keep(address, self._pane, row)
            self._touched[name].clear()
        self._forget_pairs()
        places = self._settings.max_hosts
        self._forget_hosts((EXTERNAL,), _excess(self._externals, places // 2))
        self._forget_hosts((EXTERNAL, INTERNAL), _excess(len(self._hosts), places))
        self._pane = None

    def _add(
        self,
        start: int,
        position: Position,
        key: Key,
        increase: Increase,
        marks: tuple[str, ...],
        is_delta: bool = True,
    ) -> None:
        """Add a delta or remainder to both its hosts, in the pane that begins at `start`."""
        host, pane = self._touch("initiator", key.initiator, start)
        if host is not None:
            given = Given(key, increase, marks, self._homes.kind(key.responder))
            if "started" in marks:
                given = self._begin(host, start, position, given, is_delta)
            add_to_initiator(pane, given)
        host, pane = self._touch("responder", key.responder, start)
        if host is not None:
            kind = self._homes.kind(key.initiator)
            add_to_responder(pane, Given(key, increase, marks, kind))

    def _add_fact(self, start: int, fact: Fact) -> None:
        host, pane = self._touch("initiator", fact.host, start)
        if host is not None:
            add_fact(pane, fact)

    def _end(self, start: int, record: Record) -> None:
        """Add an ended mark where the hosts are there."""
        key = record.key
        host = self._hosts.get(key.initiator)
        if host is not None:
            kind = self._homes.kind(key.responder)
            end_at_initiator(_pane_of(host.initiator, start), record, kind)
        host = self._hosts.get(key.responder)
        if host is not None:
            end_at_responder(_pane_of(host.responder, start), record)

    def _touch(self, name: str, address: bytes, start: int) -> tuple[Host | None, Pane | None]:
        """Return the host, made if need be, and what its part gets in the pane; or None twice."""
        host = self._hosts.get(address)
        if host is None:
            kind = self._homes.kind(address)
            if kind == NO_HOST:
                return None, None
            if not self._has_place(kind):
                self.counters["host_refused"] += 1
                return None, None
            self.counters["hosts_made"] += 1
            self._hosts[address] = host = Host(address, kind, start)
            self._externals += kind == EXTERNAL
        self._pane = start
        host.touched = start
        self._touched[name].setdefault(address, host)
        return host, _pane_of(getattr(host, name), start)

    def _has_place(self, kind: str) -> bool:
        places = self._settings.max_hosts
        if kind == EXTERNAL and self._externals >= places // 2:
            return False
        return len(self._hosts) < places

    def _begin(
        self, host: Host, start: int, position: Position, given: Given, is_delta: bool
    ) -> Given:
        """Note a start; return it with what is new in it."""
        key, filters = given.key, host.filters
        filters.roll(start)
        keys = [address_hash(key.responder)]
        if given.kind == INTERNAL:
            keys.append(pair_hash(key.responder, key.protocol, key.responder_port))
        new = [not filters.holds(number) for number in keys]
        self._remainder_starts += not is_delta
        if is_delta or self._remainder_starts <= REMAINDER_STARTS_MAX:
            self._starts.append(Start(position, host, key, tuple(keys), any(new)))
        else:
            self.counters["starts_left_out"] += 1
        return replace(given, new_peer=new[0], new_pair=new[-1] and given.kind == INTERNAL)

    def _apply_starts(self, end: int) -> None:
        """Apply the pane's starts in order of position, then enter their keys into the filters."""
        for start in sorted(self._starts, key=lambda start: start.position):
            time, host, key = start.position[0], start.host, start.key
            if host.last_start is not None:
                gap = min(time - host.last_start, SPAN_NS_MAX)
                _pane_of(host.initiator, self._pane).lists["gaps"].append(gap)
            host.last_start = time
            port = key.protocol << 16 | key.responder_port
            self._enter_pair((key.initiator, key.responder, port), time)
        for start in self._starts:
            start.host.filters.enter(start.keys, start.is_new, end)
        self._starts.clear()
        self._remainder_starts = 0

    def _enter_pair(self, pair: Pair, time: int) -> None:
        if pair not in self._pairs:
            if len(self._pairs) >= self._settings.max_pairs:
                self.counters["pairs_refused"] += 1
                return
            self._pairs[pair] = deque(maxlen=BEACON_STARTS)
        self._pairs[pair].append(time)

    def _forget_pairs(self) -> None:
        def age(pair: Pair) -> tuple:
            initiator, responder, port = pair
            return self._pairs[pair][-1] // PANE_NS, len(initiator), initiator, responder, port

        excess = _excess(len(self._pairs), self._settings.max_pairs)
        for pair in sorted(self._pairs, key=age)[:excess] if excess else ():
            self.counters["pairs_forgotten"] += 1
            del self._pairs[pair]

    def _forget_hosts(self, kinds: tuple[str, ...], count: int) -> None:
        """Forget so many hosts of these kinds, those touched least recently first."""
        if count == 0:
            return
        there = [host for host in self._hosts.values() if host.kind in kinds]
        there.sort(key=lambda host: (host.touched, len(host.address), host.address))
        for host in there[:count]:
            self.counters["hosts_forgotten"] += 1
            self._externals -= host.kind == EXTERNAL
            del self._hosts[host.address]

    def _joined(self, record: Record) -> Record:
        """Return a record with the features of its hosts."""
        end = record.time // PANE_NS * PANE_NS  # Of the pane before the record's.
        start = min(record.last_ns // PANE_NS * PANE_NS, end - PANE_NS)
        key, values = record.key, {}
        for name, address in (("initiator", key.initiator), ("responder", key.responder)):
            row, fate = {}, "none"
            if self._homes.kind(address) != NO_HOST:
                row, fate = self._rows[name].find(address, start)
            self.counters[f"host_rows_{fate}"] += 1
            values |= row
        port = key.protocol << 16 | key.responder_port
        starts = self._pairs.get((key.initiator, key.responder, port), ())
        values[BEACON_FEATURE] = beacon_regularity(list(starts), end)
        return replace(record, host_features=_packed(values), host_valid=_validity(values))


def _pane_of(part: Part, start: int) -> Pane:
    """Return what a part has of the pane that begins at `start`: its newest, or one begun now."""
    if not part.panes or part.panes[-1].start != start:
        oldest = ((start + PANE_NS) // RATE_CELL_NS - 1 - RATE_CELLS) * RATE_CELL_NS
        part.panes = [pane for pane in part.panes if pane.start >= oldest]
        part.panes.append(Pane(start))
    return part.panes[-1]


def _excess(count: int, places: int) -> int:
    """Return how many are forgotten: down to 3/4 of the places, if more than 7/8 are taken."""
    return count - 3 * places // 4 if count > 7 * places // 8 else 0


def _numbers(values: dict[int, Value]) -> Iterator[float]:
    for number in FEATURES:
        yield values.get(number) or 0.0  # No None, no -0.0.


def _packed(values: dict[int, Value]) -> bytes:
    return pack("<59f", *_numbers(values))


def _validity(values: dict[int, Value]) -> int:
    return sum([1 << number for number, value in values.items() if value is not None])
