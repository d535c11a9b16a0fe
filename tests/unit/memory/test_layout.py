"""A layout gives every word its own bytes, and says the same in every form it is written in.

Method: drawn layouts against the definition (words one after the other in lines of equal size),
then the engine's own layouts.
"""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.layouts.pages import all_layouts
from engine.memory.layout import Field, Layout, Line, Word


@st.composite
def layouts(draw):
    """Draw a layout that is allowed: names distinct, lines not too full."""
    line_bytes = draw(st.sampled_from([64, 128]))
    lines, number = [], 0
    for _ in range(draw(st.integers(1, 4))):
        words, left = [], line_bytes // 8
        while left and draw(st.booleans()):
            count = draw(st.integers(1, min(left, 3)))
            bits = draw(st.lists(st.integers(1, 20), max_size=3))
            parts = tuple(Field(f"part{at}", width, "Bits.") for at, width in enumerate(bits))
            words.append(Word(f"word{number}", "-", "record", "A word.", parts, count))
            left -= count
            number += 1
        lines.append(Line("writer", tuple(words)))
    return Layout("drawn", "A layout.", tuple(lines), line_bytes)


def bytes_of(layout):
    """Return {word name: set of the bytes it has}, by the definition."""
    found = {}
    for number, line in enumerate(layout.lines):
        at = number * layout.line_bytes
        for word in line.words:
            found[word.name] = set(range(at, at + 8 * word.count))
            at += 8 * word.count
    return found


@given(layouts())
def test_words_never_share_a_byte_nor_leave_their_line(layout):
    taken = [one for places in bytes_of(layout).values() for one in places]
    assert len(taken) == len(set(taken))
    assert all(one < layout.size_bytes for one in taken)
    for line_number, line in enumerate(layout.lines):
        for word in line.words:
            lines = {one // layout.line_bytes for one in bytes_of(layout)[word.name]}
            assert lines == {line_number}


@given(layouts())
def test_index_and_dtype_say_where_a_word_begins(layout):
    kind = layout.dtype()
    assert kind.itemsize == layout.size_bytes == 8 * layout.words
    for name, places in bytes_of(layout).items():
        assert layout.index(name) == min(places) // 8
        assert kind.fields[name][1] == min(places)
        assert kind.fields[name][0].itemsize == len(places)


@given(layouts(), st.data())
def test_fields_of_a_word_are_packed_from_its_lowest_bit(layout, draw):
    for line in layout.lines:
        for word in line.words:
            packed, expected = 0, {}
            for part in word.fields:
                expected[part.name] = draw.draw(st.integers(0, (1 << part.bits) - 1))
                packed |= expected[part.name] << layout.shift(word.name, part.name)
            found = {
                part.name: packed >> layout.shift(word.name, part.name)
                & layout.mask(word.name, part.name)
                for part in word.fields
            }
            assert found == expected
            assert packed.bit_length() <= sum(part.bits for part in word.fields)


@given(layouts())
def test_c_struct_declares_the_words_in_order(layout):
    code = layout.c_struct()
    declared = re.findall(r"__s64 (\w+)(?:\[(\d+)\])?;", code)
    words = [word for line in layout.lines for word in line.words]
    assert [(name, int(count or 1)) for name, count in declared] == [
        (word.name, word.count) for word in words
    ]
    for word in words:
        for part in word.fields:
            prefix = f"DRAWN_{word.name}_{part.name}".upper()
            assert f"#define {prefix}_SHIFT {layout.shift(word.name, part.name)}\n" in code
            assert f"#define {prefix}_BITS {part.bits}\n" in code


@given(layouts())
def test_page_names_every_word_with_its_offset(layout):
    page = layout.rst()
    for name, places in bytes_of(layout).items():
        assert re.search(rf"\* - {min(places)}\n +- {name}\b", page)


def test_overfull_line_is_refused():
    words = tuple(Word(f"word{at}", "-", "record", "A word.") for at in range(17))
    Layout("fits", "It.", (Line("writer", words[:16]),))
    with pytest.raises(AssertionError, match="136 bytes in a line"):
        Layout("overfull", "It.", (Line("writer", words),))


def test_word_declared_twice_is_refused():
    word = Word("word", "-", "record", "A word.")
    with pytest.raises(AssertionError, match="declared twice"):
        Layout("double", "It.", (Line("one", (word,)), Line("two", (word,))))


def test_fields_of_more_than_64_bits_are_refused():
    parts = (Field("low", 32, "Bits."), Field("high", 33, "Bits."))
    Word("word", "-", "record", "A word.", (parts[0], Field("high", 32, "Bits.")))
    with pytest.raises(AssertionError, match="65 bits"):
        Word("word", "-", "record", "A word.", parts)


def test_word_of_no_length_is_refused():
    assert Word("word", "-", "record", "A word.", count=1).count == 1
    with pytest.raises(AssertionError, match="count 0"):
        Word("word", "-", "record", "A word.", count=0)


def test_unknown_word_and_field_are_errors():
    layout = Layout("small", "It.", (Line("writer", (Word("word", "-", "record", "A word."),)),))
    with pytest.raises(KeyError, match="no word 'other'"):
        layout.index("other")
    with pytest.raises(KeyError, match="no field 'low'"):
        layout.shift("word", "low")


@pytest.mark.parametrize("layout", all_layouts(), ids=lambda layout: layout.name)
def test_engines_layout_views_its_bytes_without_gaps_in_type(layout):
    rows = np.zeros(2, layout.dtype())
    words = rows.view(np.int64).reshape(2, layout.words)
    for at, name in enumerate(layout.dtype().names):
        rows[name][1] = at + 1
        assert words[1, layout.index(name)] == at + 1
    assert not words[0].any()


def test_engines_layouts_have_distinct_names():
    names = [layout.name for layout in all_layouts()]
    assert len(names) == len(set(names)) > 8
