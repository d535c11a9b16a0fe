"""Payloads that the engine looks into: HTTP, TLS, DNS; right, nearly right and broken."""

from struct import pack

from tests.property.dice import Dice

_METHODS = (b"GET ", b"POST ", b"CONNECT ", b"TRACE ", b"GET", b"get ", b"HTTP/1.1 200 ", b"PATCH ")


def http(dice: Dice) -> bytes:
    """Return what may be the beginning of an HTTP request."""
    return (
        dice.of(_METHODS) + b"/ HTTP/1.1\r\nHost: a.example\r\n\r\n" + bytes(dice.of((0, 40, 300)))
    )


def tls(dice: Dice) -> bytes:
    """Return a TLS client hello, or nearly one."""
    names = (
        (0, pack(">HBH", 9, 0, 6) + b"a.test"),
        (0, b""),
        (0, pack(">HBH", 9, 1, 6) + b"a.test"),
        (0, pack(">HBH", 3, 0, 0)),
        (0, b"\0\3\0\0"),
    )
    others = ((16, b"\0\3\2h2"), (21, bytes(30)), (21, bytes(200)), (0xFF01, b"\0"))
    chosen = [dice.of(others) for _ in range(dice.below(4))]
    if not dice.one_in(3):
        chosen.insert(dice.below(len(chosen) + 1), dice.of(names))
    extensions = b"".join(pack(">HH", kind, len(body)) + body for kind, body in chosen)
    session, ciphers = bytes(dice.of((0, 32, 32, 200))), bytes(dice.of((2, 34)))
    body = b"\3\3" + bytes(32) + bytes((len(session),)) + session
    body += pack(">H", len(ciphers)) + ciphers + b"\1\0"
    if chosen or dice.one_in(2):
        body += pack(">H", len(extensions) + dice.of((0, 0, 0, 0, 1))) + extensions
    size = len(body) + dice.of((0, 0, 0, 0, 0, 1, -1, 4))
    hello = b"\1" + size.to_bytes(3, "big") + body
    record = dice.of((b"\x16\3\1", b"\x16\3\3", b"\x16\3\3", b"\x16\2\0", b"\x17\3\3"))
    return record + pack(">H", len(hello) & 0xFFFF) + hello


def dns(dice: Dice) -> bytes:
    """Return a DNS message, or nearly one."""
    questions = dice.of((1, 1, 1, 1, 1, 0, 2))
    flags = dice.of((0x0100, 0x8180, 0x8183, 0x8F85, 0x0000))
    head = pack(">HHHHHH", dice.below(1 << 16), flags, questions, 0, 0, 0)
    return head + _name(dice) + bytes(dice.of((4, 4, 4, 20, 3)))


def _name(dice: Dice) -> bytes:
    shape = dice.below(10)
    if shape == 7:  # Many labels, near the limit of 253 with dots.
        return b"\1x" * dice.of((126, 127, 128, 129)) + b"\0"
    if shape == 8:  # Long labels: 63 + 1 + 63 + 1 + 63 + 1 + 61 = 253.
        sizes = (63, 63, 63, dice.of((60, 61, 62)))
        return b"".join(bytes((size,)) + b"q" * size for size in sizes) + b"\0"
    if shape == 9:  # Pointers: to the root, to itself, in a chain of 16 or 17, to nowhere.
        chain = dice.of((1, 16, 17))
        ways = (
            b"\xc0\x04",
            b"\xc0\x0c",
            _pointers(chain),
            b"\xff\xff",
            b"\xc0",
            b"\x03abc\xc0\x0b",
        )
        return dice.of(ways)
    labels = (b"www", b"Example", b"a-b_c", b"\x00\xff\x80", b"9", b"xn--zz", b"mail.dot", b"COM")
    name = b"".join(
        bytes((len(label),)) + label for label in (dice.of(labels) for _ in range(dice.below(5)))
    )
    return name + dice.of((b"\0", b"\0", b"\0", b"\0", b"\x40", b"\x80", b""))


def _pointers(count: int) -> bytes:
    """Return `count` pointers, each to the next, the last to a root label behind them."""
    return b"".join(pack(">H", 0xC000 | 12 + 2 * (k + 1)) for k in range(count)) + b"\0"
