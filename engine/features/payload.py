"""Payload: the one feature of a flow that is not from headers."""

from engine.features.feature import Feature

FEATURES = (
    Feature(
        "ransomware_payload_entropy",
        "ransomware",
        "flow",
        "0..1",
        "entropy of the captured payload bytes of the flow's first 8 data packets (at most "
        "256 bytes of each, both directions) over 16 bins by high nibble / 4",
        "at least 64 such bytes",
    ),
)
