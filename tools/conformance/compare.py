"""Pair expected records with metered ones, and say what is left over on either side.

A record of the peer and one of ours are *equal* when their identity is: key and counts, or what the
peer's files have of them. Among records of one identity those pair first that agree in every
further field. What is left of ours is *extra*.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Expected:
    """A record that a peer's file has: what identifies it, and whatever its comparator needs."""

    identity: Hashable
    text: str  # The identity as people read it; names the record in a list of differences.
    values: dict = field(default_factory=dict, compare=False, hash=False)


@dataclass(frozen=True, slots=True, order=True)
class Difference:
    """A record, or a field of an equal one, that differs. `kind`: missing, extra, or the field."""

    capture: str
    kind: str
    text: str


@dataclass(slots=True)
class Comparison:
    """What the comparison with a peer found."""

    peer: str
    captures: int = 0
    records: int = 0
    equal: int = 0
    extra: int = 0
    fields: dict[str, list[int]] = field(default_factory=dict)  # Name: equal, compared.
    differences: list[Difference] = field(default_factory=list)

    def count(self, name: str, is_equal: bool, where: tuple[str, str]) -> None:
        """Count one compared field of the record `where` = (capture, text)."""
        tally = self.fields.setdefault(name, [0, 0])
        tally[0] += is_equal
        tally[1] += 1
        if not is_equal:
            self.differences.append(Difference(where[0], name, where[1]))


# Says of an equal pair, by field, whether it agrees; a field that is not there is not compared.
Fields = Callable[[Expected, object], dict[str, bool]]


def compare(
    into: Comparison,
    capture: str,
    expected: Iterable[Expected],
    ours: Iterable[tuple[Hashable, str, object]],
    fields: Fields | None = None,
) -> None:
    """Compare the records of one capture; `ours` are (identity, text, record)."""
    waiting = defaultdict(list)
    for identity, text, record in ours:
        waiting[identity].append((text, record))
    groups = defaultdict(list)
    for one in expected:
        groups[one.identity].append(one)
    into.captures += 1
    for identity, wanted in groups.items():
        pairs, missing = _pair(wanted, waiting[identity], fields)
        into.records += len(wanted)
        into.equal += len(pairs)
        for one, agreed in pairs:
            for name, is_equal in agreed.items():
                into.count(name, is_equal, (capture, one.text))
        into.differences += [Difference(capture, "missing", one.text) for one in missing]
    left = [text for rest in waiting.values() for text, _ in rest]
    into.extra += len(left)
    into.differences += [Difference(capture, "extra", text) for text in left]


def _pair(wanted: list[Expected], found: list, fields: Fields | None):
    """Return the pairs with what their fields say, and who found none; pairs leave `found`."""
    agreed = fields or (lambda one, record: {})
    pairs, rest = [], []
    for one in wanted:
        for at, (_, record) in enumerate(found):
            says = agreed(one, record)
            if all(says.values()):
                pairs.append((one, says))
                del found[at]
                break
        else:
            rest.append(one)
    while rest and found:
        one = rest.pop(0)
        pairs.append((one, agreed(one, found.pop(0)[1])))
    return pairs, rest


def numbered(differences: Iterable[Difference]) -> Counter:
    """Return how often each difference stands there: equal records may differ alike."""
    return Counter(differences)
