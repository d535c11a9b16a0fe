"""What one part of a host was given in one pane (SEMANTICS.rst, "Hosts").

Sums, sets of hashes, bins and lists have names; a window asks its panes for them.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass

from engine.config import SECOND_NS
from engine.reference.events import Fact, Increase, Key, Record
from engine.reference.internet import TCP, UDP
from engine.reference.sketches import address_hash, pair_hash, port_hash, prefix_hash, top

SMB_PORTS = (139, 445)
ADMIN_PORTS = (22, 135, 139, 445, 3389, 5985, 5986)
LOGIN_PORTS = (21, 22, 23, 389, 1433, 3306, 3389, 5432, 5900)
HTTP_PORTS = (80, 8000, 8008, 8080, 8888)
SHORT_NS = 10 * SECOND_NS  # A session of at most this is short.
SHORT_DATA_PACKETS = 20  # One of fewer than these too.
SPAN_NS_MAX = 1 << 48  # Durations and gaps above count as this.
LENGTH_BIN_BYTES = 96
LENGTH_BINS = 16
INTERNAL, EXTERNAL, NO_HOST = "internal", "external", ""


@dataclass(frozen=True, slots=True)
class Given:
    """A delta, or a remainder with packets, as a part sees it: with what is known of the peer."""

    key: Key
    increase: Increase
    marks: tuple[str, ...]
    kind: str  # Of the peer: INTERNAL, EXTERNAL or NO_HOST.
    new_peer: bool = False  # Of a start.
    new_pair: bool = False


class Pane:
    """What a part was given in a pane."""

    __slots__ = ("bins", "lists", "start", "sums", "things")

    def __init__(self, start: int) -> None:
        self.start = start
        self.sums: Counter = Counter()
        self.things: defaultdict[str, set] = defaultdict(set)
        self.bins: defaultdict[str, Counter] = defaultdict(Counter)
        self.lists: defaultdict[str, list[int]] = defaultdict(list)


def add_to_responder(pane: Pane, given: Given) -> None:
    """Add a delta or remainder to the responder part of the flow's responder."""
    key, increase, sums = given.key, given.increase, pane.sums
    packets = increase.fwd_packets
    sums["fwd"] += packets
    sums["bwd"] += increase.bwd_packets
    if packets:
        pane.things["senders"].add(address_hash(key.initiator))
        pane.bins["prefixes"][top(prefix_hash(key.initiator), 6)] += packets
        length_bin = increase.fwd_bytes // (LENGTH_BIN_BYTES * packets)
        pane.bins["lengths"][min(LENGTH_BINS - 1, length_bin)] += packets
    if key.protocol == TCP:
        sums["fwd_tcp"] += packets
        sums["fwd_impossible"] += increase.fwd_impossible
    if key.protocol == UDP:
        sums["udp"] += packets + increase.bwd_packets
        sums["fwd_udp_bytes"] += increase.fwd_bytes
        sums["bwd_udp_bytes"] += increase.bwd_bytes
    if "started" in given.marks:
        sums["starts"] += 1
        if "syn" in given.marks:
            sums["syn"] += 1
            sums["syn_alone"] += "handshake" not in given.marks


def end_at_responder(pane: Pane, record: Record) -> None:
    """Add the ended mark of a record to the responder part of the flow's responder."""
    if record.key.protocol == TCP:
        pane.sums["ended"] += 1
        pane.sums["proper"] += record.ended.proper


def add_to_initiator(pane: Pane, given: Given) -> None:
    """Add a delta or remainder to the initiator part of the flow's initiator."""
    key, increase, marks, sums = given.key, given.increase, given.marks, pane.sums
    packets = increase.fwd_packets + increase.bwd_packets
    length = increase.fwd_bytes + increase.bwd_bytes
    sums["fwd"] += increase.fwd_packets
    sums["packets"] += packets
    sums["bytes"] += length
    if key.protocol == UDP:
        sums["udp"] += packets
    if key.protocol == TCP:
        _add_tcp(pane, given, packets)
    if given.kind == EXTERNAL:
        sums["external_fwd"] += increase.fwd_bytes
        sums["external_bwd"] += increase.bwd_bytes
        sums["external_payload"] += increase.fwd_payload
        sums["uploads"] += "upload" in marks
    if given.kind == INTERNAL:
        sums["internal_bwd"] += increase.bwd_bytes
        sums["internal_packets"] += packets
        sums["internal_bytes"] += length
        sums["internal_squares"] += increase.squares
    sums["nameless"] += "tls_nameless" in marks
    sums["named"] += "tls_named" in marks
    sums["http"] += "http" in marks and key.responder_port not in HTTP_PORTS
    if "started" in marks:
        _start(pane, given)


def _add_tcp(pane: Pane, given: Given, packets: int) -> None:
    key, increase, sums = given.key, given.increase, pane.sums
    sums["tcp"] += packets
    sums["rsts"] += increase.rsts
    if key.responder_port in SMB_PORTS:
        sums["smb_packets"] += increase.fwd_data_packets
        sums["smb_written"] += increase.fwd_payload
        sums["smb_read"] += increase.bwd_payload
    if key.responder_port in LOGIN_PORTS and "refused" in given.marks:
        pane.things["refusing"].add(address_hash(key.responder))


def _start(pane: Pane, given: Given) -> None:
    key, marks, sums, things = given.key, given.marks, pane.sums, pane.things
    peer = address_hash(key.responder)
    port = port_hash(key.protocol, key.responder_port)
    pair = pair_hash(key.responder, key.protocol, key.responder_port)
    answered = "answered" in marks
    sums["starts"] += 1
    sums["failed"] += "refused" in marks or (key.protocol != TCP and not answered)
    if "syn" in marks:
        sums["syn"] += 1
        sums["syn_alone"] += not answered
    things["peers"].add(peer)
    things["ports"].add(port)
    things["pairs"].add(pair)
    things["port_peers"].add((port, peer))
    things["services"].add(key.service)
    pane.bins["ports"][top(port, 6)] += 1
    pane.bins["peers"][top(peer, 6)] += 1
    if not answered:
        things["silent_pairs"].add(pair)
    if given.new_peer:
        things["new_peers"].add(peer)
    if key.protocol == TCP and key.responder_port in ADMIN_PORTS:
        things["admin_peers"].add(peer)
    if given.kind == EXTERNAL:
        things["external_peers"].add(peer)
    if given.kind == INTERNAL:
        sums["internal_starts"] += 1
        sums["known_starts"] += not given.new_pair
        things["internal_peers"].add(peer)
        things["internal_ports"].add((peer, port))
        pane.bins["internal_services"][key.service] += 1
        pane.bins["internal_peers"][top(peer, 6)] += 1
        if given.new_pair:
            things["new_pairs"].add(pair)


def add_fact(pane: Pane, fact: Fact) -> None:
    """Add a DNS message to the initiator part of its host."""
    sums = pane.sums
    if fact.response:
        sums["answers"] += 1
        sums["failures"] += fact.code != 0
        return
    sums["queries"] += 1
    pane.bins["parents"][top(fact.parent_hash, 4)] += 1
    pane.things["names"].add((fact.parent_hash, fact.name_hash))
    for number, count in enumerate(fact.classes):
        pane.bins["characters"][number] += count


def end_at_initiator(pane: Pane, record: Record, kind: str) -> None:
    """Add the ended mark of a record to the initiator part of the flow's initiator."""
    key, counts = record.key, record.counts
    duration = record.last_ns - record.first[0]
    by_responder = record.ended.first_end == "backward"
    pane.lists["durations"].append(min(duration, SPAN_NS_MAX))
    if kind == INTERNAL:
        pane.lists["internal_durations"].append(min(duration, SPAN_NS_MAX))
    if key.protocol != TCP or key.responder_port not in LOGIN_PORTS:
        return
    short = duration <= SHORT_NS
    if by_responder and short:
        pane.things["refusing"].add(address_hash(key.responder))
    data_packets = counts.fwd_data_packets + counts.bwd_data_packets
    if data_packets < SHORT_DATA_PACKETS and (by_responder or short):
        pane.sums["short_sessions"] += 1
