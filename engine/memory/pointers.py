"""Raw pointers for leaf kernels, unaligned loads, prefetch.

A function that LLVM does not inline pays an atomic increment and decrement per array argument, and
each signed index of an array a test for negative. So an entry kernel takes arrays, turns them into
pointers once, and its leaves take pointers. In Python a pointer *is* its array.

Nothing here checks bounds: the caller has.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.np import arrayobj

from engine.memory.intrinsic import F32, F64, I8, I32, I64, twinned

COPY_BYTES = 32  # Of copy_block.


def address_of(context, builder, kind, value, index):
    """Emit the address of element `index` of an array or pointer value (code generation only)."""
    if isinstance(kind, types.CPointer):
        return builder.gep(value, [index])
    struct = arrayobj.make_array(kind)(context, builder, value)
    return cgutils.get_item_pointer(
        context, builder, kind, struct, [index], wraparound=False, boundscheck=False
    )


def _pointer_twin(array):
    """Return the pointer to the first element of a 1-D contiguous array."""
    return array


def _shifted_twin(pointer, count):
    """Return the pointer `count` elements further on."""
    return pointer[count:]


def _words_between_twin(base, pointer):
    """Return how many words a pointer lies behind another of the same array of words."""
    begin, place = (array.__array_interface__["data"][0] for array in (base, pointer))
    return np.int64((place - begin) // 8)


def _bytes_at_twin(address, size):
    """Return the pointer to `size` readable bytes at a numeric address."""
    if size == 0:
        return np.zeros(0, np.uint8)
    return np.ctypeslib.as_array(
        (np.ctypeslib.ctypes.c_uint8 * int(size)).from_address(int(address))
    )


def _prefetch_twin(pointer, index):
    """Ask for the line of element `index`; changes nothing."""


def _float_bits_twin(bits):
    """Return the float32 whose bits are the low 32 of `bits`."""
    return np.array([int(bits) & 0xFFFFFFFF], np.uint32).view(np.float32)[0]


def _copy_block_twin(target, at, source, begin):
    """Copy COPY_BYTES bytes of a uint8 pointer to another, whatever lies there."""
    target[at : at + COPY_BYTES] = source[begin : begin + COPY_BYTES]


def _store_word_twin(target, at, word):
    """Store the 8 bytes of a word, the lowest first, at a byte offset of a uint8 pointer."""
    octets = int(word).to_bytes(8, "little", signed=True)
    target[at : at + 8] = np.frombuffer(octets, np.uint8)


@twinned(_copy_block_twin)
def copy_block(typingctx, target, at, source, begin):
    """Define the copy: two moves, where a copy of any size is a call."""

    def codegen(context, builder, signature, args):
        places = [builder.gep(args[0], [args[1]]), builder.gep(args[2], [args[3]])]
        places = [builder.bitcast(place, I8.as_pointer()) for place in places]
        cgutils.raw_memcpy(builder, *places, I64(COPY_BYTES), 1)
        return context.get_dummy_value()

    return types.void(target, types.int64, source, types.int64), codegen


@twinned(_store_word_twin)
def store_word(typingctx, target, at, word):
    """Define the store."""

    def codegen(context, builder, signature, args):
        place = builder.gep(builder.bitcast(args[0], I8.as_pointer()), [args[1]])
        builder.store(args[2], builder.bitcast(place, I64.as_pointer())).align = 1
        return context.get_dummy_value()

    return types.void(target, types.int64, types.int64), codegen


@twinned(_pointer_twin)
def pointer(typingctx, array):
    """Define the cast."""

    def codegen(context, builder, signature, args):
        return context.make_array(signature.args[0])(context, builder, args[0]).data

    return types.CPointer(array.dtype)(array), codegen


@twinned(_shifted_twin)
def shifted(typingctx, base, count):
    """Define the addition."""

    def codegen(context, builder, signature, args):
        return builder.gep(args[0], [args[1]])

    return base(base, types.int64), codegen


@twinned(_words_between_twin)
def words_between(typingctx, base, place):
    """Define the subtraction."""

    def codegen(context, builder, signature, args):
        begin, end = (builder.ptrtoint(arg, I64) for arg in args)
        return builder.ashr(builder.sub(end, begin), ir.Constant(I64, 3))

    return types.int64(base, place), codegen


@twinned(_bytes_at_twin)
def bytes_at(typingctx, address, size):
    """Define the cast."""

    def codegen(context, builder, signature, args):
        return builder.inttoptr(args[0], I8.as_pointer())

    return types.CPointer(types.uint8)(types.int64, types.int64), codegen


def _prefetcher(write: int):
    """Return an intrinsic that asks for a line, to be read (0) or to be written (1)."""

    def define(typingctx, base, index):
        def codegen(context, builder, signature, args):
            place = builder.bitcast(builder.gep(args[0], [args[1]]), I8.as_pointer())
            kind = ir.FunctionType(ir.VoidType(), [place.type, I32, I32, I32])
            ask = builder.module.declare_intrinsic("llvm.prefetch", [place.type], kind)
            builder.call(ask, [place, I32(write), I32(3), I32(1)])
            return context.get_dummy_value()

        return types.void(base, types.int64), codegen

    define.__name__ = "prefetch_write" if write else "prefetch"
    return twinned(_prefetch_twin)(define)


prefetch = _prefetcher(0)
prefetch_write = _prefetcher(1)  # The line is fetched as this core's own: another core had it.


@twinned(_float_bits_twin)
def float_of_bits(typingctx, bits):
    """Define the cast."""

    def codegen(context, builder, signature, args):
        return builder.bitcast(builder.trunc(args[0], I32), F32)

    return types.float32(types.int64), codegen


def _loader(size: int, big_endian: bool):
    """Return an intrinsic that loads `size` bytes at a byte offset, zero-extended to int64."""
    order = "big" if big_endian else "little"

    def twin(base, offset):
        """Return the unsigned number at byte `offset` of a uint8 pointer (8 bytes: signed)."""
        number = base[offset : offset + size].tobytes()
        return np.int64(int.from_bytes(number, order, signed=size == 8))

    def define(typingctx, base, offset):
        def codegen(context, builder, signature, args):
            kind = ir.IntType(8 * size)
            place = builder.gep(builder.bitcast(args[0], I8.as_pointer()), [args[1]])
            value = builder.load(builder.bitcast(place, kind.as_pointer()))
            value.align = 1
            if big_endian and size > 1:
                swap = builder.module.declare_intrinsic("llvm.bswap", [kind])
                value = builder.call(swap, [value])
            return builder.zext(value, I64) if size < 8 else value

        return types.int64(base, types.int64), codegen

    define.__name__ = f"load_u{8 * size}_{order}"
    return twinned(twin)(define)


load_u8 = _loader(1, False)
load_u16 = _loader(2, False)
load_u32 = _loader(4, False)
load_u64 = _loader(8, False)
load_u16_be = _loader(2, True)
load_u32_be = _loader(4, True)
load_u64_be = _loader(8, True)


def _swapper(size: int):
    """Return an intrinsic that reverses the low `size` bytes of an int64."""

    def twin(value):
        """Return the low bytes reversed, zero-extended (8 bytes: signed)."""
        low = int(value) & ((1 << 8 * size) - 1)
        return np.int64(int.from_bytes(low.to_bytes(size, "little"), "big", signed=size == 8))

    def define(typingctx, value):
        def codegen(context, builder, signature, args):
            kind = ir.IntType(8 * size)
            swap = builder.module.declare_intrinsic("llvm.bswap", [kind])
            low = builder.trunc(args[0], kind) if size < 8 else args[0]
            swapped = builder.call(swap, [low])
            return builder.zext(swapped, I64) if size < 8 else swapped

        return types.int64(types.int64), codegen

    define.__name__ = f"swap_u{8 * size}"
    return twinned(twin)(define)


swap_u16 = _swapper(2)
swap_u32 = _swapper(4)
swap_u64 = _swapper(8)


def _float32_bits_twin(value):
    """Return the bits of a float64 rounded to float32."""
    return np.int64(np.float32(value).view(np.uint32))


@twinned(_float32_bits_twin)
def float32_bits(typingctx, value):
    """Define the conversion."""

    def codegen(context, builder, signature, args):
        return builder.zext(builder.bitcast(builder.fptrunc(args[0], F32), I32), I64)

    return types.int64(types.float64), codegen


def _microsecond_bits_twin(ns):
    """Return the bits of float32(ns / 1000): rounding keeps order, so do minima and maxima."""
    return np.int64(np.float32(np.float64(int(ns)) / 1000.0).view(np.uint32))


@twinned(_microsecond_bits_twin)
def microsecond_bits(typingctx, ns):
    """Define the conversion."""

    def codegen(context, builder, signature, args):
        us = builder.fdiv(builder.sitofp(args[0], F64), ir.Constant(F64, 1000.0))
        return builder.zext(builder.bitcast(builder.fptrunc(us, F32), I32), I64)

    return types.int64(types.int64), codegen
