"""Events, rings and models for the classifier's tests, written by name from the layouts."""

import random
from types import SimpleNamespace

import numpy as np

from engine.classifier.forest import Tree
from engine.classifier.merge import TALLY_WORDS
from engine.config import PANE_NS, HostSection
from engine.features import catalogue
from engine.hosts.space import SpaceArrays, private_words, space_arrays
from engine.layouts import (
    CLASS_DELTA,
    CLASS_PACKET,
    CLASS_PANE,
    DELTA,
    DELTA_EVENT,
    EVENT_SLOT_WORDS,
    FACT,
    FACT_EVENT,
    FLOW_FEATURES,
    RANK_EARLY,
    RANK_FACT,
    RECORD,
    RECORD_EVENT,
    RING,
)
from engine.rings import spsc

EVENT_HEAD = ("kind", "class", "rank", "reason", "marks", "service", "ended", "remainder")


def plain_ring(capacity: int, slot_words: int) -> SimpleNamespace:
    """Return what the kernels need of a ring, in private memory."""
    header = np.zeros(RING.words, np.int64)
    header[RING.index("capacity")] = capacity
    return SimpleNamespace(
        header=header,
        slots=np.zeros((capacity, slot_words), np.int64),
        capacity=capacity,
        slot_words=slot_words,
    )


def empty_hosts(tally: np.ndarray | None = None) -> SpaceArrays:
    """Return room for a few hosts, in private memory."""
    if tally is None:
        tally = np.zeros(TALLY_WORDS, np.int64)
    section = HostSection(max_hosts=64, max_pairs=64, rows=256)
    return space_arrays(private_words(section, 64), tally)


def free_slots(ring) -> int:
    """Return how many slots a producer may claim."""
    return ring.capacity - int(ring.header[spsc.TAIL] - ring.header[spsc.HEAD])


def publish_event(ring, event: np.ndarray) -> None:
    """Write an event's slots behind the tail and publish them. There must be room."""
    parts = event.reshape(-1, ring.slot_words)
    tail = spsc.claim(ring.header, len(parts))
    assert tail != spsc.FULL
    for at, part in enumerate(parts):
        ring.slots[(tail + at) % ring.capacity] = part
    spsc.publish(ring.header, tail + len(parts))


def packed(layout, word: str, **fields: int) -> int:
    """Return a packed word as int64."""
    value = 0
    for name, number in fields.items():
        assert 0 <= number <= layout.mask(word, name), f"{name} = {number}"
        value |= number << layout.shift(word, name)
    return value - (1 << 64) if value >> 63 else value


def delta(time: int, reference: int, fwd: int = 1, bwd: int = 0) -> np.ndarray:
    """Return a delta of a part whose first packet in the pane is at the position given."""
    words = np.zeros(EVENT_SLOT_WORDS, np.int64)
    head = {"kind": DELTA, "class": CLASS_DELTA}
    words[DELTA_EVENT.index("head")] = packed(DELTA_EVENT, "head", **head)
    words[DELTA_EVENT.index("position_time")] = time
    words[DELTA_EVENT.index("position_reference")] = reference
    words[DELTA_EVENT.index("packets")] = packed(DELTA_EVENT, "packets", fwd=fwd, bwd=bwd)
    return words


def fact(time: int, reference: int) -> np.ndarray:
    """Return a DNS fact of the packet at the position given."""
    words = np.zeros(EVENT_SLOT_WORDS, np.int64)
    head = {"kind": FACT, "class": CLASS_PACKET, "rank": RANK_FACT}
    words[FACT_EVENT.index("head")] = packed(FACT_EVENT, "head", **head)
    words[FACT_EVENT.index("position_time")] = time
    words[FACT_EVENT.index("position_reference")] = reference
    return words


def record(time: int, position: tuple[int, int], **content) -> np.ndarray:
    """Return a record. `content`: order_class, rank, reason, words by name, features, valid."""
    words = np.zeros(RECORD_EVENT.words, np.int64)
    head = {
        "kind": RECORD,
        "class": content.pop("order_class", CLASS_PACKET),
        "rank": content.pop("rank", RANK_EARLY),
        "reason": content.pop("reason", 0),
        "remainder": content.pop("remainder", 0),
    }
    words[RECORD_EVENT.index("head")] = packed(RECORD_EVENT, "head", **head)
    words[RECORD_EVENT.index("position_time")] = position[0]
    words[RECORD_EVENT.index("position_reference")] = position[1]
    words[RECORD_EVENT.index("time_ns")] = time
    features = np.zeros(FLOW_FEATURES + 1, np.float32)
    features[:FLOW_FEATURES] = content.pop("features", 0.0)
    at = RECORD_EVENT.index("features_0")
    words[at : at + (FLOW_FEATURES + 1) // 2] = features.view(np.int64)
    valid = content.pop("valid", 0)  # Bits of the 83 flow features.
    words[RECORD_EVENT.index("valid_low")] = valid & (1 << 63) - 1
    words[RECORD_EVENT.index("valid_high")] = valid >> 63
    for name, value in content.items():
        words[RECORD_EVENT.index(name)] = value
    return words


def order_key(event: np.ndarray, separate: bool) -> tuple[int, ...]:
    """Return the key of an event by the definition, as a tuple that compares."""
    word = {name: int(event[RECORD_EVENT.index(name)]) for name in ("head", "position_time")}
    reference = int(event[RECORD_EVENT.index("position_reference")])
    kind, order_class, rank = (word["head"] >> shift & 15 for shift in (0, 4, 8))
    position = (word["position_time"], reference)
    if kind == RECORD:
        time = int(event[RECORD_EVENT.index("time_ns")])
    elif kind == DELTA:
        time = (position[0] // PANE_NS + 1) * PANE_NS
    else:
        time = position[0]
    return (reference >> 48 if separate else 0, time, order_class, *position, rank)


def pane_record(position: tuple[int, int], **content) -> np.ndarray:
    """Return a pane-end early record of the part that begins at the position given."""
    time = (position[0] // PANE_NS + 1) * PANE_NS
    return record(time, position, order_class=CLASS_PANE, rank=0, **content)


def random_tree(draw: random.Random, nodes: int) -> Tree:
    """Return a tree of random shape with `nodes` inner nodes, numbered in the order they grew."""
    left, right = np.zeros(nodes, np.int16), np.zeros(nodes, np.int16)
    open_ends = []
    for node in range(nodes):
        if node:
            links, parent = open_ends.pop(draw.randrange(len(open_ends)))
            links[parent] = node
        open_ends += [(left, node), (right, node)]
    for leaf, (links, parent) in enumerate(open_ends):
        links[parent] = ~leaf
    leaves = np.asarray([draw.uniform(-1, 1) for _ in range(nodes + 1)], np.float64)
    means = np.zeros(nodes, np.float64)
    for node in reversed(range(nodes)):
        below = [
            leaves[~child] if child < 0 else means[child]
            for child in (int(left[node]), int(right[node]))
        ]
        means[node] = sum(below) / 2
    features = [draw.randrange(len(catalogue.FEATURES)) for _ in range(nodes)]
    thresholds = [draw.choice([0.0, 1.0, draw.uniform(-2, 2)]) for _ in range(nodes)]
    return Tree(
        np.asarray(features, np.uint8),
        np.asarray(thresholds, np.float32),
        left,
        right,
        means,
        leaves,
    )


def plain_margin(trees: list[Tree], vector) -> float:
    """Return the sum of the leaves that a vector reaches, by the definition."""
    total = 0.0
    for tree in trees:
        at = 0 if len(tree.features) else -1
        while at >= 0:
            below = vector[int(tree.features[at])] <= tree.thresholds[at]
            at = int(tree.left[at] if below else tree.right[at])
        total += float(tree.leaves[~at])
    return total
