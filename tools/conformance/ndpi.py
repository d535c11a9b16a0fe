"""nDPI: flow lines of its example reader (ndpi/result/*.out)."""

import re
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import ip_address
from math import sqrt
from pathlib import Path

import numpy as np

from tools.conformance.compare import Comparison, Expected, compare
from tools.conformance.index import pairs
from tools.conformance.metered import MICROSECOND_NS, MILLISECOND_NS, Record, meter, text_of

SLACK = 1e-6  # Our features are float32; its whole numbers are rounded.
PEER, PROFILE = "ndpi", "ndpi"
PROTOCOLS = {
    "ICMP": 1,
    "IGMP": 2,
    "TCP": 6,
    "UDP": 17,
    "GRE": 47,
    "ESP": 50,
    "AH": 51,
    "ICMPV6": 58,
    "OSPF": 89,
    "PIM": 103,
    "VRRP": 112,
    "PGM": 113,
    "SCTP": 132,
}
_LINE = re.compile(
    r"\t\d+\t(?P<protocol>\S+) \[?(?P<source>[^ \]]+)\]?:(?P<source_port>\d+) <?-> "
    r"\[?(?P<target>[^ \]]+)\]?:(?P<target_port>\d+) "
    r"(?:\[VLAN: (?P<vlan>\d+)\])?"
    r".*?\[(?P<counts>\d+ pkts/\d+ bytes <?-> \d+ pkts/\d+ bytes)\]"
    r"(?:\[Goodput ratio: [^\]]*\])?\[(?P<duration>(?:< 1|[\d.]+) sec)\]"
)
_LENGTHS = re.compile(
    r"\[Pkt Len c2s/s2c min/avg/max/stddev: (\d+)/(\d+) (\d+)/(\d+) (\d+)/(\d+) (\d+)/(\d+)\]"
)


def compare_all(corpus: Path) -> Comparison:
    """Return what comparing every capture finds."""
    result = Comparison(PEER)
    listed = pairs(corpus, PEER)
    found = meter((pair.capture for pair in listed), PROFILE)
    for pair in listed:
        ours = ((_identity(one), text_of(one.key, one.counts), one) for one in found[pair.capture])
        compare(result, pair.name, _expected(pair.expected), ours, _fields)
    return result


def _lenient(address: str) -> str:
    """Return an address so that nDPI's two ways to write a zero group are one.

    It prints `:0:` as `::` inside addresses that already have `::`.
    """
    with suppress(ValueError):
        address = str(ip_address(address))
    return address.replace(":0:", "::")


def _identity(record: Record) -> tuple:
    protocol, initiator, initiator_port, responder, responder_port = record.key
    key = (protocol, _lenient(initiator), initiator_port, _lenient(responder), responder_port)
    return (key, record.counts)


def _expected(path: Path) -> Iterator[Expected]:
    """Yield the flow lines of a file."""
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        match = _LINE.match(line)
        if match is None:
            is_flow = line.startswith("\t") and "[Confidence" in line
            assert not is_flow, f"a flow line that cannot be read: {line}"
            continue
        name = match["protocol"]
        protocol = PROTOCOLS[name] if name in PROTOCOLS else int(name)
        key = (
            protocol,
            match["source"],
            int(match["source_port"]),
            match["target"],
            int(match["target_port"]),
        )
        numbers = tuple(map(int, re.findall(r"\d+(?= )", match["counts"])))
        same = (protocol, _lenient(key[1]), key[2], _lenient(key[3]), key[4])
        lengths = _LENGTHS.search(line)
        values = {
            "vlan": int(match["vlan"] or 0),
            "duration": match["duration"],
            "lengths": tuple(map(int, lengths.groups())) if lengths else None,
        }
        yield Expected((same, numbers), text_of(key, numbers), values)


def _fields(expected: Expected, ours: Record) -> dict[str, bool]:
    """Compare VLAN, duration to 0.01 s and the lengths of packets."""
    says = {
        "VLAN": expected.values["vlan"] == ours.vlan,
        "duration": expected.values["duration"] in _durations(ours),
    }
    if expected.values["lengths"]:
        pairs = zip(expected.values["lengths"], _lengths(ours), strict=True)
        says["Pkt Len"] = all(abs(theirs - value) <= 0.5 + SLACK * value for theirs, value in pairs)
    return says


def _durations(ours: Record) -> set[str]:
    """Return the duration as nDPI writes it: of stamps cut to milliseconds, in float32.

    By the clock; where the clock of the capture stepped inside the flow, by the stamps too.
    """
    start_ms = ours.start_ns // MILLISECOND_NS
    by_clock_ns = ours.start_ns + round(ours.number("duration_us") * MICROSECOND_NS)
    return {_shown(end_ns // MILLISECOND_NS - start_ms) for end_ns in (ours.end_ns, by_clock_ns)}


def _shown(ms: int) -> str:
    return f"{np.float32(ms) / np.float32(1000):.2f} sec" if ms else "< 1 sec"


def _lengths(ours: Record) -> list[float]:
    """Return least, mean, greatest and deviation of the population, each way, as nDPI has them."""
    values = []
    for name in ("min", "mean", "max", "std"):
        for side, packets in (("fwd", ours.counts[0]), ("bwd", ours.counts[2])):
            value = ours.number(f"{side}_packet_length_{name}")
            if name == "std":
                value *= sqrt((packets - 1) / packets) if packets else 0
            values.append(value)
    return values
