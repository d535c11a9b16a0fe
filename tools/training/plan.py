"""What is trained: the detectors, the features each may use, how many alarms each may cost.

Never a feature: addresses and ports (they are none), initial windows (they name the laboratory best
and cost nothing to leave out). Left out besides: gaps and rates (the latency of a path, the pace of
a machine), and payload entropy but where the attack is made of it.

Host features: each detector has those that count what its attack does, named here, and each may
only speak for the attack as it rises (or falls, where it is named so). What was tried and left out
stands in README.rst: all 59 of them freely, which names laboratories; those that wait until a host
is known for a while, which tell how a capture was cut.
"""

from dataclasses import dataclass, replace

from engine.features import catalogue

SEED = 20_260_101
FOLDS = 8
COPIES = 2  # Varied copies of each record beside itself (vary.py).
RECORDS_MAX = 6_000  # Of one part of the training rows; more are drawn by weight.
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

    `rising`, `falling`: host features; its margin never falls as one of `rising` rises.
    `learned`: the finer kinds that are positives, where one laboratory alone has some of the
    others; these are measured on all the same. `forests`: how many are grown, from seeds one apart,
    and averaged: where laboratories are few, forests differ by what they happened to draw.
    """

    kind: str
    alarms_per_million: int  # Ordinary flow parts above the threshold, at most.
    extra_features: tuple[str, ...] = ()
    rising: tuple[str, ...] = ()
    falling: tuple[str, ...] = ()
    alike: tuple[str, ...] = ()
    learned: tuple[str, ...] = ()
    forests: int = 1

    @property
    def features(self) -> list[int]:
        """Return the indices of the features it may use."""
        hosts = map(catalogue.index, (*self.rising, *self.falling))
        return sorted((*features_of(self.extra_features), *hosts))

    @property
    def signs(self) -> list[int]:
        """Return for each of the 142 features how its rise may move the margin; 0: either way."""
        return [(name in self.rising) - (name in self.falling) for name in catalogue.NAMES]

    def flow_only(self) -> "Detector":
        """Return the same without host features: what the whole vector is compared with."""
        return replace(self, rising=(), falling=())


# README.rst says what was measured of the kinds that are none of these, and why they are not.
DETECTORS = (
    Detector(
        "scan",
        300,
        rising=(
            "ransomware_failed_flow_ratio",
            "traffic_port_entropy",
            "traffic_peer_entropy",
            "traffic_service_count",
            "internal_peer_count",
            "internal_ports_per_peer_max",
            "internal_peer_entropy",
            "peers_per_port_max",
            "new_internal_pair_count",
            "port_scan_score",
            "burst_flow_count",
            "rst_ratio",
            "syn_unanswered_ratio",
        ),
        alike=("flood", "backscatter"),
    ),
    Detector(
        "flood",
        300,
        rising=(
            "ddos_syn_unanswered_ratio",
            "ddos_packet_asymmetry",
            "ddos_source_count_log10",
            "ddos_impossible_flag_ratio",
            "ddos_source_prefix_entropy",
            "ddos_new_flow_rate_log10",
        ),
        falling=("ddos_completion_ratio",),
        alike=("scan", "backscatter"),
        learned=("syn-flood",),
    ),
    Detector(
        "brute force",
        100,
        extra_features=(ENTROPY,),
        rising=(
            "auth_refused_peer_count",
            "auth_short_session_count",
            "ddos_new_flow_rate_log10",
        ),
        forests=3,
    ),
    Detector(
        "dns tunnel",
        500,
        extra_features=(ENTROPY,),
        rising=(
            "dns_name_entropy",
            "dns_query_rate",
            "dns_failure_ratio",
            "dns_subdomain_count",
        ),
    ),
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
