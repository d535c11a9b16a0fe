"""A flow and its parts: what is known of them between two packets (SEMANTICS.rst, "Flows")."""

from operator import sub

from engine.config import SAME, Config
from engine.reference.connection import Tracked
from engine.reference.events import MARKS, Counts, Ended, Increase, Key, Position
from engine.reference.internet import ACK, FIN, RST, SYN, TCP, Layer
from engine.reference.payload import (
    PIECE_BYTES_MAX,
    PIECES_MAX,
    count_nibbles,
    is_http_request,
    tls_hello,
)
from engine.reference.tallies import Tally

UPLOAD_BYTES = 1 << 20
RST_BIT = 2


def flow_key(layer: Layer) -> tuple:
    """Return what the packets of one flow have in common, whichever way they go."""
    here = layer.source, layer.source_port
    there = layer.destination, layer.destination_port
    if there < here and not layer.one_way:
        here, there = there, here
    return layer.version, layer.protocol, here, there, layer.vlan, layer.one_way


def is_syn(layer: Layer) -> bool:
    """Return whether a packet has SYN without ACK."""
    return layer.flags is not None and layer.flags & (SYN | ACK) == SYN


def is_syn_ack(layer: Layer) -> bool:
    """Return whether a packet has SYN and ACK."""
    return layer.flags is not None and layer.flags & (SYN | ACK) == SYN | ACK


class Flow:
    """What outlives a part: key, direction, TCP facts, payload facts, marks sent."""

    __slots__ = ("begun_by_syn", "both_ways", "ended", "fins", "first_end", "key", "nibbles")
    __slots__ += ("part", "pieces", "responder_payload", "responder_rst", "seen", "sent", "shaken")
    __slots__ += ("table_key", "tracked")

    def __init__(self, table_key: tuple, layer: Layer, config: Config) -> None:
        self.table_key = table_key
        here = layer.source, layer.source_port
        there = layer.destination, layer.destination_port
        if is_syn_ack(layer) and config.flow.initiator == "synack":
            here, there = there, here
        self.key = Key(
            layer.version,
            layer.protocol,
            *(here[0], there[0], here[1], there[1]),
            layer.vlan,
            layer.one_way,
        )
        self.both_ways = here != there and not layer.one_way
        self.begun_by_syn = is_syn(layer)
        self.fins = [False, False]  # Of responder, initiator.
        self.responder_rst = self.responder_payload = self.ended = False
        self.first_end = ""
        self.shaken = 0  # Steps of the handshake seen: SYN, SYN-ACK, ACK.
        self.nibbles = [0] * 16
        self.pieces = 0  # Data packets looked into.
        self.seen: set[str] = set()  # Marks answered and of payload that are true.
        self.sent: set[str] = set()
        self.part: Part | None = None
        self.tracked: Tracked | None = None  # With flow.history.

    def track(self, time: int) -> None:
        """Begin to follow the connection in its first part; go on with it in one that continues."""
        if self.part.continued:
            self.tracked.split()
        else:
            self.tracked = Tracked(not self.part.begun_forward, time)

    def is_forward(self, layer: Layer) -> bool:
        """Return whether the initiator sent this packet of the flow."""
        key = self.key
        sender = layer.source, layer.source_port
        return not self.both_ways or sender == (key.initiator, key.initiator_port)

    def learn(self, layer: Layer, forward: bool, tcp_end: bool) -> None:
        """Take payload facts, then TCP facts of a packet."""
        if not forward:
            self.seen.add("answered")
            self.responder_payload |= layer.payload_length > 0
        if layer.payload_length > 0 and self.pieces < PIECES_MAX:
            self.pieces += 1
            self._look_into(layer.payload[:PIECE_BYTES_MAX])
        if layer.flags:
            self._learn_flags(layer, forward, tcp_end)

    def _look_into(self, piece: bytes) -> None:
        count_nibbles(self.nibbles, piece)
        if self.key.protocol == TCP:
            hello = tls_hello(piece)
            if hello:
                self.seen.add(hello)
            if is_http_request(piece):
                self.seen.add("http")

    def _learn_flags(self, layer: Layer, forward: bool, tcp_end: bool) -> None:
        flags = layer.flags
        expected = (
            forward and is_syn(layer),
            not forward and is_syn_ack(layer),
            forward and flags & ACK,
        )
        if self.shaken < 3 and expected[self.shaken]:
            self.shaken += 1
        if flags & (FIN | RST):
            self.first_end = self.first_end or ("forward" if forward else "backward")
            self.fins[forward] |= bool(flags & FIN)
            self.responder_rst |= not forward and bool(flags & RST)
            self.ended |= tcp_end and (bool(flags & RST) or all(self.fins))

    @property
    def how_ended(self) -> Ended:
        """Return how the flow ended."""
        return Ended(all(self.fins), self.first_end)

    def timeout_ns(self, config: Config) -> int:
        """Return the silence that ends the flow now; 0: none does."""
        return config.flow.tcp_linger if self.ended else self._idle_ns(config)

    def _idle_ns(self, config: Config) -> int:
        classes = {1: "icmp", 58: "icmp", 6: "tcp", 17: "udp"}
        name = f"idle_timeout_{classes.get(self.key.protocol, 'other')}"
        own = getattr(config.flow, name)
        return config.flow.idle_timeout if own == SAME else own

    def new_marks(self, part: "Part") -> tuple[str, ...]:
        """Return the marks that are true and were not sent yet; they count as sent now."""
        true = self.seen | {
            name
            for name, holds in (
                ("started", not part.continued),
                ("syn", self.begun_by_syn),
                ("handshake", self.shaken == 3),
                ("refused", self.responder_rst and not self.responder_payload),
                ("upload", part.tally.forward.lengths.total >= UPLOAD_BYTES),
            )
            if holds
        }
        new = true - self.sent
        self.sent |= new
        return tuple(mark for mark in MARKS if mark in new)


class Part:
    """A flow, or the piece of it between two splits."""

    __slots__ = ("begun_forward", "continued", "first", "flow", "live", "pane_first", "queued")
    __slots__ += ("sequence", "tally", "told")

    def __init__(self, flow: Flow, first: Position, continued: bool) -> None:
        self.flow = flow
        self.first = first
        self.begun_forward = True  # The initiator sent the first packet.
        self.continued = continued
        self.live = True
        self.tally = Tally(first[0])
        self.sequence = 0  # Of the next record.
        self.told = (0,) * len(Increase.__slots__)  # All that deltas have said so far.
        self.pane_first: Position | None = None  # First packet in the pane that is open.
        self.queued: int | None = None  # Earliest time at which its deadline is looked at.

    @property
    def counts(self) -> Counts:
        """Return the exact counts of the part."""
        forward, backward = self.tally.forward, self.tally.backward
        return Counts(
            *(forward.lengths.count, backward.lengths.count),
            *(forward.lengths.total, backward.lengths.total),
            *(forward.data_packets, backward.data_packets),
        )

    def new_increase(self) -> Increase:
        """Return what was added since this was last asked."""
        forward, backward = self.tally.forward, self.tally.backward
        now = (
            *(forward.lengths.count, backward.lengths.count),
            *(forward.lengths.total, backward.lengths.total),
            *(forward.payload_bytes, backward.payload_bytes),
            forward.data_packets,
            forward.lengths.squares + backward.lengths.squares,
            forward.flags[RST_BIT] + backward.flags[RST_BIT],
            *(forward.impossible, backward.impossible),
        )
        before, self.told = self.told, now
        return Increase(*map(sub, now, before))
