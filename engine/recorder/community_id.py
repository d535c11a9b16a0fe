"""Community ID version 1: the flow identifier that other network tools compute too.

"1:" + base64(SHA-1(seed, addresses, protocol, 0, ports)) over the ordered endpoints. Specification:
corelight/community-id-spec. SHA-1 is asked for there; it protects nothing here. What is hashed is
42 bytes at most, so one block of SHA-1 is enough.

ICMP types arrive as ports, mapped as the specification says; one-way types are not turned.
"""

import base64
import hashlib
import ipaddress

import numpy as np
from numba import njit

COMMUNITY_ID_BYTES = 30
SCRATCH_WORDS = 80
FLOW_WORDS = 9
VERSION6, PROTOCOL, ONE_WAY = 6, 7, 8
_LOW32 = (1 << 32) - 1
_STATE = (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0)  # FIPS 180-4, 5.3.1.
_PORT_PROTOCOLS = (1, 6, 17, 58, 132)  # The specification's list.
_BASE64 = np.frombuffer(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", np.uint8
).copy()


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


@njit("i8(i8, i8)", cache=True, nogil=True)
def _rotated(word, count):
    return (word << count | word >> (32 - count)) & _LOW32


@njit("UniTuple(i8, 5)(CPointer(i8))", cache=True, nogil=True)
def _sha1_block(w):
    """Return SHA-1 of one padded block: 16 words of 32 bits at the start of `w` (80 words)."""
    for t in range(16, 80):
        w[t] = _rotated(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1)
    a, b, c, d, e = _STATE
    for t in range(80):
        if t < 20:
            f, k = (b & c) | (~b & d), 0x5A827999
        elif t < 40:
            f, k = b ^ c ^ d, 0x6ED9EBA1
        elif t < 60:
            f, k = (b & c) | (b & d) | (c & d), 0x8F1BBCDC
        else:
            f, k = b ^ c ^ d, 0xCA62C1D6
        total = (_rotated(a, 5) + (f & _LOW32) + e + k + w[t]) & _LOW32
        a, b, c, d, e = total, a, _rotated(b, 30), c, d
    return (
        (a + _STATE[0]) & _LOW32,
        (b + _STATE[1]) & _LOW32,
        (c + _STATE[2]) & _LOW32,
        (d + _STATE[3]) & _LOW32,
        (e + _STATE[4]) & _LOW32,
    )


@njit("i8(CPointer(i8), i8, i8, i8)", cache=True, nogil=True)
def _append(block, bits, value, count):
    """Append `count` <= 32 bits to the block, `bits` long so far; return its new length."""
    word, room = bits >> 5, 32 - (bits & 31)
    if count <= room:
        block[word] |= value << (room - count)
    else:
        block[word] |= value >> (count - room)
        block[word + 1] |= (value << (32 - count + room)) & _LOW32
    return bits + count


@njit("i8(CPointer(i8), i8, CPointer(i8), i8)", cache=True, nogil=True)
def _append_address(block, bits, flow, end):
    """Append the address of the endpoint that begins at flow[end]."""
    high, low = flow[end], flow[end + 1]
    if flow[VERSION6]:
        bits = _append(block, bits, (high >> 32) & _LOW32, 32)
        bits = _append(block, bits, high & _LOW32, 32)
        bits = _append(block, bits, (low >> 32) & _LOW32, 32)
    return _append(block, bits, low & _LOW32, 32)


@njit("b1(CPointer(i8))", cache=True, nogil=True)
def _turned(flow):
    """Return whether the initiator is the higher endpoint by (address, port)."""
    for k in range(2):
        one, other = flow[k], flow[3 + k]
        if one != other:
            # As unsigned numbers: the sign bits decide where they differ.
            return one < 0 if one ^ other < 0 else one > other
    return flow[2] > flow[5]


@njit("i8(CPointer(u1), i8, UniTuple(i8, 5))", cache=True, nogil=True)
def _put_base64(out, at, digest):
    """Write "1:" and 160 bits in base64: 26 digits of 6 bits, one of 4, and the padding."""
    out[at], out[at + 1] = 49, 58
    at += 2
    for k in range(27):
        bit = 6 * k
        word = digest[bit >> 5] << 32
        if bit >> 5 < 4:
            word |= digest[(bit >> 5) + 1]
        out[at + k] = _BASE64[(word >> (58 - (bit & 31))) & 63]
    out[at + 27] = 61
    return at + 28


@njit("i8(CPointer(u1), i8, CPointer(i8), CPointer(i8), i8)", cache=True, nogil=True)
def put_community_id(out, at, flow, scratch, seed):
    """Write the identifier of `flow` at out[at]; return the index behind it.

    flow (FLOW_WORDS): initiator (high, low, port), responder (high, low, port), version6, protocol,
    one-way; it is changed. `scratch` has SCRATCH_WORDS.
    """
    protocol = flow[PROTOCOL]
    ported = protocol in _PORT_PROTOCOLS
    if not ported:
        flow[2] = flow[5] = 0
    first = 3 if flow[ONE_WAY] == 0 and _turned(flow) else 0
    second = 3 - first
    for k in range(16):
        scratch[k] = 0
    bits = _append(scratch, 0, seed, 16)
    bits = _append_address(scratch, bits, flow, first)
    bits = _append_address(scratch, bits, flow, second)
    bits = _append(scratch, bits, protocol << 8, 16)
    if ported:
        bits = _append(scratch, bits, flow[first + 2], 16)
        bits = _append(scratch, bits, flow[second + 2], 16)
    _append(scratch, bits, 0x80, 8)
    scratch[15] = bits
    return _put_base64(out, at, _sha1_block(scratch))
