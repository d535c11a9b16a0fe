"""Measure margins of records that a forest was not trained on: thresholds, and what they find.

A part's margin is the largest of its records, a capture's that of its parts. A threshold is set on
ordinary benign captures; what is reported of a laboratory is measured with a threshold that was set
without it.
"""

import numpy as np

from engine.classifier.model import Count, Validation
from tools.training.records import NEGATIVE, POSITIVE, Records

MILLION = 1_000_000


class Parts:
    """Flow parts as columns, and the largest margin of each."""

    def __init__(self, records: Records) -> None:
        self.records = records
        count = int(records.part.max()) + 1
        self.capture = np.zeros(count, np.int64)
        self.capture[records.part] = records.capture
        self.target = np.zeros(count, np.int64)
        self.target[records.part] = records.target
        ordinary = np.asarray([capture.is_ordinary for capture in records.captures])
        self.ordinary = ordinary[self.capture] & (self.target == NEGATIVE)

    def largest(self, margins: np.ndarray) -> np.ndarray:
        """Return the largest margin of each part's records."""
        out = np.full(len(self.capture), -np.inf)
        np.maximum.at(out, self.records.part, margins)
        return out


def limit_of(margins: np.ndarray, alarms_per_million: int) -> float:
    """Return the lowest margin that at most so many of these parts reach."""
    allowed = len(margins) * alarms_per_million // MILLION
    falling = np.sort(margins)[::-1]
    return float(np.nextafter(falling[allowed], np.inf))


def limits_without(parts: Parts, margins: np.ndarray, alarms_per_million: int) -> np.ndarray:
    """Return for each part the limit that is set without its laboratory."""
    laboratories = parts.records.laboratories[parts.capture]
    limits = np.zeros(len(margins))
    for name in set(laboratories):
        others = parts.ordinary & (laboratories != name)
        limits[laboratories == name] = limit_of(margins[others], alarms_per_million)
    return limits


def validation_of(parts: Parts, kinds: tuple[str, ...], found: np.ndarray) -> Validation:
    """Return what was found of some kinds, and what was alarmed on; `found` is by part."""
    records = parts.records
    kind = records.kinds[parts.capture]
    attacks = np.isin(kind, kinds) & (parts.target == POSITIVE)
    suites = (parts.target == NEGATIVE) & ~parts.ordinary
    return Validation(
        captures=_count(parts.capture, attacks, found),
        sources=_count(records.sources[parts.capture], attacks, found),
        flows=Count(int(attacks.sum()), int((attacks & found).sum())),
        ordinary_captures=_count(parts.capture, parts.ordinary, found),
        ordinary_flows=Count(int(parts.ordinary.sum()), int((parts.ordinary & found).sum())),
        suite_captures=_count(parts.capture, suites, found),
        suite_flows=Count(int(suites.sum()), int((suites & found).sum())),
    )


def _count(groups: np.ndarray, wanted: np.ndarray, found: np.ndarray) -> Count:
    """Return how many groups have a wanted part, and how many a wanted part that was found."""
    return Count(len(np.unique(groups[wanted])), len(np.unique(groups[wanted & found])))
