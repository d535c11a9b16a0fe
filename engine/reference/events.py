"""What leaves a worker, and what orders it (SEMANTICS.rst, "Records and their order", "Deltas")."""

from dataclasses import dataclass
from functools import cache
from string import ascii_lowercase, ascii_uppercase, digits

from engine.features.services import service_of
from engine.reference.hashes import address_words, fixed_hash

DELTA_CLASS, PANE_CLASS, PACKET_CLASS, TIMER_CLASS, STOP_CLASS = range(5)
FINAL_RANK, FACT_RANK, EARLY_RANK = range(3)
EARLY, IDLE, ACTIVE, ENDED, FORCED = 0, 1, 2, 3, 4  # IPFIX flowEndReason; 0 in early records.
MARKS = (
    "started",
    "syn",
    "answered",
    "handshake",
    "refused",
    "upload",
    "tls_named",
    "tls_nameless",
    "http",
)
Position = tuple[int, int]  # Time, frame reference.
_service_of = cache(service_of)
_BASE_62 = digits + ascii_uppercase + ascii_lowercase


@dataclass(frozen=True, slots=True)
class Key:
    """Whose flow it is. Addresses have 4 or 16 bytes."""

    version: int
    protocol: int
    initiator: bytes
    responder: bytes
    initiator_port: int
    responder_port: int
    vlan: int
    one_way: bool

    @property
    def service(self) -> str:
        """Return the service class."""
        return _service_of(self.protocol, self.responder_port)


@dataclass(frozen=True, slots=True)
class Increase:
    """What a part added since its last delta."""

    fwd_packets: int = 0
    bwd_packets: int = 0
    fwd_bytes: int = 0
    bwd_bytes: int = 0
    fwd_payload: int = 0
    bwd_payload: int = 0
    fwd_data_packets: int = 0
    squares: int = 0  # Of packet lengths, both directions.
    rsts: int = 0
    fwd_impossible: int = 0
    bwd_impossible: int = 0


@dataclass(frozen=True, slots=True)
class Delta:
    """What a part did in a pane. `position` is that of its first packet in the pane."""

    source: int
    time: int
    position: Position
    key: Key
    increase: Increase
    marks: tuple[str, ...]
    order_class = DELTA_CLASS
    rank = 0


@dataclass(frozen=True, slots=True)
class Fact:
    """A DNS message. `host` sent it if it is a query, received it if it is an answer."""

    source: int
    time: int
    position: Position
    host: bytes
    response: bool
    code: int
    name_hash: int
    parent_hash: int
    classes: bytes
    order_class = PACKET_CLASS
    rank = FACT_RANK


@dataclass(frozen=True, slots=True)
class Counts:
    """Exact counts of a part."""

    fwd_packets: int
    bwd_packets: int
    fwd_bytes: int
    bwd_bytes: int
    fwd_data_packets: int
    bwd_data_packets: int


@dataclass(frozen=True, slots=True)
class Ended:
    """How a flow ended: FIN from both sides, and the side of the first FIN or RST."""

    proper: bool
    first_end: str  # "forward", "backward" or "".


@dataclass(frozen=True, slots=True)
class Connection:
    """What Zeek would say of a flow: conn_state, history, bytes of both streams, duration."""

    state: str
    letters: str
    fwd_stream: int
    bwd_stream: int
    lasting_ns: int


@dataclass(frozen=True, slots=True)
class Record:
    """An early (reason 0) or final record of a part."""

    source: int
    time: int
    order_class: int
    rank: int
    position: Position
    reason: int
    key: Key
    sequence: int
    continued: bool
    first: Position  # Of the part's first packet.
    last_ns: int
    start_ns: int  # First and last packet as stamped.
    end_ns: int
    counts: Counts
    features: bytes  # 83 float32, little endian.
    valid: int  # 83 bits, low bit first.
    remainder: Increase | None = None  # Of a final at a packet.
    marks: tuple[str, ...] = ()  # With the remainder.
    ended: Ended | None = None  # Of a final that is the flow's last.
    connection: Connection | None = None  # With flow.history.
    host_features: bytes = bytes(236)  # 59 float32, little endian: 82 to 91, 93 to 141.
    host_valid: int = 0  # A bit for each of 142 features.

    @property
    def final(self) -> bool:
        """Return whether this is the part's last record."""
        return self.reason != EARLY

    @property
    def flow_id(self) -> int:
        """Return the identifier, of 51 bits."""
        return self._identity >> 13

    @property
    def uid(self) -> str:
        """Return the identifier in the form that Zeek's readers know."""
        rest, uid = self._identity, ""
        for _ in range(11):
            rest, digit = divmod(rest, 62)
            uid = _BASE_62[digit] + uid
        return "C" + uid

    @property
    def _identity(self) -> int:
        """Return the fixed hash of the key and the part's first position."""
        key = self.key
        ports = [key.protocol << 16 | port for port in (key.initiator_port, key.responder_port)]
        words = [*address_words(key.initiator), *address_words(key.responder), *ports, key.vlan]
        return fixed_hash([*words, *(word % (1 << 64) for word in self.first)])


Event = Delta | Fact | Record


def order(event: Event) -> tuple:
    """Return what events are sorted by. `source` is 0 unless sources are separate."""
    return event.source, event.time, event.order_class, event.position, event.rank
