"""Filters match what libpcap's own machine matches, and no program can leave its bounds.

Goal: capture/bpf_machine.py is pcap_offline_filter(); programs that a kernel must not see are
refused; a run with a filter counts and moves the clock as SEMANTICS.rst says. Method: filters
compiled by libpcap (skipped where it is not installed) over drawn frames, its answer expected;
programs written by hand.
"""

import ctypes
from struct import pack

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numba import njit

from engine.capture import bpf_filter
from engine.capture.bpf_machine import SCRATCH_WORDS, matches, verified
from engine.errors import ConfigError
from engine.memory.options import KERNEL
from engine.memory.pointers import pointer
from tests.property import frames as f
from tests.property.strategies import frame_lists
from tests.unit.capture.files import (
    SECOND,
    A,
    B,
    datagram,
    enhanced,
    interface,
    ports,
    read,
    section,
    times,
)

ETHERNET = 1
FILTERS = (
    "tcp",
    "udp port 53 or icmp",
    "ip6 and not tcp",
    "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0",
    "ip[2:2] > 100 and ip[0] & 15 > 5",
    "vlan and udp",
    "mpls 16",
    "len <= 80 or greater 200",
    "ether[0] + ether[1] * 3 - ether[2] / 2 > len % 7",
    "host 10.0.0.1 and dst port 80",
    "net 10.0.0.0/8 and portrange 1-1024",
    "ip[6:2] & 0x1fff != 0",
    "tcp[((tcp[12:1] & 0xf0) >> 2):4] = 0x47455420",
)


@pytest.fixture(scope="module")
def library() -> ctypes.CDLL:
    """Return libpcap, or skip."""
    try:
        return ctypes.CDLL(bpf_filter.LIBRARY)
    except OSError:
        pytest.skip(f"{bpf_filter.LIBRARY} is not installed (libpcap0.8)")


@njit(**KERNEL)
def _matches(program, frame, wire, captured, scratch):
    return matches(pointer(program), pointer(frame), wire, captured, pointer(scratch))


def matched(program: np.ndarray, frame: bytes, wire: int = 0) -> bool:
    """Return whether the kernel says that the program matches."""
    content = np.frombuffer(frame + b"\xee", np.uint8)
    scratch = np.full(SCRATCH_WORDS, -1, np.int64)
    return bool(_matches(program, content, max(wire, len(frame)), len(frame), scratch))


class _Header(ctypes.Structure):
    _fields_ = (("stamp", ctypes.c_long * 2), ("captured", ctypes.c_uint), ("wire", ctypes.c_uint))


class _Program(ctypes.Structure):
    _fields_ = (("count", ctypes.c_uint), ("instructions", ctypes.c_void_p))


def expected(library: ctypes.CDLL, program: np.ndarray, frame: bytes, wire: int = 0) -> bool:
    """Return whether libpcap says so."""
    header = _Header((0, 0), len(frame), max(wire, len(frame)))
    theirs = _Program(len(program), program.ctypes.data)
    return bool(library.pcap_offline_filter(ctypes.byref(theirs), ctypes.byref(header), frame))


@pytest.mark.parametrize("words", FILTERS)
@given(frames=frame_lists(20))
def test_filter_matches_what_libpcap_matches(library, words, frames):
    program = bpf_filter.compile_filter(words, ETHERNET)
    for frame in frames:
        wire = frame.original_length
        answer = expected(library, program, frame.captured, wire)
        assert matched(program, frame.captured, wire) == answer


def instruction(code: int, operand: int = 0, true: int = 0, false: int = 0) -> bytes:
    """Return an instruction."""
    return pack("<HBBI", code, true, false, operand)


def accept_if(*before: bytes) -> np.ndarray:
    """Return a program that ends by returning A."""
    return verified(b"".join(before) + instruction(0x16))


words32 = st.one_of(st.integers(0, (1 << 32) - 1), st.integers(0, 40), st.just(0xFFFFFFFF))


@given(
    operation=st.sampled_from(range(0, 0xB0, 0x10)), a=words32, value=words32, by_x=st.booleans()
)
@example(operation=0x20, a=0xFFFFFFFF, value=0xFFFFFFFF, by_x=True)
def test_arithmetic_is_that_of_32_bits(library, operation, a, value, by_x):
    by_x = by_x and operation != 0x80  # There is no such negation.
    constant = not by_x
    if constant and ((operation in (0x30, 0x90) and value == 0) or operation in (0x60, 0x70)):
        value = 1 + value % 31
    for bit in range(0, 32, 5):
        program = accept_if(
            instruction(0x00, a),
            instruction(0x01, value),
            instruction(0x04 | operation | (0x08 if by_x else 0), value),
            instruction(0x54, 1 << bit),
        )
        assert matched(program, b"frame") == expected(library, program, b"frame")


@given(mode=st.sampled_from((0x20, 0x40)), size=st.sampled_from((0, 8, 16)), at=words32, x=words32)
@example(mode=0x40, size=0, at=0xFFFFFFFE, x=2)
@example(mode=0x20, size=16, at=7, x=0)
@example(mode=0x20, size=16, at=8, x=0)
def test_load_beyond_the_capture_does_not_match(library, mode, size, at, x):
    program = verified(instruction(1, x) + instruction(mode | size, at) + instruction(6, 1))
    assert matched(program, bytes(8), 100) == expected(library, program, bytes(8), 100)


REFUSED = {
    "nothing": b"",
    "half an instruction": b"\6\0\0\0",
    "no return at the end": instruction(0),
    "unknown code": instruction(0xFFFF) + instruction(6),
    "unknown load": instruction(0x18) + instruction(6),
    "jump beyond the end": instruction(0x15, 0, 1, 0) + instruction(6),
    "false jump beyond the end": instruction(0x15, 0, 0, 1) + instruction(6),
    "long jump beyond the end": instruction(5, 1) + instruction(6),
    "long jump around the world": instruction(5, 0xFFFFFFFF) + instruction(6),
    "store beyond the scratch": instruction(2, 16) + instruction(6),
    "store of X": instruction(3, 16) + instruction(6),
    "load beyond the scratch": instruction(0x60, 0xFFFFFFFF) + instruction(6),
    "load of X": instruction(0x61, 16) + instruction(6),
    "division by 0": instruction(0x34, 0) + instruction(6),
    "remainder of 0": instruction(0x94, 0) + instruction(6),
    "shift by 32": instruction(0x64, 32) + instruction(6),
    "too long": instruction(0) * 4096 + instruction(6),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_program_that_could_leave_its_bounds_is_refused(kind):
    with pytest.raises(ConfigError):
        verified(REFUSED[kind])


@given(
    st.lists(
        st.tuples(st.integers(0, 0xB7), words32, st.integers(0, 9), st.integers(0, 9)), max_size=12
    )
)
def test_every_program_that_is_not_refused_ends(drawn):
    code = b"".join(instruction(*word) for word in drawn) + instruction(6, 1)
    try:
        program = verified(code)
    except ConfigError:
        return
    assert matched(program, bytes(range(40))) in (True, False)


def test_bad_filter_is_refused_with_the_message_of_libpcap(library):
    with pytest.raises(ConfigError, match="syntax error"):
        bpf_filter.compile_filter("foo bar")
    with pytest.raises(ConfigError, match="zero bytes"):
        bpf_filter.compile_filter("tcp\0")


def test_missing_library_is_told_with_what_to_install(monkeypatch):
    monkeypatch.setattr(bpf_filter, "LIBRARY", "libpcap.so.none")
    with pytest.raises(ConfigError, match="apt-get install libpcap"):
        bpf_filter.compile_filter("tcp")


def test_filtered_packets_are_counted_and_move_the_clock(library, tmp_path):
    content = section() + interface()
    content += enhanced(5_000_000, datagram(80)) + enhanced(9_000_000, datagram(81))
    content += enhanced(8_500_000, datagram(80)) + enhanced(1, b"\0")
    made = read(tmp_path, content, filter_words="udp port 80")
    assert times(made) == [5 * SECOND, 9 * SECOND]
    assert ports(made) == [80, 80]
    assert (made.counters["filtered"], made.counters["read"]) == (2, 4)
    assert (made.counters["time_regressions"], made.counters["time_steps"]) == (1, 1)


def test_filter_is_compiled_for_each_link_type(library, tmp_path):
    packet = f.ipv4(f.udp((1, 80)), f.UDP, (A, B))
    content = section() + interface() + interface(link=1) + interface(link=113)
    content += enhanced(1, packet) + enhanced(2, f.ethernet(packet), 1)
    content += enhanced(3, bytes(14) + b"\x08\0" + packet, 2) + enhanced(4, f.ethernet(packet), 0)
    made = read(tmp_path, content, filter_words="udp dst port 80")
    assert made.counters["published"] == 3
    assert made.counters["filtered"] == 1


def test_link_type_that_libpcap_does_not_know_matches_nothing_and_is_told(library, tmp_path):
    content = section() + interface(link=9999) + interface()
    content += enhanced(1, b"?") + enhanced(2, b"?") + enhanced(3, datagram(80), 1)
    made = read(tmp_path, content, filter_words="udp")
    assert (made.counters["filtered"], made.counters["published"]) == (2, 1)
    (told,) = made.told("damage")
    assert told["reason"].startswith("filter: no packet of link type 9999 matches")
