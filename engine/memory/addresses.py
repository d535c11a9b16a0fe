"""Words at a numeric address: how a kernel reaches one of many mappings chosen at run time.

A kernel that serves N rings takes a table of their addresses instead of N arrays, so that it is
compiled once and not for each N. Whoever fills the table keeps the mappings alive; nothing here
checks bounds.
"""

import ctypes

import numpy as np
from numba import types

from engine.memory.intrinsic import I64, twinned


def _words_at_twin(address, count):
    """Return the pointer to `count` int64 words at a numeric address, a multiple of 8."""
    if count == 0:
        return np.zeros(0, np.int64)
    return np.ctypeslib.as_array((ctypes.c_int64 * int(count)).from_address(int(address)))


@twinned(_words_at_twin)
def words_at(typingctx, address, count):
    """Define the cast."""

    def codegen(context, builder, signature, args):
        return builder.inttoptr(args[0], I64.as_pointer())

    return types.CPointer(types.int64)(types.int64, types.int64), codegen
