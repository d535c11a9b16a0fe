"""The step of the fixed hash: 64-bit arithmetic that wraps, on int64 words."""

from llvmlite import ir
from numba import types

from engine.memory.intrinsic import I64, twinned

_GOLDEN = 0x9E3779B97F4A7C15  # Steele, Lea, Flood: Fast splittable pseudorandom number generators.
_FIRST = 0xBF58476D1CE4E5B9
_SECOND = 0x94D049BB133111EB
_LOW64 = (1 << 64) - 1


def _splitmix_twin(value):
    """Return one step of splitmix64 from state `value`, as int64."""
    z = int(value) + _GOLDEN & _LOW64
    z = (z ^ z >> 30) * _FIRST & _LOW64
    z = (z ^ z >> 27) * _SECOND & _LOW64
    z ^= z >> 31
    return z - (1 << 64) if z >> 63 else z


def _fold(builder, value, shift):
    return builder.xor(value, builder.lshr(value, I64(shift)))


@twinned(_splitmix_twin)
def splitmix(typingctx, value):
    """Define the step."""

    def codegen(context, builder, signature, args):
        z = builder.add(args[0], ir.Constant(I64, _GOLDEN))
        z = builder.mul(_fold(builder, z, 30), ir.Constant(I64, _FIRST))
        z = builder.mul(_fold(builder, z, 27), ir.Constant(I64, _SECOND))
        return _fold(builder, z, 31)

    return types.int64(types.int64), codegen
