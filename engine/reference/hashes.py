"""The fixed hash (SEMANTICS.rst, "Hashes"): for names, sketches and identifiers."""

from collections.abc import Iterable
from struct import iter_unpack

_MASK = (1 << 64) - 1


def fixed_hash(words: Iterable[int]) -> int:
    """Return the hash of 64-bit words, itself of 64 bits, unsigned."""
    state = 0
    for word in words:
        z = ((state ^ word) + 0x9E3779B97F4A7C15) & _MASK
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & _MASK
        z = (z ^ z >> 27) * 0x94D049BB133111EB & _MASK
        state = z ^ z >> 31
    return state


def address_words(address: bytes) -> tuple[int, int, int]:
    """Return version, high and low word of an address of 4 or 16 bytes."""
    assert len(address) in (4, 16), "an address has 4 or 16 bytes"
    number = int.from_bytes(address, "big")
    return 4 if len(address) == 4 else 6, number >> 64, number & _MASK


def name_words(name: bytes) -> list[int]:
    """Return the words of a name in lower case: 8 bytes a word, then its length."""
    padded = name.lower() + bytes(-len(name) % 8)
    return [word for (word,) in iter_unpack("<Q", padded)] + [len(name)]
