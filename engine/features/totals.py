"""What several groups of features are made of: a part's counts by direction, spilled ones too."""

from typing import NamedTuple

import numpy as np
from numba import njit

from engine.layouts import places
from engine.memory.options import HOT, KERNEL
from engine.memory.pointers import shifted


class Totals(NamedTuple):
    """Counts of a flow part; `fwd` is the initiator. `duration` is in ns."""

    fwd_packets: int
    bwd_packets: int
    fwd_data: int
    bwd_data: int
    fwd_bytes: int
    bwd_bytes: int
    fwd_payload: int
    bwd_payload: int
    duration: int


@njit(**HOT)
def direction_line(row, side):
    """Return the pointer to the direction line of endpoint A (0) or B (1)."""
    return shifted(row, places.SIDE_A + places.LINE_WORDS * side)


@njit(**HOT)
def low_half(word):
    """Return the counter in the lower 32 bits."""
    return word & places.MASK32


@njit(**HOT)
def high_half(word):
    """Return the counter in the upper 32 bits."""
    return (word >> 32) & places.MASK32


@njit(**KERNEL)
def impossible_count(line, spill):
    """Return how many packets of a direction had impossible flags."""
    kept = (line[places.LENGTHS] >> places.IMPOSSIBLE_SHIFT) & places.IMPOSSIBLE_MASK
    return kept + spill[places.SPILL_IMPOSSIBLE]


@njit(**KERNEL)
def read_totals(row, spill_a, spill_b, age_mask):
    """Return a row's Totals; the spill pointers lead to the block of zeros where there is none."""
    initiator = np.int64((row[places.FLOW_KEY] & places.INITIATOR_B) != 0)
    fwd, bwd = direction_line(row, initiator), direction_line(row, 1 - initiator)
    more_fwd = spill_b if initiator else spill_a
    more_bwd = spill_a if initiator else spill_b
    packets, bwd_packets = fwd[places.PACKETS], bwd[places.PACKETS]
    octets, bwd_octets = fwd[places.BYTES], bwd[places.BYTES]
    return Totals(
        low_half(packets) + more_fwd[places.SPILL_PACKETS],
        low_half(bwd_packets) + more_bwd[places.SPILL_PACKETS],
        high_half(packets) + more_fwd[places.SPILL_DATA],
        high_half(bwd_packets) + more_bwd[places.SPILL_DATA],
        low_half(octets) + more_fwd[places.SPILL_BYTES],
        low_half(bwd_octets) + more_bwd[places.SPILL_BYTES],
        high_half(octets) + more_fwd[places.SPILL_PAYLOAD],
        high_half(bwd_octets) + more_bwd[places.SPILL_PAYLOAD],
        row[places.LAST] & age_mask,
    )
