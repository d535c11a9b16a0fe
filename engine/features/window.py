"""Initial TCP windows."""

from numba import njit

from engine.features.feature import Feature
from engine.layouts import places
from engine.memory.options import KERNEL

FEATURES = (
    Feature(
        "fwd_init_window_bytes",
        "window",
        "flow",
        "bytes",
        "TCP window field, unscaled, of the initiator's first TCP packet",
        "TCP and fwd_packet_count >= 1",
        cicflowmeter="FWD Init Win Bytes",
    ),
    Feature(
        "bwd_init_window_bytes",
        "window",
        "flow",
        "bytes",
        "TCP window field, unscaled, of the responder's first TCP packet",
        "TCP and bwd_packet_count >= 1",
        cicflowmeter="Bwd Init Win Bytes",
    ),
)


@njit(**KERNEL)
def write(vector, totals, fwd, bwd):
    """Fill features 62 and 63 at `vector` from both direction lines; return their validity bits."""
    valid = 0
    if totals.fwd_packets:
        vector[0] = (fwd[places.FLAGS] >> places.WINDOW_SHIFT) & places.MASK16
        valid |= 1
    if totals.bwd_packets:
        vector[1] = (bwd[places.FLAGS] >> places.WINDOW_SHIFT) & places.MASK16
        valid |= 2
    return valid
