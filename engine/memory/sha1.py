"""SHA-1 of LANES short messages at once, each in one padded block: a vector has a word of each.

For identifiers that other programs compute too (Community ID); SHA-1 protects nothing here.
"""

import hashlib

import numpy as np
from llvmlite import ir
from numba import types

from engine.memory.intrinsic import I32, I64, twinned

LANES = 8
BLOCK_WORDS, DIGEST_WORDS = 16, 5  # Of 32 bits, each in an int64.
_STATE = (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0)  # FIPS 180-4, 5.3.1.
_CONSTANTS = (0x5A827999, 0x6ED9EBA1, 0x8F1BBCDC, 0xCA62C1D6)  # FIPS 180-4, 4.2.1.
_ROUNDS, _ROUNDS_A_CONSTANT = 80, 20
_WORDS = ir.VectorType(I32, LANES)
_WIDE = ir.VectorType(I64, LANES)


def _sha1_lanes_twin(blocks, digests):
    """Hash the messages of LANES blocks of one message each, 55 bytes at most, padded.

    Word t of a lane's block is blocks[t·LANES + lane], as an int64; of its digest likewise.
    """
    for lane in range(LANES):
        words = np.asarray(blocks[lane : BLOCK_WORDS * LANES : LANES], ">u4")
        message = words.tobytes()[: int(words[-1]) // 8]
        digest = hashlib.sha1(message, usedforsecurity=False).digest()
        digests[lane : DIGEST_WORDS * LANES : LANES] = np.frombuffer(digest, ">u4")


def _all(number: int):
    return ir.Constant(_WORDS, [number] * LANES)


class _Emitter:
    """Emits operations on vectors of words."""

    def __init__(self, builder) -> None:
        self._builder = builder

    def rotated(self, value, count: int):
        """Emit a rotation to the left."""
        high = self._builder.shl(value, _all(count))
        return self._builder.or_(high, self._builder.lshr(value, _all(32 - count)))

    def load(self, base, t: int):
        """Emit the words `t` of all lanes."""
        place = self._builder.gep(base, [I64(t * LANES)])
        wide = self._builder.load(self._builder.bitcast(place, _WIDE.as_pointer()))
        wide.align = 8
        return self._builder.trunc(wide, _WORDS)

    def store(self, value, base, t: int) -> None:
        """Emit the store of the words `t` of all lanes."""
        place = self._builder.gep(base, [I64(t * LANES)])
        wide = self._builder.zext(value, _WIDE)
        self._builder.store(wide, self._builder.bitcast(place, _WIDE.as_pointer())).align = 8

    def mixed(self, t: int, b, c, d):
        """Emit the function of round `t` (FIPS 180-4, 4.1.1)."""
        emit = self._builder
        if t < 20:
            return emit.xor(d, emit.and_(b, emit.xor(c, d)))
        if 40 <= t < 60:
            return emit.or_(emit.and_(b, c), emit.and_(d, emit.or_(b, c)))
        return emit.xor(b, emit.xor(c, d))


def _emit_rounds(builder, emit: _Emitter, words: list):
    """Emit the 80 rounds (FIPS 180-4, 6.1.2); `words` grows from 16 to 80. Return the state."""
    a, b, c, d, e = map(_all, _STATE)
    for t in range(_ROUNDS):
        if t >= BLOCK_WORDS:
            early = builder.xor(words[t - 3], words[t - 8])
            late = builder.xor(words[t - 14], words[t - 16])
            words.append(emit.rotated(builder.xor(early, late), 1))
        added = builder.add(words[t], _all(_CONSTANTS[t // _ROUNDS_A_CONSTANT]))
        added = builder.add(builder.add(added, e), emit.mixed(t, b, c, d))
        a, b, c, d, e = builder.add(added, emit.rotated(a, 5)), a, emit.rotated(b, 30), c, d
    return a, b, c, d, e


@twinned(_sha1_lanes_twin)
def sha1_lanes(typingctx, blocks, digests):
    """Define the hash."""

    def codegen(context, builder, signature, args):
        emit = _Emitter(builder)
        words = [emit.load(args[0], t) for t in range(BLOCK_WORDS)]
        state = _emit_rounds(builder, emit, words)
        for t, (value, first) in enumerate(zip(state, _STATE, strict=True)):
            emit.store(builder.add(value, _all(first)), args[1], t)
        return context.get_dummy_value()

    return types.void(blocks, digests), codegen
