"""Link layers: from the first byte of a frame to its IP header (SEMANTICS.rst, "Packets")."""

from dataclasses import dataclass
from typing import NamedTuple

ETHERTYPE_MIN = 0x0600  # Below it the field is a length.
LLC_LENGTH_MAX = 1500
TAGS_MAX = 16  # VLAN tags, MPLS labels and PPPoE headers in one link layer.
IPV4, IPV6, MPLS_TYPES, PPPOE = 0x0800, 0x86DD, (0x8847, 0x8848), 0x8864
VLAN_TYPES = (0x8100, 0x88A8, 0x9100)
NULL_FAMILIES = {2: 4, 10: 6, 24: 6, 28: 6, 30: 6}
NFLOG_FAMILIES = {2: 4, 10: 6}
NFLOG_PAYLOAD = 9
PPI = 192


class RefusedError(Exception):
    """A packet that is not accepted. `fate` is the counter's name without "refused_"."""

    def __init__(self, fate: str) -> None:
        super().__init__(fate)
        self.fate = fate


class NoDataError(RefusedError):
    """An 802.11 frame that carries no data, thus no packet."""


class Network(NamedTuple):
    """Where an IP header is: announced version (0: either), offset in the frame, VLAN ids."""

    version: int
    offset: int
    tags: tuple[int, ...] = ()  # VLAN ids that are not 0, outermost first.


@dataclass(slots=True)
class Span:
    """Captured bytes of a frame, and the offset at which what is being read ends on the wire."""

    captured: bytes
    end: int

    def need(self, offset: int) -> None:
        """Demand the bytes up to `offset`: malformed{short} or malformed{cut} without them."""
        if offset > self.end:
            raise RefusedError("malformed_short")
        if offset > len(self.captured):
            raise RefusedError("malformed_cut")

    def number(self, offset: int, count: int = 2, order: str = "big") -> int:
        """Return the unsigned number of `count` bytes at `offset`, which must be there."""
        self.need(offset + count)
        return int.from_bytes(self.captured[offset : offset + count], order)


def network_of(span: Span, link_type: int) -> Network:
    """Return where the IP header of a frame is."""
    read = LINKS.get(link_type)
    if read is None:
        raise RefusedError("unsupported_link")
    return read(span, 0)


def ethertype(span: Span, kind: int, at: int) -> Network:
    """Return the IP header behind the type `kind`, whose content begins at `at`."""
    ids: tuple[int, ...] = ()
    tags = 0
    while True:
        if kind in (IPV4, IPV6):
            return Network(4 if kind == IPV4 else 6, at, ids)
        if kind in VLAN_TYPES:
            tags = _one_more(tags)
            span.need(at + 4)
            number = span.number(at) & 0xFFF
            ids += (number,) if number else ()
            kind, at = span.number(at + 2), at + 4
            if kind < ETHERTYPE_MIN:
                kind, at = _llc(span, at)
        elif kind in MPLS_TYPES:
            return Network(*_labels(span, at, tags), ids)
        elif kind == PPPOE:
            _one_more(tags)
            span.need(at + 6)
            if span.captured[at] != 0x11 or span.captured[at + 1] != 0:
                raise RefusedError("non_ip")
            return Network(*_ppp_protocol(span, at + 6), ids)
        else:
            raise RefusedError("non_ip")


def _one_more(tags: int) -> int:
    if tags == TAGS_MAX:
        raise RefusedError("malformed_depth")
    return tags + 1


def _llc(span: Span, at: int) -> tuple[int, int]:
    """Return the type behind a SNAP header, and where its content begins."""
    span.need(at + 8)
    if span.captured[at : at + 6] not in (b"\xaa\xaa\x03\0\0\0", b"\xaa\xaa\x03\0\0\xf8"):
        raise RefusedError("non_ip")
    return span.number(at + 6), at + 8


def _labels(span: Span, at: int, tags: int) -> tuple[int, int]:
    bottom = 0
    while not bottom:
        tags = _one_more(tags)
        bottom, at = span.number(at, 4) & 0x100, at + 4
    version = span.number(at, 1) >> 4
    if version not in (4, 6):
        raise RefusedError("non_ip")
    return version, at


def _ppp_protocol(span: Span, at: int) -> tuple[int, int]:
    odd = span.number(at, 1) & 1
    protocol = span.number(at, 1 if odd else 2)
    if protocol not in (0x21, 0x57):
        raise RefusedError("non_ip")
    return 4 if protocol == 0x21 else 6, at + (1 if odd else 2)


def ethernet(span: Span, at: int) -> Network:
    """Return the IP header behind the Ethernet header at `at`."""
    span.need(at + 14)
    kind = span.captured[at + 12] << 8 | span.captured[at + 13]
    if kind == IPV4:
        return Network(4, at + 14)  # As ethertype() would; most frames are such.
    if kind < ETHERTYPE_MIN:
        if kind > LLC_LENGTH_MAX:
            raise RefusedError("non_ip")
        return ethertype(span, *_llc(span, at + 14))
    return ethertype(span, kind, at + 14)


def by_nibble(span: Span, at: int) -> Network:
    """Return the IP header at `at`, of the version that it says itself."""
    return Network(0, at)


def ppp(span: Span, at: int) -> Network:
    """Return the IP header behind PPP at `at`, with or without its HDLC address and control."""
    if span.number(at, 1) == 0xFF and span.number(at + 1, 1) == 0x03:
        at += 2
    return Network(*_ppp_protocol(span, at))


def _ppp_or_cisco(span: Span, at: int) -> Network:
    return _cisco(span, at) if span.number(at, 1) in (0x0F, 0x8F) else ppp(span, at)


def _ppp_with_direction(span: Span, at: int) -> Network:
    return ppp(span, at + 1 if span.number(at, 1) in (0, 1) else at)


def _cisco(span: Span, at: int) -> Network:
    return ethertype(span, span.number(at + 2), at + 4)


def _family(span: Span, at: int, order: str) -> Network:
    family = span.number(at, 4, order)
    if order == "little" and family > 0xFFFF:
        family = span.number(at, 4, "big")
    if family not in NULL_FAMILIES:
        raise RefusedError("non_ip")
    return Network(NULL_FAMILIES[family], at + 4)


def _cooked(span: Span, kind_at: int, at: int) -> Network:
    span.need(at)
    kind = span.number(kind_at)
    if kind == 4:
        return ethertype(span, *_llc(span, at))
    return ethertype(span, kind, at)  # No type below 0x0600 is one of IP.


def _frame_relay(span: Span, at: int) -> Network:
    address_bytes = 1
    while not span.number(at + address_bytes - 1, 1) & 1:
        address_bytes += 1
        if address_bytes > 4:
            raise RefusedError("malformed_length")
    if address_bytes < 2:
        raise RefusedError("malformed_length")
    at += address_bytes
    span.need(at + 2)  # Of every form: an ethertype, or 03 and what follows it.
    if span.number(at, 1) != 0x03:
        return ethertype(span, span.number(at), at + 2)
    at += 1
    if span.number(at, 1) == 0:
        at += 1
    protocol, at = span.number(at, 1), at + 1
    if protocol == 0x80:
        return ethertype(span, span.number(at, 5) & 0xFFFF, at + 5)
    if protocol not in (0xCC, 0x8E):
        raise RefusedError("non_ip")
    return Network(4 if protocol == 0xCC else 6, at)


def _fddi(span: Span, at: int) -> Network:
    span.need(at + 13)
    return ethertype(span, *_llc(span, at + 13))


def _nflog(span: Span, at: int) -> Network:
    family = span.number(at, 4) >> 24
    at += 4
    while at < span.end:
        span.need(at + 4)
        length, kind = span.number(at, 2, "little"), span.number(at + 2, 2, "little")
        if length < 4:
            raise RefusedError("malformed_length")
        if kind == NFLOG_PAYLOAD:
            if family not in NFLOG_FAMILIES:
                raise RefusedError("non_ip")
            return Network(NFLOG_FAMILIES[family], at + 4)
        at += (length + 3) // 4 * 4
    raise RefusedError("non_ip")


def wifi(span: Span, at: int, padded: bool = False, swapped: bool = False) -> Network:
    """Return the IP header behind an 802.11 header; CAPWAP may swap its first two bytes."""
    span.need(at + 2)
    kind, flags = span.captured[at + swapped], span.captured[at + 1 - swapped]
    carries_data = kind & 0x0C == 0x08 and not kind & 0x40
    if not carries_data:
        raise NoDataError("non_ip")
    if flags & 0x40:  # Protected.
        raise RefusedError("non_ip")
    size = 24 + (6 if flags & 0x03 == 0x03 else 0)
    quality = size
    if kind & 0x80:
        size += 6 if flags & 0x80 else 2
    span.need(at + size)
    if kind & 0x80 and span.captured[at + quality] & 0x80:  # Several packets in one frame.
        raise RefusedError("non_ip")
    size += -size % 4 if padded else 0
    return ethertype(span, *_llc(span, at + size))


def _radiotap(span: Span, at: int) -> Network:
    span.need(at + 4)
    size = span.number(at + 2, 2, "little")
    if size < 8:
        raise RefusedError("malformed_length")
    span.need(at + size)
    present = span.number(at + 4, 4, "little")
    field = 8  # Behind the last word of presence bits, whose bit 31 says that one more follows.
    more = present
    while more >> 31 and field + 4 <= size:
        more, field = span.number(at + field, 4, "little"), field + 4
    if present & 1:  # The stamp: 8 bytes on a boundary of 8.
        field += -field % 8 + 8
    flags = span.captured[at + field] if present & 2 and field < size else 0
    return wifi(span, at + size, padded=bool(flags & 0x20))


def _ppi(span: Span, at: int) -> Network:
    span.need(at + 8)
    size, link_type = span.number(at + 2, 2, "little"), span.number(at + 4, 4, "little")
    if size < 8:
        raise RefusedError("malformed_length")
    if link_type == PPI or link_type not in LINKS:
        raise RefusedError("unsupported_link")
    return LINKS[link_type](span, at + size)


LINKS = {
    0: lambda span, at: _family(span, at, "little"),
    1: ethernet,
    9: ppp,
    10: _fddi,
    12: by_nibble,
    14: by_nibble,
    50: _ppp_or_cisco,
    51: lambda span, at: ethertype(span, PPPOE, at),
    101: by_nibble,
    104: _cisco,
    105: wifi,
    107: _frame_relay,
    108: lambda span, at: _family(span, at, "big"),
    113: lambda span, at: _cooked(span, at + 14, at + 16),
    127: _radiotap,
    166: _ppp_with_direction,
    PPI: _ppi,
    228: lambda span, at: Network(4, at),
    229: lambda span, at: Network(6, at),
    239: _nflog,
    276: lambda span, at: _cooked(span, at, at + 20),
}
