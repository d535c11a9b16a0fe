"""Greetings are recognised as the plain twin recognises them: TLS client hellos, HTTP requests.

Method: drawn hellos and requests, whole, cut and changed anywhere, and any bytes; a few by hand to
say what the rules are. Nothing behind the payload is read. What both misread alike is not shown.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from engine.memory.options import KERNEL
from engine.memory.pointers import pointer
from engine.packets import greetings
from engine.reference.payload import HTTP_METHODS, is_http_request, tls_hello
from tests.property import payloads
from tests.property.dice import Dice
from tests.property.strategies import genes

NAMED, NAMELESS = "tls_named", "tls_nameless"
HELLOS = {
    greetings.NOTHING: "",
    greetings.TLS_NAMED: NAMED,
    greetings.TLS_NAMELESS: NAMELESS,
}


@njit(**KERNEL)
def _hello(octets, size):
    return greetings.client_hello(pointer(octets), size)


@njit(**KERNEL)
def _is_request(octets, size):
    return greetings.is_http_request(pointer(octets), size)


def recognise(payload: bytes) -> tuple[str, bool]:
    """Return what hello a payload is, and whether it is a request."""
    octets = np.frombuffer(payload + bytes(1), np.uint8)
    return HELLOS[_hello(octets, len(payload))], bool(_is_request(octets, len(payload)))


def expected(payload: bytes) -> tuple[str, bool]:
    return tls_hello(payload), is_http_request(payload)


@given(genes, st.sampled_from((payloads.tls, payloads.http)))
def test_drawn_greeting_is_what_the_twin_says(gene, draw):
    payload = draw(Dice(gene))[:256]
    assert recognise(payload) == expected(payload)


@given(
    genes,
    st.sampled_from((payloads.tls, payloads.http)),
    st.integers(0, 255),
    st.integers(0, 255),
    st.integers(0, 256),
)
def test_cut_and_changed_greeting_is_what_the_twin_says(gene, draw, at, value, size):
    payload = bytearray(draw(Dice(gene)))
    payload[at % len(payload)] = value
    payload = bytes(payload[:size])
    assert recognise(payload) == expected(payload)


@given(st.binary(max_size=60))
def test_any_bytes_are_what_the_twin_says(payload):
    assert recognise(payload) == expected(payload)


@pytest.mark.parametrize("method", HTTP_METHODS)
def test_request_is_a_method_and_a_space_and_nothing_less(method):
    assert recognise(method)[1] and recognise(method + b"/ HTTP/1.1\r\n")[1]
    assert not any(recognise(method[:size])[1] for size in range(len(method)))
    assert not recognise(method.lower())[1]


def test_name_is_seen_once_it_is_captured_and_its_absence_at_the_end_of_the_hello():
    hello = next(found for k in range(64) if tls_hello(found := payloads.tls(Dice(k))) == NAMED)
    sizes = [size for size in range(len(hello) + 1) if recognise(hello[:size])[0] == NAMED]
    assert sizes == list(range(sizes[0], len(hello) + 1))
    nameless = next(f for k in range(999) if tls_hello(f := payloads.tls(Dice(k))) == NAMELESS)
    assert recognise(nameless)[0] == NAMELESS
    assert recognise(nameless[:-1])[0] == ""
