"""What the model says of itself: its card."""

import collections

import numpy as np

from engine.classifier.model import FEATURE_COLUMNS, SCHEMA, Card, Kind, Source, Validation
from engine.features import catalogue
from tools.training import plan
from tools.training.manifest import BENIGN, NEITHER
from tools.training.records import POSITIVE, Records

NAME = "flows"
VERSION = "1"
LICENCE = "Apache-2.0"
DESCRIPTION = (
    "A forest of boosted trees for each kind of attack over features of single flows, each behind "
    "a gate of a few small trees. Host features are not used yet: what shows only over many flows "
    "of a host (slow scans, beacons, distributed guessing) is not found."
)
LIMITS = [
    "Not detectable from flows: an exploit in one ordinary request, covert channels of ordinary "
    "lengths, single industrial commands, on-path injection.",
    "No detector: remote control and exploits (nothing was found in laboratories left out); "
    "directory attacks (it alarmed on ordinary sign-ins left out); malware infections (two "
    "laboratories, a fifth found); ransomware, web attacks, backscatter and ICMP tunnels (one "
    "laboratory or two captures: nothing to check one with).",
    "Single flows of a scan and of a refused or unanswered connection look alike: networks with "
    "many of these see false alarms of kind scan. Judge it by how many a host has.",
    "Few ordinary flows were there to set thresholds by: no rate below three in their number is "
    "shown, and flows of one source cluster.",
    "Flood was learned from TCP SYN floods only. Brute force was learned from SSH, FTP and HTTP "
    "log-ins, and found left out for SSH only. DNS tunnels come from two laboratories.",
    "Captures of training are of laboratories; a score is no probability.",
]
DERIVED = {
    "packet_count": "fwd_packet_count + bwd_packet_count",
    "byte_count": "fwd_byte_count + bwd_byte_count",
    "fwd_byte_count": "fwd_header_byte_count + fwd_payload_byte_count",
    "bwd_byte_count": "bwd_header_byte_count + bwd_payload_byte_count",
    "bwd_fwd_byte_ratio_log2": "of bwd_byte_count and fwd_byte_count",
    "packet_length_min": "least of the directions' packet_length_min",
    "packet_length_max": "largest of the directions' packet_length_max",
    "packet_length_mean": "byte_count / packet_count",
    "packet_length_variance": "packet_length_std squared",
    "fwd_packet_length_mean": "fwd_byte_count / fwd_packet_count",
    "bwd_packet_length_mean": "bwd_byte_count / bwd_packet_count",
    "fwd_payload_length_mean": "fwd_payload_byte_count / fwd_packet_count",
    "bwd_payload_length_mean": "bwd_payload_byte_count / bwd_packet_count",
    "subflow_fwd_byte_count_mean": "fwd_byte_count / number of subflows",
    "subflow_bwd_byte_count_mean": "bwd_byte_count / number of subflows",
    "subflow_bwd_packet_count_mean": "bwd_packet_count / number of subflows",
}


def make_card(
    records: Records,
    created: str,
    kinds: list[Kind],
    measured: tuple[float, Validation],
    used: list[int],
) -> Card:
    """Return the card of a model whose trees compare the features `used`.

    `measured` is the part of ordinary records that the gates cleared, and what all kinds found.
    """
    return Card(
        schema=SCHEMA,
        name=NAME,
        version=VERSION,
        created=created,
        licence=LICENCE,
        description=DESCRIPTION,
        feature_digest=catalogue.digest(),
        features=[
            [str(getattr(feature, column)) for column in FEATURE_COLUMNS]
            for feature in catalogue.FEATURES
        ],
        labels=["ordinary", *(kind.label for kind in kinds)],
        threshold=0.5,
        kinds=kinds,
        cleared=measured[0],
        together=measured[1],
        trained_on=sources_of(records),
        features_used=[catalogue.NAMES[at] for at in used],
        features_derived={name: of for name, of in DERIVED.items() if name in _names(used)},
        limits=LIMITS,
        training=_training(),
    )


def _names(used: list[int]) -> set[str]:
    return {catalogue.NAMES[at] for at in used}


def kind_of(records: Records, label: str, bounds: tuple, validation: Validation) -> Kind:
    """Return what the card says of a kind with (gate limit, limit, scale)."""
    mine = (records.kinds[records.capture] == label) & (records.target == POSITIVE)
    captures = np.unique(records.capture[mine])
    return Kind(
        label=label,
        gate_limit=bounds[0],
        limit=bounds[1],
        scale=bounds[2],
        captures=len(captures),
        sources=len(set(records.sources[captures])),
        flows=len(np.unique(records.part[mine])),
        validation=validation,
    )


def sources_of(records: Records) -> list[Source]:
    """Return the sources trained on, by name, with what they gave."""
    trained = {BENIGN, *(detector.kind for detector in plan.DETECTORS)}
    flows = np.bincount(records.capture, minlength=len(records.captures))
    given: dict[str, collections.Counter] = {}
    counted = collections.Counter()
    for at, capture in enumerate(records.captures):
        if capture.kind != NEITHER and capture.kind in trained and flows[at]:
            given.setdefault(capture.source, collections.Counter())[capture.kind] += 1
            counted[capture.source] += len(np.unique(records.part[records.capture == at]))
    return [
        Source(name, sum(given[name].values()), counted[name], dict(sorted(given[name].items())))
        for name in sorted(given)
    ]


def _training() -> dict[str, str]:
    import lightgbm

    shown = {
        "library": f"LightGBM {lightgbm.__version__}",
        "seed": plan.SEED,
        "folds": plan.FOLDS,
        "varied copies": plan.COPIES,
        "trees of a kind": plan.KIND_TREES,
        "settings of a kind": plan.KIND_SETTINGS,
        "trees of a gate": plan.GATE_TREES,
        "settings of a gate": plan.GATE_SETTINGS,
        "alarms per million": {d.kind: d.alarms_per_million for d in plan.DETECTORS},
    }
    return {name: str(value) for name, value in shown.items()}
