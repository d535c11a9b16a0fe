"""The lists of known differences: differences/<peer>.tsv, a line for each with its reason.

A difference that is not listed is news; a listed one that is gone must leave the list. Equal lines
are as many differences.
"""

from collections import Counter
from pathlib import Path

from tools.conformance.compare import Comparison, Difference

FOLDER = Path(__file__).resolve().parent / "differences"
HEADER = "capture\tkind\trecord\treason"
UNKNOWN = "not known"


def load(peer: str) -> list[tuple[Difference, str]]:
    """Return the listed differences of a peer with their reasons."""
    path = FOLDER / f"{peer}.tsv"
    if not path.is_file():
        return []
    header, *lines = path.read_text(encoding="utf-8").splitlines()
    assert header == HEADER, f"{path} does not begin with {HEADER!r}"
    rows = [line.split("\t") for line in lines]
    return [(Difference(*row[:3]), row[3]) for row in rows]


def disagreements(result: Comparison) -> list[str]:
    """Return what the list and the comparison do not have in common, as sentences."""
    listed = Counter(difference for difference, _ in load(result.peer))
    found = Counter(result.differences)
    told = []
    for one, count in sorted((found - listed).items()):
        told.append(f"not listed ({count}): {one.capture}: {one.kind}: {one.text}")
    for one, count in sorted((listed - found).items()):
        told.append(f"listed, but agrees ({count}): {one.capture}: {one.kind}: {one.text}")
    return told


def text(result: Comparison) -> str:
    """Return the list as it would be now; what is new has no reason yet."""
    reasons: dict[Difference, list[str]] = {}
    for difference, reason in load(result.peer):
        reasons.setdefault(difference, []).append(reason)
    lines = [HEADER]
    for one in sorted(result.differences):
        known = reasons.get(one) or [UNKNOWN]
        reason = known.pop(0) if len(known) > 1 else known[0]
        lines.append(f"{one.capture}\t{one.kind}\t{one.text}\t{reason}")
    return "\n".join(lines) + "\n"
