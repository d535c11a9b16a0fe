"""What is ordinary for a feature: between which values nine of ten ordinary flows of the run lie.

Ordinary is a final record of a flow without an alert. Of many a sample is taken: each record draws
a number from a fixed seed, and those with the smallest are kept, so each has the same chance and
the same run gives the same page.
"""

from dataclasses import dataclass

import numpy as np

from engine.features.catalogue import NAMES

SAMPLE_MAX = 16_384
VALID_MIN = 20  # With fewer values no share of them is meant.
SHARES = (0.05, 0.5, 0.95)
_SEED = 142


@dataclass(frozen=True, slots=True)
class Range:
    """Where the ordinary values of a feature lie: at 5 %, in the middle, at 95 %, of how many."""

    low: float
    middle: float
    high: float
    count: int


class Sample:
    """Vectors of ordinary flows. `count` is of all that came, sampled or not."""

    def __init__(self, features: tuple[str, ...], sample_max: int = SAMPLE_MAX) -> None:
        self.features = features
        self.count = 0
        self._indices = [NAMES.index(name) for name in features]
        self._sample_max = sample_max
        self._dice = np.random.default_rng(_SEED)
        self._drawn = np.zeros(0)
        self._values = np.zeros((len(features), 0), np.float32)
        self._valid = np.zeros((len(features), 0), bool)

    def add(self, vector: np.ndarray, valid: np.ndarray) -> None:
        """Add records: (142, n) values and validity."""
        drawn = self._dice.random(vector.shape[1])
        self.count += len(drawn)
        self._drawn = np.concatenate((self._drawn, drawn))
        self._values = np.concatenate((self._values, vector[self._indices]), axis=1)
        self._valid = np.concatenate((self._valid, valid[self._indices]), axis=1)
        if len(self._drawn) > self._sample_max:
            kept = np.sort(np.argpartition(self._drawn, self._sample_max)[: self._sample_max])
            self._drawn = self._drawn[kept]
            self._values, self._valid = self._values[:, kept], self._valid[:, kept]

    def ranges(self) -> dict[str, Range]:
        """Return the range of each feature that enough of the sample have."""
        found = {}
        for at, name in enumerate(self.features):
            values = self._values[at, self._valid[at]]
            values = values[np.isfinite(values)].astype(np.float64)
            if len(values) >= VALID_MIN:
                marks = np.quantile(values, SHARES, method="nearest").tolist()
                found[name] = Range(*marks, count=len(values))
        return found
