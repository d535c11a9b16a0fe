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
    validated: Counter[Pair] = field(default_factory=Counter)  # Of reads judged afterwards.
    violations: list[str] = field(default_factory=list)  # Of the scenario's own check.
    runs: int = 0
    places: int = 0  # Accesses in the code that were instrumented.
    accesses: int = 0  # Made in all runs; 0 if the instrument does not count them.

    @property
    def found(self) -> bool:
        """Return whether there is anything to mend."""
        return bool(self.races or self.violations)

    def set_apart(self, functions: frozenset[str]) -> None:
        """Move the races of which a read stands in one of these functions to `validated`."""
        apart = [pair for pair in self.races if any(_reads_in(one, functions) for one in pair)]
        for pair in apart:
            self.validated[pair] = self.races.pop(pair)

    def lines(self) -> list[str]:
        """Return what is to be said, the summary last."""
        said = [f"race, {n} times: {one} <-> {two}" for (one, two), n in self.races.most_common()]
        said += [f"violation, {n} times: {text}" for text, n in Counter(self.violations).items()]
        apart = f", {len(self.validated)} of validated reads" if self.validated else ""
        made = f", {self.accesses:,} accesses made" if self.accesses else ""
        found = f"{len(self.races)} races{apart}, {len(self.violations)} violations"
        return [*said, f"{found} in {self.runs} runs ({self.places} accesses instrumented{made})"]


def show(found: dict[str, Findings], kept_as: str = "") -> int:
    """Print what was found in each scenario; return the exit code, 1 if there is anything.

    `kept_as`: the kind under which it is kept in stress/results, if it is to be.
    """
    for name, findings in found.items():
        print("\n".join([*([f"{name}:"] * (len(found) > 1)), *findings.lines()]))
    if kept_as:
        from stress.kept import keep_result

        print(f"kept: {keep_result(kept_as, {'scenarios': _record(found)})}")
    return int(any(findings.found for findings in found.values()))


def _record(found: dict[str, Findings]) -> dict[str, dict]:
    """Return what is kept of each scenario."""
    return {
        name: {
            "races": len(one.races),
            "validated": len(one.validated),
            "violations": len(one.violations),
            "runs": one.runs,
            "places": one.places,
            "accesses": one.accesses,
            "said": one.lines(),
        }
        for name, one in found.items()
    }


def _reads_in(side: Side, functions: frozenset[str]) -> bool:
    names = {place.rpartition(":")[0] for place in side.site.split(" < ")}
    return "read" in side.what and not functions.isdisjoint(names)
