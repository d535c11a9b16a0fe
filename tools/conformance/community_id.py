"""Community ID: the specification's baselines and Zeek's lines, as records of `engine run` have it.

The baselines do not say in which capture a tuple is: a record's identifier counts as expected where
the baseline has it, and each capture is expected to show as many as CAPTURES says.
"""

import base64
import json
from pathlib import Path

from tools.conformance.compare import Comparison, Expected, compare
from tools.conformance.metered import Record, meter, text_of

PEER, PROFILE = "community-id", ""
# Captures of the specification, and how many of the baselines' identifiers each of them has.
CAPTURES = {"arp": 0, "icmp": 2, "icmp6": 7, "ipv6": 1, "rsvp": 1, "sctp": 1, "tcp": 1, "udp": 1}
ZEEK_CAPTURES = ("icmp", "icmp6", "ipv6", "tcp", "udp")  # It has no lines for the others.
SEEDS = {"deflt": 0, "seed1": 1, "nob64": 0}


def compare_all(corpus: Path) -> Comparison:
    """Return what comparing every capture under each baseline finds."""
    result = Comparison(PEER)
    folder = corpus / "peers" / "community-id"
    for baseline, seed in SEEDS.items():
        rows = json.loads((folder / "baseline" / f"baseline_{baseline}.json").read_text())
        known = {row["communityid"] for row in rows}
        captures = {name: folder / "pcaps" / f"{name}.pcap" for name in CAPTURES}
        found = _met(captures.values(), seed)
        for name, path in captures.items():
            records = found[path]
            if baseline == "nob64":
                records = {_hexadecimal(text): record for text, record in records.items()}
            expected = sorted(known & set(records))
            expected += [f"number {n}" for n in range(len(expected), CAPTURES[name])]
            _compare(result, f"pcaps/{name}.pcap {baseline}", expected, records)
    captures = {name: folder / "zeek-tests" / "Traces" / f"{name}.pcap" for name in ZEEK_CAPTURES}
    found = _met(captures.values(), 0)
    lines = folder / "zeek-tests" / "Baseline" / "communityid.run-pcaps"
    for name, path in captures.items():
        text = (lines / f"{name}.pcap.out").read_text()
        expected = {line.partition(" -> ")[2] for line in text.splitlines() if " -> " in line}
        _compare(result, f"zeek-tests/{name}.pcap", sorted(expected), found[path])
    return result


def _met(captures, seed: int) -> dict[Path, dict[str, Record]]:
    """Return a record of each identifier in each capture."""
    found = meter(captures, PROFILE, (f"recorder.community_id_seed={seed}",))
    return {
        path: {record.values["community_id"]: record for record in records}
        for path, records in found.items()
    }


def _hexadecimal(text: str) -> str:
    return "1:" + base64.b64decode(text[2:]).hex()


def _compare(
    result: Comparison, name: str, expected: list[str], records: dict[str, Record]
) -> None:
    ours = ((text, text_of(one.key, one.counts), one) for text, one in records.items())
    compare(result, name, (Expected(text, text) for text in expected), ours)
