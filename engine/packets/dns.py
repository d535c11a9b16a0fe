"""Read the question of a DNS message: name, hashes, character counts (RFC 1035, section 4).

Everything is bounded: one question, 253 octets with dots, 128 labels, 16 pointers, nothing beyond
the captured payload. What does not parse gives no fact.
"""

from numba import njit

from engine.memory.options import KERNEL
from engine.memory.pointers import load_u16_be
from engine.packets.fixed_hash import hash_word

PORT = 53
HEADER_BYTES = 12
NAME_MAX = 253
LABELS_MAX = 128
POINTERS_MAX = 16
NAME_BUFFER_BYTES = NAME_MAX + 11  # Whole words may be read from any place in it.
CLASSES = 40
CLASS_WORDS = CLASSES // 8
_POINTER, _LABEL_MAX = 0xC0, 63
_HYPHEN, _UNDERSCORE, _DOT, _OTHER = 36, 37, 38, 39


@njit(**KERNEL)
def character_class(letter):
    """Return the class of a lower-case letter: a to z 0 to 25, digits 26 to 35, - _ . other."""
    if 97 <= letter <= 122:
        return letter - 97
    if 48 <= letter <= 57:
        return letter - 48 + 26
    if letter == 45:
        return _HYPHEN
    if letter == 95:
        return _UNDERSCORE
    return _DOT if letter == 46 else _OTHER


@njit(**KERNEL)
def read_name(octets, size, name):
    """Copy the question's name, lower case, labels joined by dots, to the buffer `name`.

    Return (length, where its last two labels begin, end of the question's name), or (-1, 0, 0).
    """
    at, end, length = HEADER_BYTES, 0, 0
    pointers, labels = 0, 0
    last, parent = 0, 0  # Where the last label and the one before it begin.
    while True:
        if at >= size:
            return -1, 0, 0
        count = int(octets[at])
        if count >= _POINTER:
            pointers += 1
            if pointers > POINTERS_MAX or at + 2 > size:
                return -1, 0, 0
            if end == 0:
                end = at + 2
            at = load_u16_be(octets, at) & 0x3FFF
            continue
        if count == 0:
            return length, parent, end if end else at + 1
        labels += 1
        dotted = length + (1 if labels > 1 else 0)
        if count > _LABEL_MAX or labels > LABELS_MAX:
            return -1, 0, 0
        if at + 1 + count > size or dotted + count > NAME_MAX:
            return -1, 0, 0
        if labels > 1:
            name[length] = 46
        for k in range(count):
            letter = octets[at + 1 + k]
            name[dotted + k] = letter + 32 if 65 <= letter <= 90 else letter
        parent, last = last, dotted
        length = dotted + count
        at += 1 + count


@njit(**KERNEL)
def hash_text(name, begin, length):
    """Return the fixed hash of a lower-case name in the buffer, from `begin` to `length`."""
    total = 0
    for at in range(begin, length, 8):
        word = 0
        for k in range(min(8, length - at)):
            word |= int(name[at + k]) << 8 * k
        total = hash_word(total, word)
    return hash_word(total, length - begin)


@njit(**KERNEL)
def count_classes(name, length, words):
    """Write the 40 counts of a name's characters, 8 bits each, to 5 words."""
    for word in range(CLASS_WORDS):
        words[word] = 0
    for k in range(length):
        place = character_class(int(name[k]))
        words[place >> 3] += 1 << 8 * (place & 7)


@njit(**KERNEL)
def read_question(octets, size, name):
    """Return (length of the name, where its parent begins), or (-1, 0) for no fact."""
    if size < HEADER_BYTES or load_u16_be(octets, 4) != 1:
        return -1, 0
    length, parent, end = read_name(octets, size, name)
    if length < 0 or end + 4 > size:
        return -1, 0
    return length, parent
