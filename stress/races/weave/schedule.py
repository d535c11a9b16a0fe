"""What a chooser chose beyond the default in one execution: enough to repeat it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Schedule:
    """Three sparse lists of choices, all by number; what is missing is the default, 0.

    switches  {step: place among the ready, the usual one first}
    stale     {which of the loads that could read older messages: how many messages back}
    kills     {which of the moments at which a role could die: 1}
    """

    switches: dict[int, int]
    stale: dict[int, int]
    kills: dict[int, int]

    @property
    def size(self) -> int:
        """Return how many choices differ from the default."""
        return len(self.switches) + len(self.stale) + len(self.kills)

    def copy(self) -> "Schedule":
        """Return one with the same choices."""
        return Schedule(dict(self.switches), dict(self.stale), dict(self.kills))

    def as_json(self) -> dict[str, list[list[int]]]:
        """Return what `from_json` reads."""
        return {
            name: [list(pair) for pair in sorted(getattr(self, name).items())]
            for name in ("switches", "stale", "kills")
        }

    @classmethod
    def from_json(cls, read: dict[str, list[list[int]]]) -> "Schedule":
        """Return the schedule of a replay file."""
        return cls(*(dict(map(tuple, read[name])) for name in ("switches", "stale", "kills")))

    def __str__(self) -> str:
        return f"{len(self.switches)} switches, {len(self.stale)} stale reads" + (
            f", {len(self.kills)} kills" if self.kills else ""
        )
