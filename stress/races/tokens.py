"""The text of LLVM IR cut into tokens, operands and types; how many bytes a type takes.

Only what instructions are made of. A character that is no token is refused: nothing is skipped.
"""

import re
from dataclasses import dataclass

from stress.races.access import UnknownAccessError

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<name>[%@](?:"[^"]*"|[-\w.$]+))
    | (?P<meta>!(?:"[^"]*"|[-\w.]*))
    | (?P<string>c?"[^"]*")
    | (?P<group>\#\w+)
    | (?P<word>[-+\w.$]+)
    | (?P<sign>[()\[\]{}<>,=*:|])
    )""",
    re.VERBOSE,
)
_OPEN, _CLOSE = "([{<", ")]}>"
_INTEGER = re.compile(r"i(\d+)")
_FLOATS = {"half": 2, "bfloat": 2, "float": 4, "double": 8, "x86_fp80": 16, "fp128": 16}
POINTER_BYTES = 8


@dataclass(frozen=True, slots=True)
class Token:
    """A token: its kind (name, meta, string, group, word, sign), its text, where it stands."""

    kind: str
    text: str
    begin: int
    end: int


def tokens_of(line: str) -> list[Token]:
    """Return the tokens of a line; a comment ends it."""
    found = []
    at, end = 0, len(line.rstrip())
    while at < end:
        match = _TOKEN.match(line, at)
        if match is None:
            if line[at:].lstrip().startswith(";"):
                break
            raise UnknownAccessError(f"no LLVM token at column {at + 1} of: {line.strip()}")
        kind = match.lastgroup
        found.append(Token(kind, match[kind], match.start(kind), match.end(kind)))
        at = match.end()
    return found


def split_commas(tokens: list[Token]) -> list[list[Token]]:
    """Return the tokens between commas that stand in no bracket."""
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        if token.kind == "sign":
            depth += (token.text in _OPEN) - (token.text in _CLOSE)
            if token.text == "," and depth == 0:
                parts.append([])
                continue
        parts[-1].append(token)
    return parts if parts[-1] or len(parts) > 1 else []


def group_end(tokens: list[Token], at: int) -> int:
    """Return the place behind the bracket that closes the one at `at`."""
    depth = 0
    for place in range(at, len(tokens)):
        if tokens[place].kind == "sign":
            depth += (tokens[place].text in _OPEN) - (tokens[place].text in _CLOSE)
        if depth == 0:
            return place + 1
    raise UnknownAccessError("a bracket is not closed")


def type_end(tokens: list[Token], at: int) -> int:
    """Return the place behind the type that begins at `at`."""
    first = tokens[at]
    if first.kind == "sign" and first.text in "{[<":
        at = group_end(tokens, at)
    elif first.kind in ("word", "name"):
        at += 1
    else:
        raise UnknownAccessError(f"no type: {first.text}")
    if first.text == "ptr" and at < len(tokens) and tokens[at].text == "addrspace":
        at = group_end(tokens, at + 1)
    return at


def operand_end(tokens: list[Token], at: int) -> int:
    """Return the place behind the operand (a value, or a constant expression) at `at`."""
    first = tokens[at]
    if first.kind in ("name", "string"):
        return at + 1
    if first.kind == "sign" and first.text in "{[<":
        return group_end(tokens, at)
    place = at
    while place < len(tokens) and tokens[place].kind == "word":
        if tokens[place].text not in _EXPRESSIONS and place == at:
            return at + 1  # A number, null, true, undef …
        place += 1
    if place < len(tokens) and tokens[place].text in "(<":
        return group_end(tokens, place)
    raise UnknownAccessError(f"no operand: {first.text}")


_EXPRESSIONS = ("getelementptr", "inttoptr", "ptrtoint", "bitcast", "addrspacecast", "splat")
_EXPRESSIONS += (
    "trunc",
    "add",
    "sub",
    "xor",
    "select",
    "icmp",
    "blockaddress",
    "dso_local_equivalent",
)


def text_of(line: str, tokens: list[Token]) -> str:
    """Return the text of adjacent tokens as it stands in the line."""
    return line[tokens[0].begin : tokens[-1].end] if tokens else ""


def size_of(kind: str) -> int:
    """Return the bytes that a value of a type takes in memory."""
    return _layout(kind.strip())[0]


def _layout(kind: str) -> tuple[int, int]:
    """Return (bytes, alignment) of a type."""
    integer = _INTEGER.fullmatch(kind)
    if integer is not None:
        size = (int(integer[1]) + 7) // 8
        power = 1 << max(0, size - 1).bit_length()
        align = min(power, 16)
        return -(-size // align) * align, align
    if kind in _FLOATS:
        return _FLOATS[kind], _FLOATS[kind]
    if re.fullmatch(r"ptr(?: addrspace\(\d+\))?", kind):
        return POINTER_BYTES, POINTER_BYTES
    if kind.startswith("<{"):
        return sum(_layout(part)[0] for part in _members(kind[2:-2])), 1
    if kind.startswith("{"):
        return _struct_layout(_members(kind[1:-1]))
    many = re.fullmatch(r"[\[<](\d+) x (.+)[\]>]", kind)
    if many is None:
        raise UnknownAccessError(f"a type of unknown size: {kind}")
    size, align = _layout(many[2])
    if kind[0] == "[":
        return int(many[1]) * size, align
    vector_bits = int(many[1]) * (1 if many[2] == "i1" else 8 * size)
    size = (vector_bits + 7) // 8
    return size, 1 << max(0, size - 1).bit_length()


def _struct_layout(members: list[str]) -> tuple[int, int]:
    offset, most = 0, 1
    for member in members:
        size, align = _layout(member)
        offset = -(-offset // align) * align + size
        most = max(most, align)
    return -(-offset // most) * most, most


def _members(text: str) -> list[str]:
    """Return the types of a struct's members."""
    return [text_of(text, part).strip() for part in split_commas(tokens_of(text)) if part]
