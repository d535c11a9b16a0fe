"""Measure margins of records that a forest was not trained on: thresholds, and what they find.

A part's margin is the largest of its records. A limit is set on ordinary benign captures and on
attacks that were left out; what is reported of a laboratory is measured with a limit that was set
without it.
"""

import numpy as np

from engine.classifier.model import Count, Validation
from tools.training import plan
from tools.training.plan import Detector
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


def limit_of(
    parts: Parts, margins: np.ndarray, detector: Detector, without: str | None = None
) -> float:
    """Return a detector's limit, set on the parts' margins; not on those of a laboratory left out.

    The lowest margin that at most alarms_per_million of the ordinary parts reach. Where attacks of
    at least two laboratories are found there, it is raised halfway to where it would cost
    RECALL_SPENT of them: what comes cheap.
    """
    records = parts.records
    counted = records.laboratories[parts.capture] != without
    ordinary = np.sort(margins[parts.ordinary & counted])[::-1]
    allowed = len(ordinary) * detector.alarms_per_million // MILLION
    limit = float(np.nextafter(ordinary[allowed], np.inf))
    attacks = counted & (parts.target == POSITIVE)
    attacks &= (records.kinds[parts.capture] == detector.kind) & (margins >= limit)
    if len(set(records.laboratories[parts.capture[attacks]])) < 2:
        return limit
    found = margins[attacks]
    weights = 1.0 / np.bincount(parts.capture)[parts.capture[attacks]]
    falling = np.argsort(-found, kind="stable")
    kept = np.cumsum(weights[falling]) >= (1 - plan.RECALL_SPENT) * weights.sum()
    return (limit + float(found[falling][np.argmax(kept)])) / 2


def limits_without(parts: Parts, margins: np.ndarray, detector: Detector) -> np.ndarray:
    """Return for each part the limit that is set without its laboratory."""
    laboratories = parts.records.laboratories[parts.capture]
    limits = np.zeros(len(margins))
    for name in set(laboratories):
        limits[laboratories == name] = limit_of(parts, margins, detector, without=name)
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
