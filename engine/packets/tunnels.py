"""Where the IP packet inside a tunnel is.

`find_inner` takes a parsed line and returns the place of the inner IP header (link.py), NO_TUNNEL,
or minus a fate: there is a layer inside, but it cannot be read. It writes one word of the line:
where what the tunnel carries begins. A packet is a tunnel when a header as SEMANTICS.rst,
"Tunnels", describes it stands there whole and captured; otherwise it is none.
"""

import numpy as np
from numba import njit

from engine.config import FURTHER_TUNNELS, TUNNELS
from engine.memory.options import KERNEL
from engine.memory.pointers import load_u8, load_u16, load_u16_be, load_u32_be
from engine.packets.fates import FATES, NON_IP, missing
from engine.packets.ip import GRE, IP6_IN_IP, IP_IN_IP, UDP
from engine.packets.lines import (
    CAPTURED_END,
    DESTINATION_PORT_SHIFT,
    INSIDE_AT,
    KEY,
    PACKET_END,
    PORT_MASK,
    PROTOCOL,
    TRANSPORT_AT,
)
from engine.packets.link import (
    ETHERNET,
    LLC,
    TYPE_IPV4,
    TYPE_IPV6,
    TYPE_MPLS,
    TYPE_MPLS_MULTICAST,
    TYPE_OLD_PROVIDER,
    TYPE_PROVIDER,
    TYPE_VLAN,
    behind_ppp,
    behind_type,
    find_ip,
    place_of,
)
from engine.packets.wireless import behind_data, carries_data

NO_TUNNEL = 0  # No place is 0: an IP header inside another is never at offset 0.
NO_DATA = 255  # In the place of a fate: 802.11 in CAPWAP that carries no data, thus no packet.
assert len(FATES) <= NO_DATA
KIND_BITS = {name: 1 << at for at, name in enumerate((*TUNNELS, *FURTHER_TUNNELS))}
_IPIP, _SIX_IN_FOUR, _GRE, _ERSPAN = (KIND_BITS[k] for k in ("ipip", "6in4", "gre", "erspan"))
_VXLAN, _GENEVE, _GTPU = (KIND_BITS[k] for k in ("vxlan", "geneve", "gtpu"))
_TEREDO, _TZSP, _CAPWAP = (KIND_BITS[k] for k in ("teredo", "tzsp", "capwap"))
FABRICPATH, _PPTP, _AYIYA = (KIND_BITS[k] for k in ("fabricpath", "pptp", "ayiya"))

TYPE_ETHERNET, TYPE_PPP, TYPE_FABRICPATH = 0x6558, 0x880B, 0x8903
TYPE_ERSPAN, TYPE_ERSPAN_3 = 0x88BE, 0x22EB
PORT_VXLAN, PORT_GENEVE, PORT_GTPU = 4789, 6081, 2152
PORT_TEREDO, PORT_TZSP, PORT_CAPWAP, PORT_AYIYA = 3544, 37008, 5247, 5072
_TEREDO_PREFIX = 0x20010000  # RFC 4380: 2001:0::/32.


@njit(**KERNEL)
def find_inner(frame, line, kinds, swapped):
    """Return the place of the packet inside `line`'s, NO_TUNNEL, or minus a fate or NO_DATA.

    `kinds` has KIND_BITS of the kinds that are opened. `swapped`: take the frame control bytes of
    802.11 in CAPWAP in the other order; nothing else depends on it.
    """
    protocol = line[PROTOCOL]
    if protocol == UDP:
        return _inside_datagram(frame, line, kinds, swapped)
    if protocol == IP_IN_IP:
        line[INSIDE_AT] = line[TRANSPORT_AT]
        return place_of(line[TRANSPORT_AT], 0, 4) if kinds & _IPIP else NO_TUNNEL
    if protocol == IP6_IN_IP:
        line[INSIDE_AT] = line[TRANSPORT_AT]
        return place_of(line[TRANSPORT_AT], 0, 6) if kinds & _SIX_IN_FOUR else NO_TUNNEL
    if protocol == GRE and kinds & (_GRE | _ERSPAN | _PPTP):
        return _inside_gre(frame, line, kinds)
    return NO_TUNNEL


@njit(**KERNEL)
def behind_fabric(frame, link, wire, captured):
    """Return what find_ip does, for an Ethernet frame in Cisco's FabricPath, else NON_IP."""
    if link != ETHERNET or missing(16, wire, captured):
        return np.int64(-NON_IP)
    if load_u16_be(frame, 12) != TYPE_FABRICPATH:
        return np.int64(-NON_IP)
    return find_ip(frame, ETHERNET, 16, wire, captured)


@njit(**KERNEL)
def _inside_gre(frame, line, kinds):
    """Return what find_inner does, for GRE (RFC 2784, 2890) and ERSPAN over it."""
    at, end, captured = line[TRANSPORT_AT], line[PACKET_END], line[CAPTURED_END]
    if missing(at + 4, end, captured):
        return NO_TUNNEL
    bits = load_u16_be(frame, at)
    kind = load_u16_be(frame, at + 2)
    if kinds & _PPTP and bits & 0x4007 == 1 and kind == TYPE_PPP:
        return _inside_pptp(frame, line, at, bits)
    if bits & 0x4007:  # Routing, or a version.
        return NO_TUNNEL
    sequence = bits & 0x1000
    size = 4 + (4 if bits & 0x8000 else 0) + (4 if bits & 0x2000 else 0) + (4 if sequence else 0)
    if kind in (TYPE_ERSPAN, TYPE_ERSPAN_3):
        if kinds & _ERSPAN == 0:
            return NO_TUNNEL
        return _inside_erspan(frame, line, kind, at + size, sequence)
    if kinds & _GRE == 0 or not _is_gre_type(kind):
        return NO_TUNNEL
    if missing(at + size, end, captured):
        return NO_TUNNEL
    line[INSIDE_AT] = at + size
    if kind == TYPE_ETHERNET:
        return find_ip(frame, ETHERNET, at + size, end, captured)
    if kind == TYPE_PPP:
        return behind_ppp(frame, at + size, end, captured)
    return behind_type(frame, kind, at + size, end, captured)


@njit(**KERNEL)
def _inside_pptp(frame, line, at, bits):
    """Return what find_inner does, for GRE version 1 (RFC 2637)."""
    end, captured = line[PACKET_END], line[CAPTURED_END]
    at += 8 + (4 if bits & 0x1000 else 0) + (4 if bits & 0x80 else 0)
    if missing(at, end, captured):
        return np.int64(NO_TUNNEL)
    line[INSIDE_AT] = at
    return behind_ppp(frame, at, end, captured)


@njit(**KERNEL)
def _is_gre_type(kind):
    """Return whether GRE with this type is opened."""
    if kind in (TYPE_IPV4, TYPE_IPV6, TYPE_ETHERNET, TYPE_PPP):
        return True
    if kind in (TYPE_MPLS, TYPE_MPLS_MULTICAST):
        return True
    return kind in (TYPE_VLAN, TYPE_PROVIDER, TYPE_OLD_PROVIDER)


@njit(**KERNEL)
def _inside_erspan(frame, line, kind, at, sequence):
    """Return what find_inner does, for ERSPAN types I, II and III, whose header is at `at`."""
    end, captured = line[PACKET_END], line[CAPTURED_END]
    size = 0
    if kind == TYPE_ERSPAN_3:
        if missing(at + 12, end, captured):
            return NO_TUNNEL
        size = 20 if load_u8(frame, at + 11) & 1 else 12
    elif sequence:
        size = 8
    if missing(at + size, end, captured):
        return NO_TUNNEL
    line[INSIDE_AT] = at + size
    return find_ip(frame, ETHERNET, at + size, end, captured)


@njit(**KERNEL)
def _inside_datagram(frame, line, kinds, swapped):
    """Return what find_inner does, for UDP: the first kind whose conditions hold."""
    source = line[KEY] & PORT_MASK
    destination = line[KEY] >> DESTINATION_PORT_SHIFT & PORT_MASK
    at = line[TRANSPORT_AT] + 8
    found = NO_TUNNEL
    if destination == PORT_VXLAN and kinds & _VXLAN:
        found = _inside_vxlan(frame, line, at)
    elif destination == PORT_GENEVE and kinds & _GENEVE:
        found = _inside_geneve(frame, line, at)
    elif destination == PORT_GTPU and kinds & _GTPU:
        found = _inside_gtpu(frame, line, at)
    if found == NO_TUNNEL and kinds & _TEREDO:
        named = source == PORT_TEREDO or destination == PORT_TEREDO
        found = _inside_teredo(frame, line, at, named)
    if found == NO_TUNNEL and destination == PORT_TZSP and kinds & _TZSP:
        found = _inside_tzsp(frame, line, at)
    capwap = source == PORT_CAPWAP or destination == PORT_CAPWAP
    if found == NO_TUNNEL and capwap and kinds & _CAPWAP:
        found = _inside_capwap(frame, line, at, swapped)
    ayiya = source == PORT_AYIYA or destination == PORT_AYIYA
    if found == NO_TUNNEL and ayiya and kinds & _AYIYA:
        found = _inside_ayiya(frame, line, at)
    return found


@njit(**KERNEL)
def _inside_vxlan(frame, line, at):
    """Return what find_inner does, for VXLAN (RFC 7348)."""
    end, captured = line[PACKET_END], line[CAPTURED_END]
    if missing(at + 8, end, captured):
        return NO_TUNNEL
    if load_u8(frame, at) & 0x08 == 0:
        return NO_TUNNEL
    line[INSIDE_AT] = at + 8
    return find_ip(frame, ETHERNET, at + 8, end, captured)


@njit(**KERNEL)
def _inside_geneve(frame, line, at):
    """Return what find_inner does, for GENEVE (RFC 8926)."""
    end, captured = line[PACKET_END], line[CAPTURED_END]
    if missing(at + 8, end, captured):
        return NO_TUNNEL
    first = load_u8(frame, at)
    kind = load_u16_be(frame, at + 2)
    if first >> 6:
        return NO_TUNNEL
    if kind != TYPE_ETHERNET and kind != TYPE_IPV4 and kind != TYPE_IPV6:
        return NO_TUNNEL
    at += 8 + (first & 0x3F) * 4
    if missing(at, end, captured):
        return NO_TUNNEL
    line[INSIDE_AT] = at
    if kind == TYPE_ETHERNET:
        return find_ip(frame, ETHERNET, at, end, captured)
    return behind_type(frame, kind, at, end, captured)


@njit(**KERNEL)
def _inside_gtpu(frame, line, at):
    """Return what find_inner does, for GTP-U (3GPP TS 29.281). Ends: an extension has 4 bytes."""
    end, captured = line[PACKET_END], line[CAPTURED_END]
    if missing(at + 8, end, captured):
        return NO_TUNNEL
    bits = load_u8(frame, at)
    if bits >> 4 != 3 or load_u8(frame, at + 1) != 255:
        return NO_TUNNEL
    at += 8
    extension = 0
    if bits & 7:
        if missing(at + 4, end, captured):
            return NO_TUNNEL
        extension = load_u8(frame, at + 3) if bits & 4 else 0
        at += 4
    while extension:
        if missing(at + 1, end, captured):
            return NO_TUNNEL
        size = load_u8(frame, at) * 4
        if size == 0 or missing(at + size, end, captured):
            return NO_TUNNEL
        at += size
        extension = load_u8(frame, at - 1)
    line[INSIDE_AT] = at
    return place_of(at, 0, 0)


@njit(**KERNEL)
def _is_teredo(frame, at, end, captured):
    """Return whether IPv6 from or to a Teredo address begins at `at`."""
    if missing(at + 40, end, captured) or load_u8(frame, at) >> 4 != 6:
        return False
    if load_u32_be(frame, at + 8) == _TEREDO_PREFIX:
        return True
    return load_u32_be(frame, at + 24) == _TEREDO_PREFIX


@njit(**KERNEL)
def _inside_teredo(frame, line, at, named):
    """Return what find_inner does, for Teredo (RFC 4380); `named`: on its own port."""
    end, captured = line[PACKET_END], line[CAPTURED_END]
    if named:
        if missing(at + 2, end, captured):
            return NO_TUNNEL
        if load_u16_be(frame, at) == 1:  # Authentication.
            if missing(at + 4, end, captured):
                return NO_TUNNEL
            at += 13 + load_u8(frame, at + 2) + load_u8(frame, at + 3)
            if missing(at + 2, end, captured):
                return NO_TUNNEL
        if load_u16_be(frame, at) == 0:  # Origin.
            at += 8
        if missing(at + 40, end, captured):
            return NO_TUNNEL
    line[INSIDE_AT] = at
    return place_of(at, 0, 6) if _is_teredo(frame, at, end, captured) else NO_TUNNEL


@njit(**KERNEL)
def _inside_tzsp(frame, line, at):
    """Return what find_inner does, for TZSP. Ends: a tag has at least one byte."""
    end, captured = line[PACKET_END], line[CAPTURED_END]
    if missing(at + 4, end, captured):
        return NO_TUNNEL
    if load_u8(frame, at) != 1 or load_u8(frame, at + 1) > 1 or load_u16_be(frame, at + 2) != 1:
        return NO_TUNNEL
    at += 4
    tag = 0
    while tag != 1:
        if missing(at + 1, end, captured):
            return NO_TUNNEL
        tag = load_u8(frame, at)
        at += 1
        if tag > 1:
            if missing(at + 1, end, captured):
                return NO_TUNNEL
            at += 1 + load_u8(frame, at)
    line[INSIDE_AT] = at
    return find_ip(frame, ETHERNET, at, end, captured)


@njit(**KERNEL)
def _inside_capwap(frame, line, at, swapped):
    """Return what find_inner does, for the CAPWAP data channel (RFC 5415)."""
    end, captured = line[PACKET_END], line[CAPTURED_END]
    if missing(at + 8, end, captured):
        return NO_TUNNEL
    if load_u8(frame, at) != 0 or load_u8(frame, at + 3) & 0x80:
        return NO_TUNNEL
    native = load_u8(frame, at + 2) & 1
    size = (load_u8(frame, at + 1) >> 3) * 4
    if size < 8 or missing(at + size, end, captured):
        return NO_TUNNEL
    at += size
    line[INSIDE_AT] = at
    if not native:
        return find_ip(frame, ETHERNET, at, end, captured)
    fate = missing(at + 2, end, captured)
    if fate:
        return -fate
    control = load_u16_be(frame, at) if swapped else load_u16(frame, at)
    if not carries_data(control):
        return np.int64(-NO_DATA)
    behind = behind_data(frame, control, False, at, end, captured)
    return behind if behind < 0 else behind_type(frame, LLC, behind, end, captured)


@njit(**KERNEL)
def _inside_ayiya(frame, line, at):
    """Return what find_inner does, for AYIYA (draft-massar-v6ops-ayiya-02), forwarding IPv6."""
    end, captured = line[PACKET_END], line[CAPTURED_END]
    if missing(at + 8, end, captured):
        return np.int64(NO_TUNNEL)
    identity, signature = load_u8(frame, at) >> 4, load_u8(frame, at + 1) >> 4
    if load_u8(frame, at + 2) & 15 != 1 or load_u8(frame, at + 3) != IP6_IN_IP:
        return np.int64(NO_TUNNEL)
    at += 8 + (1 << identity) + signature * 4
    if missing(at, end, captured):
        return np.int64(NO_TUNNEL)
    line[INSIDE_AT] = at
    return place_of(at, 0, 6)
