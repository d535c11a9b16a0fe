"""Words at numeric addresses: plain, and sequentially consistent; pages at addresses that are kept.

Code that is kept on disk may know such an address in any process.
"""

import ctypes
import functools
import mmap

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

_I64 = ir.IntType(64)
_MAP_FIXED_NOREPLACE = 0x100000


@functools.cache
def page_at(address: int, flags: int) -> np.ndarray:
    """Return the words of a page at an address: code that knows it is good in any process."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    flags |= mmap.MAP_ANONYMOUS | _MAP_FIXED_NOREPLACE
    found = libc.mmap(address, mmap.PAGESIZE, mmap.PROT_READ | mmap.PROT_WRITE, flags, -1, 0)
    assert found == address, f"address {address:#x} is taken: errno {ctypes.get_errno()}"
    words = (ctypes.c_int64 * (mmap.PAGESIZE // 8)).from_address(address)
    return np.ctypeslib.as_array(words)


def _place(builder, address):
    return builder.inttoptr(address, _I64.as_pointer())


@intrinsic
def load(typingctx, address):
    """Return the word at an address, read plainly."""

    def codegen(context, builder, signature, args):
        return builder.load(_place(builder, args[0]))

    return types.int64(types.int64), codegen


@intrinsic
def store(typingctx, address, value):
    """Write the word at an address, plainly."""

    def codegen(context, builder, signature, args):
        builder.store(args[1], _place(builder, args[0]))
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), codegen


@intrinsic
def add(typingctx, address, value):
    """Add to the word at an address in one step; return what it was."""

    def codegen(context, builder, signature, args):
        return builder.atomic_rmw("add", _place(builder, args[0]), args[1], "seq_cst")

    return types.int64(types.int64, types.int64), codegen


@intrinsic
def swap(typingctx, address, value):
    """Set the word at an address in one step; return what it was."""

    def codegen(context, builder, signature, args):
        return builder.atomic_rmw("xchg", _place(builder, args[0]), args[1], "seq_cst")

    return types.int64(types.int64, types.int64), codegen


@intrinsic
def publish(typingctx, address, value):
    """Write the word at an address, behind everything before it."""

    def codegen(context, builder, signature, args):
        builder.store_atomic(args[1], _place(builder, args[0]), "seq_cst", 8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), codegen
