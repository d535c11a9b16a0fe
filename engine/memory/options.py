"""How kernels are compiled: `@njit(**KERNEL)`, and `@njit(**HOT)` for leaves of the packet path.

No kernel divides by what may be zero without looking first, so the checks of Python's error model
are left out (they cost a branch a division and a way to raise in every caller: a quarter of the
worker's time on many flows). HOT leaves are inlined whatever LLVM thinks of their size: a call that
is not passes bundles of pointers through memory.
"""

KERNEL = {"cache": True, "nogil": True, "error_model": "numpy"}
HOT = KERNEL | {"forceinline": True}
