"""The engine's ordered accesses to shared words, one LLVM instruction each.

`words` is a pointer (engine.memory.pointers) or a 1-D C-contiguous int64 array over shared memory;
`index` comes from Layout.index. The twins are correct for one thread, which is how coverage and the
interleaving tests run.

  load_acquire   later reads and writes cannot move before it
  load_relaxed   atomic, orders nothing; never hoisted out of a loop
  store_release  earlier reads and writes cannot move after it
  store_relaxed  atomic, orders nothing
  fetch_add      atomic, orders nothing: statistics with two writers only
  compare_swap   acquire and release on success; returns the word as it was before
  fence_acquire  loads before it cannot move after any access behind it (sequence-lock readers)
  fence_release  stores behind it cannot move before any access in front of it (sequence-lock
  writers)
  fence_program  nothing moves across it in the compiled code; no instruction, no order for other
  cores: what one process finds that another, dead one has left behind (rings/journal.py)
"""

import platform

from llvmlite import ir
from numba import types

from engine.memory.intrinsic import I32, twinned
from engine.memory.pointers import address_of


def _load_twin(words, index):
    """Return words[index]."""
    return words[index]


def _store_twin(words, index, value):
    """Set words[index] to `value`."""
    words[index] = value


def _fetch_add_twin(words, index, value):
    """Add `value` to words[index]; return the word as it was before."""
    before = words[index]
    words[index] = before + value
    return before


def _compare_swap_twin(words, index, expected, value):
    """Set words[index] to `value` if it is `expected`; return the word as it was before."""
    before = words[index]
    if before == expected:
        words[index] = value
    return before


def _nothing_twin():
    """Do nothing: one thread needs no order."""


def _load(order):
    def define(typingctx, words, index):
        def codegen(context, builder, signature, args):
            pointer = address_of(context, builder, signature.args[0], args[0], args[1])
            return builder.load_atomic(pointer, order, 8)

        return types.int64(words, types.int64), codegen

    define.__name__ = f"load_{order}"
    return twinned(_load_twin)(define)


def _store(order):
    def define(typingctx, words, index, value):
        def codegen(context, builder, signature, args):
            pointer = address_of(context, builder, signature.args[0], args[0], args[1])
            builder.store_atomic(args[2], pointer, order, 8)
            return context.get_dummy_value()

        return types.void(words, types.int64, types.int64), codegen

    define.__name__ = f"store_{order}"
    return twinned(_store_twin)(define)


def _fence(order, scope=None, name=None):
    def define(typingctx):
        def codegen(context, builder, signature, args):
            builder.fence(order, scope)
            return context.get_dummy_value()

        return types.void(), codegen

    define.__name__ = f"fence_{name or order}"
    return twinned(_nothing_twin)(define)


load_acquire = _load("acquire")
load_relaxed = _load("monotonic")
store_release = _store("release")
store_relaxed = _store("monotonic")
fence_acquire = _fence("acquire")
fence_release = _fence("release")
fence_program = _fence("seq_cst", "singlethread", "program")


@twinned(_fetch_add_twin)
def fetch_add(typingctx, words, index, value):
    """Define the instruction."""

    def codegen(context, builder, signature, args):
        pointer = address_of(context, builder, signature.args[0], args[0], args[1])
        return builder.atomic_rmw("add", pointer, args[2], "monotonic")

    return types.int64(words, types.int64, types.int64), codegen


@twinned(_compare_swap_twin)
def compare_swap(typingctx, words, index, expected, value):
    """Define the instruction."""

    def codegen(context, builder, signature, args):
        pointer = address_of(context, builder, signature.args[0], args[0], args[1])
        pair = builder.cmpxchg(pointer, args[2], args[3], "acq_rel", "acquire")
        return builder.extract_value(pair, 0)

    return types.int64(words, types.int64, types.int64, types.int64), codegen


@twinned(_nothing_twin)
def pause(typingctx):
    """Define the instruction: tell the core that this spins. Inline assembly would abort."""

    def codegen(context, builder, signature, args):
        if platform.machine() == "aarch64":
            hint = builder.module.declare_intrinsic(
                "llvm.aarch64.hint", (), ir.FunctionType(ir.VoidType(), [I32])
            )
            builder.call(hint, [I32(1)])
        else:
            spin = builder.module.declare_intrinsic(
                "llvm.x86.sse2.pause", (), ir.FunctionType(ir.VoidType(), [])
            )
            builder.call(spin, [])
        return context.get_dummy_value()

    return types.void(), codegen
