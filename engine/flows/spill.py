"""Narrow counters that run over: their top bit moves to a cold block, exactly, before it is lost.

Cold by construction: 1 in 8,192 ACKs, 1 in 512 PSHs, 1 in 8 of the rarer flags, 2 GiB, 2**31
packets.
"""

import numpy as np
from numba import njit

from engine.features.flags import MASKS, RARE, SHIFTS
from engine.flows.pools import spill_block, spill_flags_block
from engine.layouts import places
from engine.memory.options import KERNEL
from engine.memory.wide import wrapped_difference, wrapped_sum

PAIR_TOPS = (1 << 31) - (1 << 63)  # The top bits of two 32-bit counters in a word.
SPILLED = (1 << 31) - 1  # At least 1 stays: 0 packets means that a direction had none.
IMPOSSIBLE_TOP = (places.IMPOSSIBLE_MASK + 1) >> 1


@njit(**KERNEL)
def spill_pair(table, line, side, word, first):
    """Return `word` with its full halves emptied into spill words `first` and `first` + 1."""
    block = spill_block(table, line, side)
    for half in range(2):
        if (word >> (31 + 32 * half)) & 1:
            block[first + half] += SPILLED
            word = wrapped_difference(word, np.int64(SPILLED) << 32 * half)
    return word


@njit(**KERNEL)
def spill_flags(table, line, side, word):
    """Return the flags word with its full counters emptied into spill blocks."""
    for flag in range(len(SHIFTS)):
        top = (MASKS[flag] + 1) >> 1
        if (word >> SHIFTS[flag]) & top:
            if flag < RARE:
                spill_flags_block(table, line, side)[flag] += top
            else:
                spill_block(table, line, side)[places.SPILL_PSH + flag - RARE] += top
            word -= top << SHIFTS[flag]
    return word


@njit(**KERNEL)
def count_impossible(table, line, side, direction):
    """Count a packet with impossible flags in its direction line."""
    lengths = wrapped_sum(direction[places.LENGTHS], 1 << places.IMPOSSIBLE_SHIFT)
    if (lengths >> places.IMPOSSIBLE_SHIFT) & IMPOSSIBLE_TOP:
        spill_block(table, line, side)[places.SPILL_IMPOSSIBLE] += IMPOSSIBLE_TOP
        lengths ^= -(IMPOSSIBLE_TOP << places.IMPOSSIBLE_SHIFT)  # The word's top bit.
    direction[places.LENGTHS] = lengths
