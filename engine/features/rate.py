"""Rates: volume over the flow's duration."""

from engine.features.feature import Feature

FEATURES = (
    Feature(
        "byte_rate",
        "rate",
        "flow",
        "bytes/s",
        "byte_count / duration",
        "duration > 0",
        cicflowmeter="Flow Bytes/s (CICFlowMeter: payload bytes)",
    ),
    Feature(
        "packet_rate",
        "rate",
        "flow",
        "packets/s",
        "packet_count / duration",
        "duration > 0",
        cicflowmeter="Flow Packets/s",
    ),
    Feature(
        "fwd_packet_rate",
        "rate",
        "flow",
        "packets/s",
        "fwd_packet_count / duration of the flow",
        "duration > 0",
        cicflowmeter="Fwd Packets/s",
    ),
    Feature(
        "bwd_packet_rate",
        "rate",
        "flow",
        "packets/s",
        "bwd_packet_count / duration of the flow",
        "duration > 0",
        cicflowmeter="Bwd Packets/s",
    ),
    Feature(
        "fwd_byte_rate",
        "rate",
        "flow",
        "bytes/s",
        "fwd_byte_count / duration of the flow",
        "duration > 0",
    ),
    Feature(
        "bwd_byte_rate",
        "rate",
        "flow",
        "bytes/s",
        "bwd_byte_count / duration of the flow",
        "duration > 0",
    ),
)
