"""Where the IP header of a frame is: link layers and what stands between them and IP.

A *place* packs what the link layer says about the IP header: its offset, the version announced (0:
either) and the VLANs: the outermost, the innermost, all of them folded into one number. Kernels
return a place, or minus a fate. Link types are those of pcap and pcapng files
(https://www.tcpdump.org/linktypes.html); the rules are SEMANTICS.rst, "Link types" and
"Ethertypes". The 802.11 family is in wireless.py.
"""

from numba import njit

from engine.memory.options import KERNEL
from engine.memory.pointers import load_u8, load_u16_be, load_u32, load_u32_be, swap_u32
from engine.packets.fates import DEPTH, LENGTH, NON_IP, UNSUPPORTED_LINK, missing
from engine.packets.wireless import (
    PPI,
    RADIOTAP,
    WIRELESS,
    behind_radiotap,
    behind_wireless,
    link_of_ppi,
)

NULL, ETHERNET, PPP, FDDI, LOOP = 0, 1, 9, 10, 108
RAW, RAW_BSD, RAW_OPENBSD, IPV4, IPV6 = 101, 12, 14, 228, 229
PPP_HDLC, PPPOE, PPP_DIRECTION, CISCO_HDLC, FRAME_RELAY = 50, 51, 166, 104, 107
COOKED, COOKED_2, NFLOG = 113, 276, 239

TYPE_IPV4, TYPE_IPV6, TYPE_PPPOE = 0x0800, 0x86DD, 0x8864
TYPE_MPLS, TYPE_MPLS_MULTICAST = 0x8847, 0x8848
TYPE_VLAN, TYPE_PROVIDER, TYPE_OLD_PROVIDER = 0x8100, 0x88A8, 0x9100
TYPE_MIN = 0x0600  # IEEE 802.3: a smaller value is a length.
LENGTH_MAX = 1500
LLC = -1  # A type of our own: LLC follows.
TAGS_MAX = 16

OFFSET_MASK = (1 << 24) - 1  # More than any capture has of a frame.
VERSION_SHIFT, VERSION_MASK = 24, 7
VLAN_SHIFT, VLAN_MASK, VLAN_BITS = 27, 0xFFF, 12
# Where each choice of flow.vlan_in_key stands in a place; a shift by 63 leaves nothing.
OUTER_VLAN, INNER_VLAN, ALL_VLANS, NO_VLAN = (
    VLAN_SHIFT,
    VLAN_SHIFT + VLAN_BITS,
    VLAN_SHIFT + 2 * VLAN_BITS,
    63,
)
_FOLD_BITS = 5
_LINK_MASK = (1 << 32) - 1  # Of what link_of_ppi returns.


@njit(**KERNEL)
def place_of(offset, vlans, version):
    """Return the place of an IP header; version 0: either."""
    return offset | version << VERSION_SHIFT | vlans << VLAN_SHIFT


@njit(**KERNEL)
def _with_tag(vlans, tag):
    """Return the VLANs of a place with one more tag, inside the others; id 0 is none."""
    tag &= VLAN_MASK
    if tag == 0:
        return vlans
    outer = vlans & VLAN_MASK
    folded = vlans >> 2 * VLAN_BITS
    folded = (folded << _FOLD_BITS | folded >> VLAN_BITS - _FOLD_BITS) & VLAN_MASK
    return (outer if outer else tag) | tag << VLAN_BITS | (folded ^ tag) << 2 * VLAN_BITS


@njit(**KERNEL)
def find_ip(frame, link, at, limit, captured):
    """Return the place of the IP header of a frame of type `link` at offset `at`, or minus a fate.

    `limit` is the end of the frame (of the outer payload, for an inner frame).
    """
    if link == PPI:
        fate = missing(at + 8, limit, captured)
        if fate:
            return -fate
        inner = link_of_ppi(frame, at)
        if inner < 0:
            return inner
        at += inner >> 32
        link = inner & _LINK_MASK
    if link == ETHERNET:
        fate = missing(at + 14, limit, captured)
        if fate:
            return -fate
        kind = load_u16_be(frame, at + 12)
        if kind < TYPE_MIN:
            if kind > LENGTH_MAX:
                return -NON_IP
            kind = LLC
        return behind_type(frame, kind, at + 14, limit, captured)
    return _find_other(frame, link, at, limit, captured)


@njit(**KERNEL)
def _find_other(frame, link, at, limit, captured):
    """Return what find_ip does, for every type but Ethernet and PPI."""
    if link in (RAW, RAW_BSD, RAW_OPENBSD):
        return place_of(at, 0, 0)
    if link == IPV4:
        return place_of(at, 0, 4)
    if link == IPV6:
        return place_of(at, 0, 6)
    if link in (NULL, LOOP):
        return _behind_family(frame, link, at, limit, captured)
    if link in (COOKED, COOKED_2):
        return _behind_cooked(frame, link, at, limit, captured)
    if link in (WIRELESS, RADIOTAP):
        padded = False
        if link == RADIOTAP:
            fate = missing(at + 4, limit, captured)
            if fate:
                return -fate
            behind = behind_radiotap(frame, at, limit, captured)
            if behind < 0:
                return behind
            at = behind >> 1
            padded = behind & 1 == 1
        at = behind_wireless(frame, padded, at, limit, captured)
        return at if at < 0 else behind_type(frame, LLC, at, limit, captured)
    if link == FDDI:
        fate = missing(at + 13, limit, captured)
        return -fate if fate else behind_type(frame, LLC, at + 13, limit, captured)
    if link == NFLOG:
        return _behind_nflog(frame, at, limit, captured)
    if link == FRAME_RELAY:
        return _behind_frame_relay(frame, at, limit, captured)
    return _find_point_to_point(frame, link, at, limit, captured)


@njit(**KERNEL)
def _find_point_to_point(frame, link, at, limit, captured):
    """Return what find_ip does, for PPP and Cisco HDLC."""
    if link == PPPOE:
        return behind_type(frame, TYPE_PPPOE, at, limit, captured)
    if link != CISCO_HDLC:
        if link != PPP and link != PPP_HDLC and link != PPP_DIRECTION:
            return -UNSUPPORTED_LINK
        fate = missing(at + 1, limit, captured)
        if fate:
            return -fate
        first = load_u8(frame, at)
        if link != PPP_HDLC or (first != 0x0F and first != 0x8F):
            at += link == PPP_DIRECTION and first <= 1
            return behind_ppp(frame, at, limit, captured)
    fate = missing(at + 4, limit, captured)
    if fate:
        return -fate
    return behind_type(frame, load_u16_be(frame, at + 2), at + 4, limit, captured)


@njit(**KERNEL)
def behind_type(frame, kind, at, limit, captured):
    """Return the place of the IP header behind ethertype `kind`, whose content is at `at`."""
    vlans = 0
    tags = 0
    while kind != TYPE_IPV4 and kind != TYPE_IPV6:
        if kind == LLC:
            fate = missing(at + 8, limit, captured)
            if fate:
                return -fate
            kind = _type_of_llc(frame, at)
            at += 8
        elif kind in (TYPE_VLAN, TYPE_PROVIDER, TYPE_OLD_PROVIDER):
            tags += 1
            fate = DEPTH if tags > TAGS_MAX else missing(at + 4, limit, captured)
            if fate:
                return -fate
            vlans = _with_tag(vlans, load_u16_be(frame, at))
            kind = load_u16_be(frame, at + 2)
            if kind < TYPE_MIN:
                kind = LLC
            at += 4
        elif kind in (TYPE_MPLS, TYPE_MPLS_MULTICAST):
            return _behind_mpls(frame, tags, vlans, at, limit, captured)
        elif kind == TYPE_PPPOE:
            tags += 1
            fate = DEPTH if tags > TAGS_MAX else missing(at + 6, limit, captured)
            if fate:
                return -fate
            if load_u16_be(frame, at) != 0x1100:
                return -NON_IP
            place = _behind_ppp_protocol(frame, at + 6, limit, captured)
            return place if place < 0 else place | vlans << VLAN_SHIFT
        else:
            return -NON_IP
    return place_of(at, vlans, 4 if kind == TYPE_IPV4 else 6)


@njit(**KERNEL)
def _type_of_llc(frame, at):
    """Return the ethertype of an LLC header with SNAP; 0 for any other."""
    organisation = load_u16_be(frame, at + 3) << 8 | load_u8(frame, at + 5)
    snap = load_u16_be(frame, at) == 0xAAAA and load_u8(frame, at + 2) == 3
    if not snap or (organisation != 0 and organisation != 0xF8):
        return 0
    return load_u16_be(frame, at + 6)


@njit(**KERNEL)
def _behind_mpls(frame, tags, vlans, at, limit, captured):
    """Return the place behind the labels that begin at `at`; `tags` were passed before them."""
    bottom = 0
    while bottom == 0:
        tags += 1
        fate = DEPTH if tags > TAGS_MAX else missing(at + 4, limit, captured)
        if fate:
            return -fate
        bottom = load_u8(frame, at + 2) & 1
        at += 4
    fate = missing(at + 1, limit, captured)
    if fate:
        return -fate
    version = load_u8(frame, at) >> 4
    if version != 4 and version != 6:
        return -NON_IP
    return place_of(at, vlans, version)


@njit(**KERNEL)
def behind_ppp(frame, at, limit, captured):
    """Return the place behind a PPP header: address and control may be left out."""
    fate = missing(at + 1, limit, captured)
    if fate:
        return -fate
    if load_u8(frame, at) == 0xFF:
        fate = missing(at + 2, limit, captured)
        if fate:
            return -fate
        if load_u8(frame, at + 1) == 0x03:
            at += 2
    return _behind_ppp_protocol(frame, at, limit, captured)


@njit(**KERNEL)
def _behind_ppp_protocol(frame, at, limit, captured):
    """Return the place behind a PPP protocol of one byte (if odd) or two."""
    fate = missing(at + 1, limit, captured)
    if fate:
        return -fate
    protocol = load_u8(frame, at)
    size = 1
    if protocol & 1 == 0:
        fate = missing(at + 2, limit, captured)
        if fate:
            return -fate
        protocol = load_u16_be(frame, at)
        size = 2
    if protocol == 0x21:
        return place_of(at + size, 0, 4)
    if protocol == 0x57:
        return place_of(at + size, 0, 6)
    return -NON_IP


@njit(**KERNEL)
def _behind_family(frame, link, at, limit, captured):
    """Return the place behind the address family of BSD loopback."""
    fate = missing(at + 4, limit, captured)
    if fate:
        return -fate
    family = load_u32_be(frame, at)
    if link == NULL:
        family = load_u32(frame, at)
        if family > 0xFFFF:
            family = swap_u32(family)
    if family == 2:
        return place_of(at + 4, 0, 4)
    if family == 10 or family == 24 or family == 28 or family == 30:
        return place_of(at + 4, 0, 6)
    return -NON_IP


@njit(**KERNEL)
def _behind_cooked(frame, link, at, limit, captured):
    """Return the place behind a Linux cooked header, version 1 or 2."""
    size = 16 if link == COOKED else 20
    fate = missing(at + size, limit, captured)
    if fate:
        return -fate
    kind = load_u16_be(frame, at + 14 if link == COOKED else at)
    if kind == 4:
        kind = LLC
    return behind_type(frame, kind, at + size, limit, captured)


@njit(**KERNEL)
def _behind_frame_relay(frame, at, limit, captured):
    """Return the place behind a Q.922 address and RFC 2427 encapsulation, or an ethertype."""
    size = 0
    last = 0
    while last == 0:
        size += 1
        if size > 4:
            return -LENGTH
        fate = missing(at + size, limit, captured)
        if fate:
            return -fate
        last = load_u8(frame, at + size - 1) & 1
    if size == 1:
        return -LENGTH
    at += size
    fate = missing(at + 2, limit, captured)
    if fate:
        return -fate
    if load_u8(frame, at) != 0x03:
        return behind_type(frame, load_u16_be(frame, at), at + 2, limit, captured)
    at += 1
    if load_u8(frame, at) == 0:
        at += 1
        fate = missing(at + 1, limit, captured)
        if fate:
            return -fate
    protocol = load_u8(frame, at)
    if protocol == 0xCC:
        return place_of(at + 1, 0, 4)
    if protocol == 0x8E:
        return place_of(at + 1, 0, 6)
    if protocol != 0x80:
        return -NON_IP
    fate = missing(at + 6, limit, captured)
    if fate:
        return -fate
    return behind_type(frame, load_u16_be(frame, at + 4), at + 6, limit, captured)


@njit(**KERNEL)
def _behind_nflog(frame, at, limit, captured):
    """Return the place of the payload of a netfilter log message."""
    fate = missing(at + 4, limit, captured)
    if fate:
        return -fate
    family = load_u8(frame, at)
    at += 4
    while at < limit:
        fate = missing(at + 4, limit, captured)
        if fate:
            return -fate
        size = load_u8(frame, at) | load_u8(frame, at + 1) << 8
        kind = load_u8(frame, at + 2) | load_u8(frame, at + 3) << 8
        if size < 4:
            return -LENGTH
        if kind == 9:
            if family == 2:
                return place_of(at + 4, 0, 4)
            return place_of(at + 4, 0, 6) if family == 10 else -NON_IP
        at += (size + 3) & ~3
    return -NON_IP
