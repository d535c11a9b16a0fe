"""Leave whole laboratories out: each is in one fold, and each kind's in as many as it has."""

import numpy as np

from tools.training import plan
from tools.training.manifest import BENIGN, NEITHER
from tools.training.records import Records


def folds_of(records: Records) -> np.ndarray:
    """Return the fold of each capture, 0 to plan.FOLDS - 1.

    Laboratories with attacks are dealt first, each to the fold that has the fewest of its kinds;
    among equals, and for the rest, to the fold with the fewest benign records.
    """
    laboratories, kinds = records.laboratories, records.kinds
    benign = np.bincount(records.capture[records.target == 0], minlength=len(laboratories))
    held: list[list[str]] = [[] for _ in range(plan.FOLDS)]
    load = [0] * plan.FOLDS
    fold_of = {}
    for name in sorted(set(laboratories), key=lambda name: _rank(name, laboratories, kinds)):
        attacks = set(kinds[laboratories == name]) - {BENIGN, NEITHER}
        same = [sum(kind in attacks for kind in fold) for fold in held]
        best = min(range(plan.FOLDS), key=lambda fold: (same[fold], load[fold], fold))
        fold_of[name] = best
        held[best] += sorted(attacks)
        load[best] += int(benign[laboratories == name].sum())
    return np.asarray([fold_of[name] for name in laboratories], np.int64)


def _rank(name: str, laboratories: np.ndarray, kinds: np.ndarray) -> tuple:
    own = kinds[laboratories == name]
    attacks = set(own) - {BENIGN, NEITHER}
    return -len(attacks), -int((own == BENIGN).sum()), name
