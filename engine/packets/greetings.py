"""Recognise what a client says first: a TLS client hello with or without a name, an HTTP request.

Each is looked for in one packet's captured payload, at most 256 bytes; nothing is reassembled
(SEMANTICS.rst, Payload facts; RFC 8446 section 4.1.2, RFC 6066 section 3, RFC 9110 section 9).
"""

from numba import njit

from engine.memory.options import KERNEL
from engine.memory.pointers import load_u16_be, load_u32, load_u32_be

NOTHING, TLS_NAMED, TLS_NAMELESS, HTTP = 0, 1, 2, 4
_HANDSHAKE, _CLIENT_HELLO, _SERVER_NAME = 22, 1, 0
_SESSION_AT = 43  # Record 5, handshake 4, version 2, random 32.
_BODY_AT = 9


def _little(text: str) -> int:
    return int.from_bytes(text.encode(), "little")


_METHODS_4 = tuple(_little(text) for text in ("GET ", "PUT "))
_METHODS_5 = tuple(_little(text[:4]) for text in ("POST ", "HEAD "))
_DELETE, _OPTIONS, _PATCH, _CONNECT, _TRACE = (
    _little(text) for text in ("DELE", "OPTI", "PATC", "CONN", "TRAC")
)
_TE_SPACE, _ONS_SPACE, _H_SPACE, _ECT_SPACE, _E_SPACE = (
    _little(text) for text in ("TE ", "ONS ", "H ", "ECT ", "E ")
)


@njit(**KERNEL)
def _ends(octets, size, begin, count, text):
    """Return whether `count` <= 4 bytes at `begin` are those of `text`, little endian."""
    if size < begin + count:
        return False
    found = 0
    for k in range(count):
        found |= int(octets[begin + k]) << 8 * k
    return found == text


@njit(**KERNEL)
def is_http_request(octets, size):
    """Return whether a payload begins with an HTTP method and a space."""
    if size < 4:
        return False
    head = load_u32(octets, 0)
    if head == _METHODS_4[0] or head == _METHODS_4[1]:
        return True
    if head == _METHODS_5[0] or head == _METHODS_5[1]:
        return _ends(octets, size, 4, 1, 32)
    if head == _DELETE:
        return _ends(octets, size, 4, 3, _TE_SPACE)
    if head == _OPTIONS:
        return _ends(octets, size, 4, 4, _ONS_SPACE)
    if head == _PATCH:
        return _ends(octets, size, 4, 2, _H_SPACE)
    if head == _CONNECT:
        return _ends(octets, size, 4, 4, _ECT_SPACE)
    if head == _TRACE:
        return _ends(octets, size, 4, 2, _E_SPACE)
    return False


@njit(**KERNEL)
def _extensions_at(octets, size, hello_end):
    """Return where the extensions' length stands; hello_end if there are none; -1: no mark."""
    at = _SESSION_AT
    if at >= size or at + 1 > hello_end:
        return -1
    at += 1 + int(octets[at])
    if at + 2 > hello_end or at + 2 > size:
        return -1
    at += 2 + load_u16_be(octets, at)
    if at + 1 > hello_end or at + 1 > size:
        return -1
    at += 1 + int(octets[at])
    if at > hello_end or (at == hello_end and at > size):
        return -1
    return at


@njit(**KERNEL)
def client_hello(octets, size):
    """Return TLS_NAMED, TLS_NAMELESS or NOTHING for a payload."""
    if size < _BODY_AT or octets[0] != _HANDSHAKE or octets[1] != 3:
        return NOTHING
    if octets[5] != _CLIENT_HELLO:
        return NOTHING
    hello_end = _BODY_AT + (load_u32_be(octets, 5) & 0xFFFFFF)
    at = _extensions_at(octets, size, hello_end)
    if at < 0:
        return NOTHING
    if at == hello_end:
        return TLS_NAMELESS
    if at + 2 > size or at + 2 + load_u16_be(octets, at) != hello_end:
        return NOTHING
    at += 2
    while at < hello_end:
        if at + 4 > hello_end or at + 4 > size:
            return NOTHING
        length = load_u16_be(octets, at + 2)
        if at + 4 + length > hello_end:
            return NOTHING
        if load_u16_be(octets, at) == _SERVER_NAME and length >= 5:
            if at + 9 > size:
                return NOTHING
            if octets[at + 6] == 0 and load_u16_be(octets, at + 7) > 0:
                return TLS_NAMED
        at += 4 + length
    return TLS_NAMELESS if hello_end <= size else NOTHING
