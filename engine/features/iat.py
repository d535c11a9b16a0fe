"""Inter-arrival times: the gaps between consecutive packets."""

import numpy as np
from numba import njit

from engine.features.feature import Feature
from engine.features.moments import deviation_us, largest_us, mean_us, smallest_us, squares_high
from engine.features.totals import direction_line
from engine.layouts import places
from engine.memory.options import KERNEL
from engine.memory.pointers import shifted

FEATURES = (
    Feature(
        "iat_mean_us",
        "iat",
        "flow",
        "us",
        "mean gap between consecutive packets of the flow",
        "packet_count >= 2",
        cicflowmeter="Flow IAT Mean",
        nfstream="bidirectional_mean_piat_ms (x1000)",
    ),
    Feature(
        "iat_std_us",
        "iat",
        "flow",
        "us",
        "sample standard deviation (n-1) of the gaps between consecutive packets of the flow",
        "packet_count >= 3",
        cicflowmeter="Flow IAT Std",
        nfstream="bidirectional_stddev_piat_ms (x1000)",
    ),
    Feature(
        "iat_max_us",
        "iat",
        "flow",
        "us",
        "largest gap between consecutive packets of the flow",
        "packet_count >= 2",
        cicflowmeter="Flow IAT Max",
        nfstream="bidirectional_max_piat_ms (x1000)",
    ),
    Feature(
        "iat_min_us",
        "iat",
        "flow",
        "us",
        "smallest gap between consecutive packets of the flow",
        "packet_count >= 2",
        cicflowmeter="Flow IAT Min",
        nfstream="bidirectional_min_piat_ms (x1000)",
    ),
    Feature(
        "fwd_iat_total_us",
        "iat",
        "flow",
        "us",
        "sum of the gaps between consecutive packets of the initiator",
        "fwd_packet_count >= 2",
        cicflowmeter="Fwd IAT Total",
    ),
    Feature(
        "fwd_iat_mean_us",
        "iat",
        "flow",
        "us",
        "mean gap between consecutive packets of the initiator",
        "fwd_packet_count >= 2",
        cicflowmeter="Fwd IAT Mean",
        nfstream="src2dst_mean_piat_ms (x1000)",
    ),
    Feature(
        "fwd_iat_std_us",
        "iat",
        "flow",
        "us",
        "sample standard deviation (n-1) of the gaps between consecutive packets of the initiator",
        "fwd_packet_count >= 3",
        cicflowmeter="Fwd IAT Std",
        nfstream="src2dst_stddev_piat_ms (x1000)",
    ),
    Feature(
        "fwd_iat_max_us",
        "iat",
        "flow",
        "us",
        "largest gap between consecutive packets of the initiator",
        "fwd_packet_count >= 2",
        cicflowmeter="Fwd IAT Max",
        nfstream="src2dst_max_piat_ms (x1000)",
    ),
    Feature(
        "fwd_iat_min_us",
        "iat",
        "flow",
        "us",
        "smallest gap between consecutive packets of the initiator",
        "fwd_packet_count >= 2",
        cicflowmeter="Fwd IAT Min",
        nfstream="src2dst_min_piat_ms (x1000)",
    ),
    Feature(
        "bwd_iat_total_us",
        "iat",
        "flow",
        "us",
        "sum of the gaps between consecutive packets of the responder",
        "bwd_packet_count >= 2",
        cicflowmeter="Bwd IAT Total",
    ),
    Feature(
        "bwd_iat_mean_us",
        "iat",
        "flow",
        "us",
        "mean gap between consecutive packets of the responder",
        "bwd_packet_count >= 2",
        cicflowmeter="Bwd IAT Mean",
        nfstream="dst2src_mean_piat_ms (x1000)",
    ),
    Feature(
        "bwd_iat_std_us",
        "iat",
        "flow",
        "us",
        "sample standard deviation (n-1) of the gaps between consecutive packets of the responder",
        "bwd_packet_count >= 3",
        cicflowmeter="Bwd IAT Std",
        nfstream="dst2src_stddev_piat_ms (x1000)",
    ),
    Feature(
        "bwd_iat_max_us",
        "iat",
        "flow",
        "us",
        "largest gap between consecutive packets of the responder",
        "bwd_packet_count >= 2",
        cicflowmeter="Bwd IAT Max",
        nfstream="dst2src_max_piat_ms (x1000)",
    ),
    Feature(
        "bwd_iat_min_us",
        "iat",
        "flow",
        "us",
        "smallest gap between consecutive packets of the responder",
        "bwd_packet_count >= 2",
        cicflowmeter="Bwd IAT Min",
        nfstream="dst2src_min_piat_ms (x1000)",
    ),
)

_MEAN, _STD, _MAX, _MIN = 0b0001, 0b0010, 0b0100, 0b1000
_FWD_SHIFT, _BWD_SHIFT = 4, 9


@njit(**KERNEL)
def _write_gaps(vector, packets, total, moments, wide):
    """Fill mean, deviation, largest, smallest of packets - 1 gaps; return validity bits."""
    if packets < 2:
        return 0
    vector[0] = mean_us(total, packets - 1)
    vector[2] = largest_us(moments[2])
    vector[3] = smallest_us(moments[2])
    if packets < 3 or wide:
        return _MEAN | _MAX | _MIN
    vector[1] = deviation_us(packets - 1, moments[1], squares_high(moments[0]), total)
    return _MEAN | _MAX | _MIN | _STD


@njit(**KERNEL)
def _write_side(vector, packets, line, first, age_mask):
    """Fill total, mean, deviation, largest, smallest of a direction; return validity bits."""
    if packets < 2:
        return 0
    total = (line[places.SIDE_LAST] & age_mask) - first
    vector[0] = total / 1000.0
    moments = shifted(line, places.SIDE_LAST)
    wide = age_mask != places.OFFSET_MASK
    return 1 | _write_gaps(shifted(vector, 1), packets, total, moments, wide) << 1


@njit(**KERNEL)
def write(vector, totals, row, age_mask):
    """Fill features 36 to 49 at `vector` from a row; return their validity bits."""
    key = row[places.FLOW_KEY]
    initiator = np.int64((key & places.INITIATOR_B) != 0)
    # The side that did not send the first packet has the offset of its own first one beside.
    second = row[places.SECOND]
    fwd_is_first = np.int64((key & places.FIRST_B) != 0) == initiator
    fwd_first = 0 if fwd_is_first else second
    bwd_first = second if fwd_is_first else 0
    count = totals.fwd_packets + totals.bwd_packets
    wide = age_mask != places.OFFSET_MASK
    valid = _write_gaps(vector, count, totals.duration, shifted(row, places.LAST), wide)
    fwd, bwd = direction_line(row, initiator), direction_line(row, 1 - initiator)
    side = _write_side(shifted(vector, _FWD_SHIFT), totals.fwd_packets, fwd, fwd_first, age_mask)
    valid |= side << _FWD_SHIFT
    side = _write_side(shifted(vector, _BWD_SHIFT), totals.bwd_packets, bwd, bwd_first, age_mask)
    return valid | side << _BWD_SHIFT
