"""Counters as detectors: one small tree each, written by hand, for kinds that none can learn.

Where too few laboratories show an attack, a forest learns the laboratory. A counter says what the
attack is instead: a few conditions on named features, all of which must hold. Its thresholds are
round numbers with a reason, set before its alarms on ordinary traffic were counted.
"""

from dataclasses import dataclass

import numpy as np

from engine.classifier.forest import Tree, threshold_of
from engine.features.catalogue import NAMES, index


@dataclass(frozen=True, slots=True)
class Condition:
    """One feature above a value, or at or below it; and why."""

    feature: str
    sign: str  # ">" or "<="
    value: float
    reason: str

    def __str__(self) -> str:
        return f"{self.feature} {self.sign} {self.value:,.10g}: {self.reason}"

    def holds(self, vectors: np.ndarray) -> np.ndarray:
        """Return which vectors it holds for, as the engine compares."""
        above = ~(vectors[:, index(self.feature)] <= threshold_of(self.value))
        return above if self.sign == ">" else ~above


@dataclass(frozen=True, slots=True)
class Counter:
    """Conditions, the rarest first: the first two are the gate. `like`: kinds it is tried on."""

    kind: str
    conditions: tuple[Condition, ...]
    like: tuple[str, ...] = ()

    @property
    def rules(self) -> list[str]:
        """Return what a card says of it, a line a condition."""
        return [str(condition) for condition in self.conditions]

    def example(self) -> np.ndarray:
        """Return a vector for which all conditions hold, (1, 142)."""
        vector = np.zeros((1, len(NAMES)), np.float32)
        for condition in self.conditions:
            edge = threshold_of(condition.value)
            above = np.nextafter(edge, np.float32(np.inf))
            vector[0, index(condition.feature)] = above if condition.sign == ">" else edge
        return vector

    def finds(self, vectors: np.ndarray) -> np.ndarray:
        """Return which vectors it finds."""
        return np.all([condition.holds(vectors) for condition in self.conditions], axis=0)


# Margin of a vector for which all conditions hold, and of others.
HELD, FAILED = 1.0, -1.0
LIMIT = 0.5
GATE_CONDITIONS = 2  # More keep what is no more than regular from being labelled.

COUNTERS = (
    Counter(
        "beacon",
        (
            Condition(
                "ransomware_beacon_regularity",
                ">",
                0.8,
                "the last gaps between this host's flows to that service, at least four, differ by "
                "a fifth of their mean at most",
            ),
            Condition(
                "tls_no_name_ratio",
                ">",
                0.02,
                "of the TLS connections that the host opened in 300 s one in fifty names no "
                "server; those of browsers, updates and telemetry do",
            ),
            Condition(
                "ddos_source_count_log10",
                "<=",
                0.4,
                "that service has this one client here; a vendor's or a clock's has many",
            ),
            Condition("syn_count", ">", 0.0, "a TCP connection from its beginning"),
            Condition("bwd_payload_byte_count", ">", 0.0, "in which the service says something"),
        ),
        like=("remote control",),
    ),
    Counter(
        "exfiltration",
        (
            Condition("fwd_payload_byte_count", ">", 2**20, "the flow itself sends over 1 MiB"),
            Condition(
                "internal_staging_log2",
                ">",
                -1.0,
                "in 300 s the host got at least half as much from inside as it sent out: collected",
            ),
            Condition(
                "internal_peer_count",
                ">",
                5.0,
                "from more hosts inside than a desk has servers: names, files, mail, web, print",
            ),
            Condition(
                "large_upload_count", ">", 0.0, "in 300 s the host sent over 1 MiB to an outside"
            ),
            Condition("bwd_fwd_byte_ratio_log2", "<=", -2.0, "in this flow, which gets little"),
        ),
    ),
)


def trees_of_counter(counter: Counter) -> tuple[list[Tree], list[Tree]]:
    """Return the gate and the forest of a counter, one tree each; LIMIT is the limit of both."""
    return [_tree(counter.conditions[:GATE_CONDITIONS])], [_tree(counter.conditions)]


def _tree(conditions: tuple[Condition, ...]) -> Tree:
    """Return a tree that goes on while conditions hold.

    Each that holds adds its share to the reasons of an alert: the earlier, the more.
    """
    count = len(conditions)
    shares = np.arange(count, 0, -1) / (count * (count + 1) / 2)
    left, right = np.zeros(count, np.int16), np.zeros(count, np.int16)
    for at, condition in enumerate(conditions):
        onward = at + 1 if at + 1 < count else ~count
        fails, holds = (left, right) if condition.sign == ">" else (right, left)
        fails[at], holds[at] = ~at, onward
    return Tree(
        np.asarray([index(condition.feature) for condition in conditions], np.uint8),
        np.asarray([threshold_of(condition.value) for condition in conditions], np.float32),
        left,
        right,
        FAILED + (HELD - FAILED) * (np.cumsum(shares) - shares),
        np.asarray([FAILED] * count + [HELD], np.float64),
    )
