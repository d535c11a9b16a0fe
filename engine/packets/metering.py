"""What counts of a packet, where settings say otherwise than the defaults.

`settle` changes the record of a layer that is metered, once everything has been parsed: tunnels are
found by the ports and lengths that the headers have (SEMANTICS.rst, "Settings").
"""

from numba import njit

from engine.config import PORT_PROTOCOLS, Config
from engine.memory.options import KERNEL
from engine.packets.ip import DCCP, ICMP, ICMP6, SCTP, TCP, UDP, UDP_LITE
from engine.packets.lines import (
    CAPTURED_MASK,
    CAPTURED_SHIFT,
    DESTINATION_PORT_SHIFT,
    HEADER_MASK,
    HEADER_SHIFT,
    KEY,
    LENGTHS,
    MARK_SHIFT,
    OVERLONG_KEPT,
    PACKET_LENGTH_MAX,
    PAYLOAD_MASK,
    PORT_MASK,
    PROTOCOL_SHIFT,
    WINDOW_SHIFT,
)
from engine.packets.link import ALL_VLANS, INNER_VLAN, NO_VLAN, OUTER_VLAN

# The word `metering` of a parser: how lengths are counted, then bits.
LENGTHS_OF = ("ip", "frame", "captured", "layer", "payload")
_LENGTH_MASK = 7
_IP, _FRAME, _CAPTURED, _LAYER, _PAYLOAD = range(5)
_ICMP_ZERO = 8
_WITHOUT_PORTS = {name: 16 << at for at, name in enumerate(PORT_PROTOCOLS)}
_TCP, _UDP, _UDP_LITE, _SCTP, _DCCP = (_WITHOUT_PORTS[name] for name in PORT_PROTOCOLS)
# The word `demands`: what is refused otherwise than by default; SHORT_TRANSPORTS are not.
CAPTURED_WHOLE, RIGHT_CHECKSUMS, NO_LATER_FRAGMENTS, SHORT_TRANSPORTS = 1, 2, 4, 8
INSIDE_READABLE = 32  # 16 is lines.OVERLONG_KEPT.
assert OVERLONG_KEPT == 16
_VLANS = {"outer": OUTER_VLAN, "inner": INNER_VLAN, "all": ALL_VLANS, "off": NO_VLAN}
_PORTS = PORT_MASK | PORT_MASK << DESTINATION_PORT_SHIFT
_PROTOCOL_MASK = 0xFF


def metering_word(config: Config) -> int:
    """Return the word `metering`; 0: as the defaults."""
    flow = config.flow
    word = LENGTHS_OF.index(flow.length) | (_ICMP_ZERO if flow.icmp == "zero" else 0)
    for name in PORT_PROTOCOLS:
        word |= 0 if name in flow.port_protocols else _WITHOUT_PORTS[name]
    return word


def demands_word(config: Config) -> int:
    """Return the word `demands`: what else is refused, or let pass; 0: as the defaults."""
    packet = config.packet
    word = CAPTURED_WHOLE if packet.cut == "skip" else 0
    word |= RIGHT_CHECKSUMS if packet.checksums == "verify" else 0
    word |= SHORT_TRANSPORTS if packet.short_transport == "zero" else 0
    word |= OVERLONG_KEPT if packet.overlong == "keep" else 0
    word |= INSIDE_READABLE if packet.inner_not_ip == "drop" else 0
    return word | (NO_LATER_FRAGMENTS if packet.fragments == "skip" else 0)


def vlan_word(config: Config) -> int:
    """Return by how many bits a place is shifted for the VLAN in the key."""
    return _VLANS[config.flow.vlan_in_key]


@njit(**KERNEL)
def settle(line, metering, wire, captured, layer):
    """Change key and lengths of an accepted layer: of a frame of `wire` bytes, of which `captured`
    are captured, `layer` of them of this layer."""
    protocol = line[KEY] >> PROTOCOL_SHIFT & _PROTOCOL_MASK
    if protocol in (ICMP, ICMP6):
        if metering & _ICMP_ZERO:
            line[KEY] &= ~(_PORTS | 1 << MARK_SHIFT)
    elif metering & _bit_without_ports(protocol):
        line[KEY] &= ~_PORTS
    measure = metering & _LENGTH_MASK
    if measure == _IP:
        return
    payload = line[LENGTHS] & PAYLOAD_MASK
    length = payload
    if measure == _FRAME:
        length = wire
    elif measure == _CAPTURED:
        length = captured
    elif measure == _LAYER:
        length = layer
    length = min(length, PACKET_LENGTH_MAX)
    header = min(max(length - payload, 0), HEADER_MASK)
    # A record of zeros would be a control record; without payload `captured` means nothing.
    kept = line[LENGTHS] >> CAPTURED_SHIFT & CAPTURED_MASK if length else 1
    line[LENGTHS] = (
        length - header
        | header << HEADER_SHIFT
        | kept << CAPTURED_SHIFT
        | line[LENGTHS] >> WINDOW_SHIFT << WINDOW_SHIFT
    )


@njit(**KERNEL)
def _bit_without_ports(protocol):
    """Return the bit that takes the ports of a protocol out of the key; 0: it has none."""
    if protocol == TCP:
        return _TCP
    if protocol == UDP:
        return _UDP
    if protocol == UDP_LITE:
        return _UDP_LITE
    if protocol == SCTP:
        return _SCTP
    return _DCCP if protocol == DCCP else 0
