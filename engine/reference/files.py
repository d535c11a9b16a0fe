"""Frames of capture files: pcap and pcapng, as SEMANTICS.rst, "Capture files", defines them."""

from collections.abc import Iterator
from struct import unpack_from
from typing import NamedTuple

from engine.reference.streams import uncompressed

CAPTURED_BYTES_MAX = 262_144
BLOCK_BYTES_MAX = 1 << 24
INTERFACES_MAX = 1024
LINK_TYPE_MASK = (1 << 26) - 1  # Above it: length of the frame check sequence.
SECTION, INTERFACE, OBSOLETE_PACKET, SIMPLE_PACKET, ENHANCED_PACKET = 0x0A0D0D0A, 1, 2, 3, 6
TIME_RESOLUTION, TIME_OFFSET = 9, 14  # Options of an interface.
_OPTION_BYTES = {TIME_RESOLUTION: 1, TIME_OFFSET: 8}

# By magic, in the file's byte order: (ns in a unit of the fraction, bytes of a record's header).
_PCAP_KINDS = {0xA1B2C3D4: (1000, 16), 0xA1B23C4D: (1, 16), 0xA1B2CD34: (1000, 24)}
_BLOCK_BYTES_MIN = {
    SECTION: 28,
    INTERFACE: 20,
    ENHANCED_PACKET: 32,
    OBSOLETE_PACKET: 32,
    SIMPLE_PACKET: 16,
}


class Frame(NamedTuple):
    """One captured frame. The stamp is exact and may lie outside int64."""

    stamp: int
    link_type: int
    captured: bytes
    original_length: int
    offset: int  # Of its first captured byte, in the source's stream.


class Damage(NamedTuple):
    """Where and why a source could not be read on."""

    offset: int
    reason: str


class _DamagedError(Exception):
    """Reading stops here."""

    def __init__(self, offset: int, reason: str) -> None:
        super().__init__(offset, reason)
        self.damage = Damage(offset, reason)


class CaptureFile:
    """The frames of one source, to be iterated once; afterwards `damage` says how it ended."""

    def __init__(self, content: bytes) -> None:
        self._stream = uncompressed(content)
        self.damage: Damage | None = None

    def __iter__(self) -> Iterator[Frame]:
        stream, fault = self._stream
        try:
            yield from _frames(stream)
            if fault:
                self.damage = Damage(len(stream), fault)
        except _DamagedError as damaged:
            offset, reason = damaged.damage
            starved = reason == "cut" or (reason == "no_capture" and len(stream) < 4)
            self.damage = Damage(offset, fault if starved and fault == "compression" else reason)


def _frames(stream: bytes) -> Iterator[Frame]:
    if stream[:4] == b"\n\r\r\n":
        return _pcapng_frames(stream)
    for order in "<>":
        if len(stream) >= 4 and unpack_from(order + "I", stream)[0] in _PCAP_KINDS:
            return _pcap_frames(stream, order)
    raise _DamagedError(0, "no_capture")


def _pcap_frames(stream: bytes, order: str) -> Iterator[Frame]:
    if len(stream) < 24:
        raise _DamagedError(0, "cut")
    magic, major, minor, link_type = unpack_from(order + "IHH12xI", stream)
    if major != 2 and (major, minor) != (543, 0):
        raise _DamagedError(0, "version")
    scale, header_bytes = _PCAP_KINDS[magic]
    old = major == 543 or minor < 3
    at = 24
    while at < len(stream):
        if at + header_bytes > len(stream):
            raise _DamagedError(at, "cut")
        seconds, fraction, captured, original = unpack_from(order + "IIII", stream, at)
        if old or (minor == 3 and captured > original):
            captured, original = original, captured
        if captured > CAPTURED_BYTES_MAX:
            raise _DamagedError(at, "record_length")
        first = at + header_bytes
        if first + captured > len(stream):
            raise _DamagedError(at, "cut")
        stamp = seconds * 10**9 + fraction * scale
        frame = stream[first : first + captured]
        yield Frame(stamp, link_type & LINK_TYPE_MASK, frame, original, first)
        at = first + captured


class _Interface(NamedTuple):
    link_type: int
    snap_length: int
    ticks_per_second: int
    offset_s: int

    def stamp(self, ticks: int) -> int:
        return ticks * 10**9 // self.ticks_per_second + self.offset_s * 10**9


def _pcapng_frames(stream: bytes) -> Iterator[Frame]:
    order, interfaces, stamp, at = "<", [], 0, 0
    while at < len(stream):
        order, kind, length = _block(stream, at, order)
        if kind == SECTION:
            if unpack_from(order + "HH", stream, at + 12) not in ((1, 0), (1, 2)):
                raise _DamagedError(at, "version")
            interfaces = []
        elif kind == INTERFACE:
            if len(interfaces) == INTERFACES_MAX:
                raise _DamagedError(at, "interface")
            interfaces.append(_interface(stream, at, length, order))
        elif kind in (ENHANCED_PACKET, OBSOLETE_PACKET, SIMPLE_PACKET):
            frame = _packet(stream, at, order, interfaces, stamp)
            stamp = frame.stamp
            yield frame
        at += length


def _block(stream: bytes, at: int, order: str) -> tuple[str, int, int]:
    """Return (byte order, type, total length) of the block at `at`, which is whole and sound."""
    left = len(stream) - at
    section = stream[at : at + 4] == b"\n\r\r\n"
    if left < (12 if section else 8):
        raise _DamagedError(at, "cut")
    if section:
        orders = [o for o in "<>" if unpack_from(o + "I", stream, at + 8)[0] == 0x1A2B3C4D]
        if not orders:
            raise _DamagedError(at, "block_content" if at else "no_capture")
        order = orders[0]
    kind, length = unpack_from(order + "II", stream, at)
    if length < _BLOCK_BYTES_MIN.get(kind, 12) or length > BLOCK_BYTES_MAX or length % 4:
        raise _DamagedError(at, "block_length")
    if length > left:
        raise _DamagedError(at, "cut")
    if unpack_from(order + "I", stream, at + length - 4)[0] != length:
        raise _DamagedError(at, "block_trailer")
    return order, kind, length


def _interface(stream: bytes, at: int, length: int, order: str) -> _Interface:
    link_type, snap_length = unpack_from(order + "H2xI", stream, at + 8)
    ticks_per_second, offset_s = 10**6, 0
    option, end = at + 16, at + length - 4
    while option < end:
        code, size = unpack_from(order + "HH", stream, option)
        if code == 0:
            break
        value, option = option + 4, option + 4 + (size + 3) // 4 * 4
        if option > end or size != _OPTION_BYTES.get(code, size):
            raise _DamagedError(at, "block_content")
        if code == TIME_RESOLUTION:
            exponent = stream[value]
            ticks_per_second = 2 ** (exponent & 0x7F) if exponent & 0x80 else 10**exponent
        elif code == TIME_OFFSET:
            offset_s = unpack_from(order + "q", stream, value)[0]
    return _Interface(link_type, snap_length, ticks_per_second, offset_s)


def _packet(
    stream: bytes, at: int, order: str, interfaces: list[_Interface], stamp_before: int
) -> Frame:
    kind, length = unpack_from(order + "II", stream, at)
    number, upper, lower, captured, original = 0, 0, 0, 0, 0
    first = at + 28
    if kind == ENHANCED_PACKET:
        number, upper, lower, captured, original = unpack_from(order + "5I", stream, at + 8)
    elif kind == OBSOLETE_PACKET:
        number, upper, lower, captured, original = unpack_from(order + "H2x4I", stream, at + 8)
    else:
        first = at + 12
        original = captured = unpack_from(order + "I", stream, at + 8)[0]
    if number >= len(interfaces):
        raise _DamagedError(at, "interface")
    interface = interfaces[number]
    if kind == SIMPLE_PACKET and interface.snap_length:
        captured = min(original, interface.snap_length)
    if captured > CAPTURED_BYTES_MAX:
        raise _DamagedError(at, "record_length")
    if first + captured > at + length - 4:
        raise _DamagedError(at, "block_content")
    stamp = stamp_before if kind == SIMPLE_PACKET else interface.stamp(upper << 32 | lower)
    frame = stream[first : first + captured]
    return Frame(stamp, interface.link_type, frame, original, first)
