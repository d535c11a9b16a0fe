"""What every target returns of a batch of cases, and how a batch is drawn."""

import random
from dataclasses import dataclass, field

FOUND_MAX = 5  # Of a batch: what is behind them is mostly the same.


@dataclass(slots=True)
class Batch:
    """What came of a batch."""

    cases: int = 0
    counts: dict[str, int] = field(default_factory=dict)  # Of what came out, by name.
    findings: list[dict] = field(default_factory=list)  # Of what must not be.

    def count(self, name: str, number: int = 1) -> None:
        """Count an outcome."""
        self.counts[name] = self.counts.get(name, 0) + number

    def find(self, case: int, what: str, octets: bytes = b"", **more) -> None:
        """Note what must not be, with the bytes that show it."""
        self.count("findings")
        if len(self.findings) < FOUND_MAX:
            self.findings.append({"case": case, "what": what, "octets": octets.hex(), **more})


def dice_of(target: str, seed: int, number: int) -> random.Random:
    """Return what draws batch `number` of a target."""
    return random.Random(f"{target} {seed} {number}")
