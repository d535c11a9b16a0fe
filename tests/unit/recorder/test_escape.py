"""Goal: no text from outside can move a cursor, turn a line, forge one, or run in a spreadsheet.

Method: Hypothesis draws texts, surrogates of undecodable bytes included. What a terminal makes of a
harmless-looking letter of another script is not judged.
"""

import csv
import io
import os
import unicodedata

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from engine.recorder.escape import cell_text, json_text, shown_text

NASTY = ["\x1b[2J", "\u202e", "\x9b31m", "\n", "\r", "\u2028", "\x00", "\x7f", "\ufeff", "\\"]
PATHS = st.one_of(
    st.binary(max_size=12).map(os.fsdecode),
    st.lists(st.one_of(st.sampled_from(NASTY), st.text(max_size=3)), max_size=5).map("".join),
)


def is_safe(text: str) -> bool:
    unsafe = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
    return all(unicodedata.category(character) not in unsafe for character in text)


@given(PATHS)
def test_printable_text_has_no_unsafe_character(path):
    assert is_safe(shown_text(path))


@given(PATHS, PATHS)
def test_different_texts_stay_different(one, other):
    assert (shown_text(one) == shown_text(other)) == (one == other)


def test_ordinary_paths_are_left_as_they_are():
    for path in ("a/b.pcap", "/data/größe.pcap", "日本.pcap", "with space.pcap"):
        assert shown_text(path) == path
        assert cell_text(path) == path


def test_lone_surrogates_are_escaped():
    assert shown_text("\udcff") == "\\xff"
    assert shown_text("\ud800") == "\\ud800"


def test_bytes_are_taken_as_file_names():
    assert shown_text(b"a\xff") == "a\\xff"


@given(st.sampled_from("=+-@\t\r\n"), PATHS)
def test_cell_never_begins_like_a_formula(first, rest):
    path = first + rest
    cell = cell_text(path)
    assert cell == "-" if path == "-" else cell.startswith("./")
    assert "\n" not in cell and "\r" not in cell


@given(PATHS)
def test_json_text_reads_back_as_the_path(path):
    encoded = json_text(path)
    read = msgspec.json.decode(encoded)
    assert read == os.fsencode(path).decode("utf-8", "backslashreplace")
    assert is_safe(encoded.decode())


@given(PATHS)
def test_cell_is_one_csv_field(path):
    line = io.StringIO()
    csv.writer(line).writerow([cell_text(path), "next"])
    assert next(csv.reader([line.getvalue()])) == [cell_text(path), "next"]
