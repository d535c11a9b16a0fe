"""What can become of a frame, and how parsing kernels say so.

A kernel that fails returns a fate above 0; ACCEPTED is 0. One that finds something returns it as a
number of 0 or more, and its failure as minus the fate. `missing` is the one place where bytes are
asked for: beyond the packet they are short, beyond the capture cut (SEMANTICS.rst, "Packets").
"""

from numba import njit

from engine.events import MALFORMED, REFUSED
from engine.memory.options import KERNEL

ACCEPTED = 0
NON_IP, UNSUPPORTED_LINK, FRAGMENT_ORPHAN = 1, 2, 3
CUT, SHORT, IP_VERSION, LENGTH, TCP_OFFSET, DEPTH, TIME, CHECKSUM = range(4, 12)
FATES = ("accepted", *REFUSED)
assert FATES[CUT : CHECKSUM + 1] == tuple(f"refused_malformed_{reason}" for reason in MALFORMED)
assert FATES[NON_IP : FRAGMENT_ORPHAN + 1] == REFUSED[:3]


@njit(**KERNEL)
def missing(end, limit, captured):
    """Return the fate of a packet whose bytes up to offset `end` are needed; 0: they exist.

    `limit` is the end of the packet (the frame, before the IP length is known), `captured` that of
    the bytes in the capture.
    """
    if end > limit:
        return SHORT
    if end > captured:
        return CUT
    return ACCEPTED
