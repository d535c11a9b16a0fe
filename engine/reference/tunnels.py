"""Tunnels: what a packet carries inside (SEMANTICS.rst, "Packets": Tunnels).

A packet is a tunnel when a header as described is there and captured as a whole. Whether what it
carries can be read is another question.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from engine.reference.internet import UDP, Layer
from engine.reference.links import (
    MPLS_TYPES,
    VLAN_TYPES,
    Network,
    Span,
    by_nibble,
    ethernet,
    ethertype,
    ppp,
    wifi,
)


class Way(NamedTuple):
    """A way to read what a tunnel carries, which begins at `at`."""

    at: int
    read: Callable[[Span, int], Network]


INSIDE_MAX = 4
ETHERNET_TYPE, PPP_TYPE, ERSPAN, ERSPAN_3 = 0x6558, 0x880B, 0x88BE, 0x22EB
IP_TYPES = (0x0800, 0x86DD)
GRE_TYPES = (*IP_TYPES, ETHERNET_TYPE, *MPLS_TYPES, *VLAN_TYPES, PPP_TYPE)
VXLAN_PORT, GENEVE_PORT, GTPU_PORT, TEREDO_PORT, TZSP_PORT, CAPWAP_PORT = (
    4789,
    6081,
    2152,
    3544,
    37008,
    5247,
)
AYIYA_PORT = 5072
FABRICPATH_BYTES = 16
TEREDO_PREFIX = b"\x20\x01\0\0"


def tunnel_of(captured: bytes, layer: Layer, kinds: tuple[str, ...]) -> tuple[Way, ...]:
    """Return how to read what `layer` carries, the ways in order; () if it is no tunnel."""
    if layer.fragment is not None:
        return ()
    held = captured[: layer.end]
    for kind, reader in _CANDIDATES.get(layer.protocol, ()):
        if kind in kinds:
            ways = tuple(reader(held, layer))
            if ways:
                return ways
    return ()


def is_fabricpath(span: Span, link_type: int) -> bool:
    """Return whether a frame is one of FabricPath, captured as far as its own header."""
    whole = span.end >= FABRICPATH_BYTES and len(span.captured) >= FABRICPATH_BYTES
    return link_type == 1 and whole and span.captured[12:14] == b"\x89\x03"


def _ipip(held: bytes, layer: Layer) -> Iterator[Way]:
    yield Way(layer.payload_at, lambda span, at: Network(4, at))


def _6in4(held: bytes, layer: Layer) -> Iterator[Way]:
    yield Way(layer.payload_at, lambda span, at: Network(6, at))


def _gre_header(held: bytes, layer: Layer) -> tuple[int, int, bool]:
    """Return (type, where its content begins, sequence bit); (0, …) for no GRE that is read."""
    at = layer.payload_at
    if at + 4 > len(held):
        return 0, 0, False
    flags, kind = held[at], int.from_bytes(held[at + 2 : at + 4], "big")
    size = 4 + sum(4 for bit in (0x80, 0x20, 0x10) if flags & bit)
    if held[at + 1] & 0x07 or flags & 0x40 or at + size > len(held):
        return 0, 0, False
    return kind, at + size, bool(flags & 0x10)


def _gre(held: bytes, layer: Layer) -> Iterator[Way]:
    kind, at, _ = _gre_header(held, layer)
    if kind in GRE_TYPES:
        yield Way(at, partial(_typed, kind=kind))


def _typed(span: Span, at: int, kind: int) -> Network:
    if kind == ETHERNET_TYPE:
        return ethernet(span, at)
    return ppp(span, at) if kind == PPP_TYPE else ethertype(span, kind, at)


def _pptp(held: bytes, layer: Layer) -> Iterator[Way]:
    at = layer.payload_at
    if held[at + 2 : at + 4] == b"\x88\x0b" and held[at + 1] & 7 == 1 and not held[at] & 0x40:
        inner = at + 8 + sum(4 for bit in (held[at] & 0x10, held[at + 1] & 0x80) if bit)
        if inner <= len(held):
            yield Way(inner, ppp)


def _erspan(held: bytes, layer: Layer) -> Iterator[Way]:
    kind, at, sequence = _gre_header(held, layer)
    if kind == ERSPAN:
        size = 8 if sequence else 0
    elif kind == ERSPAN_3:
        size = 12 + (8 if held[at + 11 : at + 12] and held[at + 11] & 1 else 0)
    else:
        return
    if at + size <= len(held):
        yield Way(at + size, ethernet)


def _vxlan(held: bytes, layer: Layer) -> Iterator[Way]:
    at = layer.payload_at
    if layer.destination_port == VXLAN_PORT and at + 8 <= len(held) and held[at] & 0x08:
        yield Way(at + 8, ethernet)


def _geneve(held: bytes, layer: Layer) -> Iterator[Way]:
    at = layer.payload_at
    if layer.destination_port != GENEVE_PORT or at + 8 > len(held) or held[at] >> 6:
        return
    kind = int.from_bytes(held[at + 2 : at + 4], "big")
    inner = at + 8 + (held[at] & 0x3F) * 4
    if kind in (ETHERNET_TYPE, *IP_TYPES) and inner <= len(held):
        yield Way(inner, partial(_typed, kind=kind))


def _gtpu(held: bytes, layer: Layer) -> Iterator[Way]:
    at = layer.payload_at
    if layer.destination_port != GTPU_PORT or at + 8 > len(held):
        return
    flags = held[at]
    if flags >> 4 != 0b0011 or held[at + 1] != 255:
        return
    inner = at + (12 if flags & 0x07 else 8)
    if inner > len(held):
        return
    following = held[inner - 1] if flags & 0x04 else 0
    while following:
        size = held[inner] * 4 if inner < len(held) else 0
        inner += size
        if size == 0 or inner > len(held):
            return
        following = held[inner - 1]
    yield Way(inner, by_nibble)


def _teredo(held: bytes, layer: Layer) -> Iterator[Way]:
    at = layer.payload_at
    if TEREDO_PORT in (layer.source_port, layer.destination_port):
        if held[at : at + 2] == b"\0\x01" and at + 4 <= len(held):
            at += 4 + held[at + 2] + held[at + 3] + 9
        if held[at : at + 2] == b"\0\0":
            at += 8
    if at + 40 > len(held) or held[at] >> 4 != 6:
        return
    if TEREDO_PREFIX in (held[at + 8 : at + 12], held[at + 24 : at + 28]):
        yield Way(at, lambda span, at: Network(6, at))


def _tzsp(held: bytes, layer: Layer) -> Iterator[Way]:
    at = layer.payload_at
    known = held[at : at + 4] in (b"\x01\0\0\x01", b"\x01\x01\0\x01")
    if layer.destination_port != TZSP_PORT or not known:
        return
    at += 4
    while at < len(held) and held[at] != 1:
        if held[at] == 0:
            at += 1
        elif at + 1 < len(held):
            at += 2 + held[at + 1]
        else:
            return
    if at < len(held):
        yield Way(at + 1, ethernet)


def _capwap(held: bytes, layer: Layer) -> Iterator[Way]:
    at = layer.payload_at
    if CAPWAP_PORT not in (layer.source_port, layer.destination_port) or at + 8 > len(held):
        return
    inner = at + (held[at + 1] >> 3) * 4
    if held[at] != 0 or held[at + 3] & 0x80 or inner < at + 8 or inner > len(held):
        return
    if held[at + 2] & 0x01:
        yield Way(inner, wifi)
        yield Way(inner, partial(wifi, swapped=True))
    else:
        yield Way(inner, ethernet)


def _ayiya(held: bytes, layer: Layer) -> Iterator[Way]:
    at = layer.payload_at
    if AYIYA_PORT not in (layer.source_port, layer.destination_port) or at + 8 > len(held):
        return
    if held[at + 2] & 15 == 1 and held[at + 3] == 41:
        inner = at + 8 + 2 ** (held[at] >> 4) + 4 * (held[at + 1] >> 4)
        if inner <= len(held):
            yield Way(inner, lambda span, at: Network(6, at))


# By protocol, in the order in which they are tried.
_CANDIDATES = {
    4: (("ipip", _ipip),),
    41: (("6in4", _6in4),),
    47: (("gre", _gre), ("erspan", _erspan), ("pptp", _pptp)),
    UDP: (
        ("vxlan", _vxlan),
        ("geneve", _geneve),
        ("gtpu", _gtpu),
        ("teredo", _teredo),
        ("tzsp", _tzsp),
        ("capwap", _capwap),
        ("ayiya", _ayiya),
    ),
}
