"""Scores and alerts by definition: trees walked one by one, records in order.

A vector has 142 float32. The margin of a forest is the sum of one leaf of each tree, in their
order, in float64. The gate of a kind of attack keeps a record when its margin is at least the
gate's limit. A kept record's score by a kind is s((margin - limit) / scale) of the kind's own
forest, s(x) = 0.5 + 0.5 x / (1 + |x|); its score is the largest, its label that kind, the first of
equal ones. A record that no gate keeps is ordinary: half of s(x) for the largest x = gate margin -
gate limit. Scores are rounded to float32 last. The first record of a part whose score is 0.5 or
more alerts.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from struct import pack, unpack

from engine.reference.digest import vector_bytes
from engine.reference.events import Position, Record

THRESHOLD = 0.5
ORDINARY = ""


@dataclass(frozen=True, slots=True)
class Split:
    """A node: a value at or below the threshold goes to `low`."""

    feature: int
    threshold: float
    low: "Tree"
    high: "Tree"


Tree = Split | float  # A leaf is its value.
Forest = Sequence[Tree]


@dataclass(frozen=True, slots=True)
class Kind:
    """The forests of one kind of attack."""

    label: str
    gate: Forest
    gate_limit: float
    forest: Forest
    limit: float
    scale: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is thought of a record."""

    score: float  # A float32.
    label: str
    alert: bool = False


def margin(forest: Forest, vector: Sequence[float]) -> float:
    """Return the sum of the leaves that a vector falls into."""
    total = 0.0
    for tree in forest:
        while isinstance(tree, Split):
            tree = tree.low if vector[tree.feature] <= tree.threshold else tree.high
        total += tree
    return total


def judge(kinds: Sequence[Kind], vector: Sequence[float]) -> Verdict:
    """Return score and label of a vector."""
    above = [margin(kind.gate, vector) - kind.gate_limit for kind in kinds]
    kept = [kind for kind, distance in zip(kinds, above, strict=True) if distance >= 0.0]
    if not kept:
        return Verdict(_rounded(0.5 * _squashed(max(above))), ORDINARY)
    relative = [(margin(kind.forest, vector) - kind.limit) / kind.scale for kind in kept]
    best = relative.index(max(relative))
    return Verdict(_rounded(_squashed(relative[best])), kept[best].label)


def verdicts(kinds: Sequence[Kind], records: Iterable[Record]) -> Iterator[Verdict]:
    """Yield the verdict of each record, in order."""
    alerted: set[tuple[int, Position]] = set()
    for record in records:
        verdict = judge(kinds, unpack("<142f", vector_bytes(record)))
        part = record.source, record.first
        if verdict.score >= THRESHOLD and part not in alerted:
            alerted.add(part)
            verdict = Verdict(verdict.score, verdict.label, True)
        yield verdict


def _squashed(relative: float) -> float:
    return 0.5 + 0.5 * relative / (1.0 + abs(relative))


def _rounded(value: float) -> float:
    return unpack("<f", pack("<f", value))[0]
