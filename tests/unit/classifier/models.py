"""Small models for tests: random trees, a whole card, right reference scores."""

import random

import msgspec
import numpy as np

from engine.classifier import model, model_file
from engine.features import catalogue
from tests.unit.classifier.builders import random_tree
from tools.training.export import arrays_of

NOTHING = model.Validation(*[model.Count(0, 0)] * 7)


def small_card(labels=("scan", "flood")) -> model.Card:
    """Return a card that fits small_arrays."""
    return model.Card(
        schema=model.SCHEMA,
        name="small",
        version="1",
        created="2026-01-01",
        licence="Apache-2.0",
        description="random trees",
        feature_digest=catalogue.digest(),
        features=[
            [str(getattr(feature, column)) for column in model.FEATURE_COLUMNS]
            for feature in catalogue.FEATURES
        ],
        labels=["ordinary", *labels],
        threshold=0.5,
        kinds=[model.Kind(label, 0.0, 0.1, 1.0, 1, 1, 1, NOTHING) for label in labels],
        cleared=0.5,
        together=NOTHING,
        trained_on=[model.Source("nowhere", 1, 1, {"benign": 1})],
        features_used=list(catalogue.NAMES),
        features_derived={},
        limits=["everything"],
        training={"seed": "1"},
    )


def small_arrays(card: model.Card, seed: int = 1, trees: int = 3) -> dict[str, np.ndarray]:
    """Return random trees and right references for a card."""
    draw = random.Random(seed)
    forests = [
        [random_tree(draw, draw.randrange(0, 8)) for _ in range(trees)]
        for _ in range(2 * len(card.kinds))
    ]
    spans = np.arange(1 + len(forests), dtype=np.int64) * trees
    detector = model.detector_of([tree for forest in forests for tree in forest], spans, card)
    vectors = np.random.default_rng(seed).uniform(-2, 2, (20, 142)).astype(np.float32)
    scores, labels = model.score_vectors(detector, vectors)
    return arrays_of(forests) | {
        "reference_vector": vectors,
        "reference_score": scores,
        "reference_label": labels.astype(np.uint8),
    }


def write_small(path, card=None, **changed) -> None:
    """Write a small model, with some arrays changed."""
    card = card or small_card()
    model_file.write_members(path, msgspec.json.encode(card), small_arrays(card) | changed)
