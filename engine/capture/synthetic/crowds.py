"""Workloads that attack what is known of hosts, each beside ordinary traffic of the same shape.

Every workload is written twice: as it is hostile, and *ordinary*: the same number of packets,
flows, bytes and stamps, but with few addresses and ports, plain names, whole greetings. What the
engine costs more on the one than on the other is what the hostile content costs.

=========  ========================================================================================
crowd      a source address of its own for every packet, UDP and SYN, very many in a pane
trickle    the same, 2,000 a second: panes end all the time
sweep      one host sends a SYN to all 65,536 ports of another, which refuses, again and again
names      DNS queries whose names are as long as can be, or compressed into loops
hellos     TLS client hellos, cut at every byte
=========  ========================================================================================
"""

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np

from engine.capture.synthetic.messages import tls_client_hello
from engine.capture.synthetic.workloads import (
    CHUNK_ROWS,
    ETHERNET_BYTES,
    IPV4_BYTES,
    MESSAGES,
    PCAP_HEADER,
    SCAN,
    TCP,
    TCP_HEADER,
    UDP,
    UDP_HEADER,
    directed,
    fill_ip,
    fill_transport,
    frame_layout,
    payload_sums,
    small_frames,
)

CROWD_S, TRICKLE_PER_S = 60, 2_000
_HOME, _OUTSIDE = 0x0A000000, 0x20000000  # 10/8; 32/3: nobody's home.
_SERVER, _SERVERS, _FEW = 0xC0A80001, 16, 1_000
_PORTS = 1 << 16
_NAME_BYTES_MAX, _LABEL_BYTES_MAX = 253, 63
_DNS_PORT, _TLS_PORT = 53, 443

_TCP_HEADER_BYTES, _UDP_HEADER_BYTES = 20, 8
_DATA_FLAGS = 0x18  # PSH, ACK.

Frames = Callable[[np.ndarray, np.ndarray], np.ndarray]  # Of numbers of packets and stamps, us.


def write(path: str | Path, kind: str, packets: int, hostile: bool) -> int:
    """Write a workload of WORKLOADS, hostile or ordinary; return how many packets it has."""
    make, per_s = _KINDS[kind]
    frames = make(hostile)
    with Path(path).open("wb") as out:
        out.write(PCAP_HEADER)
        for begin in range(0, packets, CHUNK_ROWS):
            number = np.arange(begin, min(begin + CHUNK_ROWS, packets))
            stamps_us = (number * (1e6 / (per_s or packets / CROWD_S))).astype(np.int64)
            out.write(frames(number, stamps_us).data)
    return packets


def _scattered(number: np.ndarray, bits: int) -> np.ndarray:
    """Return different numbers below 2**bits for different numbers: neighbours lie far apart."""
    turned = number * 0x9E3779B1 & (1 << bits) - 1
    return turned ^ turned >> (bits + 1) // 2


def _small(flows: dict[str, np.ndarray], number: np.ndarray, stamps_us: np.ndarray) -> np.ndarray:
    """Return 64-byte frames, each of the flow in its place; `number`: of the flow's packets."""
    rng = np.random.default_rng(5)
    flows |= {"client_first": flows["client_port"], "server_first": flows["server_port"]}
    return small_frames(rng, flows, np.arange(len(number)), number, stamps_us)


def _crowd(hostile: bool) -> Frames:
    """Return a maker of packets that each begin a flow, UDP and SYN in turn."""

    def frames(number: np.ndarray, stamps_us: np.ndarray) -> np.ndarray:
        flows = {
            "kind": np.where(number & 1, SCAN, MESSAGES),
            "client": _OUTSIDE + _scattered(number, 29) if hostile else _HOME + number % _FEW,
            "client_port": 1024 + number // _FEW % 60_000,
            "server": _SERVER + number % _SERVERS,
            "server_port": np.where(number & 1, 443, 5060),
        }
        return _small(flows, np.zeros(len(number), np.int64), stamps_us)

    return frames


def _sweep(hostile: bool) -> Frames:
    """Return a maker of SYNs, each answered by RST."""

    def frames(number: np.ndarray, stamps_us: np.ndarray) -> np.ndarray:
        pair = number // 2
        port, few = pair % _PORTS, pair % _FEW
        flows = {
            "kind": np.full(len(number), SCAN),
            "client": _HOME + (few * 0 + 1 if hostile else few),
            "client_port": 1024 + pair // (_PORTS if hostile else _FEW) % 60_000,
            "server": _SERVER + (few * 0 if hostile else pair % _SERVERS),
            "server_port": port if hostile else np.full(len(number), 443),
        }
        return _small(flows, number & 1, stamps_us)

    return frames


def _question(name: bytes) -> bytes:
    return b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00" + name + b"\x00\x01\x00\x01"


def _encoded(name: bytes) -> bytes:
    labels = b"".join(bytes([len(label)]) + label for label in name.split(b"."))
    return labels + b"\x00"


def _long_name(dice: random.Random) -> bytes:
    """Return an encoded name of 253 characters: labels of 63, and the last of 61."""
    letters = bytes(dice.choices(b"abcdefghijklmnopqrstuvwxyz0123456789-_", k=_NAME_BYTES_MAX))
    size = _LABEL_BYTES_MAX
    return _encoded(b".".join(letters[k * (size + 1) :][:size] for k in range(4)))


def _looping_names() -> list[bytes]:
    """Return encoded names whose pointers lead to themselves, to one another, or out."""
    label = b"\x03abc"
    return [
        b"\xc0\x0c",  # To itself.
        label + b"\xc0\x0c",  # To its own label.
        b"\xc0\x0e\xc0\x0c",  # To one another.
        b"".join(bytes([0xC0, 14 + 2 * k]) for k in range(40)),  # A chain of 40.
        b"\xff\xff",  # Beyond the message.
        b"\x01a" * 126 + b"\xc0\x0c",  # 126 labels, then round again.
        b"\x3f" + b"z" * _LABEL_BYTES_MAX + b"\xc0\x0c",
    ]


def _names(hostile: bool) -> Frames:
    dice = random.Random(6)
    if hostile:
        names = [_long_name(dice) for _ in range(57)] + _looping_names()
    else:
        names = [_encoded(b"www%d.example.com" % number) for number in range(64)]
    return _messages([_question(name) for name in names], UDP, _DNS_PORT)


def _hellos(hostile: bool) -> Frames:
    whole = tls_client_hello(random.Random(7), "www.example.com")
    cut = [whole[:end] for end in range(1, len(whole) + 1)]
    return _messages(cut if hostile else [whole], TCP, _TLS_PORT)


def _messages(payloads: list[bytes], protocol: int, port: int) -> Frames:
    """Return a maker of packets that each begin a flow and carry the payloads in turn."""
    room = max(map(len, payloads))
    room += room & 1
    table = np.zeros((len(payloads), room), np.uint8)
    for row, payload in zip(table, payloads, strict=True):
        row[: len(payload)] = np.frombuffer(payload, np.uint8)
    sizes = np.array([len(payload) for payload in payloads], np.int64)

    def frames(number: np.ndarray, stamps_us: np.ndarray) -> np.ndarray:
        flows = {
            "client": _HOME + number % _FEW,
            "client_port": 1024 + number // _FEW % 60_000,
            "server": _SERVER + number % _SERVERS,
            "server_port": np.full(len(number), port),
        }
        which = number % len(payloads)
        rows = _begun(protocol, room, flows)
        rows["payload"] = table[which]
        header = _TCP_HEADER_BYTES if protocol == TCP else _UDP_HEADER_BYTES
        if protocol == UDP:
            rows["size"] = _UDP_HEADER_BYTES + sizes[which]
        fill_ip(rows, stamps_us, IPV4_BYTES + header + sizes[which], protocol)
        fill_transport(rows, payload_sums(rows))
        return rows.view(np.uint8)

    return frames


def _begun(protocol: int, room: int, flows: dict[str, np.ndarray]) -> np.ndarray:
    """Return rows with room for so much payload, their addresses, ports and TCP fields filled."""
    transport, size = (TCP_HEADER, _TCP_HEADER_BYTES), (UDP_HEADER, _UDP_HEADER_BYTES)
    fields, header = transport if protocol == TCP else size
    count = len(flows["client"])
    rows = np.zeros(count, frame_layout(fields, ETHERNET_BYTES + IPV4_BYTES + header + room))
    directed(rows, flows, np.arange(count), np.zeros(count, bool))
    if protocol == TCP:
        rows["offset"], rows["flags"], rows["window"] = 0x50, _DATA_FLAGS, 29_200
        rows["sequence"] = rows["acknowledged"] = 1
    return rows


# What makes the frames, and how many come in a second (0: all of them in CROWD_S).
_KINDS: dict[str, tuple[Callable[[bool], Frames], float]] = {
    "crowd": (_crowd, 0),
    "trickle": (_crowd, TRICKLE_PER_S),
    "sweep": (_sweep, 20_000),
    "names": (_names, 20_000),
    "hellos": (_hellos, 20_000),
}
WORKLOADS = tuple(_KINDS)
