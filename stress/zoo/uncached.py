"""Options of kernels in twins: those of engine.memory.options without the cache on disk."""

from numba import njit

KERNEL = {"nogil": True, "error_model": "numpy"}
HOT = KERNEL | {"forceinline": True}


def uncached(function):
    """Return a kernel of a role, which is compiled with its twin and not kept on disk."""
    return njit(nogil=True)(function)
