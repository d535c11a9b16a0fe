"""A ring in this process's own memory: what the kernels need of one, seen by nobody else.

For loading kernels before a run, for tests, comparisons and measurements.
"""

import numpy as np

from engine.layouts import RING
from engine.rings import lifecycle
from engine.rings.ring import Ring


class PrivateRing(Ring):
    """A ring that no other process sees; it has the life cycle of every ring."""

    def __init__(self, capacity: int, slot_bytes: int, extra_words: int = 0) -> None:
        assert capacity >= 2 and capacity & (capacity - 1) == 0, f"capacity {capacity}"
        self.segment = None
        self.header = np.zeros(RING.words, np.int64)
        self.header[RING.index("capacity")] = capacity
        self.header[RING.index("slot_bytes")] = slot_bytes
        self.capacity = capacity
        self.slot_words = slot_bytes // 8
        self.slots = np.zeros((capacity, self.slot_words), np.int64)
        self.extra = np.zeros(extra_words, np.int64)
        lifecycle.take(self.header, "creator", "seal")
