"""Compile the recorder's kernels, or load them from the cache, before a stage is forked."""

import numpy as np

from engine.layouts import RING, ROW
from engine.recorder import found  # noqa: F401 - compiled, or loaded, by the import.
from engine.recorder.identifiers import flow_ids
from engine.recorder.ledger import Ledger
from engine.recorder.template import Renderer
from engine.rings import spsc


def load_kernels() -> None:
    """Run every kernel of the recorder on no rows; those of `found` have signatures."""
    ledger = Ledger.private(parquet=False)
    ledger.begin()
    ledger.commit()
    ledger.recover()
    Renderer("", {}, 1)
    flow_ids(np.zeros((0, ROW.words), np.int64))
    ring = np.zeros(RING.words, np.int64)
    spsc.release(ring, spsc.peek(ring)[0])
