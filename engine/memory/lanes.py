"""Bytes in parallel: the bits of many bytes gathered into masks, bits counted, bytes compared."""

from llvmlite import ir
from numba import types

from engine.memory.intrinsic import I8, I32, I64, twinned
from engine.memory.wide import signed

BLOCK = 64  # Bytes that high_bits takes at once.
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


def _matching_bytes_twin(word, byte):
    """Return 8 bits: which bytes of `word`, lowest first, are `byte`."""
    octets = (int(word) & _LOW64).to_bytes(8, "little")
    return signed(sum(1 << k for k, octet in enumerate(octets) if octet == byte))


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


@twinned(_matching_bytes_twin)
def matching_bytes(typingctx, word, byte):
    """Define the comparison of eight lanes."""

    def codegen(context, builder, signature, args):
        lanes = ir.VectorType(I8, 8)
        wanted = ir.Constant(lanes, ir.Undefined)
        octet = builder.trunc(args[1], I8)
        for lane in range(8):
            wanted = builder.insert_element(wanted, octet, I32(lane))
        equal = builder.icmp_signed("==", builder.bitcast(args[0], lanes), wanted)
        return builder.zext(builder.bitcast(equal, I8), I64)

    return types.int64(types.int64, types.int64), codegen
