"""Arkime: sessions of its tests (arkime/*.test), those of IP with at least one packet."""

import json
from collections import Counter
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

from tools.conformance.compare import Comparison, Expected, compare
from tools.conformance.index import pairs
from tools.conformance.metered import MILLISECOND_NS, Record, meter, text_of
from tools.conformance.packets import ACK, FIN, ICMP, PSH, RST, SYN, Packet, packets_of

PEER, PROFILE = "arkime", "arkime"
RECORD_HEADER_BYTES = 16  # packetLen has the header of a pcap record in it.
_PLAIN_FLAGS = {"fin": FIN, "rst": RST, "psh": PSH, "urg": 0x20, "ece": 0x40, "cwr": 0x80}


def compare_all(corpus: Path) -> Comparison:
    """Return what comparing every capture finds."""
    result = Comparison(PEER)
    listed = pairs(corpus, PEER)
    found = meter((pair.capture for pair in listed), PROFILE)
    for pair in listed:
        records = found[pair.capture]
        packets = packets_of(pair.capture, PROFILE, records)
        ours = (
            ((one.key, one.counts), text_of(one.key, one.counts), (one, its))
            for one, its in zip(records, packets, strict=True)
        )
        compare(result, pair.name, _expected(pair.expected), ours, _fields)
    return result


def _expected(path: Path) -> Iterator[Expected]:
    """Yield the sessions of a file."""
    for session in json.loads(path.read_text(encoding="utf-8"))["sessions3"]:
        body = session["body"]
        if not body["ipProtocol"] or not body["network"]["packets"]:
            continue
        ends = body["source"], body["destination"]
        addresses = [str(ip_address(end["ip"])) for end in ends]
        key = (body["ipProtocol"], addresses[0], ends[0]["port"], addresses[1], ends[1]["port"])
        counts = (ends[0]["packets"], ends[0]["bytes"], ends[1]["packets"], ends[1]["bytes"])
        yield Expected((key, counts), text_of(key, counts), body)


def _fields(expected: Expected, ours: tuple[Record, list[Packet]]) -> dict[str, bool]:
    """Compare times to the millisecond, flags, payload, packet lengths, Community ID."""
    body, (record, packets) = expected.values, ours
    times = body["firstPacket"], body["lastPacket"]
    payload = body["client"]["bytes"], body["server"]["bytes"]
    says = {"times": times == (record.start_ns // MILLISECOND_NS, record.end_ns // MILLISECOND_NS)}
    if "tcpflags" in body:
        says["TCP flags"] = all(body["tcpflags"][name] == n for name, n in _flags(packets).items())
    carrier = {6: "TCP payload", 17: "UDP payload"}.get(record.key[0])
    if carrier:
        names = "fwd_payload_byte_count", "bwd_payload_byte_count"
        says[carrier] = payload == tuple(int(record.number(name)) for name in names)
    lengths = [one.length + RECORD_HEADER_BYTES for one in packets]
    says["packet lengths"] = body["packetLen"] == lengths
    if "community_id" in body["network"] and record.key[0] not in ICMP:  # It has no ports here.
        says["Community ID"] = body["network"]["community_id"] == record.values["community_id"]
    return says


def _flags(packets: list[Packet]) -> Counter:
    """Return the flags as Arkime counts them: SYN without ACK, ACK alone, the others plain."""
    found = Counter(dict.fromkeys(("syn", "syn-ack", "ack", *_PLAIN_FLAGS), 0))
    for packet in packets:
        flags = packet.flags
        if flags & SYN:
            found["syn-ack" if flags & ACK else "syn"] += 1
        if flags & ACK and not flags & (SYN | FIN | RST | PSH):
            found["ack"] += 1
        for name, bit in _PLAIN_FLAGS.items():
            found[name] += bool(flags & bit)
    return found
