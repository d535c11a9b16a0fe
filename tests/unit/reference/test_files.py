"""Goal: frames, stamps and damage of capture files are what the section "Capture files" says.

Method: files of a few packets, put together byte by byte, in all variants; the same packets must
come out, and each kind of damage must be found at its offset with its reason. It does not show that
other programs agree: test_captures.py does, by their counts.
"""

import gzip
import lzma
import random
import zlib
from struct import pack

import pytest
import zstandard

from engine.reference.files import CaptureFile, Damage
from engine.reference.streams import Stream, uncompressed
from tests.property.capture_files import FORMATS, Frame

STAMP = 1_700_000_000 * 10**9
FRAMES = [
    Frame(STAMP, 1, b"first", 5),
    Frame(STAMP + 1000, 1, b"", 60),
    Frame(STAMP + 7_000_000, 1, b"third!", 1514),
]


def _read(content: bytes) -> tuple[list[Frame], Damage | None]:
    file = CaptureFile(content)
    return [Frame(*frame[:4]) for frame in file], file.damage


def _pcap(*records: bytes, magic: int = 0xA1B2C3D4, version: tuple[int, int] = (2, 4)) -> bytes:
    return pack("<IHHiIII", magic, *version, 0, 0, 65535, 1) + b"".join(records)


def _record(captured: bytes, seconds: int = 1, fraction: int = 2) -> bytes:
    return pack("<IIII", seconds, fraction, len(captured), len(captured)) + captured


@pytest.mark.parametrize(
    "form", [name for name in FORMATS if name.split()[-1] not in ("seconds", "binary", "simple")]
)
def test_every_format_gives_the_frames_it_was_written_from(form: str) -> None:
    frames = FRAMES if form != "pcap 2.3" else FRAMES[:1]
    assert _read(FORMATS[form](frames)) == (frames, None)


def test_offset_is_that_of_the_first_captured_byte() -> None:
    for form in ("pcap us", "pcap modified", "pcapng", "pcapng obsolete", "pcapng simple"):
        content = FORMATS[form](FRAMES)
        for frame in CaptureFile(content):
            assert content[frame.offset : frame.offset + len(frame.captured)] == frame.captured


def test_whole_seconds_round_ticks_down() -> None:
    stamps = [frame.stamp for frame in CaptureFile(FORMATS["pcapng seconds"](FRAMES))]
    assert stamps == [STAMP] * 3


def test_ticks_of_a_power_of_two_are_rounded_down() -> None:
    frame = Frame(STAMP + 7_000_000, 1, b"x", 1)
    (read,) = CaptureFile(FORMATS["pcapng binary"]([frame]))
    ticks = (STAMP + 7_000_000) * 2**30 // 10**9
    assert read.stamp == ticks * 10**9 // 2**30


def test_fraction_of_a_second_or_more_is_added_as_it_is() -> None:
    (frame,) = CaptureFile(_pcap(_record(b"x", 10, 3_000_000)))
    assert frame.stamp == 13 * 10**9


def test_stamps_beyond_int64_are_read_exactly() -> None:
    far = Frame((1 << 64) - 1, 1, b"x", 1)
    assert _read(FORMATS["pcapng"]([far])) == ([far], None)


def test_stamps_before_1970_are_read_by_their_offset() -> None:
    before = Frame(-(1 << 63), 1, b"x", 1)
    assert _read(FORMATS["pcapng"]([before])) == ([before], None)


def test_simple_packet_has_the_stamp_of_the_packet_before() -> None:
    frames = [FRAMES[0], FRAMES[0]._replace(stamp=STAMP + 5)]
    simple = FORMATS["pcapng simple"](frames)
    assert [frame.stamp for frame in CaptureFile(simple)] == [0, 0]
    enhanced = FORMATS["pcapng"](frames[:1])
    section_and_interface = len(FORMATS["pcapng"]([])) + 40
    mixed = enhanced + simple[section_and_interface:]
    assert [frame.stamp for frame in CaptureFile(mixed)] == [STAMP] * 3


def test_simple_packet_is_cut_at_the_snap_length() -> None:
    interface = pack("<IIHHII", 1, 20, 1, 0, 3, 20)
    packet = pack("<III", 3, 20, 9) + b"abc\0" + pack("<I", 20)
    (frame,) = CaptureFile(FORMATS["pcapng"]([]) + interface + packet)
    assert (frame.captured, frame.original_length) == (b"abc", 9)


def test_lengths_change_places_in_old_versions_only() -> None:
    record = pack("<IIII", 1, 2, 9, 1) + b"x" + bytes(8)
    for version, captured in (((2, 2), b"x"), ((2, 3), b"x"), ((2, 4), b"x" + bytes(8))):
        (frame,) = list(CaptureFile(_pcap(record, version=version)))[:1]
        assert frame.captured == captured
    assert _read(_pcap(record, version=(543, 0)))[0][0].captured == b"x"


_INTERFACE = pack("<IIHHII", 1, 20, 1, 0, 0, 20)
_SECTION = FORMATS["pcapng"]([])
_ONE = FORMATS["pcap us"](FRAMES[:1])
_ENHANCED = pack("<IIIIIII", 6, 36, 0, 0, 0, 4, 4) + b"abcd" + pack("<I", 36)


@pytest.mark.parametrize(
    ("content", "packets", "damage"),
    [
        (b"", 0, (0, "no_capture")),
        (b"\xd4\xc3", 0, (0, "no_capture")),
        (b"no capture at all", 0, (0, "no_capture")),
        (_ONE[:23], 0, (0, "cut")),
        (_pcap(version=(1, 4)), 0, (0, "version")),
        (_ONE + b"\0" * 15, 1, (45, "cut")),
        (_ONE + _record(b"abc")[:-1], 1, (45, "cut")),
        (_ONE + pack("<IIII", 0, 0, 262_145, 1), 1, (45, "record_length")),
        (_SECTION + b"\6\0\0\0\0\0\0", 0, (28, "cut")),
        (_SECTION + pack("<II", 6, 36), 0, (28, "cut")),
        (_SECTION[:11], 0, (0, "cut")),
        (_SECTION[:8] + b"????" + _SECTION[12:], 0, (0, "no_capture")),
        (_SECTION + _SECTION[:8] + b"????" + _SECTION[12:], 0, (28, "block_content")),
        (_SECTION[:12] + b"\2" + _SECTION[13:], 0, (0, "version")),
        (_SECTION + pack("<II", 99, 0), 0, (28, "block_length")),
        (_SECTION + pack("<II", 99, 13) + bytes(9), 0, (28, "block_length")),
        (_SECTION + pack("<II", 99, (1 << 24) + 4), 0, (28, "block_length")),
        (_SECTION + pack("<II", 1, 16) + bytes(8), 0, (28, "block_length")),
        (_SECTION + pack("<III", 99, 12, 16), 0, (28, "block_trailer")),
        (_SECTION + _ENHANCED, 0, (28, "interface")),
        (_SECTION + _INTERFACE + _ENHANCED + _SECTION + _ENHANCED, 1, (112, "interface")),
        (_SECTION + _INTERFACE * 1025, 0, (28 + 20 * 1024, "interface")),
        (
            _SECTION + _INTERFACE + _ENHANCED.replace(b"\4\0\0\0\4", b"\5\0\0\0\4"),
            0,
            (48, "block_content"),
        ),
        (_SECTION + pack("<IIHHIHHI", 1, 24, 1, 0, 0, 9, 2, 24), 0, (28, "block_content")),
        (_SECTION + pack("<IIHHIHHI", 1, 24, 1, 0, 0, 4, 4, 24), 0, (28, "block_content")),
    ],
)
def test_damage_has_its_offset_and_reason(content: bytes, packets: int, damage: tuple) -> None:
    frames, found = _read(content)
    assert (len(frames), found) == (packets, Damage(*damage))


def test_unknown_blocks_are_skipped() -> None:
    assert len(_read(_SECTION + pack("<III", 0xBAD, 12, 12) + _INTERFACE + _ENHANCED)[0]) == 1


def test_interfaces_are_those_of_the_section() -> None:
    raw = pack("<IIHHII", 1, 20, 101, 0, 0, 20)
    content = _SECTION + _INTERFACE + _ENHANCED + _SECTION + raw + _ENHANCED
    assert [frame.link_type for frame in CaptureFile(content)] == [1, 101]


def test_upper_bits_of_the_pcap_link_type_mean_nothing() -> None:
    content = _ONE[:20] + pack("<I", 1 << 28 | 1) + _ONE[24:]
    assert [frame.link_type for frame in CaptureFile(content)] == [1]


_WHOLE = FORMATS["pcap ns"]([Frame(STAMP + k, 1, bytes((k,)) * 900, 900) for k in range(40)])
_COMPRESSORS = {
    "gz": gzip.compress,
    "zst": zstandard.ZstdCompressor(write_checksum=True).compress,
    "xz": lzma.compress,
}


@pytest.mark.parametrize("kind", _COMPRESSORS)
def test_compressed_files_hold_the_same_frames(kind: str) -> None:
    compress = _COMPRESSORS[kind]
    plain = list(CaptureFile(_WHOLE))
    for packed in (compress(_WHOLE), compress(_WHOLE[:999]) + compress(_WHOLE[999:]) + bytes(3)):
        file = CaptureFile(packed)
        assert (list(file), file.damage) == (plain, None)


@pytest.mark.parametrize("kind", _COMPRESSORS)
def test_bytes_behind_compressed_data_are_damage_at_the_end(kind: str) -> None:
    frames, damage = _read(_COMPRESSORS[kind](_WHOLE) + b"\0more")
    assert (len(frames), damage) == (40, Damage(len(_WHOLE), "trailing"))


@pytest.mark.parametrize("kind", _COMPRESSORS)
def test_wrong_checksum_is_damage_behind_all_frames(kind: str) -> None:
    packed = bytearray(_COMPRESSORS[kind](_WHOLE))
    at = {"gz": -8, "zst": -1, "xz": -40}[kind]
    packed[at] ^= 1
    frames, damage = _read(bytes(packed))
    assert damage is not None
    assert damage.reason == "compression"
    assert len(frames) == 40 or kind == "xz"


@pytest.mark.parametrize("kind", _COMPRESSORS)
def test_compressed_data_cut_short_give_all_that_stands_before(kind: str) -> None:
    packed = _COMPRESSORS[kind](_WHOLE)
    counts = []
    for end in range(6, len(packed), 7):
        frames, damage = _read(packed[:end])
        assert damage is not None
        assert damage.reason == "compression"
        counts.append(len(frames))
    assert counts == sorted(counts)


@pytest.mark.parametrize("kind", _COMPRESSORS)
def test_broken_data_give_what_comes_out_before_the_broken_byte(kind: str) -> None:
    makers = {
        "gz": lambda: zlib.decompressobj(31),
        "zst": lambda: zstandard.ZstdDecompressor().decompressobj(),
        "xz": lzma.LZMADecompressor,
    }
    whole = bytes(byte & 0x3F for byte in random.Random(1).randbytes(200_000))
    packed = bytearray(_COMPRESSORS[kind](whole))
    packed[100_000:100_008] = b"\xff" * 8
    decompressor, expected = makers[kind](), b""
    with pytest.raises((zlib.error, zstandard.ZstdError, lzma.LZMAError)):
        for byte in packed:
            expected += decompressor.decompress(bytes((byte,)))
    assert uncompressed(bytes(packed)) == Stream(expected, "compression")
