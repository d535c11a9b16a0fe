"""XXH3-128 of bytes that come in pieces, whose state is words of the caller's: it can be shared
memory, and be put back as it was, which an object of a library cannot.

    state = make_state()          or STATE_WORDS zeroed words, then begin(state)
    state <- feed(state, room, size)    once for each piece; may be compiled into another kernel
    text(state)                   the digest of what was fed so far

A piece lies in `room` from WINDOW bytes on: `feed` puts what it still needs of the piece before in
front of it. The definition is that of XXH3 with seed 0 and its default secret (the specification of
xxHash, 0.8); tests compare it with the library.

Inputs of more than 240 bytes are cut into stripes of 64 bytes, which 8 lanes take up; each 16
stripes the lanes are scrambled. A stripe is taken when more bytes follow it. Shorter inputs have
rules of their own: the state holds their beginning, and the library is asked.
"""

import numpy as np
import xxhash
from llvmlite import ir
from numba import njit, types

from engine.memory.intrinsic import I32, I64, twinned
from engine.memory.options import KERNEL
from engine.memory.pointers import pointer, shifted

STRIPE = 64
_LANES = 8
BEGINNING = 256  # Bytes kept of the beginning, for inputs too short for stripes.
WINDOW = 2 * STRIPE  # Bytes kept of the end: the last stripe, and what is not taken up yet.
SHORT_MAX = 240
# Words of a state.
TOTAL, LANES_AT = 0, 1
BEGINNING_AT = LANES_AT + _LANES
WINDOW_AT = BEGINNING_AT + BEGINNING // 8
STATE_WORDS = WINDOW_AT + WINDOW // 8

_BLOCK_STRIPES = 16
_SECRET = bytes.fromhex(
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671f"
    "cb79e64eccc0e578825ad07dccff7221b8084674f743248ee03590e6813a264c"
    "3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8"
    "a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364"
    "eac5ac8334d3ebc3c581a0fffa1363eb170ddd51b7f0da49d316552629d4689e"
    "2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e"
)
_SECRET_BYTES = 192
_SCRAMBLE_KEY = _SECRET_BYTES - STRIPE
_LAST_KEY = _SCRAMBLE_KEY - 7
_MERGE_LOW, _MERGE_HIGH = 11, _SCRAMBLE_KEY - 11
_LOW32, _LOW64 = (1 << 32) - 1, (1 << 64) - 1
_PRIME32 = (0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D)
_PRIME64 = (
    0x9E3779B185EBCA87,
    0xC2B2AE3D27D4EB4F,
    0x165667B19E3779F9,
    0x85EBCA77C2B2AE63,
    0x27D4EB2F165667C5,
)
_AVALANCHE = 0x165667919E3779F9
_FIRST_LANES = (_PRIME32[2], *_PRIME64[:4], _PRIME32[1], _PRIME64[4], _PRIME32[0])
_NEIGHBOUR = [lane ^ 1 for lane in range(_LANES)]
_VECTOR = ir.VectorType(I64, _LANES)


def _words_of(octets: bytes) -> list[int]:
    return np.frombuffer(octets, np.uint64).tolist()


def _keys(at: int) -> list[int]:
    return _words_of(_SECRET[at : at + STRIPE])


# The keys of a block's stripes, of the scrambling, of the last stripe: 8 words each.
_KEYS = np.array(
    [_keys(8 * stripe) for stripe in range(_BLOCK_STRIPES)] + [_keys(_SCRAMBLE_KEY)], np.uint64
)
_KEYS_OF_SCRAMBLING = _BLOCK_STRIPES


def _mixed(lanes: np.ndarray, stripe: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """Return lanes that took up a stripe: all uint64, modulo 2**64."""
    keyed = stripe ^ keys
    products = (keyed & np.uint64(_LOW32)) * (keyed >> np.uint64(32))
    return lanes + stripe[_NEIGHBOUR] + products


def _take_stripe_twin(lanes, octets, at, number):
    """Let 8 lanes (words) take up the 64 bytes at `at`, as stripe `number` (0 to 15) of a block."""
    stripe = np.frombuffer(octets[at : at + STRIPE].tobytes(), np.uint64)
    mixed = _mixed(lanes[:_LANES].view(np.uint64), stripe, _KEYS[number])
    lanes[:_LANES] = mixed.view(np.int64)


def _scramble_twin(lanes):
    """Scramble 8 lanes (words), as after each block."""
    words = lanes[:_LANES].view(np.uint64)
    words = (words ^ words >> np.uint64(47) ^ _KEYS[_KEYS_OF_SCRAMBLING]) * np.uint64(_PRIME32[0])
    lanes[:_LANES] = words.view(np.int64)


def _same(value: int) -> ir.Constant:
    return ir.Constant(_VECTOR, [value] * _LANES)


def _key_table(builder):
    """Emit the keys as a constant of the module; return the pointer to its first vector."""
    kind = ir.ArrayType(_VECTOR, len(_KEYS))
    name = "engine.xxh3.keys"
    module = builder.module
    table = module.globals.get(name)
    if table is None:
        table = ir.GlobalVariable(module, kind, name)
        table.linkage, table.global_constant = "internal", True
        table.initializer = ir.Constant(kind, [ir.Constant(_VECTOR, row.tolist()) for row in _KEYS])
    return builder.gep(table, [I32(0), I32(0)])


def _load(builder, place, align):
    value = builder.load(builder.bitcast(place, _VECTOR.as_pointer()))
    value.align = align
    return value


@twinned(_take_stripe_twin)
def _take_stripe(typingctx, lanes, octets, at, number):
    """Define the step on vectors of 8 words."""

    def codegen(context, builder, signature, args):
        stripe = _load(builder, builder.gep(args[1], [args[2]]), 1)
        keys = _load(builder, builder.gep(_key_table(builder), [args[3]]), 8)
        keyed = builder.xor(stripe, keys)
        low, high = builder.and_(keyed, _same(_LOW32)), builder.lshr(keyed, _same(32))
        order = ir.Constant(ir.VectorType(I32, _LANES), _NEIGHBOUR)
        swapped = builder.shuffle_vector(stripe, stripe, order)
        place = builder.bitcast(args[0], _VECTOR.as_pointer())
        mixed = builder.add(_load(builder, place, 8), swapped)
        builder.store(builder.add(mixed, builder.mul(low, high)), place).align = 8
        return context.get_dummy_value()

    return types.void(lanes, octets, types.int64, types.int64), codegen


@twinned(_scramble_twin)
def _scramble(typingctx, lanes):
    """Define the step on vectors of 8 words."""

    def codegen(context, builder, signature, args):
        place = builder.bitcast(args[0], _VECTOR.as_pointer())
        words = _load(builder, place, 8)
        key = _load(builder, builder.gep(_key_table(builder), [I64(_KEYS_OF_SCRAMBLING)]), 8)
        words = builder.xor(builder.xor(words, builder.lshr(words, _same(47))), key)
        builder.store(builder.mul(words, _same(_PRIME32[0])), place).align = 8
        return context.get_dummy_value()

    return types.void(lanes), codegen


def begin(state: np.ndarray) -> None:
    """Make words the state of no bytes."""
    state[:STATE_WORDS] = 0
    state[LANES_AT : LANES_AT + _LANES] = np.array(_FIRST_LANES, np.uint64).view(np.int64)


def make_state() -> np.ndarray:
    """Return the state of no bytes, int64 (STATE_WORDS,)."""
    state = np.zeros(STATE_WORDS, np.int64)
    begin(state)
    return state


@njit("void(i8[::1], u1[::1], u1[::1], i8)", **KERNEL)
def feed(state, octets, room, size):
    """Add `size` bytes, which lie in `room` from WINDOW on; what is before them is scratch.

    `octets` is `state` seen as bytes.
    """
    assert WINDOW + size <= len(room) and size >= 0
    total, kept, piece = state[TOTAL], 8 * WINDOW_AT, pointer(room)
    first = pointer(octets)
    for at in range(total, min(BEGINNING, total + size)):
        first[8 * BEGINNING_AT + at] = piece[WINDOW + at - total]
    for at in range(WINDOW):
        piece[at] = first[kept + at]
    taken = max(0, (total - 1) // STRIPE)  # Stripes.
    stripes = max(0, (total + size - 1) // STRIPE)
    lanes = shifted(pointer(state), LANES_AT)
    at = WINDOW - (total - taken * STRIPE)
    for stripe in range(taken, stripes):
        _take_stripe(lanes, piece, at, stripe % _BLOCK_STRIPES)
        if stripe % _BLOCK_STRIPES == _BLOCK_STRIPES - 1:
            _scramble(lanes)
        at += STRIPE
    for at in range(WINDOW):
        first[kept + at] = piece[size + at]
    state[TOTAL] = total + size


def _folded(lanes: list[int], secret_at: int, start: int) -> int:
    """Return half of a digest: products of pairs of lanes, folded, summed, avalanched."""
    keys = _words_of(_SECRET[secret_at : secret_at + STRIPE])
    for pair in range(0, _LANES, 2):
        product = (lanes[pair] ^ keys[pair]) * (lanes[pair + 1] ^ keys[pair + 1])
        start += product & _LOW64 ^ product >> 64
    start &= _LOW64
    start = (start ^ start >> 37) * _AVALANCHE & _LOW64
    return start ^ start >> 32


def text(state: np.ndarray) -> str:
    """Return the digest of what was fed so far: 32 hexadecimal digits."""
    total = int(state[TOTAL])
    if total <= SHORT_MAX:
        octets = state[BEGINNING_AT : BEGINNING_AT + BEGINNING // 8].tobytes()
        return xxhash.xxh3_128_hexdigest(octets[:total])
    lanes = state[LANES_AT : LANES_AT + _LANES].view(np.uint64)
    window = state[WINDOW_AT : WINDOW_AT + WINDOW // 8].tobytes()
    stripe = np.frombuffer(window[-STRIPE:], np.uint64)
    mixed = _mixed(lanes, stripe, np.array(_keys(_LAST_KEY), np.uint64)).tolist()
    low = _folded(mixed, _MERGE_LOW, total * _PRIME64[0] & _LOW64)
    high = _folded(mixed, _MERGE_HIGH, ~(total * _PRIME64[1]) & _LOW64)
    return f"{high:016x}{low:016x}"
