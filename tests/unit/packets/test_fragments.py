"""Later fragments find the ports of the first one, and only that.

Goal: SEMANTICS.rst, "Fragments". Method: fragments built by hand in every order, and a model of a
few lines (an ordered dict) against the cache under drawn keys and times, with its own check at the
end. Small caches cannot be made: the bound of 4,096 entries is reached.
"""

from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from engine.config import SECOND_NS
from engine.layouts import PACKET
from engine.memory.options import KERNEL
from engine.memory.pointers import pointer
from engine.packets import fragments, lines
from engine.packets.key import secret_words
from tests.property import frames as f
from tests.unit.packets.parsing import FrameParser

RAW = 101
A, B = b"\x0a\0\0\1", b"\x0a\0\0\2"
A6, B6 = b"\xfe\x80" + bytes(13) + b"\1", b"\x20\x01" + bytes(13) + b"\2"
MORE = 0x2000
AGE = 30 * SECOND_NS


def piece(offset: int, more: bool, number: int = 7, protocol: int = f.UDP, ends=(A, B)) -> bytes:
    """Return an IPv4 fragment; the first of a datagram from port 1 to 2."""
    content = f.udp((1, 2), bytes(8)) if offset == 0 else bytes(16)
    pieces = offset | (MORE if more else 0)
    return f.ipv4(content, protocol, ends, fragment=pieces, identification=number)


def piece6(offset: int, more: bool, number: int = 7, protocol: int = f.UDP) -> bytes:
    """Return an IPv6 fragment, likewise."""
    content = f.udp((1, 2), bytes(8)) if offset == 0 else bytes(16)
    return f.extended(content, protocol, (A6, B6), [f.fragment_header(number, offset, more)])


@pytest.mark.parametrize("build", (piece, piece6))
def test_later_fragment_takes_ports_and_protocol_of_the_first(build):
    parser = FrameParser()
    first = parser.parse(build(0, True), RAW).only
    assert (first.source_port, first.destination_port, first.fragment) == (1, 2, 0)
    later = parser.parse(build(2, False), RAW).only
    assert (later.source_port, later.destination_port, later.fragment) == (1, 2, 1)
    assert (later.protocol, later.payload, later.flags) == (f.UDP, 16, 0)


@pytest.mark.parametrize("build", (piece, piece6))
def test_later_fragment_without_a_first_is_an_orphan(build):
    parser = FrameParser()
    assert parser.parse(build(2, True), RAW).fate == "fragment_orphan"
    parser.parse(build(0, True), RAW)
    assert parser.parse(build(2, True, number=8), RAW).fate == "fragment_orphan"
    assert parser.parse(build(2, True), RAW).fate == "accepted"


def test_every_part_of_the_key_tells_fragments_apart():
    parser = FrameParser()
    parser.parse(piece(0, True), RAW)
    assert parser.parse(piece(2, True, protocol=f.UDP_LITE), RAW).fate == "fragment_orphan"
    assert parser.parse(piece(2, True, ends=(B, A)), RAW).fate == "fragment_orphan"
    tagged = f.ethernet(piece(2, True), (0x8100_0005,))
    assert parser.parse(tagged, 1).fate == "fragment_orphan"
    assert parser.parse(f.ethernet(piece(2, True)), 1).fate == "accepted"


def test_first_fragment_too_short_for_ports_is_malformed_and_not_remembered():
    parser = FrameParser()
    tiny = f.ipv4(b"\0\1\0", f.UDP, (A, B), fragment=MORE, identification=7)
    assert parser.parse(tiny, RAW).fate == "malformed_short"
    assert parser.parse(piece(2, True), RAW).fate == "fragment_orphan"


def test_fragment_header_of_a_whole_packet_is_only_skipped():
    parser = FrameParser()
    whole = parser.parse(piece6(0, False), RAW).only
    assert (whole.fragment, whole.source_port, whole.payload) == (0, 1, 8)
    assert parser.parse(piece6(2, False), RAW).fate == "fragment_orphan"


def test_only_the_first_fragment_header_that_says_so_makes_a_fragment():
    chain = [
        f.fragment_header(5, 0, False),
        f.fragment_header(6, 0, True),
        f.fragment_header(7, 9, False),
    ]
    parser = FrameParser()
    assert (
        parser.parse(f.extended(f.udp((1, 2)), f.UDP, (A6, B6), chain), RAW).only.source_port == 1
    )
    later = f.extended(bytes(8), 44, (A6, B6), [f.fragment_header(6, 2, False)])
    assert parser.parse(later, RAW).only.source_port == 1


def test_entry_lives_for_30_s_of_its_first_fragment():
    parser = FrameParser()
    parser.parse(piece(0, True), RAW, time=-5)
    assert parser.parse(piece(2, True), RAW, time=AGE - 5).fate == "accepted"
    assert parser.parse(piece(2, True), RAW, time=AGE - 4).fate == "fragment_orphan"


def test_one_way_mark_of_icmp_is_remembered_and_that_of_tcp_is_not():
    parser = FrameParser()
    message = f.ipv4(f.icmp(3, 1), f.ICMP, (A, B), fragment=MORE, identification=1)
    assert parser.parse(message, RAW).only.mark == 1
    assert parser.parse(piece(2, False, 1, f.ICMP), RAW).only.mark == 1
    segment = f.ipv4(f.tcp((1, 2), 2), f.TCP, (A, B), fragment=MORE, identification=1)
    assert parser.parse(segment[:28], RAW, len(segment)).only.mark == 1
    later = parser.parse(piece(2, False, 1, f.TCP), RAW).only
    assert (later.mark, later.source_port, later.flags) == (0, 1, 0)


@njit(**KERNEL)
def _remember(cache, secrets, line, time):
    return fragments.remember(pointer(cache), pointer(secrets), pointer(line), time)


@njit(**KERNEL)
def _resolve(cache, secrets, line, time):
    return fragments.resolve(pointer(cache), pointer(secrets), pointer(line), time)


class Model:
    """The cache by its definition."""

    def __init__(self) -> None:
        self.entries: OrderedDict[int, tuple[int, int]] = OrderedDict()

    def remember(self, key: int, port: int, time: int) -> int:
        """Keep a first fragment; return 1 if one younger than 30 s had to go."""
        evicted = 0
        if key not in self.entries and len(self.entries) == fragments.ENTRIES:
            _, (_, then) = self.entries.popitem(last=False)
            evicted = time - then < AGE
        self.entries.pop(key, None)
        self.entries[key] = port, time
        return int(evicted)

    def resolve(self, key: int, time: int) -> int | None:
        """Return the port of a fragment's first one."""
        port, then = self.entries.get(key, (None, time))
        return port if time - then <= AGE else None


def line_of(key: int, port: int = 0) -> np.ndarray:
    """Return the line of a fragment whose key differs in one part only, by turns."""
    line = np.zeros(lines.LINE_WORDS, np.int64)
    line[(lines.SOURCE_HIGH, lines.DESTINATION_LOW, lines.FRAGMENT_KEY)[key % 3]] = 1 + key // 3
    line[lines.KEY] = port
    return line


class Cache:
    """The cache beside its model; every call is compared."""

    def __init__(self) -> None:
        self.words = fragments.new_cache()
        self.secrets = secret_words((3, 4))
        self.model = Model()

    def remember(self, key: int, port: int, time: int) -> None:
        """Keep a first fragment in both."""
        evicted = _remember(self.words, self.secrets, line_of(key, port), time)
        assert evicted == self.model.remember(key, port, time)

    def resolve(self, key: int, time: int) -> None:
        """Look a later fragment up in both."""
        line = line_of(key)
        found = _resolve(self.words, self.secrets, line, time) == 0
        expected = self.model.resolve(key, time)
        assert found == (expected is not None)
        if found:
            assert int(line[lines.KEY]) & PACKET.mask("key", "source_port") == expected


steps = st.lists(
    st.tuples(st.booleans(), st.integers(0, 40), st.sampled_from((0, 1, AGE // 3, AGE, AGE + 1))),
    max_size=60,
)


@given(steps)
def test_cache_does_what_its_model_does(drawn):
    cache = Cache()
    time = 0
    for number, (first, key, later) in enumerate(drawn):
        time += later
        if first:
            cache.remember(key, number, time)
        else:
            cache.resolve(key, time)
    fragments.check(cache.words, cache.secrets)


@pytest.mark.compiled
def test_full_cache_gives_up_its_oldest_entry():
    cache = Cache()
    for number in range(3 * fragments.ENTRIES):
        cache.remember(number * 7 % 5000, number & 0xFFFF, number * (AGE // 5000))
        if number % 997 == 0:
            fragments.check(cache.words, cache.secrets)
    for key in range(5000):
        cache.resolve(key, 3 * fragments.ENTRIES * (AGE // 5000))
    fragments.check(cache.words, cache.secrets)
