"""Zeek: rows of conn.log in its baselines (zeek/Baseline/*/conn*.log).

Logs that are cut down to less than the counts of packets and bytes are left out. `llc.pcap` (one
RST, 1,333 times) is compared, but told apart in the table: it would be three quarters of all rows.
"""

from collections import defaultdict
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

from tools.conformance.compare import Comparison, Expected, compare
from tools.conformance.index import Pair, pairs
from tools.conformance.metered import Record, meter, text_of

PEER, PROFILE = "zeek", "zeek"
LLC, LLC_PEER = "llc.pcap", "zeek-llc"
_COUNTS = ("orig_pkts", "orig_ip_bytes", "resp_pkts", "resp_ip_bytes")
_PROTOCOLS = {"tcp": 6, "udp": 17}


def compare_all(corpus: Path) -> Comparison:
    """Return what comparing every log but that of LLC finds."""
    return _compare(Comparison(PEER), [pair for pair in _logs(corpus) if LLC not in pair.name])


def compare_llc(corpus: Path) -> Comparison:
    """Return what comparing the log of LLC finds."""
    return _compare(Comparison(LLC_PEER), [pair for pair in _logs(corpus) if LLC in pair.name])


def _logs(corpus: Path) -> list[Pair]:
    return [pair for pair in pairs(corpus, PEER) if pair.expected.suffix != ".cut"]


def _settings(pair: Pair) -> tuple[str, ...]:
    """Return the settings that stand for the options Zeek was run with."""
    command = pair.compared.partition("run as: ")[2]
    is_trusting = any(word in command for word in (" -C ", " -Cr ", "ignore_checksums_nets"))
    return ("packet.checksums=ignore",) if is_trusting else ()


def _compare(result: Comparison, listed: list[Pair]) -> Comparison:
    groups = defaultdict(list)
    for pair in listed:
        groups[_settings(pair)].append(pair)
    for settings, group in groups.items():
        found = meter((pair.capture for pair in group), PROFILE, settings, "zeek")
        for pair in group:
            ours = (
                ((one.key, one.counts), text_of(one.key, one.counts), one)
                for one in found[pair.capture]
            )
            name = f"{pair.name} {pair.expected.parent.name}/{pair.expected.name}"
            compare(result, name, _expected(pair.expected), ours, _fields)
    return result


def _expected(path: Path) -> Iterator[Expected]:
    """Yield the rows of a log; the names stand in `#fields` or, in cut logs, in the first line."""
    names: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("#fields"):
            names = line.split("\t")[1:]
        elif line and not line.startswith("#"):
            if not names:
                names = line.split("\t")
                continue
            row = dict(zip(names, line.split("\t"), strict=True))
            key = (
                _protocol(row),
                str(ip_address(row["id.orig_h"])),
                int(row["id.orig_p"]),
                str(ip_address(row["id.resp_h"])),
                int(row["id.resp_p"]),
            )
            counts = tuple(int(row[name]) for name in _COUNTS)
            yield Expected((key, counts), text_of(key, counts), row)


def _protocol(row: dict[str, str]) -> int:
    """Return the protocol's number; the logs that do not name it are of TCP."""
    if "ip_proto" in row:
        return int(row["ip_proto"])
    return _PROTOCOLS.get(row.get("proto", "tcp"), 0)


def _fields(expected: Expected, ours: Record) -> dict[str, bool]:
    """Compare state, duration to 1 us, history and payload of TCP and UDP, with our conn.log."""
    row, line = expected.values, ours.further
    carrier = {6: "TCP", 17: "UDP"}.get(ours.key[0])
    if carrier is None:
        return {}
    return {
        f"{carrier} {name}": row[name] == line.get(name)
        for name in ("conn_state", "duration", "history", "orig_bytes", "resp_bytes")
        if name in row
    }
