"""A ring as its owner holds it: a segment, its header words, and its slots.

Slots are rows of int64 words. The kernels of spsc.py take `header`; what a slot holds is the layout
its users agree on. Life cycle: the supervisor creates and seals, producer and consumer attach and
detach.
"""

import numpy as np

from engine.layouts import RING
from engine.rings import lifecycle, spsc
from engine.rings.segment import Segment


class Ring:
    """A mapped ring. `header` has the words of layouts.RING, `slots` is (capacity, slot words)."""

    def __init__(self, segment: Segment) -> None:
        self.segment = segment
        self.header = segment.words[: RING.words]
        self.capacity = int(self.header[RING.index("capacity")])
        self.slot_words = int(self.header[RING.index("slot_bytes")]) // 8
        end = RING.words + self.capacity * self.slot_words
        self.slots = segment.words[RING.words : end].reshape(self.capacity, self.slot_words)
        self.extra = segment.words[end:]

    @classmethod
    def create(
        cls, name: str, kind: str, capacity: int, slot_bytes: int, extra_words: int = 0
    ) -> "Ring":
        """Make and publish an empty ring, `extra_words` behind its slots. Supervisor only."""
        assert capacity >= 2 and capacity & (capacity - 1) == 0, f"capacity {capacity}"
        number = int(name.rpartition(".")[2]) if name[-1].isdigit() else 0
        size = RING.size_bytes + capacity * slot_bytes + 8 * extra_words
        segment = Segment.create(name, kind, size, number)
        segment.words[RING.index("capacity")] = capacity  # Plain: the magic publishes it.
        segment.words[RING.index("slot_bytes")] = slot_bytes  # Plain: likewise.
        ring = cls(segment)
        lifecycle.take(ring.header, "creator", "seal")
        segment.publish()
        return ring

    @classmethod
    def attach(cls, name: str, kind: str, actor: str, replaces: bool = False) -> "Ring":
        """Map a ring as its "producer" or "consumer".

        `replaces`: the place may be that of a dead process.
        """
        ring = cls(Segment.attach(name, kind))
        adopts = replaces and lifecycle.is_up(ring.header, actor)
        lifecycle.take(ring.header, actor, "adopt" if adopts else "attach")
        return ring

    def detach(self, actor: str) -> None:
        """Say that `actor` will not touch the ring any more."""
        lifecycle.take(self.header, actor, "detach")

    @property
    def used(self) -> int:
        """Return how many slots are published and not yet consumed, at some moment."""
        head = int(self.header[spsc.HEAD])  # Plain: head first: never below 0.
        return int(self.header[spsc.TAIL]) - head  # Plain: likewise.

    def check(self) -> None:
        """Assert every relation between the words of the header."""
        # Plain: for a quiet ring, or a caller that is both ends.
        head, tail = int(self.header[spsc.HEAD]), int(self.header[spsc.TAIL])
        assert 0 <= head <= tail, f"head {head}, tail {tail}"
        assert tail - head <= self.capacity, f"{tail - head} of {self.capacity} slots used"
        assert int(self.header[spsc.HEAD_SEEN]) <= head, "head_seen is ahead of head"
        assert int(self.header[spsc.TAIL_SEEN]) <= tail, "tail_seen is ahead of tail"
        assert self.slots.dtype == np.int64
