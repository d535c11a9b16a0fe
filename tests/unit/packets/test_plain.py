"""The shortcut writes what the long way writes, or leaves the frame alone.

Goal: parse_plain never disagrees with parse_frame, and takes what nearly every frame is. Method:
drawn frames of all kinds, and ordinary ones with one byte changed at every place, cut at every
length.
"""

from hypothesis import given
from hypothesis import strategies as st

from tests.property import frames as f
from tests.property.strategies import frame_lists
from tests.unit.packets.parsing import FrameParser, shortcut

A, B = b"\x0a\0\0\1", b"\xc0\0\2\2"
ORDINARY = (
    f.ethernet(f.ipv4(f.tcp((4000, 443), 0x18, bytes(7), window=0x8001), f.TCP, (A, B))),
    f.ethernet(f.ipv4(f.tcp((4000, 443), 0xC2, words=10), f.TCP, (A, B))),
    f.ethernet(f.ipv4(f.udp((53, 4000), b"answer"), f.UDP, (A, B))) + bytes(5),
)


def agree(frame: bytes, wire: int = 0) -> bool:
    """Compare both ways; return whether the shortcut took the frame."""
    taken = shortcut(frame, wire)
    if taken is not None:
        assert taken == FrameParser().parse(frame, 1, wire).only
    return taken is not None


def test_ordinary_frames_are_taken():
    assert all(agree(frame) for frame in ORDINARY)
    assert all(agree(frame[:54], len(frame)) for frame in ORDINARY)


@given(st.sampled_from(ORDINARY), st.integers(0, 60), st.integers(0, 255), st.integers(0, 120))
def test_changed_and_cut_frames_agree(frame, at, value, size):
    at = min(at, len(frame) - 1)
    changed = frame[:at] + bytes((value,)) + frame[at + 1 :]
    agree(changed)
    agree(changed[:size], len(frame))
    agree(changed[:size])


def test_every_change_of_one_byte_agrees():
    for frame in ORDINARY:
        for at in range(12, 50):
            for value in (0, 1, 0x20, 0x40, 0x45, 0x46, 0x7F, 0x80, 0xFF):
                agree(frame[:at] + bytes((value,)) + frame[at + 1 :])


@given(frame_lists())
def test_drawn_frames_agree(frames):
    for frame in frames:
        if frame.link_type == 1:
            agree(frame.captured, frame.original_length)
