"""Activity: runs of packets, the silences between them, and subflows."""

from numba import njit

from engine.config import SECOND_NS
from engine.features.feature import Feature
from engine.features.moments import (
    NO_EXTREMES,
    deviation_us,
    extremes_with,
    largest_us,
    mean_us,
    packed_add,
    smallest_us,
    squares_high,
)
from engine.layouts import places
from engine.memory.options import KERNEL
from engine.memory.pointers import microsecond_bits
from engine.memory.wide import square_add

_ACTIVE = (
    "an active period: a run of packets in which no gap exceeds activity_timeout (5 s); the "
    "run in progress counts up to the last packet"
)
_IDLE = "an idle period: a gap between consecutive packets that exceeds activity_timeout (5 s)"
_BEGINS = (
    "a new subflow begins where a gap of the flow exceeds subflow_timeout (1 s); the first "
    "packet begins the first"
)

FEATURES = (
    Feature(
        "active_mean_us",
        "activity",
        "flow",
        "us",
        f"mean length of {_ACTIVE}",
        "packet_count >= 1",
        cicflowmeter="Active Mean",
    ),
    Feature(
        "active_std_us",
        "activity",
        "flow",
        "us",
        f"sample standard deviation (n-1) of the length of {_ACTIVE}",
        "at least 2 active periods",
        cicflowmeter="Active Std",
    ),
    Feature(
        "active_max_us",
        "activity",
        "flow",
        "us",
        f"largest length of {_ACTIVE}",
        "packet_count >= 1",
        cicflowmeter="Active Max",
    ),
    Feature(
        "active_min_us",
        "activity",
        "flow",
        "us",
        f"smallest length of {_ACTIVE}",
        "packet_count >= 1",
        cicflowmeter="Active Min",
    ),
    Feature(
        "idle_mean_us",
        "activity",
        "flow",
        "us",
        f"mean length of {_IDLE}",
        "at least 1 idle period",
        cicflowmeter="Idle Mean",
    ),
    Feature(
        "idle_std_us",
        "activity",
        "flow",
        "us",
        f"sample standard deviation (n-1) of the length of {_IDLE}",
        "at least 2 idle periods",
        cicflowmeter="Idle Std",
    ),
    Feature(
        "idle_max_us",
        "activity",
        "flow",
        "us",
        f"largest length of {_IDLE}",
        "at least 1 idle period",
        cicflowmeter="Idle Max",
    ),
    Feature(
        "idle_min_us",
        "activity",
        "flow",
        "us",
        f"smallest length of {_IDLE}",
        "at least 1 idle period",
        cicflowmeter="Idle Min",
    ),
    Feature(
        "subflow_fwd_packet_count_mean",
        "subflow",
        "flow",
        "packets",
        f"packets of the initiator / number of subflows; {_BEGINS}",
        "always",
        cicflowmeter="Subflow Fwd Packets",
    ),
    Feature(
        "subflow_fwd_byte_count_mean",
        "subflow",
        "flow",
        "bytes",
        "bytes of the initiator / number of subflows",
        "always",
        cicflowmeter="Subflow Fwd Bytes",
    ),
    Feature(
        "subflow_bwd_packet_count_mean",
        "subflow",
        "flow",
        "packets",
        f"packets of the responder / number of subflows; {_BEGINS}",
        "always",
        cicflowmeter="Subflow Bwd Packets",
    ),
    Feature(
        "subflow_bwd_byte_count_mean",
        "subflow",
        "flow",
        "bytes",
        "bytes of the responder / number of subflows",
        "always",
        cicflowmeter="Subflow Bwd Bytes",
    ),
)

ACTIVITY_TIMEOUT_NS = 5 * SECOND_NS
SUBFLOW_TIMEOUT_NS = SECOND_NS

# Validity bits, relative to the group's first feature.
_ACTIVE, _ACTIVE_STD = 0b1101, 0b0010
_IDLE, _IDLE_STD = 0b1101 << 4, 0b0010 << 4
_SUBFLOW = 0b1111 << 8


@njit(**KERNEL)
def add_pause(block, gap, before, offset, age_mask):
    """Count a gap above 1 s in the activity block: from `before` to `offset`, ns from the start."""
    counts = block[places.ACTIVITY_COUNTS] + (1 << 32)
    if gap > ACTIVITY_TIMEOUT_NS:
        if counts & places.MASK32 == 0:
            block[places.IDLE_EXTREMES] = NO_EXTREMES
            block[places.ACTIVE_EXTREMES] = NO_EXTREMES
        counts += 1
        start, total = block[places.ACTIVE_START], block[places.IDLE_TOTAL]
        run = before - (start & age_mask)
        block[places.ACTIVE_START], block[places.IDLE_SQUARES] = packed_add(
            offset, squares_high(start), block[places.IDLE_SQUARES], gap, age_mask
        )
        block[places.IDLE_TOTAL], block[places.ACTIVE_SQUARES] = packed_add(
            (total & age_mask) + gap,
            squares_high(total),
            block[places.ACTIVE_SQUARES],
            run,
            age_mask,
        )
        idle, active = block[places.IDLE_EXTREMES], block[places.ACTIVE_EXTREMES]
        block[places.IDLE_EXTREMES] = extremes_with(idle, microsecond_bits(gap))
        block[places.ACTIVE_EXTREMES] = extremes_with(active, microsecond_bits(run))
    block[places.ACTIVITY_COUNTS] = counts


@njit(**KERNEL)
def _write_idle(vector, idles, block, wide):
    """Fill the four features of `idles` >= 1 idle periods; return validity bits."""
    total = block[places.IDLE_TOTAL] & (-1 if wide else places.OFFSET_MASK)
    vector[4] = mean_us(total, idles)
    vector[6] = largest_us(block[places.IDLE_EXTREMES])
    vector[7] = smallest_us(block[places.IDLE_EXTREMES])
    if idles < 2 or wide:
        return _IDLE
    high = squares_high(block[places.ACTIVE_START])
    vector[5] = deviation_us(idles, block[places.IDLE_SQUARES], high, total)
    return _IDLE | _IDLE_STD


@njit(**KERNEL)
def write(vector, totals, block, age_mask):
    """Fill features 64 to 75 at `vector`; `block` is of zeros where there is none."""
    counts = block[places.ACTIVITY_COUNTS]
    idles, subflows = counts & places.MASK32, (counts >> 32) + 1
    wide = age_mask != places.OFFSET_MASK
    idle_total = block[places.IDLE_TOTAL] & age_mask
    run = totals.duration - (block[places.ACTIVE_START] & age_mask)  # The one in progress.
    active_total = totals.duration - idle_total
    vector[0] = mean_us(active_total, idles + 1)
    extremes = block[places.ACTIVE_EXTREMES] if idles else NO_EXTREMES
    extremes = extremes_with(extremes, microsecond_bits(run))
    vector[2] = largest_us(extremes)
    vector[3] = smallest_us(extremes)
    valid = _ACTIVE | _SUBFLOW
    if idles:
        valid |= _write_idle(vector, idles, block, wide)
        if not wide:
            high = squares_high(block[places.IDLE_TOTAL])
            low, high = square_add(block[places.ACTIVE_SQUARES], high, run)
            vector[1] = deviation_us(idles + 1, low, high, active_total)
            valid |= _ACTIVE_STD
    vector[8] = float(totals.fwd_packets) / float(subflows)
    vector[9] = float(totals.fwd_bytes) / float(subflows)
    vector[10] = float(totals.bwd_packets) / float(subflows)
    vector[11] = float(totals.bwd_bytes) / float(subflows)
    return valid
