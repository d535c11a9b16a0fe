"""Sums by name, of names that an attacker may choose: only the largest of many are kept.

Exact while no more than `kept_max` names came; then the smaller half is dropped, `complete` is
False, and what a name has is the least it can have.
"""

import heapq
from collections.abc import Hashable

KEPT_MAX = 65_536


class Tally:
    """Whole numbers by name; `by` is the column that says which names are large."""

    def __init__(self, columns: int, by: int = 0, kept_max: int = KEPT_MAX) -> None:
        assert 0 <= by < columns
        assert kept_max >= 2
        self.complete = True
        self._by = by
        self._columns = columns
        self._kept_max = kept_max
        self._sums: dict[Hashable, list[int]] = {}

    def __len__(self) -> int:
        return len(self._sums)

    def __contains__(self, name: Hashable) -> bool:
        return name in self._sums

    def __getitem__(self, name: Hashable) -> list[int]:
        return self._sums.get(name, [0] * self._columns)

    @property
    def names_text(self) -> str:
        """Return how many names came: exactly, or more than what."""
        return f"{len(self):,}" if self.complete else f"more than {self._kept_max:,}"

    def add(self, name: Hashable, *amounts: int) -> None:
        """Add to a name's sums."""
        sums = self._sums.get(name)
        if sums is None:
            self._sums[name] = list(amounts)
            if len(self._sums) > self._kept_max:
                self._drop()
            return
        for at, amount in enumerate(amounts):
            sums[at] += amount

    def largest(self, count: int) -> list[tuple[Hashable, list[int]]]:
        """Return up to `count` names with their sums, the largest first; equal ones by name."""
        by = self._by
        return heapq.nsmallest(
            count, self._sums.items(), key=lambda entry: (-entry[1][by], str(entry[0]))
        )

    def _drop(self) -> None:
        self._sums = dict(self.largest(self._kept_max // 2))
        self.complete = False
