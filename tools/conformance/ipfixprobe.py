"""ipfixprobe: rows of its plugins' tests that are one a flow (ipfixprobe/outputs/*).

Plugins that write a row for each message are left out. A plugin that lists only flows with its
data says nothing of the others: they are no extra records.
"""

import csv
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import reduce
from ipaddress import ip_address
from math import isclose, sqrt
from operator import or_
from pathlib import Path

from tools.conformance.compare import Comparison, Expected, compare
from tools.conformance.index import Pair, pairs
from tools.conformance.metered import MICROSECOND_NS, Record, meter, text_of
from tools.conformance.packets import Packet, packets_of

PEER, PROFILE = "ipfixprobe", "ipfixprobe"
RELATIVE = 1e-6  # Its statistics are float32.
ICMP_HEADER_BYTES = 8  # Payload to it, header to us.
PACKETS_LISTED = 30  # Of a flow, by pstats.
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def compare_all(corpus: Path) -> Comparison:
    """Return what comparing every plugin's file finds."""
    result = Comparison(PEER)
    listed = [
        pair for pair in pairs(corpus, PEER) if "one row for each message" not in pair.compared
    ]
    found = meter((pair.capture for pair in listed), PROFILE)
    for pair in listed:
        records = found[pair.capture]
        packets = packets_of(pair.capture, PROFILE, records)
        ours = [
            ((one.key, one.counts), text_of(one.key, one.counts), (one, its))
            for one, its in zip(records, packets, strict=True)
        ]
        expected = list(_expected(pair.expected))
        if "only flows that carry" in pair.compared:
            named = {one.identity for one in expected}
            ours = [one for one in ours if one[0] in named]
        compare(result, _name(pair), expected, ours, _fields)
    return result


def _name(pair: Pair) -> str:
    """Return the capture's name with the plugin's: one capture stands under several."""
    return f"{pair.name} {pair.expected.name}"


def _expected(path: Path) -> Iterator[Expected]:
    """Yield the rows of a file; the columns are named in the line that begins with `ipaddr `."""
    lines = path.read_text(encoding="utf-8").splitlines()
    (header,) = [line for line in lines if line.startswith("ipaddr ")]
    names = [column.split(" ")[1] for column in header.split(",")]
    for cells in csv.reader(line for line in lines if line != header):
        row = dict(zip(names, cells, strict=True))
        ends = [str(ip_address(row[name])) for name in ("SRC_IP", "DST_IP")]
        ports = int(row["SRC_PORT"]), int(row["DST_PORT"])
        key = (int(row["PROTOCOL"]), ends[0], ports[0], ends[1], ports[1])
        counts = tuple(int(row[name]) for name in ("PACKETS", "BYTES", "PACKETS_REV", "BYTES_REV"))
        yield Expected((key, counts), text_of(key, counts), row)


def _us(text: str) -> int:
    """Return a time in us since 1970."""
    moment = datetime.fromisoformat(text).replace(tzinfo=UTC) - _EPOCH
    return (moment.days * 86400 + moment.seconds) * 10**6 + moment.microseconds


def _fields(expected: Expected, ours: tuple[Record, list[Packet]]) -> dict[str, bool]:
    """Compare times, flags each way, VLAN, and where they are, packets and statistics."""
    row, (record, packets) = expected.values, ours
    times = _us(row["TIME_FIRST"]), _us(row["TIME_LAST"])
    flags = int(row["TCP_FLAGS"]), int(row["TCP_FLAGS_REV"])
    says = {
        "times": times == (record.start_ns // MICROSECOND_NS, record.end_ns // MICROSECOND_NS),
        "TCP flags": flags == (_flags(packets, True), _flags(packets, False)),
    }
    if "VLAN_ID" in row:
        says["VLAN"] = int(row["VLAN_ID"]) == record.vlan
    if "PPI_PKT_LENGTHS" in row:
        says["packets"] = _listed(row) == _list(record, packets)
    if "NTS_MEAN" in row:
        says |= _statistics(row, record, packets)
    return says


def _flags(packets: list[Packet], is_forward: bool) -> int:
    return reduce(or_, (one.flags for one in packets if one.is_forward == is_forward), 0)


def _payload(record: Record, packet: Packet) -> int:
    return packet.payload + (ICMP_HEADER_BYTES if record.key[0] in (1, 58) else 0)


def _listed(row: dict[str, str]) -> list[tuple]:
    """Return direction, flags, length and time of each packet in a row of pstats."""
    columns = [
        row[f"PPI_PKT_{name}"].strip("[]").split("|")
        for name in ("DIRECTIONS", "FLAGS", "LENGTHS", "TIMES")
    ]
    return [
        (int(side), int(flags), int(length), _us(time))
        for side, flags, length, time in zip(*columns, strict=True)
    ]


def _list(record: Record, packets: list[Packet]) -> list[tuple]:
    shown = packets[:PACKETS_LISTED]
    return [
        (
            1 if one.is_forward else -1,
            one.flags,
            _payload(record, one),
            one.time_ns // MICROSECOND_NS,
        )
        for one in shown
    ]


def _statistics(row: dict[str, str], record: Record, packets: list[Packet]) -> dict[str, bool]:
    """Compare those of nettisa whose definition is the usual one; gaps are our features.

    Its mean of gaps divides by the packets: the first has a gap of 0.
    """
    lengths = [_payload(record, one) for one in packets]
    gaps = record.number("iat_mean_us") * (len(packets) - 1) / len(packets)
    ours = {
        "MEAN": sum(lengths) / len(lengths),
        "MIN": min(lengths),
        "MAX": max(lengths),
        "ROOT_MEAN_SQUARE": sqrt(sum(n * n for n in lengths) / len(lengths)),
        "MEAN_DIFFTIMES": gaps,
        "MAX_DIFFTIMES": record.number("iat_max_us"),
    }
    return {
        f"NTS_{name}": isclose(float(row[f"NTS_{name}"]), value, rel_tol=RELATIVE)
        for name, value in ours.items()
    }
