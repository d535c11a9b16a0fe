"""Goal: TLS, HTTP and DNS are recognised as the section "Payload facts" says, within its limits.

Method: messages by hand at each limit and one beyond.
"""

from struct import pack

import pytest

from engine.reference.payload import (
    CHARACTER_CLASSES,
    count_nibbles,
    dns_message,
    is_http_request,
    tls_hello,
)

NAME = pack(">HH", 0, 11) + pack(">HBH", 9, 0, 6) + b"a.test"
OTHER = pack(">HHH", 10, 2, 0)


def _hello(extensions: bytes | None, session: int = 32, size: int | None = None) -> bytes:
    body = b"\3\3" + bytes(32) + bytes((session,)) + bytes(session) + b"\0\2\x13\1\1\0"
    if extensions is not None:
        body += pack(">H", len(extensions)) + extensions
    length = len(body) if size is None else size
    return b"\x16\3\1\0\0\1" + length.to_bytes(3, "big") + body


@pytest.mark.parametrize(
    ("piece", "expected"),
    [
        (_hello(NAME), "tls_named"),
        (_hello(OTHER + NAME), "tls_named"),
        (_hello(OTHER), "tls_nameless"),
        (_hello(b""), "tls_nameless"),
        (_hello(None), "tls_nameless"),
        (_hello(NAME)[:-6], "tls_named"),
        (_hello(NAME)[:-7], ""),
        (_hello(OTHER + NAME)[: -len(NAME)], ""),
        (_hello(pack(">HH", 21, 400) + bytes(400))[:256], ""),
        (_hello(pack(">HH", 21, 99) + bytes(99)), "tls_nameless"),
        (_hello(pack(">HH", 21, 99) + bytes(99))[:-1], ""),
        (_hello(None)[:-1], ""),
        (_hello(pack(">HH", 21, 400) + bytes(400) + NAME)[:256], ""),
        (_hello(NAME, size=200), ""),
        (_hello(OTHER[:-1] + b"\0" + OTHER[:5]), ""),
        (_hello(pack(">HH", 10, 3) + bytes(2)), ""),
        (_hello(pack(">HH", 0, 0)), "tls_nameless"),
        (_hello(pack(">HH", 0, 4) + bytes(4) + NAME), "tls_named"),
        (_hello(NAME.replace(b"\0\0\6a", b"\1\0\6a")), "tls_nameless"),
        (_hello(pack(">HH", 0, 5) + pack(">HBH", 3, 0, 0)), "tls_nameless"),
        (b"\x17" + _hello(NAME)[1:], ""),
        (b"\x16\2" + _hello(NAME)[2:], ""),
        (_hello(NAME)[:5] + b"\2" + _hello(NAME)[6:], ""),
        (_hello(NAME, session=255), ""),
        (_hello(NAME)[:8], ""),
        (b"", ""),
    ],
)
def test_client_hello_is_named_nameless_or_neither(piece: bytes, expected: str) -> None:
    assert tls_hello(piece[:256]) == expected


def test_every_prefix_of_a_hello_is_the_same_or_nothing() -> None:
    whole = _hello(OTHER + NAME)
    outcomes = [tls_hello(whole[:size]) for size in range(len(whole) + 1)]
    assert outcomes == sorted(outcomes)


@pytest.mark.parametrize(
    ("piece", "expected"),
    [
        (b"GET / HTTP/1.1", True),
        (b"CONNECT a:443", True),
        (b"TRACE ", True),
        (b"GET", False),
        (b"GETS /", False),
        (b"get / ", False),
        (b" GET /", False),
        (b"HTTP/1.1 200 OK", False),
    ],
)
def test_http_request_begins_with_a_method_and_a_space(piece: bytes, expected: bool) -> None:
    assert is_http_request(piece) == expected


def test_upper_halves_of_bytes_are_counted() -> None:
    counts = [0] * 16
    count_nibbles(counts, b"\x00\x0f\x10\xff")
    assert counts == [2, 1, *[0] * 13, 1]


def _message(name: bytes, more: int = 4, questions: int = 1, flags: int = 0x0100) -> bytes:
    return pack(">HHHHHH", 7, flags, questions, 0, 0, 0) + name + bytes(more)


def _name(payload: bytes) -> bytes | None:
    message = dns_message(payload)
    return None if message is None else message.name


LONG = b"".join(bytes((size,)) + b"q" * size for size in (63, 63, 63, 61))  # 253 with dots.


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (_message(b"\1a\2bc\0"), b"a.bc"),
        (_message(b"\0"), b""),
        (_message(b"\1a\0", more=3), None),
        (_message(b"\1a\0", questions=0), None),
        (_message(b"\1a\0", questions=2), None),
        (_message(b"")[:11], None),
        (_message(b"\1a", more=0), None),
        (_message(b"\x40" + bytes(64) + b"\0"), None),
        (_message(b"\x80\0"), None),
        (_message(b"\x3f" + b"x" * 63 + b"\0"), b"x" * 63),
        (_message(LONG + b"\0"), b".".join([b"q" * 63] * 3 + [b"q" * 61])),
        (_message(LONG[:-62] + b"\x3e" + b"q" * 62 + b"\0"), None),
        (_message(b"\1x" * 127 + b"\0"), b".".join([b"x"] * 127)),
        (_message(b"\1x" * 128 + b"\0"), None),
        (_message(b"\1a\xc0\x10\1b\0", more=1), b"a.b"),
        (_message(b"\1a\xc0\x10", more=3), None),
        (_message(b"\xc0\x0c"), None),
        (_message(b"\xc0\xff"), None),
        (_message(b"\xc0", more=0), None),
        (_message(b"\xc0\x06", more=4), b""),
        (_message(b"\xc0\x06", more=3), None),
    ],
)
def test_name_is_read_within_its_limits(payload: bytes, expected: bytes | None) -> None:
    assert _name(payload) == expected


def test_sixteen_pointers_are_followed_and_seventeen_are_not() -> None:
    for count, expected in ((16, b""), (17, None)):
        chain = b"".join(pack(">H", 0xC000 | 12 + 2 * (k + 1)) for k in range(count))
        assert _name(_message(chain + b"\0")) == expected


def test_message_has_its_kind_code_and_parent() -> None:
    message = dns_message(_message(b"\1a\2bc\1D\0", flags=0x8183))
    assert message is not None
    assert (message.response, message.code, message.parent) == (True, 3, b"bc.D")


def test_characters_are_counted_by_class() -> None:
    message = dns_message(_message(b"\6aAz09-\3_\0\xff\0"))
    assert message is not None
    counts = message.classes
    found = {number: count for number, count in enumerate(counts) if count}
    assert found == {0: 2, 25: 1, 26: 1, 35: 1, 36: 1, 37: 1, 38: 1, 39: 2}
    assert len(counts) == CHARACTER_CLASSES == 40
