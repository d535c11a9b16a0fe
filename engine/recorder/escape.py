"""Text that came from outside, made harmless before it is shown or written.

A path may hold any byte but NUL and "/": escape sequences that take over a terminal, characters
that turn the reading direction, line ends that forge a log line, a leading "=" that a spreadsheet
runs. Everything the engine prints or writes passes through here once.
"""

import os
import unicodedata

import msgspec

# Controls, invisible and direction-turning characters, private and unassigned ones, surrogates,
# and line ends of Unicode.
_UNSAFE = frozenset(("Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp"))
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def _visible(character: str) -> str:
    """Return the character, or the escape that names it."""
    if character == "\\":
        return "\\\\"
    if unicodedata.category(character) not in _UNSAFE:
        return character
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # A byte that is not UTF-8 (surrogateescape).
        return f"\\x{code - 0xDC00:02x}"
    if code <= 0xFF:
        return f"\\u00{code:02x}"  # Not \x: that is a byte.
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def shown_text(text: str | bytes) -> str:
    """Return `text` with every character that could disturb a terminal or a line escaped.

    Nothing is lost: backslashes are doubled, so different texts stay different.
    """
    if isinstance(text, bytes):
        text = os.fsdecode(text)
    if text.isascii() and text.isprintable() and "\\" not in text:
        return text
    return "".join(map(_visible, text))


def cell_text(path: str) -> str:
    """Return a path for a table: printable, and nothing that a spreadsheet takes for a formula.

    A relative path that begins with = + - @ gets "./" in front: it is still the same path.
    Standard input stays "-".
    """
    harmless = path == "-" or not path.startswith(_FORMULA)
    return shown_text(path if harmless else "./" + path)


def whole_text(text: str) -> str:
    r"""Return `text` as valid Unicode: bytes that are not UTF-8 become \xNN."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def json_text(text: str) -> bytes:
    r"""Return `text` as a JSON string that means it, safe to print. Bytes not UTF-8 become \xNN."""
    encoded = msgspec.json.encode(whole_text(text)).decode()
    return "".join(
        character if character.isascii() and character.isprintable() else _json_character(character)
        for character in encoded
    ).encode()


def _json_character(character: str) -> str:
    if unicodedata.category(character) not in _UNSAFE:
        return character
    units = character.encode("utf-16-be")
    return "".join(f"\\u{units[at] << 8 | units[at + 1]:04x}" for at in range(0, len(units), 2))
