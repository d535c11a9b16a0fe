"""Volume: how much a flow carried, by direction."""

import math

from numba import njit

from engine.features.feature import Feature
from engine.memory.options import KERNEL

FEATURES = (
    Feature(
        "duration_us",
        "volume",
        "flow",
        "us",
        "last packet time - first packet time",
        "always",
        cicflowmeter="Flow Duration",
        nfstream="bidirectional_duration_ms (x1000)",
    ),
    Feature(
        "packet_count",
        "volume",
        "flow",
        "packets",
        "packets in both directions",
        "always",
        nfstream="bidirectional_packets",
    ),
    Feature(
        "fwd_packet_count",
        "volume",
        "flow",
        "packets",
        "packets sent by the initiator",
        "always",
        cicflowmeter="Total Fwd Packet",
        nfstream="src2dst_packets",
    ),
    Feature(
        "bwd_packet_count",
        "volume",
        "flow",
        "packets",
        "packets sent by the responder",
        "always",
        cicflowmeter="Total Bwd packets",
        nfstream="dst2src_packets",
    ),
    Feature(
        "byte_count",
        "volume",
        "flow",
        "bytes",
        "sum of packet lengths, both directions",
        "always",
        nfstream="bidirectional_bytes (accounting mode 1)",
    ),
    Feature(
        "fwd_byte_count",
        "volume",
        "flow",
        "bytes",
        "sum of packet lengths sent by the initiator",
        "always",
        nfstream="src2dst_bytes (accounting mode 1)",
    ),
    Feature(
        "bwd_byte_count",
        "volume",
        "flow",
        "bytes",
        "sum of packet lengths sent by the responder",
        "always",
        nfstream="dst2src_bytes (accounting mode 1)",
    ),
    Feature(
        "fwd_payload_byte_count",
        "volume",
        "flow",
        "bytes",
        "sum of payload lengths sent by the initiator",
        "always",
        cicflowmeter="Total Length of Fwd Packet",
        nfstream="src2dst_bytes (accounting mode 3)",
    ),
    Feature(
        "bwd_payload_byte_count",
        "volume",
        "flow",
        "bytes",
        "sum of payload lengths sent by the responder",
        "always",
        cicflowmeter="Total Length of Bwd Packet",
        nfstream="dst2src_bytes (accounting mode 3)",
    ),
    Feature(
        "fwd_data_packet_count",
        "volume",
        "flow",
        "packets",
        "packets of the initiator with payload length > 0",
        "always",
        cicflowmeter="Fwd Act Data Pkts (CICFlowMeter leaves out the first packet)",
    ),
    Feature(
        "bwd_data_packet_count",
        "volume",
        "flow",
        "packets",
        "packets of the responder with payload length > 0",
        "always",
    ),
    Feature(
        "fwd_header_byte_count",
        "volume",
        "flow",
        "bytes",
        "sum over the initiator's packets of (packet length - payload length)",
        "always",
        cicflowmeter="Fwd Header Length (CICFlowMeter: transport header only)",
    ),
    Feature(
        "bwd_header_byte_count",
        "volume",
        "flow",
        "bytes",
        "sum over the responder's packets of (packet length - payload length)",
        "always",
        cicflowmeter="Bwd Header Length (CICFlowMeter: transport header only)",
    ),
    Feature(
        "bwd_fwd_byte_ratio_log2",
        "volume",
        "flow",
        "log2",
        "log2((bwd_byte_count + 1) / (fwd_byte_count + 1))",
        "always",
        cicflowmeter="Down/Up Ratio (CICFlowMeter: integer ratio of packets)",
    ),
)

VALID = (1 << len(FEATURES)) - 1


@njit(**KERNEL)
def write(vector, totals):
    """Fill features 0 to 13 at `vector`; return their validity bits."""
    vector[0] = totals.duration / 1000.0
    vector[1] = totals.fwd_packets + totals.bwd_packets
    vector[2] = totals.fwd_packets
    vector[3] = totals.bwd_packets
    vector[4] = totals.fwd_bytes + totals.bwd_bytes
    vector[5] = totals.fwd_bytes
    vector[6] = totals.bwd_bytes
    vector[7] = totals.fwd_payload
    vector[8] = totals.bwd_payload
    vector[9] = totals.fwd_data
    vector[10] = totals.bwd_data
    vector[11] = totals.fwd_bytes - totals.fwd_payload
    vector[12] = totals.bwd_bytes - totals.bwd_payload
    vector[13] = math.log2(float(totals.bwd_bytes + 1) / float(totals.fwd_bytes + 1))
    return VALID
