"""Frames of ordinary hosts, one at a time: Ethernet, ARP, IPv4 and IPv6, TCP, UDP, checksums.

A Tape collects them in any order and writes them as a pcap file in order of time.
"""

import ipaddress
import random
import struct
from dataclasses import dataclass
from pathlib import Path

STAMP_S = 1_700_000_000
TCP, UDP = 6, 17
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
_IPV4, _ARP, _IPV6 = 0x0800, 0x0806, 0x86DD


@dataclass(frozen=True, slots=True)
class Host:
    """A host as the tap sees it. `stack` is linux or windows, `hops` what is left of its TTL."""

    address: str
    packed: bytes
    mac: bytes
    stack: str
    hops: int


def host(address: str, mac: int, stack: str = "linux", distance: int = 0) -> Host:
    """Return a host; one behind a router has the router's `mac` and a `distance` in hops."""
    hops = (128 if stack == "windows" else 64) - distance
    packed = ipaddress.ip_address(address).packed
    return Host(address, packed, b"\x02" + mac.to_bytes(5, "big"), stack, hops)


@dataclass(frozen=True, slots=True)
class Segment:
    """A TCP segment, from the sender's side."""

    source_port: int
    destination_port: int
    sequence: int
    acknowledged: int
    flags: int
    window: int
    options: bytes = b""
    payload: bytes = b""


def _checksum(*parts: bytes) -> int:
    """Return the Internet checksum: 16-bit one's complement is arithmetic modulo 65,535."""
    total = sum(int.from_bytes(part + b"\0" * (len(part) % 2), "big") % 65_535 for part in parts)
    return -total % 65_535


def _pseudo_header(source: Host, destination: Host, protocol: int, size: int) -> bytes:
    return source.packed + destination.packed + struct.pack(">HH", protocol, size)


def _ethernet(source: Host, destination: Host, ethertype: int, payload: bytes) -> bytes:
    frame = destination.mac + source.mac + struct.pack(">H", ethertype) + payload
    return frame.ljust(60, b"\0")  # The least a wire carries, without the frame check sequence.


def _ip(source: Host, destination: Host, protocol: int, content: bytes, number: int) -> bytes:
    if len(source.packed) == 16:
        head = struct.pack(">IHBB", 0x60000000, len(content), protocol, source.hops)
        return _ethernet(
            source, destination, _IPV6, head + source.packed + destination.packed + content
        )
    size, identification = 20 + len(content), number & 0xFFFF
    fields = (0x45, 0, size, identification, 0x4000, source.hops, protocol)
    head = struct.pack(">BBHHHBB", *fields)
    addresses = source.packed + destination.packed
    checksum = struct.pack(">H", _checksum(head, addresses))
    return _ethernet(source, destination, _IPV4, head + checksum + addresses + content)


def tcp_frame(source: Host, destination: Host, segment: Segment, number: int) -> bytes:
    """Return the frame of a TCP segment; `number` is the IP identification."""
    assert len(segment.options) % 4 == 0
    offset_flags = (20 + len(segment.options)) << 10 | segment.flags
    fields = (segment.source_port, segment.destination_port, segment.sequence & 0xFFFFFFFF)
    fields += (segment.acknowledged & 0xFFFFFFFF, offset_flags, segment.window)
    head, rest = struct.pack(">HHIIHH", *fields), segment.options + segment.payload
    pseudo = _pseudo_header(source, destination, TCP, len(head) + 4 + len(rest))
    checksum = struct.pack(">HH", _checksum(pseudo, head, rest), 0)
    return _ip(source, destination, TCP, head + checksum + rest, number)


def udp_frame(
    source: Host, destination: Host, ports: tuple[int, int], payload: bytes, number: int
) -> bytes:
    """Return the frame of a UDP message from the first of `ports` to the second."""
    head = struct.pack(">HHH", *ports, 8 + len(payload))
    pseudo = _pseudo_header(source, destination, UDP, 8 + len(payload))
    checksum = _checksum(pseudo, head, payload) or 0xFFFF  # RFC 768: 0 means none.
    return _ip(source, destination, UDP, head + struct.pack(">H", checksum) + payload, number)


def arp_frames(asker: Host, asked: Host) -> tuple[bytes, bytes]:
    """Return an ARP request and its answer (IPv4 hosts)."""
    head = struct.pack(">HHBB", 1, _IPV4, 6, 4)
    request = head + struct.pack(">H", 1) + asker.mac + asker.packed + bytes(6) + asked.packed
    answer = head + struct.pack(">H", 2) + asked.mac + asked.packed + asker.mac + asker.packed
    everybody = Host("", b"", b"\xff" * 6, "", 0)
    return _ethernet(asker, everybody, _ARP, request), _ethernet(asked, asker, _ARP, answer)


class Tape:
    """The frames of a capture, and the dice that everything random is drawn with."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self._frames: list[tuple[int, int, bytes]] = []

    def add(self, time_us: float, frame: bytes) -> None:
        """Put a frame at a time, in us from the beginning of the capture."""
        self._frames.append((int(time_us), len(self._frames), frame))

    def add_udp(self, time_us: float, source: Host, destination: Host, ports, payload) -> None:
        """Put a UDP message at a time."""
        number = len(self._frames)
        self.add(time_us, udp_frame(source, destination, ports, payload, number))

    def add_tcp(self, time_us: float, source: Host, destination: Host, segment: Segment) -> None:
        """Put a TCP segment at a time."""
        self.add(time_us, tcp_frame(source, destination, segment, len(self._frames)))

    def write(self, path: str | Path, until_us: int) -> int:
        """Write what came before `until_us` as a pcap file; return the number of packets."""
        frames = sorted(frame for frame in self._frames if frame[0] < until_us)
        with Path(path).open("wb") as out:
            out.write(struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, 1))
            for time_us, _, frame in frames:
                seconds, fraction = divmod(time_us, 1_000_000)
                sizes = (len(frame), len(frame))
                out.write(struct.pack("<IIII", STAMP_S + seconds, fraction, *sizes) + frame)
        return len(frames)
