"""Capture files in all formats, written from frames."""

import gzip
import lzma
from collections.abc import Callable, Iterable
from struct import pack
from typing import NamedTuple

import zstandard

SECOND_NS = 10**9
EARLIER_S = -(10**10)  # Offset of the interface for stamps that pcapng's ticks cannot tell.


class Frame(NamedTuple):
    """A frame to be written. Stamps are of any size; a format writes the nearest it knows."""

    stamp: int
    link_type: int
    captured: bytes
    original_length: int


def _pcap(frames: list[Frame], order: str, magic: int, **fields: int) -> bytes:
    """Return a pcap file; all frames have the link type of the first."""
    link_type = frames[0].link_type if frames else 1
    minor, snap = fields.get("minor", 4), fields.get("snap", 262_144)
    parts = [pack(order + "IHHiIiI", magic, 2, minor, 0, 0, snap, link_type)]
    scale = 1 if magic == 0xA1B23C4D else 1000
    for frame in frames:
        seconds, fraction = divmod(max(0, frame.stamp), SECOND_NS)
        lengths = [len(frame.captured), frame.original_length]
        if minor < 3:
            lengths.reverse()
        parts.append(pack(order + "IIII", min(seconds, 0xFFFFFFFF), fraction // scale, *lengths))
        parts.append(bytes(8) if magic == 0xA1B2CD34 else b"")
        parts.append(frame.captured)
    return b"".join(parts)


def _block(order: str, kind: int, content: bytes) -> bytes:
    content += bytes(-len(content) % 4)
    size = len(content) + 12
    return pack(order + "II", kind, size) + content + pack(order + "I", size)


def _section(order: str) -> bytes:
    return _block(order, 0x0A0D0D0A, pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))


def _interface(order: str, link_type: int, options: bytes, snap: int = 0) -> bytes:
    return _block(order, 1, pack(order + "HHI", link_type, 0, snap) + options)


def _pcapng(frames: list[Frame], order: str, kind: int, sections: int = 1) -> bytes:
    """Return a pcapng file of ns stamps with packets in blocks of `kind` (6, 2 or 3).

    Each link type has two interfaces, the second for stamps below 0.
    """
    piece = max(1, -(-len(frames) // sections))
    parts = []
    for begin in range(0, max(1, len(frames)), piece):
        parts.append(_section(order))
        numbers: dict[tuple[int, bool], int] = {}
        for frame in frames[begin : begin + piece]:
            earlier = frame.stamp < 0
            where = frame.link_type, earlier
            if where not in numbers:
                numbers[where] = len(numbers)
                options = pack(order + "HHBxxx", 9, 1, 9)
                options += pack(order + "HHq", 14, 8, EARLIER_S if earlier else 0)
                parts.append(_interface(order, frame.link_type, options))
            ticks = frame.stamp - (EARLIER_S * SECOND_NS if earlier else 0)
            parts.append(_packet(order, kind, numbers[where], frame._replace(stamp=ticks)))
    return b"".join(parts)


def _packet(order: str, kind: int, interface: int, frame: Frame) -> bytes:
    lengths = len(frame.captured), frame.original_length
    upper, lower = divmod(min(max(0, frame.stamp), (1 << 64) - 1), 1 << 32)
    if kind == 3 and interface == 0 and lengths[0] == lengths[1]:
        return _block(order, 3, pack(order + "I", lengths[1]) + frame.captured)
    if kind == 2:
        head = pack(order + "HHIIII", interface, 0, upper, lower, *lengths)
        return _block(order, 2, head + frame.captured)
    head = pack(order + "IIIII", interface, upper, lower, *lengths)
    return _block(order, 6, head + frame.captured)


def _pcapng_resolution(frames: list[Frame], order: str, resolution: int) -> bytes:
    """Return a pcapng file with one interface of this if_tsresol; ticks are rounded down."""
    base, exponent = (2, resolution & 0x7F) if resolution & 0x80 else (10, resolution)
    link_type = frames[0].link_type if frames else 1
    options = pack(order + "HHBxxxHH", 9, 1, resolution, 0, 0)
    parts = [_section(order), _interface(order, link_type, options, snap=128)]
    for frame in frames:
        ticks = frame.stamp * base**exponent // SECOND_NS
        parts.append(_packet(order, 6, 0, frame._replace(stamp=ticks)))
    return b"".join(parts)


Writer = Callable[[list[Frame]], bytes]
_NS, _US, _MODIFIED = 0xA1B23C4D, 0xA1B2C3D4, 0xA1B2CD34
FORMATS: dict[str, Writer] = {
    "pcap ns": lambda frames: _pcap(frames, "<", _NS),
    "pcapng": lambda frames: _pcapng(frames, "<", 6),
    "pcap ns big": lambda frames: _pcap(frames, ">", _NS),
    "pcap us": lambda frames: _pcap(frames, "<", _US),
    "pcap us big": lambda frames: _pcap(frames, ">", _US),
    "pcap modified": lambda frames: _pcap(frames, "<", _MODIFIED),
    "pcap 2.2": lambda frames: _pcap(frames, "<", _US, minor=2),
    "pcap 2.3": lambda frames: _pcap(frames, "<", _US, minor=3),
    "pcap no snap length": lambda frames: _pcap(frames, "<", _NS, snap=0),
    "pcap negative snap length": lambda frames: _pcap(frames, "<", _NS, snap=-1),
    "pcapng big": lambda frames: _pcapng(frames, ">", 6),
    "pcapng sections": lambda frames: _pcapng(frames, "<", 6, sections=3),
    "pcapng obsolete": lambda frames: _pcapng(frames, "<", 2),
    "pcapng simple": lambda frames: _pcapng(frames, "<", 3),
    "pcapng us": lambda frames: _pcapng_resolution(frames, "<", 6),
    "pcapng binary": lambda frames: _pcapng_resolution(frames, ">", 0x80 | 30),
    "pcapng seconds": lambda frames: _pcapng_resolution(frames, "<", 0),
    "pcapng tenths of ns": lambda frames: _pcapng_resolution(frames, "<", 10),
}
EXACT_FORMATS = ("pcap ns", "pcapng", "pcap ns big", "pcapng big", "pcapng sections")
COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "": lambda content: content,
    ".gz": lambda content: gzip.compress(content, 1, mtime=0),
    ".zst": lambda content: zstandard.ZstdCompressor(level=1).compress(content),
    ".xz": lambda content: lzma.compress(content, preset=0),
}


def in_pieces(content: bytes, compress: Callable[[bytes], bytes], count: int) -> bytes:
    """Return a compressed file of several members."""
    size = max(1, -(-len(content) // count))
    cuts: Iterable[int] = range(0, max(1, len(content)), size)
    return b"".join(compress(content[cut : cut + size]) for cut in cuts)
