"""What is trained: the detectors, the features each may use, how many alarms each may cost.

Never a feature: addresses and ports (they are none), initial windows (they name the laboratory best
and cost nothing to leave out). Left out besides: gaps and rates (the latency of a path, the pace of
a machine), and payload entropy but where the attack is made of it. Host features have no values
yet.
"""

from dataclasses import dataclass

from engine.features import catalogue

SEED = 20_260_101
FOLDS = 8
COPIES = 3  # Varied copies of each record beside itself (vary.py).
RECORDS_MAX = 20_000  # Of one part of the training rows; more are drawn by weight.
SIDE_WEIGHT = 2_000.0  # Sum of the weights of the positives, and of the benign records.
OTHERS_WEIGHT = 0.3 * SIDE_WEIGHT  # Of other kinds' attacks, as negatives.

_GROUPS_LEFT_OUT = ("iat", "rate", "window")
_NAMES_LEFT_OUT = ("fwd_bulk_rate", "bwd_bulk_rate")
ENTROPY = "ransomware_payload_entropy"


def features_of(extra: tuple[str, ...] = ()) -> list[int]:
    """Return the indices of the features that a detector may use."""
    chosen = []
    for at in catalogue.FLOW_INDICES:
        feature = catalogue.FEATURES[at]
        is_left_out = feature.group in _GROUPS_LEFT_OUT or feature.name in _NAMES_LEFT_OUT
        if feature.name in extra or not (is_left_out or feature.name == ENTROPY):
            chosen.append(at)
    return chosen


@dataclass(frozen=True, slots=True)
class Detector:
    """One kind of attack. `alike`: kinds whose flows look the same, so are no negatives.

    `learned`: the finer kinds that are positives, where one laboratory alone has some of the
    others; these are measured on all the same. `forests`: how many are grown, from seeds one apart,
    and averaged: where laboratories are few, forests differ by what they happened to draw.
    """

    kind: str
    alarms_per_million: int  # Ordinary flow parts above the threshold, at most.
    extra_features: tuple[str, ...] = ()
    alike: tuple[str, ...] = ()
    learned: tuple[str, ...] = ()
    forests: int = 1

    @property
    def features(self) -> list[int]:
        """Return the indices of the features it may use."""
        return features_of(self.extra_features)


# README.rst says what was measured of the kinds that are none of these, and why they are not.
DETECTORS = (
    Detector("scan", 700, alike=("flood", "backscatter")),
    Detector("flood", 300, alike=("scan", "backscatter"), learned=("syn-flood",)),
    Detector("brute force", 100, extra_features=(ENTROPY,), forests=3),
    Detector("dns tunnel", 500, extra_features=(ENTROPY,)),
)

# A limit is raised halfway to where it would cost this part of what it finds (measure.py).
RECALL_SPENT = 0.05

# Unit of margins in scores (scoring.py). Logarithms of odds, weighed alike in every kind: one unit
# for all, or a kind whose attacks lie far above its limit would lose its flows to another's label.
SCALE = 1.0

KIND_TREES = 24
KIND_SETTINGS = {
    "objective": "binary",
    "num_leaves": 15,
    "max_depth": 5,
    "learning_rate": 0.25,
    "feature_fraction": 0.5,
    "min_sum_hessian_in_leaf": 5.0,
    "min_data_in_leaf": 5,
    "lambda_l2": 5.0,
}
GATE_TREES = 4
GATE_SETTINGS = {
    "objective": "binary",
    "num_leaves": 14,
    "max_depth": 4,
    "learning_rate": 0.5,
    "min_sum_hessian_in_leaf": 1.0,
    "min_data_in_leaf": 5,
    "lambda_l2": 1.0,
}
# What makes a model the same each time, and its margins those that the engine computes.
COMMON_SETTINGS = {
    "use_missing": False,
    "zero_as_missing": False,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbosity": -1,
}
