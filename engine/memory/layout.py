"""Declare shared bytes once; derive word indices, shifts, dtype, documentation and a C header.

A layout is a list of *lines*; a line has exactly one writing process, and in control structures is
128 bytes long (a pair of cache lines, because adjacent-line prefetch pulls them together). "One
line, one writer" is what makes a plain store safe to read: a word is either private to its writer
or published through an ordered word. Words are 8 bytes, signed; a packed word names its fields.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

WORD_BYTES = 8
WORD_BITS = 64
CONTROL_LINE_BYTES = 128
RECORD_LINE_BYTES = 64

Order = Literal["fixed", "private", "release", "relaxed", "record"]
# fixed    written once, before the segment is published; read freely afterwards
# private  read and written by the line's writer only
# release  store_release by the writer, load_acquire by every reader
# relaxed  statistics: no other data is ordered by it; readers may see it late
# record   plain; published by the word that owns the record (a tail, a sequence lock)


@dataclass(frozen=True, slots=True)
class Field:
    """Some bits of a packed word, lowest first."""

    name: str
    bits: int
    doc: str


@dataclass(frozen=True, slots=True)
class Word:
    """Eight bytes: the only shape that is ever accessed atomically."""

    name: str
    unit: str
    order: Order
    doc: str
    fields: tuple[Field, ...] = ()
    count: int = 1  # An array of `count` such words.

    def __post_init__(self) -> None:
        bits = sum(field.bits for field in self.fields)
        assert bits <= WORD_BITS, f"{self.name}: {bits} bits in a word of {WORD_BITS}"
        assert self.count >= 1, f"{self.name}: count {self.count}"


@dataclass(frozen=True, slots=True)
class Line:
    """Bytes with one writer."""

    writer: str
    words: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """A named run of lines of equal size."""

    name: str
    doc: str
    lines: tuple[Line, ...]
    line_bytes: int = CONTROL_LINE_BYTES

    def __post_init__(self) -> None:
        names = [word.name for line in self.lines for word in line.words]
        assert len(names) == len(set(names)), f"{self.name}: a word is declared twice"
        for line in self.lines:
            used = sum(word.count for word in line.words) * WORD_BYTES
            assert used <= self.line_bytes, f"{self.name}: {used} bytes in a line of {line.writer}"

    @property
    def size_bytes(self) -> int:
        return len(self.lines) * self.line_bytes

    @property
    def words(self) -> int:
        """Return the length in words."""
        return self.size_bytes // WORD_BYTES

    def _places(self):
        """Yield (word index, line, word)."""
        for number, line in enumerate(self.lines):
            at = number * (self.line_bytes // WORD_BYTES)
            for word in line.words:
                yield at, line, word
                at += word.count

    def index(self, name: str) -> int:
        """Return the index of word `name` in the layout's flat int64 view."""
        for at, _, word in self._places():
            if word.name == name:
                return at
        raise KeyError(f"{self.name} has no word {name!r}")

    def _field(self, word_name: str, field_name: str) -> tuple[int, Field]:
        for _, _, word in self._places():
            shift = 0
            for field in word.fields if word.name == word_name else ():
                if field.name == field_name:
                    return shift, field
                shift += field.bits
        raise KeyError(f"{self.name}.{word_name} has no field {field_name!r}")

    def shift(self, word: str, field: str) -> int:
        """Return how many bits `field` lies above the lowest bit of `word`."""
        return self._field(word, field)[0]

    def mask(self, word: str, field: str) -> int:
        """Return the mask of `field` after shifting it down."""
        return (1 << self._field(word, field)[1].bits) - 1

    def dtype(self) -> np.dtype:
        """Return the structured dtype of the words, for inspection tools and tests."""
        places = list(self._places())
        formats = ["<i8" if word.count == 1 else ("<i8", (word.count,)) for _, _, word in places]
        return np.dtype(
            {
                "names": [word.name for _, _, word in places],
                "formats": formats,
                "offsets": [at * WORD_BYTES for at, _, _ in places],
                "itemsize": self.size_bytes,
            }
        )

    def rst(self) -> str:
        """Return the layout as a section with an RST list-table (checked in as LAYOUTS.rst)."""
        rows = [("offset", "word", "unit", "writer", "order", "meaning")]
        for at, line, word in self._places():
            name = word.name if word.count == 1 else f"{word.name}[{word.count}]"
            rows.append((str(at * WORD_BYTES), name, word.unit, line.writer, word.order, word.doc))
            shift = 0
            for field in word.fields:
                bits = f"bits {shift}-{shift + field.bits - 1}"
                rows.append(("", f"└ {field.name}", bits, "", "", field.doc))
                shift += field.bits
        body = "\n".join("   * - " + "\n     - ".join(row) for row in rows)
        title = f"{self.name} ({self.size_bytes} bytes)"
        return (
            f"{title}\n{'-' * len(title)}\n\n{self.doc}\n\n"
            f".. list-table::\n   :header-rows: 1\n\n{body}\n"
        )

    def c_struct(self) -> str:
        """Return a C struct of 64-bit words with shift and bit-count macros for packed fields."""
        prefix = self.name.upper()
        lines = [f"/* {self.doc} */", f"struct {self.name} {{"]
        macros = []
        for _, _, word in self._places():
            suffix = "" if word.count == 1 else f"[{word.count}]"
            lines.append(f"\t__s64 {word.name}{suffix}; /* {word.unit}: {word.doc} */")
            shift = 0
            for field in word.fields:
                macro = f"{prefix}_{word.name}_{field.name}".upper()
                macros.append(f"#define {macro}_SHIFT {shift}")
                macros.append(f"#define {macro}_BITS {field.bits}")
                shift += field.bits
        lines += ["};", *macros]
        return "\n".join(lines) + "\n"
