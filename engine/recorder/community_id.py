"""Community ID version 1: the flow identifier that other network tools compute too.

"1:" + base64(SHA-1(seed, addresses, protocol, 0, ports)) over the ordered endpoints. Specification:
corelight/community-id-spec. SHA-1 is asked for there; it protects nothing here. What is hashed is
42 bytes at most, so one block of SHA-1 is enough, and LANES flows are hashed at once: put_block for
each, memory.sha1.sha1_lanes, put_community_id for each.

ICMP types arrive as ports, mapped as the specification says; one-way types are not turned.
"""

import base64
import hashlib
import ipaddress

import numpy as np
from numba import njit

from engine.memory.pointers import store_word
from engine.memory.sha1 import BLOCK_WORDS, LANES

COMMUNITY_ID_BYTES = 30
FLOW_WORDS = 9
VERSION6, PROTOCOL, ONE_WAY = 6, 7, 8
_LOW32 = (1 << 32) - 1
_LENGTH = (BLOCK_WORDS - 1) * LANES
_PORT_PROTOCOLS = (1, 6, 17, 58, 132)  # The specification's list.
_DIGITS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
# The two digits of 12 bits in base64, the first in the lower byte.
_PAIRS = np.array([high | low << 8 for high in _DIGITS for low in _DIGITS], np.uint16)
_PADDING = ord("=") << 24
_PREFIX = int.from_bytes(b"1:", "little")


def plain_community_id(
    protocol: int, source: tuple[str, int], destination: tuple[str, int], seed=0, one_way=False
) -> str:
    """Return the identifier by its definition: the twin of put_community_id."""
    ends = [(ipaddress.ip_address(address).packed, port) for address, port in (source, destination)]
    if protocol not in _PORT_PROTOCOLS:
        ends = [(address, 0) for address, _ in ends]
    if not one_way:
        ends.sort()
    hashed = seed.to_bytes(2, "big") + ends[0][0] + ends[1][0] + bytes([protocol, 0])
    if protocol in _PORT_PROTOCOLS:
        hashed += ends[0][1].to_bytes(2, "big") + ends[1][1].to_bytes(2, "big")
    return "1:" + base64.b64encode(hashlib.sha1(hashed, usedforsecurity=False).digest()).decode()


@njit("b1(CPointer(i8))", cache=True, nogil=True)
def _turned(flow):
    """Return whether the initiator is the higher endpoint by (address, port)."""
    for k in range(2):
        one, other = flow[k], flow[3 + k]
        if one != other:
            # As unsigned numbers: the sign bits decide where they differ.
            return one < 0 if one ^ other < 0 else one > other
    return flow[2] > flow[5]


@njit("i8(CPointer(i8), i8, i8, i8)", cache=True, nogil=True)
def _put_word(block, at, before, word):
    """Write the low half of `before` and the upper of `word`, at index `at` of a lane's block."""
    block[at] = (before & 0xFFFF) << 16 | word >> 16
    return at + LANES


@njit("i8(CPointer(i8), i8, i8, CPointer(i8), i8)", cache=True, nogil=True)
def _put_address(block, at, before, flow, end):
    """Write the address of the endpoint that begins at flow[end], behind `before`'s low half."""
    high, low = flow[end], flow[end + 1]
    if flow[VERSION6]:
        at = _put_word(block, at, before, (high >> 32) & _LOW32)
        at = _put_word(block, at, high >> 32, high & _LOW32)
        at = _put_word(block, at, high, (low >> 32) & _LOW32)
        before = low >> 32
    return _put_word(block, at, before, low & _LOW32)


@njit("void(CPointer(i8), CPointer(i8), i8)", cache=True, nogil=True)
def put_block(block, flow, seed):
    """Write what is hashed for `flow`, padded, as a lane's block of sha1_lanes.

    flow (FLOW_WORDS): initiator (high, low, port), responder (high, low, port), version6, protocol,
    one-way. `block` begins at the lane's first word.
    """
    protocol = flow[PROTOCOL]
    first = 3 if flow[ONE_WAY] == 0 and _turned(flow) else 0
    second = 3 - first
    at = _put_address(block, 0, seed, flow, first)
    at = _put_address(block, at, flow[first + 1], flow, second)
    at = _put_word(block, at, flow[second + 1], protocol << 24)
    if protocol in _PORT_PROTOCOLS:
        block[at] = flow[first + 2] << 16 | flow[second + 2]
        at += LANES
    bits = 32 * (at // LANES)
    block[at] = 0x80000000
    for rest in range(at + LANES, _LENGTH, LANES):
        block[rest] = 0
    block[_LENGTH] = bits


@njit("i8(i8)", cache=True, nogil=True)
def _eight_digits64(bits):
    """Return 48 bits as 8 digits of base64, a byte each, the first in the lowest."""
    first, second = np.int64(_PAIRS[bits >> 36]), np.int64(_PAIRS[bits >> 24 & 0xFFF])
    third, fourth = np.int64(_PAIRS[bits >> 12 & 0xFFF]), np.int64(_PAIRS[bits & 0xFFF])
    return first | second << 16 | third << 32 | fourth << 48


@njit("i8(CPointer(u1), i8, CPointer(i8))", cache=True, nogil=True)
def put_community_id(out, at, digest):
    """Write the identifier of a lane's digest at out[at]; return the index behind it.

    "1:", then 160 bits in base64: three times 8 digits of 48 bits; 2 digits, one of 4 bits, and
    the padding.
    """
    third, last = digest[2 * LANES], digest[4 * LANES]
    second = digest[LANES]
    store_word(out, at, _PREFIX)
    store_word(out, at + 2, _eight_digits64(digest[0] << 16 | second >> 16))
    store_word(out, at + 10, _eight_digits64((second & 0xFFFF) << 32 | third))
    store_word(out, at + 18, _eight_digits64(digest[3 * LANES] << 16 | last >> 16))
    rest = _eight_digits64((last & 0xFFFF) << 32)
    store_word(out, at + 26, rest & 0xFFFFFF | _PADDING)
    return at + COMMUNITY_ID_BYTES
