"""TCP flags: how many packets had each."""

import numpy as np
from numba import njit

from engine.features.feature import Feature
from engine.layouts import places
from engine.layouts.table import FLOW_ROW
from engine.memory.options import KERNEL

FEATURES = (
    Feature(
        "fin_count",
        "flags",
        "flow",
        "packets",
        "TCP packets of both directions with FIN set",
        "TCP",
        cicflowmeter="FIN Flag Count",
        nfstream="bidirectional_fin_packets",
    ),
    Feature(
        "syn_count",
        "flags",
        "flow",
        "packets",
        "TCP packets of both directions with SYN set",
        "TCP",
        cicflowmeter="SYN Flag Count",
        nfstream="bidirectional_syn_packets",
    ),
    Feature(
        "rst_count",
        "flags",
        "flow",
        "packets",
        "TCP packets of both directions with RST set",
        "TCP",
        cicflowmeter="RST Flag Count",
        nfstream="bidirectional_rst_packets",
    ),
    Feature(
        "psh_count",
        "flags",
        "flow",
        "packets",
        "TCP packets of both directions with PSH set",
        "TCP",
        cicflowmeter="PSH Flag Count",
        nfstream="bidirectional_psh_packets",
    ),
    Feature(
        "ack_count",
        "flags",
        "flow",
        "packets",
        "TCP packets of both directions with ACK set",
        "TCP",
        cicflowmeter="ACK Flag Count",
        nfstream="bidirectional_ack_packets",
    ),
    Feature(
        "urg_count",
        "flags",
        "flow",
        "packets",
        "TCP packets of both directions with URG set",
        "TCP",
        cicflowmeter="URG Flag Count",
        nfstream="bidirectional_urg_packets",
    ),
    Feature(
        "cwr_count",
        "flags",
        "flow",
        "packets",
        "TCP packets of both directions with CWR set",
        "TCP",
        cicflowmeter="CWR Flag Count",
        nfstream="bidirectional_cwr_packets",
    ),
    Feature(
        "ece_count",
        "flags",
        "flow",
        "packets",
        "TCP packets of both directions with ECE set",
        "TCP",
        cicflowmeter="ECE Flag Count",
        nfstream="bidirectional_ece_packets",
    ),
    Feature(
        "fwd_psh_count",
        "flags",
        "flow",
        "packets",
        "TCP packets of the initiator with PSH set",
        "TCP",
        cicflowmeter="Fwd PSH Flags (CICFlowMeter counts the first packet only in some versions)",
        nfstream="src2dst_psh_packets",
    ),
    Feature(
        "bwd_psh_count",
        "flags",
        "flow",
        "packets",
        "TCP packets of the responder with PSH set",
        "TCP",
        cicflowmeter="Bwd PSH Flags",
        nfstream="dst2src_psh_packets",
    ),
    Feature(
        "fwd_urg_count",
        "flags",
        "flow",
        "packets",
        "TCP packets of the initiator with URG set",
        "TCP",
        cicflowmeter="Fwd URG Flags",
        nfstream="src2dst_urg_packets",
    ),
    Feature(
        "bwd_urg_count",
        "flags",
        "flow",
        "packets",
        "TCP packets of the responder with URG set",
        "TCP",
        cicflowmeter="Bwd URG Flags",
        nfstream="dst2src_urg_packets",
    ),
)

_COUNTERS = (
    ("fin", places.FIN),
    ("syn", places.SYN),
    ("rst", places.RST),
    ("urg", places.URG),
    ("cwr", places.CWR),
    ("ece", places.ECE),
    ("psh", places.PSH),
    ("ack", places.ACK),
)


def _shift(flag: str) -> int:
    return FLOW_ROW.shift("flags_a", flag)


def _mask(flag: str) -> int:
    return FLOW_ROW.mask("flags_a", flag)


SHIFTS = tuple(_shift(flag) for flag, _ in _COUNTERS)
MASKS = tuple(_mask(flag) for flag, _ in _COUNTERS)
# The top bits of the counters: one that is set must be spilled.
TOPS = sum((mask + 1) >> 1 << shift for mask, shift in zip(MASKS, SHIFTS, strict=True))
RARE = 6  # The first six are spilled to SPILL_FLAGS_BLOCK, PSH and ACK to SPILL_BLOCK.
_FIN, _SYN, _RST, _URG, _CWR, _ECE, _PSH, _ACK = range(8)
VALID = (1 << len(FEATURES)) - 1


def increments() -> np.ndarray:
    """Return for each flags byte what a direction's flags word grows by (256 int64)."""
    counted = [(bit, 1 << shift) for (_, bit), shift in zip(_COUNTERS, SHIFTS, strict=True)]
    return np.array([sum(n for bit, n in counted if flags & bit) for flags in range(256)], np.int64)


@njit(**KERNEL)
def count_of(flag, line, spill, spill_flags):
    """Return how many packets of a direction had a flag (its number among SHIFTS)."""
    count = (line[places.FLAGS] >> SHIFTS[flag]) & MASKS[flag]
    if flag < RARE:
        return count + spill_flags[flag]
    return count + spill[places.SPILL_PSH + flag - RARE]


@njit(**KERNEL)
def rst_count(line, spill_flags):
    """Return how many packets of a direction had RST."""
    return ((line[places.FLAGS] >> SHIFTS[_RST]) & MASKS[_RST]) + spill_flags[_RST]


@njit(**KERNEL)
def write(vector, sides):
    """Fill features 50 to 61 at `vector`; `sides`: line, spill, spill flags of fwd, then bwd."""
    fwd, fwd_spill, fwd_flags, bwd, bwd_spill, bwd_flags = sides
    fwd_psh = count_of(_PSH, fwd, fwd_spill, fwd_flags)
    bwd_psh = count_of(_PSH, bwd, bwd_spill, bwd_flags)
    fwd_urg = count_of(_URG, fwd, fwd_spill, fwd_flags)
    bwd_urg = count_of(_URG, bwd, bwd_spill, bwd_flags)
    vector[0] = count_of(_FIN, fwd, fwd_spill, fwd_flags) + count_of(
        _FIN, bwd, bwd_spill, bwd_flags
    )
    vector[1] = count_of(_SYN, fwd, fwd_spill, fwd_flags) + count_of(
        _SYN, bwd, bwd_spill, bwd_flags
    )
    vector[2] = rst_count(fwd, fwd_flags) + rst_count(bwd, bwd_flags)
    vector[3] = fwd_psh + bwd_psh
    vector[4] = count_of(_ACK, fwd, fwd_spill, fwd_flags) + count_of(
        _ACK, bwd, bwd_spill, bwd_flags
    )
    vector[5] = fwd_urg + bwd_urg
    vector[6] = count_of(_CWR, fwd, fwd_spill, fwd_flags) + count_of(
        _CWR, bwd, bwd_spill, bwd_flags
    )
    vector[7] = count_of(_ECE, fwd, fwd_spill, fwd_flags) + count_of(
        _ECE, bwd, bwd_spill, bwd_flags
    )
    vector[8] = fwd_psh
    vector[9] = bwd_psh
    vector[10] = fwd_urg
    vector[11] = bwd_urg
    return VALID
