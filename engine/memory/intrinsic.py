"""Bind an LLVM-level operation to a Python function that means the same: its twin.

Kernels call the intrinsic; plain Python, and kernels under NUMBA_DISABLE_JIT=1, call the twin. The
twin is the specification. Intrinsics live in engine.memory only.
"""

from collections.abc import Callable

from llvmlite import ir
from numba.core.extending import _Intrinsic

I8, I32, I64, I128 = (ir.IntType(bits) for bits in (8, 32, 64, 128))
F32, F64 = ir.FloatType(), ir.DoubleType()


class Twinned(_Intrinsic):
    """An intrinsic that can also be called from Python: then its twin runs."""

    def __call__(self, *args):
        """Run the twin."""
        return self.twin(*args)


def twinned(twin: Callable) -> Callable[[Callable], Twinned]:
    """Decorate a numba intrinsic definition; `twin` is what it means, in Python."""

    def bind(definition: Callable) -> Twinned:
        bound = Twinned(definition.__name__, definition)
        bound.twin = twin
        bound.__doc__ = twin.__doc__
        bound._register()
        return bound

    return bind
