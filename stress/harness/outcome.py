"""What may come of a trial, named before it runs, and what a scenario is.

An outcome is *acceptable* (what is promised), *interesting* (allowed, and worth a look: how often
it comes says something) or *forbidden* (a fault of the engine, or of the harness). A trial that
ends in something that its scenario does not name is a fault of the harness: it stops.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

ACCEPTABLE, INTERESTING, FORBIDDEN = "acceptable", "interesting", "forbidden"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One thing that a trial may come to."""

    name: str
    grade: str
    meaning: str

    def __post_init__(self) -> None:
        assert self.grade in (ACCEPTABLE, INTERESTING, FORBIDDEN), self.grade


@dataclass(frozen=True, slots=True)
class Trial:
    """One go at a scenario: all that is drawn comes from scenario, seed and number."""

    name: str
    seed: int
    number: int
    folder: Path  # Its own, empty, gone afterwards.
    kills: int = 0  # Of a storm of them; 0: its own number.
    input: str | None = None  # What a run reads, if no capture is made for it.

    @property
    def dice(self) -> random.Random:
        """Return what draws everything in it."""
        return random.Random(f"{self.name} {self.seed} {self.number}")

    @property
    def again(self) -> str:
        """Return the command that repeats it."""
        more = f" --kills {self.kills}" * bool(self.kills) + f" --input {self.input}" * bool(
            self.input
        )
        return f"python -m stress run {self.name} --seed {self.seed} --trial {self.number}{more}"


Found = tuple[str, str]  # The name of an outcome, and what was seen.


@dataclass(frozen=True, slots=True)
class Scenario:
    """Something to be tried, with all that may come of it."""

    name: str
    title: str
    outcomes: tuple[Outcome, ...]
    try_once: Callable[[Trial], list[Found]]
    shows_worst: bool = False  # Of what was seen, the last in the alphabet: not the latest.

    def grade(self, name: str) -> str:
        """Return the grade of an outcome, which must be named."""
        for outcome in self.outcomes:
            if outcome.name == name:
                return outcome.grade
        raise AssertionError(f"{self.name} has no outcome {name!r}")


class NotHereError(Exception):
    """A scenario that this machine cannot try, and why."""


@dataclass(slots=True)
class Tally:
    """What the trials of a scenario came to."""

    scenario: Scenario
    seconds: float = 0.0
    trials: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, str] = field(
        default_factory=dict
    )  # What was seen last (or worst), by outcome.
    forbidden: list[dict] = field(default_factory=list)
    left_out: str = ""

    def take(self, trial: Trial, found: list[Found]) -> None:
        """Add a trial, which came to at least one outcome."""
        assert found, f"{trial.again} came to nothing"
        self.trials += 1
        for name, seen in found:
            self.counts[name] = self.counts.get(name, 0) + 1
            before = self.examples.get(name, "") if self.scenario.shows_worst else ""
            self.examples[name] = max(seen, before)
            if self.scenario.grade(name) == FORBIDDEN:
                self.forbidden.append({"outcome": name, "seen": seen, "again": trial.again})
