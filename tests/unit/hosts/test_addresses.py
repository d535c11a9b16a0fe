"""Goal: an address is internal, external or no host, as Python's ipaddress says.

Method: drawn home networks of both versions, as a user may give them, and addresses drawn inside,
at the edges of and outside them; the fixed hashes against the twin's.
"""

import ipaddress

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st
from numba import njit

from engine.config import HOME_NETWORKS, Config, HostSection, with_settings
from engine.hosts import addresses
from engine.hosts.addresses import EXTERNAL, INTERNAL, NO_HOST
from engine.hosts.space import private_words
from engine.memory.pointers import pointer
from engine.reference.hashes import address_words, fixed_hash
from tests.unit.hosts.slots import halves, signed


@njit
def _kind_of(words, version, high, low):
    return addresses.kind_of(pointer(words), version, high, low)


@njit
def _hashes(version, high, low):
    return (
        addresses.fixed_address_hash(version, high, low),
        addresses.fixed_prefix_hash(version, high, low),
    )


def ip(version: int, number: int) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Return an address."""
    return (ipaddress.IPv4Address if version == 4 else ipaddress.IPv6Address)(number)


@st.composite
def networks_and_addresses(draw):
    """Draw home networks, and an address in, beside or far from one of them."""
    networks = []
    for _ in range(draw(st.integers(1, 4))):
        version = draw(st.sampled_from([4, 6]))
        bits = 32 if version == 4 else 128
        length = draw(st.sampled_from([0, 1, 8, 16, 31, 32, 63, 64, 65, 127, 128]))
        text = f"{ip(version, draw(st.integers(0, 2**bits - 1)))}/{min(length, bits)}"
        networks.append(ipaddress.ip_network(text, strict=False))
    chosen = draw(st.sampled_from(networks))
    bits = chosen.max_prefixlen
    number = int(draw(st.sampled_from([chosen.network_address, chosen.broadcast_address])))
    number += draw(st.sampled_from([0, -1, 1, 1 << bits // 2]))
    return networks, ip(chosen.version, number % 2**bits)


def words_for(networks) -> np.ndarray:
    """Return a small segment with these home networks."""
    settings = {"host.home_networks": tuple(map(str, networks)), "host.max_hosts": 16}
    settings |= {"host.max_pairs": 16, "host.rows": 16}
    return private_words(with_settings(Config(), settings).host, 1)


def expected_kind(networks, address) -> int:
    """Return the kind by the definition."""
    is_broadcast = address.version == 4 and int(address) == 2**32 - 1
    if address.is_multicast or is_broadcast or int(address) == 0:
        return NO_HOST
    inside = any(address in network for network in networks)
    return INTERNAL if inside else EXTERNAL


@given(networks_and_addresses())
@example(([ipaddress.ip_network("0.0.0.0/0")], ip(4, 0)))
@example(([ipaddress.ip_network("::/0")], ip(6, 0xFF << 120)))
@example(([ipaddress.ip_network("0.0.0.0/0")], ip(6, 0x0A000001)))
def test_kind_is_that_of_the_networks_given(drawn):
    networks, address = drawn
    high, low = halves(address.packed)
    found = _kind_of(words_for(networks), address.version, high, low)
    assert found == expected_kind(networks, address)


@given(st.sampled_from([4, 6]), st.integers(0, 2**128 - 1))
def test_default_networks_are_the_private_ones(version, number):
    address = ip(version, number % 2 ** (32 if version == 4 else 128))
    networks = [ipaddress.ip_network(text) for text in HOME_NETWORKS]
    words = private_words(HostSection(max_hosts=16, max_pairs=16, rows=16), 1)
    assert _kind_of(words, version, *halves(address.packed)) == expected_kind(networks, address)


@given(st.sampled_from([4, 6]), st.integers(0, 2**128 - 1))
def test_fixed_hashes_are_the_twins(version, number):
    bits, kept = (32, 16) if version == 4 else (128, 32)
    address = ip(version, number % 2**bits)
    prefix = ip(version, int(address) >> (bits - kept) << (bits - kept))
    expected = tuple(signed(fixed_hash(address_words(one.packed))) for one in (address, prefix))
    assert _hashes(version, *halves(address.packed)) == expected
