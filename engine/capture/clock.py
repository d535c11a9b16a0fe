"""The clock of a source: from stamps to corrected times that never go back.

The rules are SEMANTICS.rst, "Clock". Instead of the correction C, which has up to 65 bits, a source
keeps its latest time L and the stamp S that maps to it: C = L - S, and S is always a stamp that
occurred. With v = stamp + C: v >= L is stamp >= S, and v - L is stamp - S, unsigned. Control
records and reports have C modulo 2^64: wide.wrapped_difference(L, S).
"""

import numpy as np
from numba import njit

from engine.capture.state import (
    HAS_LATEST,
    LATEST,
    LATEST_STAMP,
    MOVE,
    NEXT_STAMP,
    NO_MOVE,
    PACKET_TIME,
    REGRESSION,
    STAMP,
    STEPPED,
)
from engine.config import SECOND_NS
from engine.memory.options import KERNEL
from engine.memory.wide import unsigned_less

TIME_NS_MAX = (1 << 63) - (1 << 60)
REGRESSION_NS_MAX = SECOND_NS


@njit(**KERNEL)
def judge_stamp(source, holds):
    """Set time, move and next stamp of the packet found; return 0 if it can have no time.

    `holds`: packet.clock = hold, by which no older packet steps the clock.
    """
    stamp = int(source[STAMP])
    latest, mapped = int(source[LATEST]), int(source[LATEST_STAMP])
    source[MOVE] = NO_MOVE
    source[NEXT_STAMP] = stamp
    if source[HAS_LATEST] == 0:
        source[PACKET_TIME] = stamp
        return np.int64(stamp <= TIME_NS_MAX)
    source[PACKET_TIME] = latest
    if stamp >= mapped:
        # v > TIME_NS_MAX: stamp - S > TIME_NS_MAX - L, both unsigned.
        if unsigned_less(TIME_NS_MAX - latest, stamp - mapped):
            source[MOVE] = STEPPED
        else:
            source[PACKET_TIME] = latest + (stamp - mapped)
    elif not holds and unsigned_less(REGRESSION_NS_MAX, mapped - stamp):
        source[MOVE] = STEPPED
    else:
        source[MOVE] = REGRESSION
        source[NEXT_STAMP] = mapped
    return np.int64(1)
