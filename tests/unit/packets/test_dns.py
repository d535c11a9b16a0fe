"""The question of a DNS message is read as the plain twin reads it, and never beyond its bytes.

Method: drawn messages (names, pointers, limits, nearly right ones), cut and changed anywhere, and
any bytes; name, hashes and character counts against the twin's. The kernel sees the payload and
nothing behind it. What both misread alike is not shown.
"""

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st
from numba import njit

from engine.memory.options import KERNEL
from engine.memory.pointers import pointer
from engine.packets import dns
from engine.packets.fixed_hash import name_words, plain_hash
from engine.reference.payload import DnsMessage, dns_message
from tests.property import payloads
from tests.property.dice import Dice
from tests.property.strategies import genes

HEAD = bytes.fromhex("123401000001000000000000")
QUESTION = bytes.fromhex("00010001")


@njit(**KERNEL)
def _read(octets, size, name, classes):
    """Return length, where the parent begins, hash of the name, hash of the parent."""
    text = pointer(name)
    length, parent = dns.read_question(pointer(octets), size, text)
    if length < 0:
        return length, parent, 0, 0
    dns.count_classes(text, length, pointer(classes))
    return length, parent, dns.hash_text(text, 0, length), dns.hash_text(text, parent, length)


def read(payload: bytes) -> tuple | None:
    """Return (name, parent, their hashes, classes) of a payload; None if it gives no fact."""
    octets = np.frombuffer(payload + bytes(1), np.uint8)
    name = np.zeros(dns.NAME_BUFFER_BYTES, np.uint8)
    classes = np.zeros(dns.CLASS_WORDS, np.int64)
    length, parent, *hashes = _read(octets, len(payload), name, classes)
    if length < 0:
        return None
    text = name[:length].tobytes()
    return text, text[parent:], [h % 2**64 for h in hashes], classes.tobytes()


def expected(payload: bytes) -> tuple | None:
    message = dns_message(payload)
    if message is None:
        return None
    name, parent = message.name.lower(), message.parent.lower()
    return name, parent, [plain_hash(name_words(text)) for text in (name, parent)], message.classes


def question(*labels: bytes) -> bytes:
    body = b"".join(bytes((len(label),)) + label for label in labels)
    return HEAD + body + b"\0" + QUESTION


@given(genes)
def test_drawn_message_gives_what_the_twin_reads(gene):
    payload = payloads.dns(Dice(gene))
    assert read(payload) == expected(payload)


@given(genes, st.integers(0, 300), st.integers(0, 300), st.integers(0, 255))
def test_cut_and_changed_message_gives_what_the_twin_reads(gene, size, at, value):
    payload = bytearray(payloads.dns(Dice(gene)))
    payload[at % len(payload)] = value
    payload = bytes(payload[: size or None])
    assert read(payload) == expected(payload)


@example(b"\x03abc\xc0\x0c")
@example(b"\xc0\x0c")
@given(st.binary(max_size=40))
def test_any_bytes_behind_a_header_give_what_the_twin_reads(body):
    assert read(HEAD + body) == expected(HEAD + body)


def test_name_is_lower_case_and_its_parent_is_the_last_two_labels():
    name, parent, hashes, classes = read(question(b"WWW", b"Example-1", b"org"))
    assert (name, parent) == (b"www.example-1.org", b"example-1.org")
    assert hashes[0] == plain_hash(name_words(b"WWW.EXAMPLE-1.ORG"))
    message = DnsMessage(False, 0, (b"WWW", b"Example-1", b"org"))
    assert classes == message.classes and sum(classes) == len(name)


def test_root_is_an_empty_name():
    assert read(question()) == (b"", b"", [plain_hash([0])] * 2, bytes(dns.CLASSES))


def test_253_characters_128_labels_and_16_pointers_are_the_limits():
    assert read(question(*[b"q" * 63] * 3, b"q" * 61)) is not None
    assert read(question(*[b"q" * 63] * 3, b"q" * 62)) is None
    assert read(question(*[b"x"] * 127)) is not None  # 253 characters come before 128 labels.
    for count in (16, 17):
        chain = b"".join((0xC000 | 14 + 2 * k).to_bytes(2, "big") for k in range(count))
        found = read(HEAD + chain + b"\0" + QUESTION)
        assert (found is None) == (count == 17)


def test_one_question_whole_and_captured_is_wanted():
    whole = question(b"a")
    assert read(whole) is not None
    assert all(read(whole[:size]) is None for size in range(len(whole)))
    assert read(whole[:4] + b"\0\2" + whole[6:]) is None
