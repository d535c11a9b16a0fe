"""Rings, tables and counters of a stage in the words of a scenario."""

from collections.abc import Mapping

import numpy as np

from engine.layouts import RING
from engine.rings import lifecycle
from engine.rings.private import PrivateRing
from engine.rings.spsc import CAPACITY


class Parts:
    """Named parts of an array of words, one behind the other, each at a line of its own."""

    def __init__(self, sizes: Mapping[str, int]) -> None:
        self._spans: dict[str, tuple[int, int]] = {}
        self.words = 0
        for name, size in sizes.items():
            self._spans[name] = (self.words, self.words + size)
            self.words += -(-size // 8) * 8

    def of(self, words: np.ndarray, name: str) -> np.ndarray:
        """Return a part of the words."""
        begin, end = self._spans[name]
        return words[begin:end]


def ring_words(capacity: int, slot_bytes: int, extra_words: int = 0) -> int:
    """Return the words of a ring."""
    return RING.words + capacity * slot_bytes // 8 + extra_words


class RingView(PrivateRing):
    """A ring in words that somebody else has made."""

    def __init__(self, words: np.ndarray, capacity: int, slot_bytes: int) -> None:
        end = RING.words + capacity * slot_bytes // 8
        self.segment = None
        self.header, self.extra = words[: RING.words], words[end:]
        self.capacity, self.slot_words = capacity, slot_bytes // 8
        self.slots = words[RING.words : end].reshape(capacity, self.slot_words)

    def prepare(self) -> "RingView":
        """Make zeroed words an empty ring."""
        self.header[CAPACITY] = self.capacity
        self.header[RING.index("slot_bytes")] = 8 * self.slot_words
        lifecycle.take(self.header, "creator", "seal")
        return self
