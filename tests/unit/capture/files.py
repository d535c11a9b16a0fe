"""Small capture files and runs of capture over them, for tests."""

from pathlib import Path
from struct import pack

from engine.capture.offline import Captured, capture
from engine.config import Config, with_settings
from engine.layouts import PACKET
from tests.property import frames as f
from tests.property.capture_files import FORMATS, Frame

RAW = 101
A, B = b"\x0a\0\0\1", b"\x0a\0\0\2"
SECOND = 10**9


def datagram(port: int = 9, payload: bytes = b"payload") -> bytes:
    """Return a raw UDP packet from A:4000 to B."""
    return f.ipv4(f.udp((4000, port), payload), f.UDP, (A, B))


def pcap(*stamped: tuple[int, bytes], form: str = "pcap ns", link: int = RAW) -> bytes:
    """Return a capture file of (stamp in ns, packet) pairs."""
    frames = [Frame(stamp, link, packet, len(packet)) for stamp, packet in stamped]
    return FORMATS[form](frames)


def steady(count: int, begin: int = 0, gap: int = SECOND, form: str = "pcap ns") -> bytes:
    """Return a capture of `count` packets, `gap` ns apart, each to a port of its own."""
    packets = ((begin + k * gap, datagram(1000 + k % 60_000)) for k in range(count))
    return pcap(*packets, form=form)


def block(kind: int, content: bytes, order: str = "<", size: int | None = None) -> bytes:
    """Return a pcapng block; `size` is what its two lengths claim."""
    size = len(content) + 12 if size is None else size
    return pack(order + "II", kind, size) + content + pack(order + "I", size)


def section(order: str = "<", major: int = 1, minor: int = 0) -> bytes:
    """Return a pcapng section header."""
    return block(0x0A0D0D0A, pack(order + "IHHq", 0x1A2B3C4D, major, minor, -1), order)


def interface(options: bytes = b"", link: int = RAW, snap: int = 0, order: str = "<") -> bytes:
    """Return a pcapng interface."""
    return block(1, pack(order + "HHI", link, 0, snap) + options, order)


def enhanced(ticks: int, packet: bytes, number: int = 0, **claimed: int) -> bytes:
    """Return an enhanced packet block. Claimed: captured, original, their lengths."""
    captured = claimed.get("captured", len(packet))
    original = claimed.get("original", captured)
    head = pack("<IIIII", number, ticks >> 32, ticks & 0xFFFFFFFF, captured, original)
    return block(6, head + packet + bytes(-len(packet) % 4))


def read(folder: Path, *contents: bytes, workers: int = 1, settings=None, **task) -> Captured:
    """Write the contents as files a, b, c … and read them."""
    paths = []
    for number, content in enumerate(contents):
        path = folder / f"{chr(97 + number)}"
        path.write_bytes(content)
        paths.append(str(path))
    return capture(paths, with_settings(Config(), settings or {}), workers, **task)


def times(made: Captured) -> list[int]:
    """Return the times of the packets in order of position."""
    return made.packets()[:, PACKET.index("time_ns")].tolist()


def ports(made: Captured) -> list[int]:
    """Return the destination ports of the packets in order of position."""
    keys = made.packets()[:, PACKET.index("key")]
    return (keys >> PACKET.shift("key", "destination_port") & 0xFFFF).tolist()
