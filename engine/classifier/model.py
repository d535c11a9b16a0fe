"""A model: its card, and its forests, checked, ready for the kernels.

Kernels check no index, so everything that a file says is checked here before one sees it: children
lie forward and inside their tree, each node and leaf is reached once, features are among the 142,
thresholds and leaves are finite, depth and counts bounded. A model that was trained with another
catalogue is refused, with the list of the features that differ.

`read` serves the classifier, `read_card` the recorder, `show` and `check` the command line.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from engine.classifier import model_file
from engine.classifier.alerted import make_key, make_set
from engine.classifier.forest import DEPTH_MAX, ROW_FLOATS, VECTOR_AT, Tree, complete, tree_depth
from engine.classifier.scoring import THRESHOLD, Detector, make_work, score
from engine.errors import ModelError
from engine.features import catalogue
from engine.layouts import FEATURES, ROW

SCHEMA = 1
TREES_MAX = 4096
NODES_MAX = (1 << DEPTH_MAX) - 1  # Inner nodes of a tree.
KINDS_MAX = 64
REFERENCES_MAX = 4096
VALUE_MAX = 1e6  # Of a leaf: sums of margins stay far from overflow.
DIFFERENCES_SHOWN = 20
DEFAULT_PATH = Path(__file__).parent / "models" / "flows.model"
FEATURE_COLUMNS = ("name", "group", "scope", "unit", "definition", "valid_when")


class Count(msgspec.Struct, frozen=True):
    """How many there are, and how many of them have a flow at or above the threshold."""

    all: int
    found: int


class Validation(msgspec.Struct, frozen=True):
    """What was measured on captures of laboratories that no part of the model had seen."""

    captures: Count  # Of the kind's attacks.
    sources: Count
    flows: Count
    ordinary_captures: Count  # Benign: what is found here are false alarms.
    ordinary_flows: Count
    suite_captures: Count  # Benign too, of collections of protocol samples.
    suite_flows: Count


class Kind(msgspec.Struct, frozen=True):
    """One kind of attack: limits and scale (scoring.py), what it was trained on, its measure."""

    label: str
    gate_limit: float
    limit: float
    scale: float
    captures: int
    sources: int
    flows: int
    validation: Validation
    flow_only: Validation | None = None  # Of the same without host features, trained likewise.
    conditions: list[str] = []  # Of a counter: what must hold, and why. Else it was learned.


class Source(msgspec.Struct, frozen=True):
    """One source of training captures."""

    name: str
    captures: int
    flows: int
    kinds: dict[str, int]  # Captures by kind; "benign" is one.


class Card(msgspec.Struct, frozen=True):
    """card.json."""

    schema: int
    name: str
    version: str
    created: str
    licence: str
    description: str
    feature_digest: str
    features: list[list[str]]  # Rows of FEATURE_COLUMNS in vector order.
    labels: list[str]  # labels[0] is the label of a row without a kind.
    threshold: float
    kinds: list[Kind]
    cleared: float  # Part of ordinary records, left out, that the gates cleared of all kinds.
    together: Validation  # Of all kinds: attacks found by any, alarms by any.
    trained_on: list[Source]
    features_used: list[str]
    features_derived: dict[str, str]  # Features that are functions of others: what they are.
    limits: list[str]  # What the model cannot do.
    training: dict[str, str]  # How it was trained: seeds, library, settings.
    together_flow_only: Validation | None = None  # As `together`, without host features.


@dataclass(frozen=True, slots=True)
class Model:
    """A model that has passed every check but that of its reference vectors."""

    card: Card
    detector: Detector
    trees: list[Tree]
    reference_vector: np.ndarray
    reference_score: np.ndarray
    reference_label: np.ndarray
    sha256: str

    def label_of(self, label: int) -> str:
        """Return the name of a row's label."""
        return self.card.labels[label]


def path_of(configured: str) -> Path:
    """Return the model file that setting model.path means: the package's own if it is empty."""
    return Path(configured) if configured else DEFAULT_PATH


def read_card(path: str | Path) -> Card:
    """Return the checked card of a model file, without its forests."""
    content, _ = model_file.read_members(path)
    return _card(str(path), content)


def read(path: str | Path) -> Model:
    """Return the model of a file; ModelError if anything in it cannot be used."""
    content, arrays = model_file.read_members(path)
    card = _card(str(path), content)
    trees, spans = _trees(str(path), card, arrays)
    detector = detector_of(trees, spans, card)
    return Model(
        card,
        detector,
        trees,
        *_references(str(path), card, arrays),
        hashlib.sha256(Path(path).read_bytes()).hexdigest(),
    )


def detector_of(trees: list[Tree], spans: np.ndarray, card: Card) -> Detector:
    """Return what the kernels need; `spans` are where gates and then forests begin in `trees`."""
    kinds = len(card.kinds)
    gates, forests = trees[: spans[kinds]], trees[spans[kinds] :]
    return Detector(
        complete(gates, _depth(gates)),
        complete(forests, _depth(forests)),
        spans[: kinds + 1].copy(),
        spans[kinds:] - spans[kinds],
        np.asarray([kind.gate_limit for kind in card.kinds], np.float64),
        np.asarray([kind.limit for kind in card.kinds], np.float64),
        np.asarray([kind.scale for kind in card.kinds], np.float64),
    )


def _card(path: str, content: bytes) -> Card:
    try:
        card = msgspec.json.decode(content, type=Card)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ModelError(f"{path}: card.json cannot be read: {error}") from None
    if card.schema != SCHEMA:
        raise ModelError(f"{path}: card schema must be {SCHEMA}, is {card.schema}")
    differing = differing_features(card.features)
    if differing:
        shown = ", ".join(differing[:DIFFERENCES_SHOWN])
        more = len(differing) - DIFFERENCES_SHOWN
        raise ModelError(
            f"{path} was trained with another feature catalogue; train it anew with tools/train. "
            f"{len(differing)} features differ: {shown}{f' and {more} more' if more > 0 else ''}"
        )
    if card.feature_digest != catalogue.digest():
        raise ModelError(
            f"{path}: feature_digest must be {catalogue.digest()}, is {card.feature_digest[:80]!r}"
        )
    _check_card(path, card)
    return card


def differing_features(rows: list[list[str]]) -> list[str]:
    """Return which features of a card are not those of the catalogue, as "index name"."""
    own = [[str(getattr(f, column)) for column in FEATURE_COLUMNS] for f in catalogue.FEATURES]
    differing = []
    for at in range(max(len(rows), len(own))):
        if at >= len(rows):
            differing.append(f"{at} {own[at][0]} (missing)")
        elif at >= len(own):
            differing.append(f"{at} {''.join(rows[at][:1])[:60]!r} (unknown)")
        elif rows[at] != own[at]:
            differing.append(f"{at} {own[at][0]}")
    return differing


def _check_card(path: str, card: Card) -> None:
    if not 1 <= len(card.kinds) <= KINDS_MAX:
        raise ModelError(f"{path}: a model has 1 to {KINDS_MAX} kinds, this has {len(card.kinds)}")
    if card.labels[1:] != [kind.label for kind in card.kinds]:
        raise ModelError(f"{path}: labels must be one for none, then those of the kinds")
    if card.threshold != float(THRESHOLD):
        raise ModelError(f"{path}: threshold must be {THRESHOLD}, is {card.threshold}")
    for kind in card.kinds:
        limits = (kind.gate_limit, kind.limit)
        is_bounded = all(abs(limit) <= VALUE_MAX for limit in limits)
        if not (is_bounded and 1 / VALUE_MAX <= kind.scale <= VALUE_MAX):
            raise ModelError(
                f"{path}: {kind.label[:40]!r} must have limits of at most {VALUE_MAX:g} in size "
                f"and a scale from {1 / VALUE_MAX:g} to that, has {limits} and {kind.scale}"
            )


def _trees(path: str, card: Card, arrays: dict[str, np.ndarray]) -> tuple[list[Tree], np.ndarray]:
    """Return the checked trees, and where each gate and then each kind's forest begins."""
    per_forest, nodes = arrays["forest_trees"], arrays["tree_nodes"]
    if len(per_forest) != 2 * len(card.kinds) or (per_forest < 1).any():
        raise ModelError(
            f"{path}: forest_trees must count the trees of {len(card.kinds)} gates and forests"
        )
    if len(nodes) != per_forest.sum(dtype=np.int64) or len(nodes) > TREES_MAX:
        raise ModelError(
            f"{path}: tree_nodes must name {per_forest.sum(dtype=np.int64)} trees, "
            f"at most {TREES_MAX}; it names {len(nodes)}"
        )
    if (nodes < 0).any() or (nodes > NODES_MAX).any():
        raise ModelError(f"{path}: a tree has 0 to {NODES_MAX} nodes")
    total = int(nodes.sum(dtype=np.int64))
    for name in ("node_feature", "node_threshold", "node_left", "node_right", "node_value"):
        if len(arrays[name]) != total:
            raise ModelError(f"{path}: {name} must have {total} values, has {len(arrays[name])}")
    if len(arrays["leaf_value"]) != total + len(nodes):
        raise ModelError(
            f"{path}: leaf_value must have {total + len(nodes)} values, "
            f"has {len(arrays['leaf_value'])}"
        )
    trees = []
    node = leaf = 0
    for number, count in enumerate(nodes.tolist()):
        tree = Tree(
            *(arrays[name][node : node + count] for name in _NODE_ARRAYS),
            arrays["leaf_value"][leaf : leaf + count + 1],
        )
        _check_tree(f"{path}: tree {number}", tree)
        trees.append(tree)
        node, leaf = node + count, leaf + count + 1
    return trees, np.concatenate([[0], np.cumsum(per_forest, dtype=np.int64)])


_NODE_ARRAYS = ("node_feature", "node_threshold", "node_left", "node_right", "node_value")


def _check_tree(what: str, tree: Tree) -> None:
    count = len(tree.features)
    if not np.isfinite(tree.thresholds).all():
        raise ModelError(f"{what} has a threshold that is not finite")
    for values in (tree.values, tree.leaves):
        if not (np.abs(values) <= VALUE_MAX).all():
            raise ModelError(f"{what} has a value that is not finite or beyond {VALUE_MAX:g}")
    if (tree.features >= FEATURES).any():
        raise ModelError(f"{what} compares feature {tree.features.max()}; there are {FEATURES}")
    children = np.stack([tree.left, tree.right], axis=1).astype(np.int64)
    forward = children > np.arange(count)[:, None]
    if not ((children < 0) | forward).all() or (children >= count).any():
        raise ModelError(f"{what} has a child that is not forward and inside it")
    inner, leaves = children[children >= 0], ~children[children < 0]
    once = sorted(inner.tolist()) == list(range(1, count)) if count else True
    if not once or sorted(leaves.tolist()) != list(range(count + 1 if count else 0)):
        raise ModelError(f"{what} must reach each of its nodes and leaves once")
    if tree_depth(tree) > DEPTH_MAX:
        raise ModelError(f"{what} is {tree_depth(tree)} deep, at most {DEPTH_MAX}")


def _depth(trees: list[Tree]) -> int:
    return max(1, *(tree_depth(tree) for tree in trees))


def _references(path: str, card: Card, arrays: dict[str, np.ndarray]) -> tuple[np.ndarray, ...]:
    vectors, scores = arrays["reference_vector"], arrays["reference_score"]
    labels = arrays["reference_label"]
    if vectors.shape[1] != FEATURES or not np.isfinite(vectors).all():
        raise ModelError(f"{path}: reference vectors must be {FEATURES} finite numbers each")
    if not len(vectors) == len(scores) == len(labels) <= REFERENCES_MAX:
        raise ModelError(
            f"{path}: {len(vectors)} reference vectors have {len(scores)} scores and "
            f"{len(labels)} labels; at most {REFERENCES_MAX} of each"
        )
    if (labels >= len(card.labels)).any():
        raise ModelError(f"{path}: a reference label is not one of {len(card.labels)}")
    return vectors, scores, labels


def score_vectors(detector: Detector, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return score (float32) and label of each vector (n, 142), by the kernels of the engine."""
    rows = np.zeros((max(len(vectors), 1), ROW.words), np.int64)
    floats = rows.view(np.float32)
    assert floats.shape[1] == ROW_FLOATS
    floats[: len(vectors), VECTOR_AT : VECTOR_AT + FEATURES] = vectors
    rows[:, ROW.index("first_reference")] = np.arange(len(rows))
    work = make_work(make_set(len(rows)), make_key((0, 0)))
    score(rows, floats, len(vectors), detector, work)
    verdict = rows[: len(vectors), ROW.index("verdict")]
    label = verdict >> ROW.shift("verdict", "label") & ROW.mask("verdict", "label")
    return floats[: len(vectors), 2 * ROW.index("score_threshold")].copy(), label


def show(path: str | Path = DEFAULT_PATH) -> dict:
    """Return what a model file is, for people and as JSON: the card and its sizes."""
    model = read(path)
    card = msgspec.to_builtins(model.card)
    card["features"] = len(card["features"])
    detector, labels = model.detector, model.card.labels[1:]
    return {
        **card,
        "file": str(path),
        "bytes": Path(path).stat().st_size,
        "sha256": model.sha256,
        "gate_trees": dict(zip(labels, np.diff(detector.gate_spans).tolist(), strict=True)),
        "gate_depth": detector.gates.depth,
        "trees": dict(zip(labels, np.diff(detector.spans).tolist(), strict=True)),
        "depth": detector.forests.depth,
        "nodes": sum(len(tree.features) for tree in model.trees),
        "reference_vectors": len(model.reference_vector),
    }


def check(path: str | Path = DEFAULT_PATH) -> list[str]:
    """Return what is wrong with a model file, a line each; nothing if it may be used."""
    try:
        model = read(path)
    except ModelError as error:
        return [str(error)]
    findings = []
    scores, labels = score_vectors(model.detector, model.reference_vector)
    for at, (found, wanted) in enumerate(zip(scores, model.reference_score, strict=True)):
        if found.tobytes() != wanted.tobytes() or labels[at] != model.reference_label[at]:
            findings.append(
                f"{path}: reference vector {at} scores {found!r} as "
                f"{model.label_of(labels[at])}, not {wanted!r} as "
                f"{model.label_of(model.reference_label[at])}"
            )
    if not len(model.reference_vector):
        findings.append(f"{path} has no reference vectors: its scores cannot be checked")
    used = sorted({int(feature) for tree in model.trees for feature in tree.features})
    names = [catalogue.NAMES[feature] for feature in used]
    unnamed = sorted(set(names) - set(model.card.features_used))
    if unnamed:
        findings.append(f"{path}: features_used leaves out {', '.join(unnamed)}")
    return findings
