"""Exact arithmetic beyond 64 bits: sums of squares, variance numerators, the hash's multiply.

A wide number is a pair (low, high) of int64 words read as unsigned halves of 128 bits.
"""

import numpy as np
from llvmlite import ir
from numba import types

from engine.memory.intrinsic import F64, I64, I128, twinned

_LOW64 = (1 << 64) - 1


def signed(value: int) -> np.int64:
    """Return the int64 with the low 64 bits of a Python integer (for twins)."""
    value &= _LOW64
    return np.int64(value - (1 << 64) if value >> 63 else value)


def _square_add_twin(low, high, value):
    """Return (low, high) of high:low + value²; value >= 0."""
    total = ((int(high) & _LOW64) << 64 | int(low) & _LOW64) + int(value) ** 2
    return signed(total), signed(total >> 64)


def _variance_numerator_twin(count, low, high, total):
    """Return float64(count · high:low - total²), subtraction exact, rounded once."""
    squares = (int(high) & _LOW64) << 64 | int(low) & _LOW64
    return float(int(count) * squares - int(total) ** 2)


def _wide_add_twin(low, high, more_low, more_high):
    """Return (low, high) of the sum of two wide numbers, modulo 2**128."""
    total = ((int(high) & _LOW64) << 64 | int(low) & _LOW64) + (
        (int(more_high) & _LOW64) << 64 | int(more_low) & _LOW64
    )
    return signed(total), signed(total >> 64)


def _wide_variance_numerator_twin(count, low, high, total):
    """Return float64(count · high:low - total²), of up to 191 bits, rounded once; count >= 0."""
    squares = (int(high) & _LOW64) << 64 | int(low) & _LOW64
    return float(int(count) * squares - int(total) ** 2)


def _multiply_fold_twin(left, right):
    """Return the two halves of the 128-bit unsigned product, xored."""
    product = (int(left) & _LOW64) * (int(right) & _LOW64)
    return signed(product ^ product >> 64)


def _unsigned_less_twin(left, right):
    """Return whether left < right as unsigned 64-bit numbers."""
    return (int(left) & _LOW64) < (int(right) & _LOW64)


def _wide(builder, low, high):
    shifted = builder.shl(builder.zext(high, I128), I128(64))
    return builder.or_(shifted, builder.zext(low, I128))


@twinned(_square_add_twin)
def square_add(typingctx, low, high, value):
    """Define the sum."""

    def codegen(context, builder, signature, args):
        value = builder.zext(args[2], I128)
        total = builder.add(_wide(builder, args[0], args[1]), builder.mul(value, value))
        halves = [builder.trunc(total, I64), builder.trunc(builder.lshr(total, I128(64)), I64)]
        return context.make_tuple(builder, signature.return_type, halves)

    kind = types.UniTuple(types.int64, 2)
    return kind(types.int64, types.int64, types.int64), codegen


def _round_wide(builder, top, low):
    """Emit float64 of top:low (128 bits), rounded once: the top 64 bits with a sticky last one."""
    number = _wide(builder, low, top)
    zeros = builder.ctlz(top, ir.IntType(1)(0))
    drop = builder.sub(I64(64), zeros)
    wide_drop = builder.zext(drop, I128)
    kept = builder.trunc(builder.lshr(number, wide_drop), I64)
    lost_mask = builder.sub(builder.shl(I128(1), wide_drop), I128(1))
    lost = builder.icmp_unsigned("!=", builder.and_(number, lost_mask), I128(0))
    sticky = builder.or_(kept, builder.zext(lost, I64))
    # Two to the power `drop`, exact: its exponent bits.
    power = builder.bitcast(builder.shl(builder.add(drop, I64(1023)), I64(52)), F64)
    return builder.fmul(builder.uitofp(sticky, F64), power)


@twinned(_variance_numerator_twin)
def variance_numerator(typingctx, count, low, high, total):
    """Define it: subtracted exactly, rounded once."""

    def codegen(context, builder, signature, args):
        count, low, high, total = args
        squares = builder.mul(builder.zext(count, I128), _wide(builder, low, high))
        wide_total = builder.zext(total, I128)
        number = builder.sub(squares, builder.mul(wide_total, wide_total))
        top = builder.trunc(builder.lshr(number, I128(64)), I64)
        return _round_wide(builder, top, builder.trunc(number, I64))

    return types.float64(types.int64, types.int64, types.int64, types.int64), codegen


@twinned(_multiply_fold_twin)
def multiply_fold(typingctx, left, right):
    """Define the product."""

    def codegen(context, builder, signature, args):
        product = builder.mul(builder.zext(args[0], I128), builder.zext(args[1], I128))
        high = builder.trunc(builder.lshr(product, I128(64)), I64)
        return builder.xor(builder.trunc(product, I64), high)

    return types.int64(types.int64, types.int64), codegen


@twinned(_unsigned_less_twin)
def unsigned_less(typingctx, left, right):
    """Define the comparison."""

    def codegen(context, builder, signature, args):
        return builder.icmp_unsigned("<", args[0], args[1])

    return types.boolean(types.int64, types.int64), codegen


def _wrapped_difference_twin(left, right):
    """Return left - right modulo 2**64."""
    return signed(int(left) - int(right))


@twinned(_wrapped_difference_twin)
def wrapped_difference(typingctx, left, right):
    """Define the subtraction."""

    def codegen(context, builder, signature, args):
        return builder.sub(args[0], args[1])

    return types.int64(types.int64, types.int64), codegen


def _wrapped_sum_twin(left, right):
    """Return left + right modulo 2**64.

    numba promises LLVM that `+` does not overflow: whether a packed word's top bit has risen could
    then be asked of the word before the sum.
    """
    return signed(int(left) + int(right))


@twinned(_wrapped_sum_twin)
def wrapped_sum(typingctx, left, right):
    """Define the addition."""

    def codegen(context, builder, signature, args):
        return builder.add(args[0], args[1])

    return types.int64(types.int64, types.int64), codegen


@twinned(_wide_add_twin)
def wide_add(typingctx, low, high, more_low, more_high):
    """Define the sum."""

    def codegen(context, builder, signature, args):
        total = builder.add(_wide(builder, args[0], args[1]), _wide(builder, args[2], args[3]))
        halves = [builder.trunc(total, I64), builder.trunc(builder.lshr(total, I128(64)), I64)]
        return context.make_tuple(builder, signature.return_type, halves)

    kind = types.UniTuple(types.int64, 2)
    return kind(types.int64, types.int64, types.int64, types.int64), codegen


@twinned(_wide_variance_numerator_twin)
def wide_variance_numerator(typingctx, count, low, high, total):
    """Define it: three words; the upper two convert, with a sticky bit, where the top is used."""

    def codegen(context, builder, signature, args):
        count, low, high, total = args
        wide_count = builder.zext(count, I128)
        below = builder.mul(wide_count, builder.zext(low, I128))
        above = builder.mul(wide_count, builder.zext(high, I128))
        square = builder.mul(builder.zext(total, I128), builder.zext(total, I128))
        word_0 = builder.trunc(below, I64)
        square_0 = builder.trunc(square, I64)
        borrow = builder.zext(builder.icmp_unsigned("<", word_0, square_0), I128)
        above = builder.add(above, builder.lshr(below, I128(64)))
        above = builder.sub(above, builder.add(builder.lshr(square, I128(64)), borrow))
        word_0 = builder.sub(word_0, square_0)
        word_1 = builder.trunc(above, I64)
        word_2 = builder.trunc(builder.lshr(above, I128(64)), I64)
        narrow = _round_wide(builder, word_1, word_0)
        sticky = builder.zext(builder.icmp_unsigned("!=", word_0, I64(0)), I64)
        rest = _round_wide(builder, word_2, builder.or_(word_1, sticky))
        wide = builder.fmul(rest, ir.Constant(F64, 2.0**64))
        return builder.select(builder.icmp_unsigned("==", word_2, I64(0)), narrow, wide)

    return types.float64(types.int64, types.int64, types.int64, types.int64), codegen
