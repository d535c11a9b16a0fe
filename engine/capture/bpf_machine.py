"""Run a classic BPF filter on a frame, as libpcap does; and refuse programs that a kernel must not
see.

A program is an array of int64 words, an instruction each: code 16 bits, jump if true 8, jump if
false 8, operand 32 (struct sock_filter, little endian). McCanne and Jacobson, "The BSD Packet
Filter", 1993; pcap_offline_filter(3PCAP).
"""

import numpy as np
from numba import njit

from engine.errors import ConfigError
from engine.memory.options import KERNEL
from engine.memory.pointers import load_u8, load_u16_be, load_u32_be

INSTRUCTION_BYTES = 8
INSTRUCTIONS_MAX = 4096  # BPF_MAXINSNS.
SCRATCH_WORDS = 16  # BPF_MEMWORDS.

_LOAD, _LOAD_X, _STORE, _STORE_X, _ALU, _JUMP, _RETURN, _TRANSFER = range(8)
_IMMEDIATE, _ABSOLUTE, _INDIRECT, _MEMORY, _LENGTH, _HEADER = 0x00, 0x20, 0x40, 0x60, 0x80, 0xA0
_WORD, _HALF, _BYTE = 0x00, 0x08, 0x10
_ADD, _SUB, _MUL, _DIV, _OR, _AND, _LSH, _RSH, _NEG, _MOD, _XOR = range(0, 0xB0, 0x10)
_ALWAYS, _EQUAL, _GREATER, _GREATER_EQUAL, _SET = range(0, 0x50, 0x10)
_FROM_X = 0x08
_RETURN_A = 0x10
_TO_A = 0x80
_MASK32 = (1 << 32) - 1
_MISSING = -1

_LOADS = {_LOAD | size | mode for size in (_WORD, _HALF, _BYTE) for mode in (_ABSOLUTE, _INDIRECT)}
_LOADS |= {_LOAD | mode for mode in (_IMMEDIATE, _MEMORY, _LENGTH)}
_LOADS |= {_LOAD_X | mode for mode in (_IMMEDIATE, _MEMORY, _LENGTH)}
_LOADS |= {_LOAD_X | _HEADER | _BYTE}
_ARITHMETIC = {_ALU | operation | source for operation in range(0, 0xB0, 0x10) for source in (0, 8)}
_JUMPS = {_JUMP | kind | source for kind in range(0x10, 0x50, 0x10) for source in (0, 8)}
_CODES = _LOADS | _ARITHMETIC | _JUMPS | {_STORE, _STORE_X, _JUMP, _TRANSFER, _TRANSFER | _TO_A}
_CODES |= {_RETURN, _RETURN | _RETURN_A}
_CODES -= {_ALU | _NEG | _FROM_X}


def verified(code: bytes) -> np.ndarray:
    """Return the program's words; ConfigError when a kernel could leave program or scratch."""
    count = len(code) // INSTRUCTION_BYTES
    if len(code) % INSTRUCTION_BYTES or not 0 < count <= INSTRUCTIONS_MAX:
        raise ConfigError(
            f"a filter must have 1 to {INSTRUCTIONS_MAX} instructions of {INSTRUCTION_BYTES} "
            f"bytes, is {len(code)} bytes long"
        )
    words = np.frombuffer(code, "<i8").astype(np.int64)
    for at, word in enumerate(words.tolist()):
        problem = _problem(word & (1 << 64) - 1, count - at - 1)
        if problem:
            raise ConfigError(f"filter instruction {at}: {problem}")
    if int(words[-1]) & 7 != _RETURN:
        raise ConfigError("a filter must end with a return")
    return words


def _problem(word: int, behind: int) -> str:
    """Return what is wrong with an instruction that has `behind` others behind it, or ""."""
    code, operand = word & 0xFFFF, word >> 32
    operation = code & 0xF0
    if code not in _CODES:
        return f"unknown code {code:#x}"
    if code in _JUMPS and max(word >> 16 & 0xFF, word >> 24 & 0xFF) >= behind:
        return "a jump leaves the program"
    if code == _JUMP and operand >= behind:
        return "a jump leaves the program"
    scratch = code in (_STORE, _STORE_X, _LOAD | _MEMORY, _LOAD_X | _MEMORY)
    if scratch and operand >= SCRATCH_WORDS:
        return f"scratch word {operand} of {SCRATCH_WORDS}"
    constant = code in _ARITHMETIC and not code & _FROM_X
    if constant and operation in (_DIV, _MOD) and operand == 0:
        return "division by zero"
    if constant and operation in (_LSH, _RSH) and operand >= 32:
        return f"shift by {operand} bits"
    return ""


@njit(**KERNEL)
def matches(program, frame, wire, captured, scratch):
    """Return whether a verified program matches a frame; a load beyond the capture does not.

    `scratch` has SCRATCH_WORDS words. Ends: jumps lead forward.
    """
    sizes = np.int64(wire), np.int64(captured)
    a = 0
    x = 0
    at = 0
    for k in range(SCRATCH_WORDS):
        scratch[k] = 0
    while True:
        word = program[at]
        code = word & 0xFFFF
        operand = (word >> 32) & _MASK32
        kind = code & 7
        at += 1
        if kind == _JUMP:
            at += _jump(word, code, operand, a, x)
        elif kind == _LOAD or kind == _LOAD_X:
            value = _load(
                code, operand + (x if code & 0xE0 == _INDIRECT else 0), frame, sizes, scratch
            )
            if value == _MISSING:
                return False
            if kind == _LOAD:
                a = value
            else:
                x = value
        elif kind == _ALU:
            a = _calculate(code, a, x if code & _FROM_X else operand)
            if a == _MISSING:
                return False
        elif kind == _RETURN:
            return (a if code & _RETURN_A else operand) != 0
        elif kind == _STORE:
            scratch[operand] = a
        elif kind == _STORE_X:
            scratch[operand] = x
        elif code & _TO_A:
            a = x
        else:
            x = a


@njit(**KERNEL)
def _jump(word, code, operand, a, x):
    """Return how many instructions a jump skips."""
    kind = code & 0xF0
    value = x if code & _FROM_X else operand
    if kind == _ALWAYS:
        return operand
    if kind == _EQUAL:
        taken = a == value
    elif kind == _GREATER:
        taken = a > value
    elif kind == _GREATER_EQUAL:
        taken = a >= value
    else:
        taken = a & value != 0
    return (word >> 16) & 0xFF if taken else (word >> 24) & 0xFF


@njit(**KERNEL)
def _load(code, operand, frame, sizes, scratch):
    """Return what a load instruction loads, or _MISSING; `sizes` of the frame: wire, captured."""
    mode = code & 0xE0
    if mode == _IMMEDIATE:
        return operand
    if mode == _MEMORY:
        return scratch[operand]
    if mode == _LENGTH:
        return sizes[0]
    size = code & 0x18
    width = 4 if size == _WORD else (2 if size == _HALF else 1)
    if operand + width > sizes[1]:
        return np.int64(_MISSING)
    if mode == _HEADER:
        return (load_u8(frame, operand) & 15) << 2
    if size == _WORD:
        return load_u32_be(frame, operand)
    return load_u16_be(frame, operand) if size == _HALF else load_u8(frame, operand)


@njit(**KERNEL)
def _calculate(code, a, value):
    """Return the 32-bit result of an arithmetic instruction; _MISSING for a division by 0."""
    operation = code & 0xF0
    if operation == _AND:
        return a & value
    if operation == _OR:
        return a | value
    if operation == _XOR:
        return a ^ value
    if operation == _LSH:
        return a << value & _MASK32 if value < 32 else 0
    if operation == _RSH:
        return a >> value if value < 32 else 0
    if operation == _NEG:
        return -a & _MASK32
    if operation == _DIV or operation == _MOD:
        if value == 0:
            return np.int64(_MISSING)
        return a // value if operation == _DIV else a % value
    if operation == _ADD:
        return a + value & _MASK32
    if operation == _SUB:
        return a - value & _MASK32
    # The product modulo 2^32, from halves: the whole one does not fit int64.
    low = (a & 0xFFFF) * value
    return low + (((a >> 16) * value & 0xFFFF) << 16) & _MASK32
