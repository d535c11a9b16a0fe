"""Lengths of packets, payloads and headers: extremes, means, deviations."""

import math

import numpy as np
from numba import njit

from engine.features.feature import Feature
from engine.features.moments import variance
from engine.layouts import places
from engine.memory.options import HOT, KERNEL
from engine.memory.pointers import shifted

FEATURES = (
    Feature(
        "packet_length_min",
        "length",
        "flow",
        "bytes",
        "smallest packet length of all packets",
        "packet_count >= 1",
        cicflowmeter="Packet Length Min",
        nfstream="bidirectional_min_ps (accounting mode 1)",
    ),
    Feature(
        "packet_length_max",
        "length",
        "flow",
        "bytes",
        "largest packet length of all packets",
        "packet_count >= 1",
        cicflowmeter="Packet Length Max",
        nfstream="bidirectional_max_ps",
    ),
    Feature(
        "packet_length_mean",
        "length",
        "flow",
        "bytes",
        "mean packet length of all packets",
        "packet_count >= 1",
        cicflowmeter="Packet Length Mean; Average Packet Size",
        nfstream="bidirectional_mean_ps",
    ),
    Feature(
        "packet_length_std",
        "length",
        "flow",
        "bytes",
        "sample standard deviation (n-1) of the packet length of all packets",
        "packet_count >= 2",
        cicflowmeter="Packet Length Std",
        nfstream="bidirectional_stddev_ps",
    ),
    Feature(
        "packet_length_variance",
        "length",
        "flow",
        "bytes^2",
        "sample variance (n-1) of the packet length of all packets",
        "packet_count >= 2",
        cicflowmeter="Packet Length Variance",
    ),
    Feature(
        "fwd_packet_length_min",
        "length",
        "flow",
        "bytes",
        "smallest packet length of the initiator's packets",
        "fwd_packet_count >= 1",
        cicflowmeter="Fwd Packet Length Min",
        nfstream="src2dst_min_ps (accounting mode 1)",
    ),
    Feature(
        "fwd_packet_length_max",
        "length",
        "flow",
        "bytes",
        "largest packet length of the initiator's packets",
        "fwd_packet_count >= 1",
        cicflowmeter="Fwd Packet Length Max",
        nfstream="src2dst_max_ps",
    ),
    Feature(
        "fwd_packet_length_mean",
        "length",
        "flow",
        "bytes",
        "mean packet length of the initiator's packets",
        "fwd_packet_count >= 1",
        cicflowmeter="Fwd Packet Length Mean",
        nfstream="src2dst_mean_ps",
    ),
    Feature(
        "fwd_packet_length_std",
        "length",
        "flow",
        "bytes",
        "sample standard deviation (n-1) of the packet length of the initiator's packets",
        "fwd_packet_count >= 2",
        cicflowmeter="Fwd Packet Length Std",
        nfstream="src2dst_stddev_ps",
    ),
    Feature(
        "bwd_packet_length_min",
        "length",
        "flow",
        "bytes",
        "smallest packet length of the responder's packets",
        "bwd_packet_count >= 1",
        cicflowmeter="Bwd Packet Length Min",
        nfstream="dst2src_min_ps (accounting mode 1)",
    ),
    Feature(
        "bwd_packet_length_max",
        "length",
        "flow",
        "bytes",
        "largest packet length of the responder's packets",
        "bwd_packet_count >= 1",
        cicflowmeter="Bwd Packet Length Max",
        nfstream="dst2src_max_ps",
    ),
    Feature(
        "bwd_packet_length_mean",
        "length",
        "flow",
        "bytes",
        "mean packet length of the responder's packets",
        "bwd_packet_count >= 1",
        cicflowmeter="Bwd Packet Length Mean",
        nfstream="dst2src_mean_ps",
    ),
    Feature(
        "bwd_packet_length_std",
        "length",
        "flow",
        "bytes",
        "sample standard deviation (n-1) of the packet length of the responder's packets",
        "bwd_packet_count >= 2",
        cicflowmeter="Bwd Packet Length Std",
        nfstream="dst2src_stddev_ps",
    ),
    Feature(
        "fwd_payload_length_mean",
        "length",
        "flow",
        "bytes",
        "mean payload length of the initiator's packets",
        "fwd_packet_count >= 1",
        cicflowmeter="Fwd Segment Size Avg",
        nfstream="src2dst_mean_ps (accounting mode 3)",
    ),
    Feature(
        "bwd_payload_length_mean",
        "length",
        "flow",
        "bytes",
        "mean payload length of the responder's packets",
        "bwd_packet_count >= 1",
        cicflowmeter="Bwd Segment Size Avg",
        nfstream="dst2src_mean_ps (accounting mode 3)",
    ),
    Feature(
        "fwd_header_length_min",
        "length",
        "flow",
        "bytes",
        "smallest (packet length - payload length) of the initiator's packets",
        "fwd_packet_count >= 1",
        cicflowmeter="Fwd Seg Size Min (CICFlowMeter: transport header only)",
    ),
)

# Validity bits, relative to the group's first feature.
_ALL, _ALL_SPREAD = 0b00111, 0b11000
_FWD, _FWD_SPREAD = 0b0111 << 5, 0b1000 << 5
_BWD, _BWD_SPREAD = 0b0111 << 9, 0b1000 << 9
_FWD_PAYLOAD, _BWD_PAYLOAD, _FWD_HEADER = 1 << 13, 1 << 14, 1 << 15


@njit(**HOT)
def add_length(line, length, header):
    """Count a packet's length and header length in its direction line, bytes."""
    line[places.SQUARES] += length * length
    lengths = line[places.LENGTHS]
    if line[places.PACKETS] & places.MASK32 == 0:
        smallest, largest, smallest_header = length, length, header
    else:
        smallest = min(lengths & places.LENGTH_MASK, length)
        largest = max((lengths >> places.LENGTH_MAX_SHIFT) & places.LENGTH_MASK, length)
        header_before = (lengths >> places.HEADER_MIN_SHIFT) & places.HEADER_MIN_MASK
        smallest_header = min(header_before, header)
    impossible = lengths & places.IMPOSSIBLE_BITS
    line[places.LENGTHS] = (
        smallest
        | largest << places.LENGTH_MAX_SHIFT
        | smallest_header << places.HEADER_MIN_SHIFT
        | impossible
    )


@njit(**KERNEL)
def _write_direction(vector, count, total, line):
    """Fill min, max, mean, deviation of one direction with at least one packet."""
    lengths = line[places.LENGTHS]
    vector[0] = lengths & places.LENGTH_MASK
    vector[1] = (lengths >> places.LENGTH_MAX_SHIFT) & places.LENGTH_MASK
    vector[2] = float(total) / float(count)
    if count >= 2:
        vector[3] = math.sqrt(variance(count, line[places.SQUARES], 0, total))


@njit(**KERNEL)
def write(vector, totals, fwd, bwd):
    """Fill features 14 to 29 at `vector` from both direction lines; return their validity bits."""
    count = totals.fwd_packets + totals.bwd_packets
    total = totals.fwd_bytes + totals.bwd_bytes
    valid = _ALL
    smallest, largest = np.int64(places.LENGTH_MASK), np.int64(0)
    if totals.fwd_packets:
        _write_direction(shifted(vector, 5), totals.fwd_packets, totals.fwd_bytes, fwd)
        vector[13] = float(totals.fwd_payload) / float(totals.fwd_packets)
        lengths = fwd[places.LENGTHS]
        vector[15] = (lengths >> places.HEADER_MIN_SHIFT) & places.HEADER_MIN_MASK
        smallest = lengths & places.LENGTH_MASK
        largest = (lengths >> places.LENGTH_MAX_SHIFT) & places.LENGTH_MASK
        valid |= _FWD | _FWD_PAYLOAD | _FWD_HEADER
        valid |= _FWD_SPREAD if totals.fwd_packets >= 2 else 0
    if totals.bwd_packets:
        _write_direction(shifted(vector, 9), totals.bwd_packets, totals.bwd_bytes, bwd)
        vector[14] = float(totals.bwd_payload) / float(totals.bwd_packets)
        lengths = bwd[places.LENGTHS]
        smallest = min(smallest, lengths & places.LENGTH_MASK)
        largest = max(largest, (lengths >> places.LENGTH_MAX_SHIFT) & places.LENGTH_MASK)
        valid |= _BWD | _BWD_PAYLOAD
        valid |= _BWD_SPREAD if totals.bwd_packets >= 2 else 0
    vector[0] = smallest
    vector[1] = largest
    vector[2] = float(total) / float(count)
    if count >= 2:
        # Each sum is below 2^62 (SEMANTICS.rst, Memory), so the sum of both is below 2^63.
        spread = variance(count, fwd[places.SQUARES] + bwd[places.SQUARES], 0, total)
        vector[3] = math.sqrt(spread)
        vector[4] = spread
        valid |= _ALL_SPREAD
    return valid
