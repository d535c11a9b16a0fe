"""Words at numeric addresses, for the runtime of xsan: plain, and sequentially consistent."""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

_I64 = ir.IntType(64)


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
