"""Cross-validate: margins of every record by forests that never saw its laboratory.

For each fold: a forest of each kind is grown on the other folds; when its limit is known, its gate
likewise, from the rows and the forest of those folds alone.
"""

from dataclasses import dataclass

import numpy as np

from tools.training import plan
from tools.training.folds import folds_of
from tools.training.grow import margins_of, train_gate, train_kind
from tools.training.measure import Parts, limit_of, limits_without
from tools.training.plan import Detector
from tools.training.records import Records

# A gate learns to keep rows from so far below a limit (margins are logarithms of odds): it is shown
# what comes near, or it would clear attacks of laboratories left out that their forest would find.
KEPT_BELOW = 1.2
CAPTURE_ROWS_MAX = 3_000  # Rows of a capture that the gate learns from.


@dataclass(slots=True)
class Crossed:
    """What cross-validation found. `found` is by detector and part, gate included."""

    limits: list[float]
    found: np.ndarray  # (detectors, parts) bool
    cleared: float  # Part of the ordinary records that the gates cleared of all kinds.


def cross_validate(records: Records, say) -> tuple[Crossed, Crossed]:
    """Return what plan.DETECTORS find, and what they do without host features.

    Both by the same folds, seeds and alarms allowed; `say` takes lines of progress.
    """
    fold = folds_of(records)[records.capture]
    boosters: list[list[list]] = []
    for detector in plan.DETECTORS:
        folds = range(plan.FOLDS)
        boosters.append([train_kind(records, fold != number, detector) for number in folds])
        say(f"{detector.kind}: {plan.FOLDS} folds grown")
    whole = _cross(records, fold, plan.DETECTORS, boosters)
    say("gates grown")
    detectors = tuple(detector.flow_only() for detector in plan.DETECTORS)
    alone = [
        [grown[: detector.forests] for grown in folds]
        for detector, folds in zip(detectors, boosters, strict=True)
    ]
    flow_only = _cross(records, fold, detectors, alone)
    say("gates of flow features only grown")
    return whole, flow_only


def _cross(
    records: Records, fold: np.ndarray, detectors: tuple[Detector, ...], boosters: list[list[list]]
) -> Crossed:
    """Return what detectors find by boosters of each fold; `fold` is by record."""
    left_out = np.full((len(detectors), len(records.part)), -np.inf)
    for margins, folds in zip(left_out, boosters, strict=True):
        for number, grown in enumerate(folds):
            mine = fold == number
            margins[mine] = margins_of(grown, records.vectors[mine])
    parts = Parts(records)
    limits = [
        limit_of(parts, parts.largest(margins), detector)
        for detector, margins in zip(detectors, left_out, strict=True)
    ]
    kept = np.zeros(left_out.shape, bool)
    for at, detector in enumerate(detectors):
        for number, grown in enumerate(boosters[at]):
            seen = np.flatnonzero(fold != number)
            gate, bound = gate_of(records, seen, detector, (grown, limits[at]))
            mine = fold == number
            kept[at, mine] = margins_of(gate, records.vectors[mine]) >= bound
    found = _found(parts, detectors, left_out, kept)
    ordinary = records.of_captures(lambda capture: capture.is_ordinary)
    return Crossed(limits, found, float(1 - kept[:, ordinary].any(axis=0).mean()))


def _found(
    parts: Parts, detectors: tuple[Detector, ...], left_out: np.ndarray, kept: np.ndarray
) -> np.ndarray:
    """Return which parts each detector finds, with limits set without the part's laboratory."""
    found = []
    for detector, margins, mine in zip(detectors, left_out, kept, strict=True):
        free = parts.largest(margins)
        limits = limits_without(parts, free, detector)
        found.append(parts.largest(np.where(mine, margins, -np.inf)) >= limits)
    return np.stack(found)


def gate_of(records: Records, seen: np.ndarray, detector: Detector, judge: tuple) -> tuple:
    """Return (boosters, limit) of the gate before a forest, grown on `seen` rows.

    `judge` is the forest and its limit. The gate is taught what it says, not what the
    labels say: to keep what comes near the threshold. Its limit clears none of the rows that it
    was shown at or above it.
    """
    seen = _thinned(records, seen)
    vectors = records.vectors[seen]
    boosters, limit = judge
    above = margins_of(boosters, vectors) - limit
    gate = train_gate(vectors, above >= -KEPT_BELOW, detector.features)
    kept = margins_of(gate, vectors)[above >= 0]
    return gate, float(kept.min()) if len(kept) else 0.0


def _thinned(records: Records, seen: np.ndarray) -> np.ndarray:
    """Return the rows of `seen` without those beyond CAPTURE_ROWS_MAX of a capture."""
    dice = np.random.default_rng(plan.SEED)
    order = dice.permutation(len(seen))
    capture = records.capture[seen[order]]
    by_capture = np.argsort(capture, kind="stable")
    starts = np.searchsorted(capture[by_capture], capture[by_capture])
    kept = np.arange(len(seen)) - starts < CAPTURE_ROWS_MAX
    return np.sort(seen[order[by_capture[kept]]])
