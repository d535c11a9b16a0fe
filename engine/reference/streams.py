"""The uncompressed byte stream of a source (SEMANTICS.rst, "Capture files": Compressed).

Everything is held in memory: the twin is for tests.
"""

import lzma
import zlib
from typing import NamedTuple

import zstandard

MEMORY_BYTES_MAX = 1 << 27  # What an xz stream or the window of a zstd frame may ask for.


class Stream(NamedTuple):
    """The bytes of a source, and how their decompression ended: "", compression or trailing."""

    content: bytes
    fault: str


class _Format(NamedTuple):
    magic: tuple[bytes, ...]
    decompressor: object  # Makes a fresh one, for one member.
    errors: tuple[type[Exception], ...]


_FORMATS = (
    _Format((b"\x1f\x8b",), lambda: zlib.decompressobj(31), (zlib.error,)),
    _Format(
        (b"\x28\xb5\x2f\xfd", *(bytes((0x50 + n, 0x2A, 0x4D, 0x18)) for n in range(16))),
        lambda: zstandard.ZstdDecompressor(max_window_size=MEMORY_BYTES_MAX).decompressobj(),
        (zstandard.ZstdError,),
    ),
    _Format(
        (b"\xfd7zXZ\x00",),
        lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, MEMORY_BYTES_MAX),
        (lzma.LZMAError,),
    ),
)


def uncompressed(content: bytes) -> Stream:
    """Return the stream of a file's bytes; what is not compressed is its own stream."""
    for form in _FORMATS:
        if content.startswith(form.magic):
            return _members(form, content)
    return Stream(content, "")


def _members(form: _Format, rest: bytes) -> Stream:
    whole = []
    while rest:
        if not rest.startswith(form.magic):
            return Stream(b"".join(whole), "trailing" if rest.strip(b"\0") else "")
        decompressor = form.decompressor()
        try:
            whole.append(decompressor.decompress(rest))
        except form.errors:
            return Stream(b"".join([*whole, _before_failure(form, rest)]), "compression")
        if not decompressor.eof:
            return Stream(b"".join(whole), "compression")
        rest = decompressor.unused_data
    return Stream(b"".join(whole), "")


def _before_failure(form: _Format, member: bytes) -> bytes:
    """Return what comes out of a broken member before the byte at which it is found broken."""
    good = 0
    for step in (1 << 16, 1 << 12, 1 << 8, 1 << 4, 1):
        decompressor = form.decompressor()
        output = [decompressor.decompress(member[:good])]
        try:
            while True:
                output.append(decompressor.decompress(member[good : good + step]))
                good += step
                assert good < len(member) + step, "the member was broken at first"
        except form.errors:
            continue  # Look again at this piece, in smaller steps.
    return b"".join(output)
