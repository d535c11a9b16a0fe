"""Bulks: stretches in which one side sends data and the other only listens."""

import numpy as np
from numba import njit

from engine.config import SECOND_NS
from engine.features.feature import Feature
from engine.layouts import places
from engine.memory.options import KERNEL
from engine.memory.pointers import shifted

_BULK = (
    "bulk: at least 4 consecutive data packets of the {}, no gap between them above 1 s and no "
    "data packet of the peer between them; the bulk in progress counts once it has 4 packets"
)
_FWD_BULK = _BULK.format("initiator")
_BWD_BULK = _BULK.format("responder")

FEATURES = (
    Feature(
        "fwd_bulk_byte_count_mean",
        "bulk",
        "flow",
        "bytes",
        f"payload bytes in bulks / number of bulks; {_FWD_BULK}",
        "at least 1 bulk",
        cicflowmeter="Fwd Bytes/Bulk Avg",
    ),
    Feature(
        "fwd_bulk_packet_count_mean",
        "bulk",
        "flow",
        "packets",
        f"packets in bulks / number of bulks; {_FWD_BULK}",
        "at least 1 bulk",
        cicflowmeter="Fwd Packet/Bulk Avg",
    ),
    Feature(
        "fwd_bulk_rate",
        "bulk",
        "flow",
        "bytes/s",
        f"payload bytes in bulks / total duration of bulks; {_FWD_BULK}",
        "at least 1 bulk of duration > 0",
        cicflowmeter="Fwd Bulk Rate Avg",
    ),
    Feature(
        "bwd_bulk_byte_count_mean",
        "bulk",
        "flow",
        "bytes",
        f"payload bytes in bulks / number of bulks; {_BWD_BULK}",
        "at least 1 bulk",
        cicflowmeter="Bwd Bytes/Bulk Avg",
    ),
    Feature(
        "bwd_bulk_packet_count_mean",
        "bulk",
        "flow",
        "packets",
        f"packets in bulks / number of bulks; {_BWD_BULK}",
        "at least 1 bulk",
        cicflowmeter="Bwd Packet/Bulk Avg",
    ),
    Feature(
        "bwd_bulk_rate",
        "bulk",
        "flow",
        "bytes/s",
        f"payload bytes in bulks / total duration of bulks; {_BWD_BULK}",
        "at least 1 bulk of duration > 0",
        cicflowmeter="Bwd Bulk Rate Avg",
    ),
)

BULK_PACKETS_MIN = 4
BULK_GAP_NS = SECOND_NS


@njit(**KERNEL)
def add_edge(block, side, sign, sums):
    """Add sign x (data packets, payload, offset) to a side's bulk sums; a start counts a bulk.

    A run that reaches 4 packets is worth what its side has counted at its end, less what it had
    counted before its first packet: subtracting the one, and adding the other when the run ends,
    costs nothing for the packets between. Until then write() adds what is still to come.
    """
    packets, payload, offset = sums
    half = shifted(block, places.BULK_SIDE_WORDS * side)
    half[places.BULK_PACKETS] += sign * packets
    half[places.BULK_PAYLOAD] += sign * payload
    half[places.BULK_DURATION] += sign * offset
    if sign < 0:
        half[places.BULKS] += 1


@njit(**KERNEL)
def _write_side(vector, half, running, sums):
    """Fill the three features of a side with bulks; `sums` complete a run in progress."""
    packets, payload = half[places.BULK_PACKETS], half[places.BULK_PAYLOAD]
    duration = half[places.BULK_DURATION]
    if running:
        packets, payload, duration = packets + sums[0], payload + sums[1], duration + sums[2]
    bulks = float(half[places.BULKS])
    vector[0] = float(payload) / bulks
    vector[1] = float(packets) / bulks
    if duration == 0:
        return 0b011
    vector[2] = float(payload) / (float(duration) / 1e9)
    return 0b111


@njit(**KERNEL)
def write(vector, totals, row, block):
    """Fill features 76 to 81 at `vector` from a row with a bulk block; return validity bits."""
    initiator = np.int64((row[places.FLOW_KEY] & places.INITIATOR_B) != 0)
    run = row[places.RUN]
    full = (run >> places.RUN_PACKETS_SHIFT) & 7 == BULK_PACKETS_MIN
    side = (run >> places.RUN_SIDE_SHIFT) & 1
    # Offset of the last data packet: the run's last.
    end = totals.duration - (row[places.PACE] & places.SINCE_MASK) if full else 0
    valid = 0
    fwd_half = shifted(block, places.BULK_SIDE_WORDS * initiator)
    if fwd_half[places.BULKS]:
        sums = (totals.fwd_data, totals.fwd_payload, end)
        valid = _write_side(vector, fwd_half, full and side == initiator, sums)
    bwd_half = shifted(block, places.BULK_SIDE_WORDS * (1 - initiator))
    if bwd_half[places.BULKS]:
        sums = (totals.bwd_data, totals.bwd_payload, end)
        valid |= _write_side(shifted(vector, 3), bwd_half, full and side != initiator, sums) << 3
    return valid
