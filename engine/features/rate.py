"""Rates: volume over the flow's duration."""

from numba import njit

from engine.features.feature import Feature
from engine.memory.options import KERNEL

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

VALID = (1 << len(FEATURES)) - 1


@njit(**KERNEL)
def write(vector, totals):
    """Fill features 30 to 35 at `vector`; return their validity bits."""
    if totals.duration == 0:
        return 0
    seconds = float(totals.duration) / 1e9
    vector[0] = float(totals.fwd_bytes + totals.bwd_bytes) / seconds
    vector[1] = float(totals.fwd_packets + totals.bwd_packets) / seconds
    vector[2] = float(totals.fwd_packets) / seconds
    vector[3] = float(totals.bwd_packets) / seconds
    vector[4] = float(totals.fwd_bytes) / seconds
    vector[5] = float(totals.bwd_bytes) / seconds
    return VALID
