"""What the twin reads in payload (SEMANTICS.rst, "Payload facts"): TLS, HTTP, DNS."""

from dataclasses import dataclass

PIECE_BYTES_MAX = 256  # Of each of the first data packets.
PIECES_MAX = 8
HTTP_METHODS = tuple(
    method.encode() + b" "
    for method in (
        "GET",
        "POST",
        "HEAD",
        "PUT",
        "DELETE",
        "OPTIONS",
        "PATCH",
        "CONNECT",
        "TRACE",
    )
)
LABELS_MAX, POINTERS_MAX, NAME_BYTES_MAX = 128, 16, 253
_CLASSES = b"abcdefghijklmnopqrstuvwxyz0123456789-_."
OTHER_CLASS = len(_CLASSES)
CHARACTER_CLASSES = OTHER_CLASS + 1
_CLASS_OF = bytes(
    OTHER_CLASS if byte not in _CLASSES else _CLASSES.index(byte) for byte in range(256)
)
_UPPER_HALF = bytes(byte >> 4 for byte in range(256))


def count_nibbles(counts: list[int], piece: bytes) -> None:
    """Add the bytes of `piece` to 16 counts by their upper half."""
    halves = piece.translate(_UPPER_HALF)
    for half in set(halves):
        counts[half] += halves.count(half)


def is_http_request(piece: bytes) -> bool:
    """Return whether the payload begins as an HTTP request does."""
    return piece.startswith(HTTP_METHODS)


class _BeyondError(Exception):
    """The hello breaks off, or what it says cannot be."""


def tls_hello(piece: bytes) -> str:
    """Return "tls_named" or "tls_nameless" for a TLS client hello that can be judged, else ""."""
    if len(piece) < 9 or piece[0] != 0x16 or piece[1] != 3 or piece[5] != 1:
        return ""
    try:
        return "tls_named" if _names_server(piece, 9 + _number(piece, 6, 3)) else "tls_nameless"
    except _BeyondError:
        return ""


def _number(piece: bytes, at: int, count: int) -> int:
    if at + count > len(piece):
        raise _BeyondError
    return int.from_bytes(piece[at : at + count], "big")


def _names_server(piece: bytes, end: int) -> bool:
    at = 43
    for count in (1, 2, 1):  # Session id, ciphers, compressions: a length, then as many bytes.
        at += count + _number(piece, at, count)
        if at > end:
            raise _BeyondError
    if at == end:
        return _nameless(piece, end)
    if at + 2 + _number(piece, at, 2) != end:
        raise _BeyondError
    at += 2
    while at < end:
        kind, size = _number(piece, at, 2), _number(piece, at + 2, 2)
        at += 4
        if at + size > end:
            raise _BeyondError
        host_name = kind == 0 and size >= 5 and _number(piece, at, 5) >> 16 & 0xFF == 0
        if host_name and _number(piece, at + 3, 2) > 0:
            return True
        at += size
    return _nameless(piece, end)


def _nameless(piece: bytes, end: int) -> bool:
    """Return that no server is named: this is known of a hello that is captured to its end."""
    if end > len(piece):
        raise _BeyondError
    return False


@dataclass(frozen=True, slots=True)
class DnsMessage:
    """The first question of a DNS message. Labels as in the message."""

    response: bool
    code: int
    labels: tuple[bytes, ...]

    @property
    def name(self) -> bytes:
        """Return the name with its dots."""
        return b".".join(self.labels)

    @property
    def parent(self) -> bytes:
        """Return the last two labels."""
        return b".".join(self.labels[-2:])

    @property
    def classes(self) -> bytes:
        """Return how many characters of each class the name has, a byte each."""
        counts = bytearray(CHARACTER_CLASSES)
        for number in self.name.lower().translate(_CLASS_OF):
            counts[number] += 1
        return bytes(counts)


def dns_message(payload: bytes) -> DnsMessage | None:
    """Return the message in a UDP payload; None for what is none, or is broken."""
    if len(payload) < 12 or payload[4:6] != b"\0\1":
        return None
    labels: list[bytes] = []
    at, pointers, after = 12, 0, None
    while at < len(payload) and payload[at] != 0:
        size = payload[at]
        if size >= 0xC0 and at + 2 <= len(payload):
            pointers += 1
            after = after or at + 2
            at = (size & 0x3F) << 8 | payload[at + 1]
        elif size < 0x40 and at + 1 + size <= len(payload):
            labels.append(payload[at + 1 : at + 1 + size])
            at += 1 + size
        else:
            return None
        if pointers > POINTERS_MAX or len(labels) > LABELS_MAX:
            return None
    if at >= len(payload) or sum(map(len, labels)) + len(labels) - 1 > NAME_BYTES_MAX:
        return None
    if (after or at + 1) + 4 > len(payload):
        return None
    return DnsMessage(payload[2] >= 0x80, payload[3] & 0x0F, tuple(labels))
