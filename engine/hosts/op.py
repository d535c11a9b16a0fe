"""The words of an operation: something that happens to one or two hosts.

The first 16 are those of the delta or fact event; a remainder is written as the delta it is, an
ended mark keeps only the key. What follows is filled in on the way (operations.py).
"""

from numba import njit

from engine.layouts.records import DELTA_EVENT, FACT_EVENT, MARKS
from engine.memory.options import HOT
from engine.memory.pointers import shifted

KIND, PANE, INITIATOR, RESPONDER = range(16, 20)
INITIATOR_ADDRESS, INITIATOR_HASH = 20, 23  # Version, high, low; then the keyed hash.
RESPONDER_ADDRESS, RESPONDER_HASH = 24, 27
# Fixed hashes: of the responder's address, of its port (of starts); of the initiator's address and
# prefix. Set where the lines are asked for that they lead to (ahead.py).
PEER_HASH, PORT_HASH, FROM_HASH, FROM_PREFIX = range(28, 32)
DELTA_OP, REMAINDER_OP, FACT_OP, ENDED_OP = 1, 2, 3, 4
TCP = 6
# An ended mark has these in the place of head and position.
ENDED_BITS, DURATION, DATA_PACKETS = 0, 1, 2
assert DELTA_EVENT.size_bytes == FACT_EVENT.size_bytes == 8 * KIND

HEAD = DELTA_EVENT.index("head")
TIME = DELTA_EVENT.index("position_time")
REFERENCE = DELTA_EVENT.index("position_reference")
EVENT_KEY = DELTA_EVENT.index("key")
FWD_BYTES = DELTA_EVENT.index("fwd_bytes")
BWD_BYTES = DELTA_EVENT.index("bwd_bytes")
FWD_PAYLOAD = DELTA_EVENT.index("fwd_payload")
BWD_PAYLOAD = DELTA_EVENT.index("bwd_payload")
SQUARES = DELTA_EVENT.index("squares")
_PACKETS = DELTA_EVENT.index("packets")
_DATA_RST = DELTA_EVENT.index("data_rst")
_IMPOSSIBLE = DELTA_EVENT.index("impossible")
_MASK32 = (1 << 32) - 1
_PROTOCOL_SHIFT = DELTA_EVENT.shift("key", "protocol")
_PROTOCOL_MASK = DELTA_EVENT.mask("key", "protocol")
_PORT_SHIFT = DELTA_EVENT.shift("key", "responder_port")
_PORT_MASK = DELTA_EVENT.mask("key", "responder_port")
_MARKS_SHIFT = DELTA_EVENT.shift("head", "marks")
_MARKS_MASK = DELTA_EVENT.mask("head", "marks")
_SERVICE_SHIFT = DELTA_EVENT.shift("head", "service")
_SERVICE_MASK = DELTA_EVENT.mask("head", "service")
STARTED, SYN, ANSWERED, HANDSHAKE, REFUSED, UPLOAD, TLS_NAMED, TLS_NAMELESS, HTTP = (
    1 << bit for bit in range(len(MARKS))
)


@njit(**HOT)
def fwd_packets(op):
    """Return the packets of the initiator."""
    return op[_PACKETS] & _MASK32


@njit(**HOT)
def bwd_packets(op):
    """Return the packets of the responder."""
    return op[_PACKETS] >> 32 & _MASK32


@njit(**HOT)
def fwd_data(op):
    """Return the initiator's packets with payload."""
    return op[_DATA_RST] & _MASK32


@njit(**HOT)
def resets(op):
    """Return the packets with RST."""
    return op[_DATA_RST] >> 32 & _MASK32


@njit(**HOT)
def fwd_impossible(op):
    """Return the initiator's packets with impossible flags."""
    return op[_IMPOSSIBLE] & _MASK32


@njit(**HOT)
def protocol_of(op):
    """Return the flow's protocol."""
    return op[EVENT_KEY] >> _PROTOCOL_SHIFT & _PROTOCOL_MASK


@njit(**HOT)
def port_of(op):
    """Return the responder's port."""
    return op[EVENT_KEY] >> _PORT_SHIFT & _PORT_MASK


@njit(**HOT)
def marks_of(op):
    """Return the marks, a bit each."""
    return op[HEAD] >> _MARKS_SHIFT & _MARKS_MASK


@njit(**HOT)
def service_of(op):
    """Return the service class."""
    return op[HEAD] >> _SERVICE_SHIFT & _SERVICE_MASK


@njit(**HOT)
def is_start(op):
    """Return whether a flow starts."""
    if op[KIND] == FACT_OP or op[KIND] == ENDED_OP:
        return False
    return marks_of(op) & STARTED != 0


@njit(**HOT)
def peer_of(op):
    """Return the pointer to version, high, low of the responder."""
    return shifted(op, RESPONDER_ADDRESS)
