"""Goal: no kernel that looks at payload reads a byte that was not captured.

Method: payloads end where a page ends behind which nothing may be read; every kernel takes each
payload cut at every length, and changed anywhere. A byte too far is a segmentation fault. That a
fault would come is shown by a process that reads one byte too far. What it cannot show: reads
before a payload's first byte.
"""

import ctypes
import mmap
import signal
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from engine.features.payload import BYTES_MAX, add_bytes
from engine.layouts import places
from engine.memory.pointers import bytes_at, load_u8, pointer
from engine.packets import dns
from engine.packets.greetings import client_hello, is_http_request
from engine.packets.ip import transport_offset
from tests.conftest import ROOT
from tests.property import payloads
from tests.property.dice import Dice
from tests.property.strategies import genes

pytestmark = pytest.mark.compiled
PAGE = mmap.PAGESIZE
PAYLOADS = (
    payloads.dns(Dice(0)),
    payloads.tls(Dice(0)),
    payloads.http(Dice(0)),
    bytes(range(256)) * 2,
    b"DELETE OPTIONS PATCH CONNECT TRACE",
)


class LastPage:
    """A page at whose end payloads stand; the next one may not be read."""

    def __init__(self) -> None:
        self._map = mmap.mmap(-1, 2 * PAGE)
        self._octets = np.frombuffer(self._map, np.uint8)
        self.end = self._octets.ctypes.data + PAGE
        forbid = ctypes.CDLL(None, use_errno=True).mprotect
        forbid.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
        assert forbid(self.end, PAGE, 0) == 0

    def put(self, payload: bytes) -> int:
        """Put a payload at the end of the page; return its address."""
        self._octets[PAGE - len(payload) : PAGE] = np.frombuffer(payload, np.uint8)
        return self.end - len(payload)


@njit
def look(address, size, row, name, classes):
    """Let every kernel look at a payload; return what they found."""
    octets = bytes_at(address, size)
    count = min(size, BYTES_MAX)
    add_bytes(pointer(row), octets, count)
    length, _ = dns.read_question(octets, size, pointer(name))
    if length > 0:
        dns.count_classes(pointer(name), length, pointer(classes))
    return length, client_hello(octets, count), is_http_request(octets, count)


@njit
def read_at(address, place):
    """Return the byte at a place behind an address."""
    return load_u8(bytes_at(address, place + 1), place)


PLACE = LastPage()


def found(payload: bytes) -> tuple:
    """Return what kernels find in a payload at the end of the page, nibble counts included."""
    row = np.zeros(places.ROW_WORDS, np.int64)
    name, classes = np.zeros(dns.NAME_BUFFER_BYTES, np.uint8), np.zeros(8, np.int64)
    seen = look(PLACE.put(payload), len(payload), row, name, classes)
    bins = [
        int(row[places.NIBBLES + k // 5]) >> 12 * (k % 5) & 0xFFF
        for k in range(15)  # Bin 15 is the rest.
    ]
    expected = [sum(octet >> 4 == k for octet in payload[:BYTES_MAX]) for k in range(15)]
    assert bins == expected
    return seen


@pytest.mark.parametrize("payload", PAYLOADS)
def test_payload_cut_anywhere_is_not_read_beyond_its_end(payload):
    for size in range(1, len(payload) + 1):
        found(payload[:size])


@given(genes, st.sampled_from((payloads.dns, payloads.tls, payloads.http)), st.data())
def test_changed_payload_is_not_read_beyond_its_end(gene, draw, drawn):
    payload = bytearray(draw(Dice(gene)))
    for _ in range(drawn.draw(st.integers(0, 3))):
        at = drawn.draw(st.integers(0, len(payload) - 1))
        payload[at] = drawn.draw(st.sampled_from((0, 1, 0x3F, 0xC0, 0xFF)))
    size = drawn.draw(st.integers(1, len(payload)))
    found(bytes(payload[:size]))


@given(st.binary(min_size=1, max_size=BYTES_MAX + 70))
def test_any_bytes_are_not_read_beyond_their_end(payload):
    found(payload)


@njit
def find_transport(address, size):
    """Return where the transport header of a packet of `size` bytes would begin."""
    return transport_offset(bytes_at(address, size), size)


@given(
    st.sampled_from((b"\x45", b"\x4f", b"\x60")),
    st.lists(st.sampled_from((0, 1, 6, 44, 51, 60, 135, 255)), min_size=19, max_size=400),
)
def test_headers_of_any_bytes_are_not_walked_beyond_their_end(first, rest):
    packet = first + bytes(rest)
    at = find_transport(PLACE.put(packet), len(packet))
    assert at == -1 or 20 <= at <= len(packet)


def test_read_beyond_the_end_would_be_noticed():
    assert read_at(PLACE.put(b"x"), 0) == ord("x")
    program = "from tests.unit.flows.test_page_end import PLACE, read_at; read_at(PLACE.end, 0)"
    command = [sys.executable, "-c", program]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    assert process.returncode == -signal.SIGSEGV
