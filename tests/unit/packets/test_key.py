"""Both directions of a flow have one key, one hash, one worker; other flows have other keys.

Method: packet records of drawn endpoints, many of them alike, against keys made by definition from
plain tuples. It does not show how well the hash spreads, nor that nobody can guess it.
"""

from itertools import product
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from engine.layouts import PACKET
from engine.memory.options import KERNEL
from engine.memory.pointers import pointer
from engine.packets import key as keys

ICMP, TCP, ICMP6 = 1, 6, 58
SECRETS = keys.secret_words((0x0123456789ABCDEF, 0xFEDCBA9876543210))
HIGHEST = (1 << 64) - 1


class Sent(NamedTuple):
    """What of a packet belongs to its flow's key."""

    version6: int
    protocol: int
    source: tuple[int, int]  # Address, port.
    destination: tuple[int, int]
    vlan: int
    mark: int

    def turned(self) -> "Sent":
        return self._replace(source=self.destination, destination=self.source)

    @property
    def one_way(self) -> bool:
        return bool(self.mark) and self.protocol in (ICMP, ICMP6)

    @property
    def flow(self) -> tuple:
        """Return the key by definition."""
        ends = self.source, self.destination
        ends = ends if self.one_way else tuple(sorted(ends))
        return self.version6, self.protocol, ends, self.vlan, self.one_way


@njit(**KERNEL)
def _key(record, secrets, workers):
    """Return side, key words, hash and worker of a record."""
    packet, words = pointer(record), pointer(secrets)
    side = keys.side_of(packet, 0)
    addresses, rest = keys.flow_key(packet, 0, side, words)
    hashed = keys.keyed_hash(addresses, rest, words)
    return side, addresses, rest, hashed, keys.shard_of(packet, 0, words, workers)


def signed(word: int) -> int:
    return word - (1 << 64) if word >> 63 else word


def made(sent: Sent, secrets=SECRETS, workers: int = 3) -> tuple[int, int, int, int, int]:
    record = np.zeros(PACKET.words, np.int64)
    for at, (address, _) in (("source", sent.source), ("destination", sent.destination)):
        record[PACKET.index(f"{at}_high")] = signed(address >> 64)
        record[PACKET.index(f"{at}_low")] = signed(address & HIGHEST)
    fields = {
        "source_port": sent.source[1],
        "destination_port": sent.destination[1],
        "vlan": sent.vlan,
        "version6": sent.version6,
        "mark": sent.mark,
        "protocol": sent.protocol,
    }
    word = sum(value << PACKET.shift("key", name) for name, value in fields.items())
    record[PACKET.index("key")] = signed(word)
    return _key(record, secrets, workers)


PORTS = (0, 1, 53, 0x8000, 0xFFFF)
FOUR = (1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
SIX = (1, 1 << 63, 1 << 64, (1 << 127) + 1, (1 << 64) + (1 << 63), (1 << 128) - 1)


@st.composite
def packets(draw) -> Sent:
    version6 = draw(st.integers(0, 1))
    ends = st.tuples(st.sampled_from(SIX if version6 else FOUR), st.sampled_from(PORTS))
    protocol = draw(st.sampled_from((TCP, ICMP, ICMP6, 17, 255)))
    vlan = draw(st.sampled_from((0, 1, 4095)))
    return Sent(version6, protocol, draw(ends), draw(ends), vlan, draw(st.integers(0, 1)))


@given(packets())
def test_both_directions_have_one_key_hash_and_worker(sent):
    there, back = made(sent), made(sent.turned())
    if sent.one_way:
        assert there[0] == back[0] == 0
    else:
        assert there[1:] == back[1:]
        assert there[0] + back[0] == (sent.source != sent.destination)


@given(packets(), packets())
def test_keys_are_equal_where_the_flows_are(one, other):
    assert (made(one)[1:3] == made(other)[1:3]) == (one.flow == other.flow)


@pytest.mark.parametrize(("version6", "addresses"), [(0, FOUR), (1, SIX)])
def test_lower_endpoint_by_address_then_port_is_a(version6, addresses):
    ends = list(product(addresses, PORTS))
    for source, destination in product(ends, ends):
        side = made(Sent(version6, TCP, source, destination, 0, 0))[0]
        assert side == (source > destination), (source, destination)


@given(packets(), st.integers(1, 64))
def test_worker_and_hash_are_in_range(sent, workers):
    *_, hashed, worker = made(sent, workers=workers)
    assert 0 <= worker < workers
    assert 0 <= hashed < 1 << 63


def test_every_worker_gets_flows():
    tcp = [Sent(0, TCP, (10, port), (11, 80), 0, 0) for port in range(1000)]
    for workers in (2, 3, 5, 64):
        assert {made(sent, workers=workers)[4] for sent in tcp} == set(range(workers))


def test_key_of_the_run_changes_the_hash_and_not_the_words_of_ipv4():
    other = keys.secret_words((1, 2))
    sent = Sent(0, TCP, (10, 1), (11, 80), 0, 0)
    assert made(sent)[1:3] == made(sent, other)[1:3]
    assert made(sent)[3] != made(sent, other)[3]
