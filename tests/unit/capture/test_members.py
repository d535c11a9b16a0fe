"""Compressed files come out whole, in any pieces; broken ones to the byte before the fault.

Goal: capture/members.py and streams.py, and SEMANTICS.rst, "Capture files", "Compressed". Method:
small contents compressed in one or several members, fed in pieces of drawn sizes; broken at drawn
places; the reference is the same input fed byte by byte into fresh decoders.
"""

import gzip
import lzma
import os
import threading
import zlib

import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from engine.capture.members import COMPRESSION, MEMORY_BYTES_MAX, TRAILING, Members
from engine.capture.sources import find_sources
from engine.capture.state import CURSOR, END, FINAL, SOURCE_WORDS, WANTED
from engine.capture.streams import Stream, Window
from tests.unit.capture.files import ports, read, steady

CONTENT = bytes(range(256)) * 40 + b"end"


def zstd(content: bytes, **options) -> bytes:
    """Return a zstd frame with a checksum, in blocks small enough for several."""
    return zstandard.ZstdCompressor(write_checksum=True, **options).compress(content)


def skippable(size: int) -> bytes:
    """Return a skippable zstd frame."""
    return b"\x53\x2a\x4d\x18" + size.to_bytes(4, "little") + bytes(size)


COMPRESS = {
    "gzip": lambda content: gzip.compress(content, mtime=0),
    "zstd": zstd,
    "xz": lambda content: lzma.compress(content, preset=0),
}


def pulled(kind: str, compressed: bytes, size: int = 1 << 16, replay=None) -> tuple[bytes, str]:
    """Return what comes out when pieces of `size` bytes go in, and the fault."""
    members = Members(kind, replay)
    output = []
    at = 0
    while not members.ended:
        output.append(members.pull())
        if members.hungry:
            if at < len(compressed):
                members.feed(compressed[at : at + size])
                at += size
            else:
                members.finish()
    return b"".join(output), members.fault


@pytest.mark.parametrize("kind", COMPRESS)
@pytest.mark.parametrize("size", (1, 7, 64, 1 << 16))
def test_members_follow_one_another_in_any_pieces(kind, size):
    members = [COMPRESS[kind](part) for part in (CONTENT, b"", CONTENT[:100])]
    assert pulled(kind, b"".join(members), size) == (CONTENT + CONTENT[:100], "")


@pytest.mark.parametrize("size", (1, 5, 1 << 16))
def test_skippable_frames_of_zstd_are_skipped(size):
    frames = skippable(0) + zstd(CONTENT) + skippable(9) + zstd(b"x") + skippable(3)
    assert pulled("zstd", frames, size) == (CONTENT + b"x", "")
    assert pulled("zstd", skippable(9)[:-1], size) == (b"", COMPRESSION)


@pytest.mark.parametrize("kind", COMPRESS)
def test_large_output_comes_in_bounded_pieces(kind):
    content = bytes(5 << 20)
    members = Members(kind)
    compressed = COMPRESS[kind](content)
    sizes = []
    at = 0
    while not members.ended:
        sizes.append(len(members.pull()))
        if members.hungry and at < len(compressed):
            members.feed(compressed[at : at + 1000])
            at += 1000
        elif members.hungry:
            members.finish()
    assert sum(sizes) == len(content)
    assert max(sizes) <= 1 << 18


@pytest.mark.parametrize("kind", COMPRESS)
def test_zero_bytes_to_the_end_are_padding_and_others_are_trailing(kind):
    whole = COMPRESS[kind](CONTENT)
    for size in (1, 3, 1 << 16):
        assert pulled(kind, whole + bytes(1000), size) == (CONTENT, "")
        assert pulled(kind, whole + b"\0\0x", size) == (CONTENT, TRAILING)
        assert pulled(kind, whole + b"x", size) == (CONTENT, TRAILING)
        assert pulled(kind, whole + b"\0\0\0\0" + whole, size) == (CONTENT, TRAILING)
        assert pulled(kind, whole + whole[:1], size) == (CONTENT, TRAILING)


def byte_by_byte(kind: str, compressed: bytes) -> tuple[bytes, bool]:
    """Return what one member comes to before it fails or ends, and whether it is whole."""
    decoder = {
        "gzip": lambda: zlib.decompressobj(31),
        "zstd": zstandard.ZstdDecompressor(max_window_size=MEMORY_BYTES_MAX).decompressobj,
        "xz": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, MEMORY_BYTES_MAX),
    }[kind]()
    output = b""
    try:
        for at in range(len(compressed)):
            if decoder.eof:
                break
            output += decoder.decompress(compressed[at : at + 1])
    except (zlib.error, lzma.LZMAError, zstandard.ZstdError):
        return output, False
    return output, decoder.eof


@pytest.mark.parametrize("kind", COMPRESS)
@given(drawn=st.data())
def test_broken_member_gives_what_stands_before_the_fault(kind, drawn):
    rest = drawn.draw(st.binary(max_size=3000))
    content = rest + b"abc" * 300 + rest
    compressed = COMPRESS[kind](content)
    at = drawn.draw(st.integers(0, len(compressed) - 1))
    change = drawn.draw(st.sampled_from(("cut", "turn")))
    broken = compressed[:at]
    if change == "turn":
        broken += (
            bytes((compressed[at] ^ 1 << drawn.draw(st.integers(0, 7)),)) + compressed[at + 1 :]
        )
    head = {"gzip": 2, "zstd": 4, "xz": 6}[kind]
    if broken[:head] != compressed[:head]:
        return  # It is not of this kind any more.
    expected, whole = byte_by_byte(kind, broken)
    size = drawn.draw(st.sampled_from((1, 9, 1 << 16)))
    replay = drawn.draw(st.sampled_from((None, lambda begin, end: iter((broken[begin:end],)))))
    found, fault = pulled(kind, broken, size, replay)
    assert found == expected
    if not whole:
        assert fault == COMPRESSION


def test_zstd_window_above_the_limit_is_a_fault():
    small = zstandard.ZstdCompressionParameters(window_log=27, enable_ldm=False)
    frame = zstandard.ZstdCompressor(compression_params=small).compressobj()
    fine = frame.compress(b"x" * 10) + frame.flush()
    assert pulled("zstd", fine) == (b"x" * 10, "")
    wide = fine[:5] + b"\x98" + fine[6:]  # The window descriptor: 2^(10 + 19) bytes.
    assert pulled("zstd", wide) == (b"", COMPRESSION)


def test_xz_memory_above_the_limit_is_a_fault():
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 28, "preset": 0}]
    content = lzma.compress(b"x", filters=filters)
    assert pulled("xz", content) == (b"", COMPRESSION)


@pytest.mark.parametrize("kind", ("", *COMPRESS))
def test_records_are_the_same_plain_compressed_and_through_a_pipe(tmp_path, kind):
    plain = steady(3000, gap=5)
    content = COMPRESS[kind](plain) if kind else plain
    settings = {"capture.stream_buffer_bytes": 1 << 16, "capture.arena_bytes": 1 << 18}
    expected = read(tmp_path, plain).packets()
    made = read(tmp_path, content, settings=settings)
    assert np.array_equal(made.packets(), expected)
    if kind:
        assert set(made.payloads[0]) == {b"payload", b""}
    piped = through_pipe(tmp_path / "pipe", content, settings)
    assert np.array_equal(piped.packets(), expected)


def through_pipe(path, content: bytes, settings: dict):
    """Read a FIFO into which `content` is written, in pieces that divide records."""
    from engine.capture.offline import capture
    from engine.config import Config, with_settings

    os.mkfifo(path)

    def write() -> None:
        with open(path, "wb", buffering=0) as file:
            for at in range(0, len(content), 4099):
                file.write(content[at : at + 4099])

    writer = threading.Thread(target=write)
    writer.start()
    try:
        return capture([str(path)], with_settings(Config(), settings))
    finally:
        writer.join()


def test_window_grows_for_a_record_and_goes_on_behind_what_was_passed(tmp_path):
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(bytes(range(256)) * 4096))
    (source,) = find_sources([str(path)])
    window = Window(Stream(source), 1 << 16)
    row = np.zeros(SOURCE_WORDS, np.int64)
    row[WANTED] = 24
    assert window.refill(row) and row[END] == 1 << 16 and row[FINAL] == 0
    row[CURSOR], row[WANTED] = 1000, 300_000
    assert window.refill(row) and row[END] >= 300_000
    assert window.head(4) == bytes((232, 233, 234, 235))
    row[CURSOR], row[WANTED] = (1 << 20) - 1, 1 << 20
    assert window.refill(row) and row[END] == 1 << 20
    row[WANTED] = (1 << 20) + 1
    assert window.refill(row) and row[FINAL] == 1


def test_broken_stream_is_reported_where_a_record_is_cut(tmp_path):
    content = gzip.compress(steady(2000))
    made = read(tmp_path, content[: len(content) // 2])
    (damage,) = made.told("damage")
    assert damage["reason"].startswith("compression")
    assert damage["offset"] == 24 + made.counters["read"] * (16 + 35)
    assert 0 < made.counters["read"] < 2000
    assert len(ports(made)) == made.counters["read"]


def test_trailing_bytes_are_reported_at_the_end_of_the_stream(tmp_path):
    plain = steady(3)
    (damage,) = read(tmp_path, gzip.compress(plain) + b"junk").told("damage")
    assert damage["reason"].startswith("trailing")
    assert damage["offset"] == len(plain)
