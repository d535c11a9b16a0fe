"""Lines by template: a text with places, compiled to a small program that a kernel runs over rows.

    "a,<name>,b<?condition>,<other><.>\\n"

A place <name> becomes the value of a field of the row; what stands between <?condition> and its <.>
is left out where the condition does not hold, between <!condition> and <.> where it does. They may
be nested. What a field is stands in fields.py; compile() turns each into one instruction; render()
writes any number of rows as bytes, and where each row ends. A row with nothing to say has no bytes.
"""

import re
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from engine.layouts import ROW
from engine.memory.pointers import COPY_BYTES
from engine.recorder.identifiers import IDENTIFIER_WORDS
from engine.recorder.instructions import CODES, FIRST, LITERAL, OP_WORDS, SKIP, WHEN, Program
from engine.recorder.render import render
from engine.recorder.shortest import MEMO_WORDS
from engine.recorder.text import SPILL_BYTES

_PLACE = re.compile(r"<([?!]?)([a-z0-9_.]+)>")


@dataclass(frozen=True, slots=True)
class Field:
    """What a place stands for: an instruction, its arguments, its texts, its longest value."""

    code: int
    arguments: tuple[int, ...] = ()
    bytes_max: int = 0
    texts: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        assert 0 <= self.code < len(CODES)
        assert len(self.arguments) < SKIP, f"{len(self.arguments)} arguments"


def literal(text: bytes) -> Field:
    """Return a field that is the same text in every row."""
    return Field(LITERAL, (), len(text), (text,))


class _Compiler:
    """Instructions and texts as they come."""

    def __init__(self) -> None:
        self.ops: list[list[int]] = []
        self.texts: list[bytes] = []
        self.open: list[int] = []
        self.met = 0  # Where a condition goes on: nothing is joined with what stands before.
        self.line_bytes_max = 0

    def add(self, field: Field) -> None:
        """Append an instruction; a text behind a text becomes part of it."""
        self.line_bytes_max += field.bytes_max
        if field.code == LITERAL and len(self.ops) > self.met and self.ops[-1][0] == LITERAL:
            self.texts[-1] += field.texts[0]
            return
        first = len(self.texts)
        self.texts += field.texts
        op = [field.code, *field.arguments]
        op += [0] * (OP_WORDS - len(op))
        op[FIRST] = first
        self.ops.append(op)

    def begin(self, field: Field, negated: bool) -> None:
        """Append a condition; its end is filled in when it is met."""
        assert field.code == WHEN, "only conditions open a part"
        self.open.append(len(self.ops))
        self.add(field)
        self.ops[-1][1] ^= int(negated)

    def end(self) -> None:
        """Close the innermost condition."""
        self.ops[self.open.pop()][SKIP] = self.met = len(self.ops)

    def program(self) -> Program:
        """Return what the kernel runs."""
        assert not self.open, "a condition is not closed"
        ends = np.cumsum([0, *(len(text) for text in self.texts)])
        blob = np.frombuffer(b"".join(self.texts) + bytes(COPY_BYTES), np.uint8).copy()
        ops = np.array(self.ops, np.int64).reshape(-1, OP_WORDS)
        scratch = np.zeros(IDENTIFIER_WORDS + MEMO_WORDS, np.int64)
        return Program(ops, blob, ends.astype(np.int64), scratch)


def _compile(template: str, fields: dict[str, Field]) -> _Compiler:
    compiler = _Compiler()
    at = 0
    for match in _PLACE.finditer(template):
        before = template[at : match.start()]
        if before:
            compiler.add(literal(before.encode()))
        at = match.end()
        mark, name = match.groups()
        if name == ".":
            compiler.end()
        elif mark:
            compiler.begin(fields[name], mark == "!")
        else:
            compiler.add(fields[name])
    if template[at:]:
        compiler.add(literal(template[at:].encode()))
    return compiler


class Lines(NamedTuple):
    """Rendered rows: row k is content[ends[k]:ends[k + 1]]. Good until the next render."""

    content: memoryview
    ends: np.ndarray

    @property
    def count(self) -> int:
        """Return how many rows have bytes."""
        return int(np.count_nonzero(np.diff(self.ends)))


class Renderer:
    """A compiled template and the buffer it writes into."""

    def __init__(self, template: str, fields: dict[str, Field], rows_max: int) -> None:
        compiler = _compile(template, fields)
        self._program = compiler.program()
        self._rows_max = rows_max
        self._out = np.zeros(rows_max * compiler.line_bytes_max + SPILL_BYTES, np.uint8)
        self._ends = np.zeros(rows_max + 1, np.int64)
        self.render(np.zeros((0, ROW.words), np.int64))  # Compiled or loaded before rows come.

    def render(self, rows: np.ndarray) -> Lines:
        """Return the lines of int64 rows of layouts.ROW, (n, words), n <= rows_max."""
        assert len(rows) <= self._rows_max, f"{len(rows)} rows"
        assert rows.shape[1] == ROW.words
        assert rows.flags.c_contiguous
        used = render(self._program, rows, self._out, self._ends)
        assert used <= len(self._out)
        return Lines(memoryview(self._out)[:used], self._ends[: len(rows) + 1])
