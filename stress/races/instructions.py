"""One instruction of optimised IR, judged: no access, an access, or not known (refused).

Every opcode, every intrinsic and every function outside the module must stand on a list here. What
does not may touch memory behind the instrument's back, and raises UnknownAccessError.
"""

import re

from stress.races.access import PLAIN, UnknownAccessError
from stress.races.tokens import (
    Token,
    group_end,
    operand_end,
    size_of,
    split_commas,
    text_of,
    tokens_of,
    type_end,
)

# They compute, or jump. What they read and write are values, not memory.
_TEXT = """
ret br switch indirectbr unreachable fneg add fadd sub fsub mul fmul udiv sdiv fdiv urem srem frem
shl lshr ashr and or xor extractelement insertelement shufflevector extractvalue insertvalue alloca
getelementptr trunc zext sext fptrunc fpext fptoui fptosi uitofp sitofp ptrtoint ptrtoaddr inttoptr
bitcast addrspacecast icmp fcmp phi select freeze
"""
NO_ACCESS = frozenset(_TEXT.split())
# Intrinsics that touch no memory, or (prefetch, lifetime) change nothing that can be read, or
# (trap) end the process.
_PURE = re.compile(
    r"""@llvm\.(?:
      dbg|lifetime|assume|expect|prefetch|donothing|sideeffect|experimental\.noalias\.scope\.decl
    | trap
    | is\.constant|bswap|bitreverse|ctpop|ctlz|cttz|fsh[lr]|abs|[su](?:max|min|cmp)
    | [su](?:add|sub|mul|shl)\.(?:with\.overflow|sat)|[su]mul\.fix
    | fabs|sqrt|floor|ceil|trunc|rint|nearbyint|round|roundeven|l?lrint|l?lround|copysign
    | fma|fmuladd|(?:min|max)(?:num|imum|imumnum)|pow|powi|exp|exp2|exp10|log|log2|log10|sin|cos|tan
    | sincos|ldexp|frexp|is\.fpclass|canonicalize|fpto[su]i\.sat|returnaddress|frameaddress
    | vector\.(?:reduce|insert|extract|splice|reverse|interleave2|deinterleave2)|stepvector
    | x86\.(?:bmi|sse42\.crc32|pclmulqdq|(?:sse2|avx2)\.pmovmskb|ssse3\.pshuf)
    )(?:\.|$)""",
    re.VERBOSE,
)
_PAUSE = re.compile(r"@llvm\.(?:x86\.sse2\.pause|aarch64\.hint)$")
_MEMORY = re.compile(r"@llvm\.(memcpy|memmove|memset)(?:\.inline)?\.")
# Functions outside the module: numba's runtime, Python's, and mathematics, none of which touch what
# kernels share; kernels (_ZN…) were instrumented when they were compiled.
_OUTSIDE = re.compile(
    r'@"?(?:_ZN|NRT_|Py|_Py|numba_|__excinfo_unwrap_args|PyErr_'
    r"|(?:a?(?:sin|cos|tan)h?|atan2|exp|exp2|expm1|log|log2|log10|log1p|pow|sqrt|cbrt|hypot|fmod"
    r"|floor|ceil|trunc|round|rint|nearbyint|copysign|ldexp|erf|erfc|tgamma|lgamma)f?$)"
)
Fields = dict[str, object]


def opcode_of(tokens: list[Token]) -> tuple[str, str, list[Token]]:
    """Return (name of the result or nothing, opcode, tokens behind the opcode)."""
    result = ""
    if len(tokens) > 2 and tokens[0].kind == "name" and tokens[1].text == "=":
        result, tokens = tokens[0].text, tokens[2:]
    if tokens[0].text in ("tail", "musttail", "notail"):
        tokens = tokens[1:]
    return result, tokens[0].text, tokens[1:]


def access_fields(line: str, inside: frozenset[str]) -> Fields | None:
    """Return the fields of an instruction's Access; None if it is none. `inside`: the module's own
    functions."""
    tokens = tokens_of(line)
    result, opcode, rest = opcode_of(tokens)
    if opcode in NO_ACCESS:
        return None
    reader = _READERS.get(opcode)
    if reader is None:
        raise UnknownAccessError(f"opcode {opcode}")
    fields = reader(line, rest, inside) if opcode == "call" else reader(line, rest)
    return None if fields is None else fields | {"result": result}


def _flags(tokens: list[Token], words: tuple[str, ...]) -> tuple[set[str], list[Token]]:
    """Return which of the words stand in front, and what stands behind them."""
    found = set()
    while tokens and tokens[0].text in words:
        found.add(tokens[0].text)
        tokens = tokens[1:]
    return found, tokens


def _pointer(line: str, tokens: list[Token]) -> tuple[Fields, list[str]]:
    """Return what a `ptr %x … order` says: pointer and space, and the words behind."""
    end = type_end(tokens, 0)
    kind = text_of(line, tokens[:end])
    if not kind.startswith("ptr"):
        raise UnknownAccessError(f"an address of type {kind}")
    space = int(kind[len("ptr addrspace(") : -1]) if kind != "ptr" else 0
    behind = operand_end(tokens, end)
    return {"pointer": text_of(line, tokens[end:behind]), "space": space}, _orders(tokens[behind:])


def _orders(tokens: list[Token]) -> list[str]:
    """Return the memory orders at the end of an operand. A scope smaller than all is refused."""
    if tokens and tokens[0].text == "syncscope":
        raise UnknownAccessError(f"syncscope {tokens[2].text}")
    return [token.text for token in tokens]


def _value(line: str, tokens: list[Token]) -> tuple[str, str, list[Token]]:
    """Return (type, operand, tokens behind) of `i64 %x`."""
    end = type_end(tokens, 0)
    behind = operand_end(tokens, end)
    return text_of(line, tokens[:end]), text_of(line, tokens[end:behind]), tokens[behind:]


def _alignment(line: str, parts: list[list[Token]]) -> int:
    for part in parts:
        if part and part[0].text == "align":
            return int(part[1].text)
    return 1


def _load(line: str, tokens: list[Token]) -> Fields:
    flags, tokens = _flags(tokens, ("atomic", "volatile"))
    parts = split_commas(tokens)
    kind = text_of(line, parts[0])
    place, orders = _pointer(line, parts[1])
    return place | {
        "kind": "load",
        "type": kind,
        "width": size_of(kind),
        "order": orders[0] if "atomic" in flags else PLAIN,
        "align": _alignment(line, parts[2:]),
        "volatile": "volatile" in flags,
    }


def _store(line: str, tokens: list[Token]) -> Fields:
    flags, tokens = _flags(tokens, ("atomic", "volatile"))
    parts = split_commas(tokens)
    kind, value, _ = _value(line, parts[0])
    place, orders = _pointer(line, parts[1])
    return place | {
        "kind": "store",
        "type": kind,
        "value": value,
        "width": size_of(kind),
        "order": orders[0] if "atomic" in flags else PLAIN,
        "align": _alignment(line, parts[2:]),
        "volatile": "volatile" in flags,
    }


def _rmw(line: str, tokens: list[Token]) -> Fields:
    flags, tokens = _flags(tokens, ("volatile",))
    parts = split_commas(tokens[1:])
    place, _ = _pointer(line, parts[0])
    kind, value, behind = _value(line, parts[1])
    return place | {
        "kind": "rmw",
        "operation": tokens[0].text,
        "type": kind,
        "value": value,
        "width": size_of(kind),
        "order": _orders(behind)[0],
        "align": _alignment(line, parts[2:]),
        "volatile": bool(flags),
    }


def _cas(line: str, tokens: list[Token]) -> Fields:
    flags, tokens = _flags(tokens, ("weak", "volatile"))
    parts = split_commas(tokens)
    place, _ = _pointer(line, parts[0])
    kind, expected, _ = _value(line, parts[1])
    _, value, behind = _value(line, parts[2])
    order, order_failed = _orders(behind)
    return place | {
        "kind": "cas",
        "type": kind,
        "expected": expected,
        "value": value,
        "width": size_of(kind),
        "order": order,
        "order_failed": order_failed,
        "align": _alignment(line, parts[3:]),
        "volatile": "volatile" in flags,
        "weak": "weak" in flags,
    }


def _fence(line: str, tokens: list[Token]) -> Fields | None:
    if text_of(line, tokens).startswith(_COMPILER_ONLY):
        return None  # It orders what this core's own successor finds, and nothing for another.
    return {"kind": "fence", "order": _orders(split_commas(tokens)[0])[0]}


def _call(line: str, tokens: list[Token], inside: frozenset[str]) -> Fields | None:
    at = _callee(tokens)
    callee = tokens[at].text if at is not None else ""
    if _PAUSE.match(callee):
        return {"kind": "pause"}
    if _PURE.match(callee):
        return None
    memory = _MEMORY.match(callee)
    if memory is not None:
        return _memory(line, memory[1], tokens[at + 2 : group_end(tokens, at + 1) - 1])
    if callee.startswith("@llvm."):
        raise UnknownAccessError(f"intrinsic {callee}")
    if callee in inside or _OUTSIDE.match(callee):
        return None
    if any(token.text == "asm" for token in tokens):
        raise UnknownAccessError("inline assembly")
    raise UnknownAccessError(f"call of {callee or 'an address'}, which may touch any memory")


def _callee(tokens: list[Token]) -> int | None:
    """Return where the name of the called function stands; None if it is called by address."""
    depth = 0
    for at, token in enumerate(tokens[:-1]):
        if token.kind == "sign":
            depth += (token.text in "([{<") - (token.text in ")]}>")
        elif token.text == "asm":
            return None
        elif token.kind == "name" and depth == 0 and tokens[at + 1].text == "(":
            return at if token.text[0] == "@" else None
    return None


def _memory(line: str, kind: str, tokens: list[Token]) -> Fields:
    """Return the fields of a memcpy, memmove or memset."""
    parts = split_commas(tokens)
    operands = [_argument(line, part) for part in parts[:3]]
    fields: Fields = {"kind": kind, "pointer": operands[0], "length": operands[2]}
    fields["value" if kind == "memset" else "source"] = operands[1]
    fields["type"] = "i8"
    fields["width"] = int(operands[2]) if operands[2].isdigit() else 0
    fields["volatile"] = parts[3][-1].text == "true"
    return fields


def _argument(line: str, tokens: list[Token]) -> str:
    """Return the operand of an argument: type, attributes, operand."""
    if text_of(line, tokens).startswith("ptr addrspace"):
        raise UnknownAccessError("an address space in a memory intrinsic")
    for at in range(1, len(tokens)):
        if tokens[at].text in ("getelementptr", "inttoptr") or at == len(tokens) - 1:
            return text_of(line, tokens[at : operand_end(tokens, at)])
    raise UnknownAccessError(f"argument {text_of(line, tokens)}")


_COMPILER_ONLY = 'syncscope("singlethread")'
_READERS = {
    "load": _load,
    "store": _store,
    "atomicrmw": _rmw,
    "cmpxchg": _cas,
    "fence": _fence,
    "call": _call,
}
