"""NFStream: packets and bytes of each flow (nfstream/results/*), which is all its files hold."""

import csv
from collections.abc import Iterator
from pathlib import Path

from tools.conformance.compare import Comparison, Expected, compare
from tools.conformance.index import pairs
from tools.conformance.metered import meter, text_of

PEER, PROFILE = "nfstream", "nfstream"


def compare_all(corpus: Path) -> Comparison:
    """Return what comparing every capture finds."""
    result = Comparison(PEER)
    listed = pairs(corpus, PEER)
    found = meter((pair.capture for pair in listed), PROFILE)
    for pair in listed:
        ours = (
            ((one.packets, one.bytes), text_of(one.key, one.counts), one)
            for one in found[pair.capture]
        )
        compare(result, pair.name, _expected(pair.expected), ours)
    return result


def _expected(path: Path) -> Iterator[Expected]:
    """Yield the rows of a file."""
    with path.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            counts = int(row["bidirectional_packets"]), int(row["bidirectional_bytes"])
            yield Expected(counts, f"{counts[0]}/{counts[1]}")
