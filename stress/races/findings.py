"""What a race detector says: two accesses to one place, unordered, and how often they were seen."""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple


class Side(NamedTuple):
    """One access of a race: what it did ("read", "atomic write"), where."""

    what: str
    site: str

    def __str__(self) -> str:
        return f"{self.what} at {self.site}"


Pair = tuple[Side, Side]


def pair_of(one: Side, two: Side) -> Pair:
    """Return the two accesses of a race in an order that does not depend on who came first."""
    return (one, two) if one <= two else (two, one)


@dataclass(slots=True)
class Findings:
    """What an instrument found in a scenario."""

    races: Counter[Pair] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)  # Of the scenario's own check.
    runs: int = 0
    places: int = 0  # Accesses in the code that were instrumented.
    accesses: int = 0  # Made in all runs; 0 if the instrument does not count them.

    @property
    def found(self) -> bool:
        """Return whether there is anything to mend."""
        return bool(self.races or self.violations)

    def lines(self) -> list[str]:
        """Return what is to be said, the summary last."""
        said = [f"race, {n} times: {one} <-> {two}" for (one, two), n in self.races.most_common()]
        said += [f"violation, {n} times: {text}" for text, n in Counter(self.violations).items()]
        made = f", {self.accesses:,} accesses made" if self.accesses else ""
        return [
            *said,
            f"{len(self.races)} races, {len(self.violations)} violations in {self.runs} runs "
            f"({self.places} accesses instrumented{made})",
        ]
