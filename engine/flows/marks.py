"""What a flow has shown so far: marks, each sent once, when it is first true as a delta is made."""

import numpy as np
from numba import njit

from engine.features.flags import rst_count
from engine.features.services import ICMP, OTHER, TCP_PROTOCOL, UDP_PROTOCOL
from engine.features.totals import direction_line
from engine.layouts import MARKS, places
from engine.layouts.records import RECORD_EVENT
from engine.memory.options import KERNEL

UPLOAD_BYTES = 1 << 20
STARTED, SYN, ANSWERED, HANDSHAKE, REFUSED, UPLOAD = (
    1 << MARKS.index(mark)
    for mark in ("started", "syn", "answered", "handshake", "refused", "upload")
)
FOUND_MARKS_SHIFT = MARKS.index("tls_named")  # The three that payload shows, in this order.
assert MARKS[FOUND_MARKS_SHIFT:] == ("tls_named", "tls_nameless", "http")
HANDSHAKE_DONE = 3
ENDED_PROPER = 1 << RECORD_EVENT.shift("head", "ended") + 1
ENDED_AT_ALL = 1 << RECORD_EVENT.shift("head", "ended")
ENDED_FWD = 1 << RECORD_EVENT.shift("head", "ended") + 2
ENDED_BWD = 1 << RECORD_EVENT.shift("head", "ended") + 3


@njit(**KERNEL)
def protocol_of(key):
    """Return the protocol in a row's key word."""
    return (key >> places.PROTOCOL_SHIFT) & places.PROTOCOL_MASK


@njit(**KERNEL)
def service_of_key(services, key):
    """Return the service class of a row's key word: by protocol and responder port."""
    protocol = protocol_of(key)
    if protocol in (TCP_PROTOCOL, UDP_PROTOCOL):
        shift = 0 if key & places.INITIATOR_B else 16
        return np.int64(services[(key >> shift) & places.MASK16])
    return np.int64(ICMP if protocol == 1 or protocol == 58 else OTHER)


@njit(**KERNEL)
def new_marks(row, totals, bwd_spill_flags):
    """Return the marks that are true now and have not been sent; note them as sent."""
    key, state = row[places.FLOW_KEY], row[places.STATE]
    marks = (state >> places.FOUND_SHIFT & places.FOUND_MASK) << FOUND_MARKS_SHIFT
    if key & places.CONTINUED == 0:
        marks |= STARTED
    if key & places.BEGUN_BY_SYN:
        marks |= SYN
    if totals.bwd_packets:
        marks |= ANSWERED
    if (key >> places.HANDSHAKE_SHIFT) & 3 == HANDSHAKE_DONE:
        marks |= HANDSHAKE
    if totals.fwd_bytes >= UPLOAD_BYTES:
        marks |= UPLOAD
    if totals.bwd_payload == 0 and state & places.ANSWERED_PAYLOAD == 0:
        bwd = direction_line(row, np.int64(key & places.INITIATOR_B == 0))
        if protocol_of(key) == TCP_PROTOCOL and rst_count(bwd, bwd_spill_flags):
            marks |= REFUSED
    sent = (state >> places.SENT_SHIFT) & places.SENT_MASK
    row[places.STATE] = state | marks << places.SENT_SHIFT
    return marks & ~sent


@njit(**KERNEL)
def ended_bits(row):
    """Return the bits of a final's head that say how its flow ended."""
    key = row[places.FLOW_KEY]
    bits = ENDED_AT_ALL
    if key & places.BOTH_FIN == places.BOTH_FIN:
        bits |= ENDED_PROPER
    first = (row[places.STATE] >> places.FIRST_END_SHIFT) & 3
    if first:
        by_initiator = (first == 2) == (key & places.INITIATOR_B != 0)
        bits |= ENDED_FWD if by_initiator else ENDED_BWD
    return bits
