"""Reference vectors: rows whose scores a reader of the model file computes again."""

import numpy as np

from engine.classifier.model import score_vectors
from engine.classifier.scoring import Detector
from tools.training import plan
from tools.training.counters import COUNTERS
from tools.training.records import Records

COUNT = 96


def references_of(records: Records, detector: Detector) -> dict[str, np.ndarray]:
    """Return vectors with their scores and labels: of each label alike, examples, zeros."""
    dice = np.random.default_rng(plan.SEED)
    drawn = dice.permutation(len(records.part))[:20_000]
    _, labels = score_vectors(detector, records.vectors[drawn])
    each = COUNT // (len(detector.spans))
    chosen = [drawn[labels == label][:each] for label in range(len(detector.spans))]
    examples = [counter.example() for counter in COUNTERS]
    vectors = np.concatenate(
        [np.zeros((1, 142), np.float32), *examples, records.vectors[np.concatenate(chosen)]]
    )
    scores, labels = score_vectors(detector, vectors)
    return {
        "reference_vector": vectors,
        "reference_score": scores,
        "reference_label": labels.astype(np.uint8),
    }
