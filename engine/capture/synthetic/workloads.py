"""Workloads for measurements: many short flows, and a few big ones, by whole numpy arrays.

Frames are rows of structured arrays: a pcap record header, Ethernet, IPv4, TCP or UDP, payload.
Sums for the checksums are taken over columns of 16-bit words.
"""

from pathlib import Path

import numpy as np

STAMP_S = 1_700_000_000
PCAP_HEADER = np.array(
    [(0xA1B2C3D4, 2, 4, 0, 0, 65_535, 1)],
    [("magic", "<u4"), ("major", "<u2"), ("minor", "<u2")]
    + [(name, "<u4") for name in ("zone", "accuracy", "snaplen", "link_type")],
).tobytes()

_RECORD = [("stamp_s", "<u4"), ("stamp_us", "<u4"), ("captured", "<u4"), ("original", "<u4")]
_ETHERNET = [("to", "u1", 6), ("from", "u1", 6), ("ethertype", ">u2")]
_IPV4 = [
    ("version", "u1"),
    ("service", "u1"),
    ("length", ">u2"),
    ("identification", ">u2"),
    ("fragment", ">u2"),
    ("hops", "u1"),
    ("protocol", "u1"),
    ("checksum", ">u2"),
    ("source", ">u4"),
    ("destination", ">u4"),
]
_PORTS = [("source_port", ">u2"), ("destination_port", ">u2")]
TCP_HEADER = [
    *_PORTS,
    ("sequence", ">u4"),
    ("acknowledged", ">u4"),
    ("offset", "u1"),
    ("flags", "u1"),
    ("window", ">u2"),
    ("sum", ">u2"),
    ("urgent", ">u2"),
]
UDP_HEADER = [*_PORTS, ("size", ">u2"), ("sum", ">u2")]
RECORD_BYTES, ETHERNET_BYTES, IPV4_BYTES = 16, 14, 20
_TCP_HEADERS_BYTES = ETHERNET_BYTES + IPV4_BYTES + 20
TCP, UDP = 6, 17
_FIN, _SYN, _RST, _PSH, _ACK = 1, 2, 4, 8, 16


def frame_layout(transport: list, frame_bytes: int) -> np.dtype:
    """Return the row of a frame of that many bytes; what the headers leave is `payload`."""
    headers = np.dtype(_RECORD + _ETHERNET + _IPV4 + transport).itemsize
    rest = RECORD_BYTES + frame_bytes - headers
    return np.dtype(_RECORD + _ETHERNET + _IPV4 + transport + [("payload", "u1", rest)])


def _fold(sums: np.ndarray) -> np.ndarray:
    """Return the Internet checksum of sums of 16-bit words (RFC 1071)."""
    for _ in range(3):
        sums = (sums & 0xFFFF) + (sums >> 16)
    return ~sums & 0xFFFF


def _word_sums(rows: np.ndarray, begin: int, end: int) -> np.ndarray:
    """Return the sum of the big-endian 16-bit words of bytes [begin, end) of each row."""
    words = rows.view(">u2").reshape(len(rows), rows.itemsize // 2)
    return words[:, begin // 2 : end // 2].sum(1, dtype=np.int64)


def _address_sums(rows: np.ndarray) -> np.ndarray:
    """Return the pseudo header's share of the transport checksum, without its length."""
    source, destination = rows["source"].astype(np.int64), rows["destination"].astype(np.int64)
    halves = (source >> 16) + (source & 0xFFFF) + (destination >> 16) + (destination & 0xFFFF)
    return halves + rows["protocol"]


def fill_ip(rows: np.ndarray, stamps_us: np.ndarray, ip_bytes, protocol: int) -> None:
    """Fill everything below the transport header but the addresses, then the IP checksum."""
    rows["stamp_s"] = STAMP_S + stamps_us // 1_000_000
    rows["stamp_us"] = stamps_us % 1_000_000
    rows["captured"] = rows["original"] = rows.itemsize - RECORD_BYTES
    rows["to"] = (2, 0, 0, 0, 0, 1)
    rows["from"] = (2, 0, 0, 0, 0, 2)
    rows["ethertype"] = 0x0800
    rows["version"] = 0x45
    rows["length"] = ip_bytes
    rows["fragment"] = 0x4000  # Do not fragment.
    rows["hops"] = 64
    rows["protocol"] = protocol
    rows["checksum"] = 0
    begin = RECORD_BYTES + ETHERNET_BYTES
    rows["checksum"] = _fold(_word_sums(rows, begin, begin + IPV4_BYTES))


def fill_transport(rows: np.ndarray, payload_sums: np.ndarray) -> None:
    """Fill the transport checksum. `payload_sums` are those of the payload's words."""
    begin = RECORD_BYTES + ETHERNET_BYTES + IPV4_BYTES
    rows["sum"] = 0
    sums = _word_sums(rows, begin, rows.dtype.fields["payload"][1]) + payload_sums
    total = _fold(sums + _address_sums(rows) + rows["length"] - IPV4_BYTES)
    is_udp = rows["protocol"] == UDP
    rows["sum"] = np.where(is_udp & (total == 0), 0xFFFF, total)  # RFC 768: 0 means none.


def directed(rows: np.ndarray, flows: dict[str, np.ndarray], at: np.ndarray, back) -> None:
    """Set addresses and ports of each row from flow `at`, turned round where `back`."""
    for ours, theirs, client, server in (
        ("source", "destination", "client", "server"),
        ("source_port", "destination_port", "client_port", "server_port"),
    ):
        rows[ours] = np.where(back, flows[server][at], flows[client][at])
        rows[theirs] = np.where(back, flows[client][at], flows[server][at])


# -- many flows --------------------------------------------------------------

SCAN, _SHORT_TCP, MESSAGES = range(3)  # Kinds of flow.
_SHARES = (6, 2, 2)  # Of ten flows: scans of 2 packets, TCP of 8, UDP of 6: 40 packets.
_PACKETS = np.array([2, 8, 6], np.int64)
_BACKWARD = np.array(
    [[0, 1, 0, 0, 0, 0, 0, 0], [0, 1, 0, 0, 1, 0, 1, 0], [0, 1, 0, 1, 0, 1, 0, 0]], np.int64
)
_FLAGS = np.array(
    [
        [_SYN, _RST | _ACK, 0, 0, 0, 0, 0, 0],
        [_SYN, _SYN | _ACK, _ACK, _PSH | _ACK, _ACK, _FIN | _ACK, _FIN | _ACK, _ACK],
        [0] * 8,
    ],
    np.int64,
)
# Bytes sent before each packet of a short TCP flow: SYN and FIN count as one, the request as ten.
_FORWARD_SENT = np.array([0, 0, 1, 1, 11, 11, 12, 12], np.int64)
_BACKWARD_SENT = np.array([0, 0, 1, 1, 1, 1, 1, 2], np.int64)
_REQUEST_BYTES = 10
_FIN_NUMBER = 5  # The first FIN; what follows it takes milliseconds, not seconds.
_END_GAP_US = 1_500
_FRAME_BYTES = 64
CHUNK_ROWS = 200_000


def many_flows(path: str | Path, packets: int = 2_000_000, seed: int = 2) -> int:
    """Write 64-byte frames of packets / 4 flows at random over 60 s (fewer packets: shorter).

    Six flows of ten are a SYN answered by RST, two a TCP exchange of 8 packets, two 6 UDP messages.
    The packets of all flows are interleaved at random. Returns the number of packets written.
    """
    rng = np.random.default_rng(seed)
    tens = max(1, packets // 40)
    kinds = rng.permutation(np.repeat(np.arange(3), [share * tens for share in _SHARES]))
    flows = draw_flows(rng, kinds)
    flow = np.repeat(np.arange(len(kinds)), _PACKETS[kinds])
    first = np.cumsum(_PACKETS[kinds]) - _PACKETS[kinds]
    number = np.arange(len(flow)) - first[flow]
    stamps = rng.integers(0, 60_000_000 * tens // 50_000, len(flow))
    stamps = stamps[np.lexsort((stamps, flow))]  # In each flow the packets keep their order.
    ending = (kinds[flow] == _SHORT_TCP) & (number > _FIN_NUMBER)
    fin = stamps[np.minimum(first[flow] + _FIN_NUMBER, len(flow) - 1)]
    stamps = np.where(ending, fin + (number - _FIN_NUMBER) * _END_GAP_US, stamps)
    order = np.argsort(stamps, kind="stable")
    with Path(path).open("wb") as out:
        out.write(PCAP_HEADER)
        for begin in range(0, len(order), CHUNK_ROWS):
            part = order[begin : begin + CHUNK_ROWS]
            out.write(small_frames(rng, flows, flow[part], number[part], stamps[part]).data)
    return len(order)


def draw_flows(rng: np.random.Generator, kinds: np.ndarray) -> dict[str, np.ndarray]:
    """Return a distinct 5-tuple for each flow: three parts of a code that is drawn once."""
    count = len(kinds)
    codes = np.unique(rng.integers(0, 1 << 47, count + count // 1000 + 16))
    codes = rng.permutation(codes)[:count]
    assert len(codes) == count
    low_ports, known_ports = rng.integers(1, 1024, count), rng.choice([23, 80, 443, 8080], count)
    message_ports = rng.choice([53, 123, 1900, 5060], count)
    return {
        "kind": kinds,
        "client": 0x0A000000 + (codes & 0xFFFF),
        "client_port": 0x8000 + (codes >> 16 & 0x7FFF),
        "server": np.where(kinds == SCAN, 0xC0A80000, 0xAC100000) + (codes >> 31),
        "server_port": np.choose(kinds, [low_ports, known_ports, message_ports]),
        "client_first": rng.integers(0, 1 << 31, count),
        "server_first": rng.integers(0, 1 << 31, count),
    }


def small_frames(rng, flows, flow, number, stamps_us) -> np.ndarray:
    """Return 64-byte frames as rows of bytes, in the order given."""
    messages = flows["kind"][flow] == MESSAGES
    frames = np.zeros((len(flow), RECORD_BYTES + _FRAME_BYTES), np.uint8)
    for chosen, fill in ((~messages, _small_tcp), (messages, _small_udp)):
        _place(frames, chosen, fill(rng, flows, flow[chosen], number[chosen], stamps_us[chosen]))
    return frames


def _place(frames: np.ndarray, chosen: np.ndarray, rows: np.ndarray) -> None:
    """Set the frames that are `chosen` to the structured `rows`."""
    frames[chosen] = rows.view(np.uint8).reshape(len(rows), frames.shape[1])


def _small_tcp(rng, flows, flow, number, stamps_us) -> np.ndarray:
    kind = flows["kind"][flow]
    back = _BACKWARD[kind, number] == 1
    rows = np.zeros(len(flow), frame_layout(TCP_HEADER, _FRAME_BYTES))
    directed(rows, flows, flow, back)
    rows["offset"] = 0x50
    rows["flags"] = _FLAGS[kind, number]
    rows["window"] = 29_200
    client = flows["client_first"][flow] + _FORWARD_SENT[number]
    server = flows["server_first"][flow] + _BACKWARD_SENT[number]
    rows["sequence"] = np.where(back, server, client)
    acknowledges = rows["flags"] & _ACK != 0
    rows["acknowledged"] = np.where(acknowledges, np.where(back, client + (number == 1), server), 0)
    request = rows["flags"] & _PSH != 0
    rows["payload"][request] = rng.integers(0, 256, rows["payload"].shape[1], np.uint8)
    rows["payload"][:, _REQUEST_BYTES:] = 0
    fill_ip(rows, stamps_us, np.where(request, 40 + _REQUEST_BYTES, 40), TCP)
    fill_transport(rows, payload_sums(rows))
    return rows


def _small_udp(rng, flows, flow, number, stamps_us) -> np.ndarray:
    back = _BACKWARD[MESSAGES, number] == 1
    rows = np.zeros(len(flow), frame_layout(UDP_HEADER, _FRAME_BYTES))
    directed(rows, flows, flow, back)
    payload = rows["payload"]
    payload[:] = rng.integers(ord("a"), ord("z") + 1, payload.shape, np.uint8)
    dns = flows["server_port"][flow] == 53
    # A DNS message that fills the frame: id, flags, one question: a label of 4, type A, class IN.
    payload[dns, 2:12] = (0, 0, 0, 1, 0, 0, 0, 0, 0, 0)
    payload[dns & back, 2] = 0x80
    payload[dns, 12] = 4
    payload[dns, 17:22] = (0, 0, 1, 0, 1)
    ip_bytes = _FRAME_BYTES - ETHERNET_BYTES
    rows["size"] = ip_bytes - IPV4_BYTES
    fill_ip(rows, stamps_us, ip_bytes, UDP)
    fill_transport(rows, payload_sums(rows))
    return rows


def payload_sums(rows: np.ndarray) -> np.ndarray:
    """Return the sum of the words of each row's payload."""
    return _word_sums(rows, rows.dtype.fields["payload"][1], rows.itemsize)


# -- big flows ---------------------------------------------------------------

_BIG_FLOWS = 200
_BIG_TCP_FLOWS = 160
_BIG_FRAME_BYTES = 1_400
_BIG_CHUNK_ROWS = 20_000
_BACKWARD_SHARE = 0.2
_POOL_ROWS = 1_024  # Payloads are drawn once and used again: drawing 2.7 GB would take longest.


def big_flows(path: str | Path, packets: int = 2_000_000, seed: int = 3) -> int:
    """Write 1,400-byte frames of 200 flows in mid-transfer, 160 TCP and 40 UDP, 100,000 a second.

    One packet of five goes backward. Returns the number of packets written.
    """
    rng = np.random.default_rng(seed)
    at = np.arange(_BIG_FLOWS)
    flows = {
        "client": 0x0A010001 + at // 4,
        "server": 0xC6336401 + at % 50,
        "client_port": 20_000 + 7 * at,
        "server_port": 5_001 + at % 16,
    }
    flow = rng.integers(0, _BIG_FLOWS, packets)
    back = rng.random(packets) < _BACKWARD_SHARE
    stamps = np.sort(rng.integers(0, 10 * packets, packets))
    first = rng.integers(0, 1 << 32, (2, _BIG_FLOWS))
    sequences = np.stack([first[k][flow] + _sent(flow, back == k) for k in (0, 1)]) & 0xFFFFFFFF
    pool = rng.integers(0, 256, (_POOL_ROWS, _BIG_FRAME_BYTES), np.uint8)
    sums = np.cumsum(pool.view(">u2"), axis=1, dtype=np.int64)
    choice = rng.integers(0, _POOL_ROWS, packets)
    tcp = flow < _BIG_TCP_FLOWS
    with Path(path).open("wb") as out:
        out.write(PCAP_HEADER)
        for begin in range(0, packets, _BIG_CHUNK_ROWS):
            part = slice(begin, begin + _BIG_CHUNK_ROWS)
            frames = np.zeros((len(flow[part]), RECORD_BYTES + _BIG_FRAME_BYTES), np.uint8)
            for chosen, transport in ((tcp[part], TCP_HEADER), (~tcp[part], UDP_HEADER)):
                rows = np.zeros(int(chosen.sum()), frame_layout(transport, _BIG_FRAME_BYTES))
                directed(rows, flows, flow[part][chosen], back[part][chosen])
                if transport is TCP_HEADER:
                    _fill_stream(rows, sequences[:, part][:, chosen], back[part][chosen])
                _fill_big(rows, stamps[part][chosen], pool, sums, choice[part][chosen])
                _place(frames, chosen, rows)
            out.write(frames.data)
    return packets


def _sent(flow: np.ndarray, sends: np.ndarray) -> np.ndarray:
    """Return how many bytes each packet's flow has sent before it in packets where `sends`."""
    order = np.argsort(flow, kind="stable")
    before = np.cumsum(sends[order]) - sends[order]
    begins = np.searchsorted(flow[order], np.arange(_BIG_FLOWS))
    sent = np.empty(len(flow), np.int64)
    sent[order] = before - before[np.minimum(begins, len(flow) - 1)][flow[order]]
    return sent * (_BIG_FRAME_BYTES - _TCP_HEADERS_BYTES)


def _fill_stream(rows: np.ndarray, sequences: np.ndarray, back: np.ndarray) -> None:
    """Fill the TCP header of data in mid-stream; `sequences` of both sides, client's first."""
    rows["offset"] = 0x50
    rows["flags"] = _PSH | _ACK
    rows["window"] = 29_200
    rows["sequence"] = np.where(back, sequences[1], sequences[0])
    rows["acknowledged"] = np.where(back, sequences[0], sequences[1])


def _fill_big(rows: np.ndarray, stamps_us: np.ndarray, pool, sums, choice) -> None:
    """Fill payload from `pool` (`sums`: running sums of its words), IP, and the checksums."""
    size = rows["payload"].shape[1]
    rows["payload"] = pool[choice, :size]
    ip_bytes = _BIG_FRAME_BYTES - ETHERNET_BYTES
    if "size" in rows.dtype.names:
        rows["size"] = ip_bytes - IPV4_BYTES
    fill_ip(rows, stamps_us, ip_bytes, UDP if "size" in rows.dtype.names else TCP)
    fill_transport(rows, sums[choice, size // 2 - 1])
