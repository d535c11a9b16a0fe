"""What the model says of itself: its card."""

import collections

import numpy as np

from engine.classifier.model import FEATURE_COLUMNS, SCHEMA, Card, Kind, Source
from engine.features import catalogue
from tools.training import plan
from tools.training.counters import COUNTERS
from tools.training.cross import Crossed
from tools.training.derived import DERIVED
from tools.training.manifest import BENIGN, NEITHER
from tools.training.measure import Parts, validation_of
from tools.training.records import POSITIVE, Records

NAME = "flows and hosts"
VERSION = "2"
LICENCE = "Apache-2.0"
DESCRIPTION = (
    "For each kind of attack a forest of boosted trees over features of flows and of their hosts, "
    "behind a gate of a few small trees; and counters, trees written by hand, for kinds that too "
    "few laboratories show."
)
LIMITS = [
    "Not detectable from flows: an exploit in one ordinary request, covert channels of ordinary "
    "lengths, single industrial commands, on-path injection.",
    "No detector: remote control but for its beacon, and exploits (nothing was found in "
    "laboratories left out); directory attacks (it alarmed on the ordinary sign-ins left out); "
    "malware infections; ransomware, web attacks, backscatter and ICMP tunnels (one laboratory or "
    "two captures: nothing to check one with).",
    "Beacon and exfiltration are counters: what they were not written for they do not find. A "
    "beacon that varies its pace by more than a fifth, names a server, or has many victims here "
    "is none to them; an upload of under 1 MiB, or of what was collected over 300 s before, none.",
    "Host features begin with the engine: in a host's first seconds, and of hosts that were "
    "forgotten, they say less, and so does the model.",
    "Inside and outside are what host.home_networks says; counters of uploads need it to be right.",
    "Few ordinary flows were there to set thresholds by: no rate below three in their number is "
    "shown, and flows of one source cluster. None of them sends 1 MiB: that exfiltration alarms "
    "on none of them says little.",
    "Flood was learned from TCP SYN floods only. Brute force was learned from SSH, FTP and HTTP "
    "log-ins, and found left out for SSH only. DNS tunnels come from two laboratories.",
    "Captures of training are of laboratories and begin with what they show; a score is no "
    "probability.",
]


def make_card(
    records: Records,
    created: str,
    bounds: list[tuple],
    crossed: tuple[Crossed, Crossed],
    used: list[int],
) -> Card:
    """Return the card of a model whose trees compare the features `used`.

    `bounds` are (gate limit, limit, scale) of each kind; `crossed` is what was found with host
    features and without.
    """
    parts = Parts(records)
    kinds, counted = _kinds(parts, bounds, crossed)
    whole, flow_only = (one.found.any(axis=0) for one in crossed)
    learned = tuple(detector.kind for detector in plan.DETECTORS)
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
        cleared=crossed[0].cleared,
        together=validation_of(parts, learned, whole | counted),
        trained_on=sources_of(records),
        features_used=[catalogue.NAMES[at] for at in used],
        features_derived=DERIVED,
        limits=LIMITS,
        training=_training(),
        together_flow_only=validation_of(parts, learned, flow_only),
    )


def _kinds(
    parts: Parts, bounds: list[tuple], crossed: tuple[Crossed, Crossed]
) -> tuple[list[Kind], np.ndarray]:
    """Return what the card says of each kind, and which parts some counter finds."""
    kinds = []
    for at, detector in enumerate(plan.DETECTORS):
        measured = [validation_of(parts, (detector.kind,), one.found[at]) for one in crossed]
        kinds.append(kind_of(parts.records, detector.kind, bounds[at], measured))
    counted = np.zeros(len(parts.capture), bool)
    for counter, bound in zip(COUNTERS, bounds[len(kinds) :], strict=True):
        found = parts.largest(counter.finds(parts.records.vectors)) > 0
        measured = [validation_of(parts, counter.like, found), None]
        kinds.append(kind_of(parts.records, counter.kind, bound, measured, counter.rules))
        counted |= found
    return kinds, counted


def kind_of(
    records: Records, label: str, bounds: tuple, measured: list, conditions: tuple[str, ...] = ()
) -> Kind:
    """Return what the card says of a kind with (gate limit, limit, scale).

    `measured`: what was found with host features and without. A counter has conditions.
    """
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
        validation=measured[0],
        flow_only=measured[1],
        conditions=list(conditions),
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
        "host features, rising": {d.kind: d.rising for d in plan.DETECTORS},
        "host features, falling": {d.kind: d.falling for d in plan.DETECTORS if d.falling},
        "alarms per million": {d.kind: d.alarms_per_million for d in plan.DETECTORS},
    }
    return {name: str(value) for name, value in shown.items()}
