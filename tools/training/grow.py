"""Grow forests: one for a kind of attack, and the gate before them."""

import numpy as np

from tools.training import plan
from tools.training.manifest import NEITHER
from tools.training.plan import Detector
from tools.training.records import NEGATIVE, POSITIVE, Records
from tools.training.vary import varied


def spread_evenly(records: Records, chosen: np.ndarray) -> np.ndarray:
    """Return weights of the chosen records: sources weigh alike, in one its captures, its parts.

    A flow part's records share its weight.
    """
    weights = _part_weights(records, chosen)
    weights /= _sums(records.capture[chosen], weights)
    sources = _numbers(records.sources)[records.capture[chosen]]
    return weights / _sums(sources, weights)


def spread_by_root(records: Records, chosen: np.ndarray) -> np.ndarray:
    """Return weights of the chosen records: a source weighs the square root of its flow parts."""
    weights = _part_weights(records, chosen)
    sources = _numbers(records.sources)[records.capture[chosen]]
    return weights / np.sqrt(_sums(sources, weights))


def _part_weights(records: Records, chosen: np.ndarray) -> np.ndarray:
    return 1.0 / np.bincount(records.part)[records.part[chosen]]


def _numbers(names: np.ndarray) -> np.ndarray:
    return np.unique(names, return_inverse=True)[1]


def _sums(groups: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return for each record the sum of its group's weights."""
    return np.bincount(groups, weights=weights)[groups]


def train_kind(records: Records, allowed: np.ndarray, detector: Detector) -> list:
    """Return the boosters of a kind, trained on the allowed records; its margin is their mean.

    The first detector.forests see flow features only; with host features as many again follow that
    see both. One forest that sees both leaves what a flow shows alone to few of its trees.
    """
    seeds = range(plan.SEED, plan.SEED + detector.forests)
    views = [detector.flow_only(), *([detector] if any(detector.signs) else [])]
    return [_train_kind(records, allowed, view, seed) for view in views for seed in seeds]


def _train_kind(records: Records, allowed: np.ndarray, detector: Detector, seed: int):
    dice = np.random.default_rng(seed)
    kinds = records.kinds[records.capture]
    positive = allowed & (records.target == POSITIVE)
    others = positive & ~np.isin(kinds, (detector.kind, *detector.alike, NEITHER))
    positive &= kinds == detector.kind
    if detector.learned:
        positive &= records.of_captures(lambda capture: capture.finer in detector.learned)
    benign = allowed & (records.target == NEGATIVE)
    pieces = [
        _piece(records, np.flatnonzero(positive), spread_evenly, plan.SIDE_WEIGHT, dice),
        _piece(records, np.flatnonzero(benign), spread_by_root, plan.SIDE_WEIGHT, dice),
        _piece(records, np.flatnonzero(others), spread_evenly, plan.OTHERS_WEIGHT, dice),
    ]
    vectors = np.concatenate([vectors for vectors, _ in pieces])
    weights = np.concatenate([weights for _, weights in pieces])
    labels = np.zeros(len(vectors), np.int8)
    labels[: len(pieces[0][0])] = 1
    settings = plan.KIND_SETTINGS | plan.COMMON_SETTINGS | {"seed": seed}
    if any(detector.signs):
        settings["monotone_constraints"] = detector.signs
        settings["monotone_constraints_method"] = "intermediate"
    return _train(vectors, labels, weights, detector.features, (settings, plan.KIND_TREES))


def _piece(
    records: Records, chosen: np.ndarray, spread, total: float, dice: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return (vectors, weights) of some records and their varied copies; weights sum to `total`."""
    weights = spread(records, chosen)
    if len(chosen) > plan.RECORDS_MAX:
        drawn = dice.choice(len(chosen), plan.RECORDS_MAX, p=weights / weights.sum())
        chosen, weights = chosen[drawn], np.ones(plan.RECORDS_MAX)
    own = records.vectors[chosen]
    vectors = np.concatenate([own, *(varied(own, dice) for _ in range(plan.COPIES))])
    weights = np.tile(weights, 1 + plan.COPIES)
    return vectors, weights * (total / weights.sum())


def train_gate(vectors: np.ndarray, kept: np.ndarray, features: list[int]) -> list:
    """Return the boosters (one) of the gate: it tells rows to keep (`kept`) from rows to clear."""
    weights = np.where(kept, len(kept) / max(kept.sum(), 1), 1.0)
    settings = plan.GATE_SETTINGS | plan.COMMON_SETTINGS | {"seed": plan.SEED}
    return [_train(vectors, kept.astype(np.int8), weights, features, (settings, plan.GATE_TREES))]


def _train(
    vectors: np.ndarray,
    labels: np.ndarray,
    weights: np.ndarray,
    features: list[int],
    settings: tuple[dict, int],
):
    """Return a booster over all 142 columns in which only `features` vary."""
    import lightgbm

    shown = np.zeros_like(vectors)
    shown[:, features] = vectors[:, features]
    # A column that is 0 throughout is never split on.
    rows = lightgbm.Dataset(shown, labels, weight=weights, params={"verbosity": -1})
    return lightgbm.train(settings[0], rows, settings[1])


def margins_of(boosters: list, vectors: np.ndarray) -> np.ndarray:
    """Return the mean of the boosters' raw margins of vectors, float64."""
    margins = [booster.predict(vectors, raw_score=True, num_threads=1) for booster in boosters]
    return sum(margins) / len(margins)
