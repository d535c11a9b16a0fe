"""Many at once: bits of bytes gathered into masks, bits counted, bytes and floats compared."""

import numpy as np
from llvmlite import ir
from numba import types

from engine.memory.intrinsic import F32, I8, I32, I64, twinned
from engine.memory.wide import signed

BLOCK = 64  # Bytes that high_bits takes at once.
FLOATS = 16  # Floats that floats_inside compares at once.
_LOW64 = (1 << 64) - 1


def _masks_of(octets) -> tuple:
    masks = []
    for bit in (7, 6, 5, 4):
        masks.append(signed(sum((int(octet) >> bit & 1) << k for k, octet in enumerate(octets))))
    return tuple(masks)


def _high_bits_twin(base, offset):
    """Return bits 7, 6, 5, 4 of 64 bytes at `offset` of a uint8 pointer: 4 masks, a bit a byte."""
    return _masks_of(base[offset : offset + BLOCK])


def _high_bits_of_word_twin(word):
    """Return bits 7, 6, 5, 4 of the 8 bytes of a word: 4 masks, a bit a byte, lowest first."""
    return _masks_of((int(word) & _LOW64).to_bytes(8, "little"))


def _count_bits_twin(word):
    """Return how many bits of a word are set."""
    return signed((int(word) & _LOW64).bit_count())


def _matching_block_twin(words, index, byte):
    """Return 64 bits: which of the 64 bytes of the words from `index` on are `byte`."""
    octets = np.asarray(words[index : index + BLOCK // 8], np.int64).view(np.uint8)
    return signed(sum(1 << k for k, octet in enumerate(octets) if octet == byte))


def _lowest_bit_twin(word):
    """Return the place of the lowest bit that is set; 64 if there is none."""
    low = int(word) & _LOW64
    return signed((low & -low).bit_length() - 1 if low else BLOCK)


def _without_lowest_bit_twin(word):
    """Return the word with its lowest set bit cleared."""
    low = int(word) & _LOW64
    return signed(low & (low - 1))


def _leading_zeros_twin(word):
    """Return how many bits above the highest set bit of a word are 0; 64 if none is set."""
    return signed(BLOCK - (int(word) & _LOW64).bit_length())


def _floats_inside_twin(values, index, limits, width):
    """Return 16 bits: which of values[index:index + 16] lie between their limits.

    That is: value <= limits[k], and -value < limits[width + k]. All are float32. What is not a
    number lies nowhere.
    """
    block = values[index : index + FLOATS]
    above = limits[index : index + FLOATS]
    below = limits[width + index : width + index + FLOATS]
    truths = (block <= above) & (-block < below)
    return signed(sum(1 << k for k, truth in enumerate(truths) if truth))


def _gather(context, builder, signature, value, lanes):
    """Emit the four masks of a vector of bytes: shift each bit up to the sign, compare with 0."""
    kind = ir.VectorType(I8, lanes)
    zero = ir.Constant(kind, [0] * lanes)
    masks = []
    for shift in range(4):
        moved = builder.shl(value, ir.Constant(kind, [shift] * lanes)) if shift else value
        mask = builder.bitcast(builder.icmp_signed("<", moved, zero), ir.IntType(lanes))
        masks.append(builder.zext(mask, I64) if lanes < 64 else mask)
    return context.make_tuple(builder, signature.return_type, masks)


@twinned(_high_bits_twin)
def high_bits(typingctx, base, offset):
    """Define the gathering of a block."""

    def codegen(context, builder, signature, args):
        place = builder.gep(builder.bitcast(args[0], I8.as_pointer()), [args[1]])
        vector = builder.load(builder.bitcast(place, ir.VectorType(I8, BLOCK).as_pointer()))
        vector.align = 1
        return _gather(context, builder, signature, vector, BLOCK)

    return types.UniTuple(types.int64, 4)(base, types.int64), codegen


@twinned(_high_bits_of_word_twin)
def high_bits_of_word(typingctx, word):
    """Define the gathering of a word."""

    def codegen(context, builder, signature, args):
        vector = builder.bitcast(args[0], ir.VectorType(I8, 8))
        return _gather(context, builder, signature, vector, 8)

    return types.UniTuple(types.int64, 4)(types.int64), codegen


@twinned(_count_bits_twin)
def count_bits(typingctx, word):
    """Define the instruction."""

    def codegen(context, builder, signature, args):
        return builder.ctpop(args[0])

    return types.int64(types.int64), codegen


@twinned(_matching_block_twin)
def matching_block(typingctx, words, index, byte):
    """Define the comparison of 64 lanes."""

    def codegen(context, builder, signature, args):
        lanes = ir.VectorType(I8, BLOCK)
        place = builder.bitcast(builder.gep(args[0], [args[1]]), lanes.as_pointer())
        vector = builder.load(place)
        vector.align = 8
        first = builder.insert_element(
            ir.Constant(lanes, ir.Undefined), builder.trunc(args[2], I8), I32(0)
        )
        none = ir.Constant(ir.VectorType(I32, BLOCK), [0] * BLOCK)
        wanted = builder.shuffle_vector(first, first, none)
        return builder.bitcast(builder.icmp_signed("==", vector, wanted), I64)

    return types.int64(words, types.int64, types.int64), codegen


@twinned(_lowest_bit_twin)
def lowest_bit(typingctx, word):
    """Define the instruction."""

    def codegen(context, builder, signature, args):
        return builder.cttz(args[0], ir.IntType(1)(0))

    return types.int64(types.int64), codegen


@twinned(_without_lowest_bit_twin)
def without_lowest_bit(typingctx, word):
    """Define it: one instruction where the machine has it."""

    def codegen(context, builder, signature, args):
        return builder.and_(args[0], builder.sub(args[0], I64(1)))

    return types.int64(types.int64), codegen


@twinned(_leading_zeros_twin)
def leading_zeros(typingctx, word):
    """Define the instruction."""

    def codegen(context, builder, signature, args):
        return builder.ctlz(args[0], ir.IntType(1)(0))

    return types.int64(types.int64), codegen


@twinned(_floats_inside_twin)
def floats_inside(typingctx, values, index, limits, width):
    """Define the comparison of 16 lanes."""

    def codegen(context, builder, signature, args):
        kind = ir.VectorType(F32, FLOATS)
        below = builder.add(args[3], args[1])
        block, above, low = (
            builder.load(builder.bitcast(builder.gep(base, [at]), kind.as_pointer()), align=4)
            for base, at in ((args[0], args[1]), (args[2], args[1]), (args[2], below))
        )
        high_truths = builder.fcmp_ordered("<=", block, above)
        low_truths = builder.fcmp_ordered("<", builder.fneg(block), low)
        truths = builder.bitcast(builder.and_(high_truths, low_truths), ir.IntType(FLOATS))
        return builder.zext(truths, I64)

    return types.int64(values, types.int64, limits, types.int64), codegen
