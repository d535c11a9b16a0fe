"""Decompress gzip members, zstd frames and xz streams, one after another, in bounded pieces.

    members.feed(piece)   give what was read of the file; only while `hungry`
    members.finish()      the file has no more
    members.pull()        return the next bytes decompressed; b"" when hungry or ended

What is held is bounded by a piece of input, a piece of output, and the window of the format (at
most MEMORY_BYTES_MAX). Where the data is broken, the result is what the bytes before the fault
decompress to, exactly (SEMANTICS.rst, "Capture files", "Compressed"): the piece that fails is taken
again byte by byte, from the state before it.
"""

import lzma
import zlib
from collections.abc import Callable, Iterator

import zstandard

from engine.capture.sources import compression_of

MEMORY_BYTES_MAX = 128 << 20
OUTPUT_BYTES = 256 << 10  # Decompressed at once, about.
COMPRESSION, TRAILING = "compression", "trailing"
_MAGIC_BYTES_MAX = 6
_BLOCK_HEADER_BYTES = 3
_RAW, _RUN_LENGTH = 0, 1  # zstd block types; a run is one byte, repeated.

Replay = Callable[[int, int], Iterator[bytes]]


class BrokenDataError(Exception):
    """The data is broken; `output` is what came before the fault."""

    def __init__(self, output: bytes) -> None:
        super().__init__()
        self.output = output


class GzipMember:
    """One gzip member."""

    def __init__(self) -> None:
        self._decoder = zlib.decompressobj(16 + zlib.MAX_WBITS)
        self._input = b""
        self.hungry = True
        self.whole = False
        self.rest = b""

    def feed(self, piece: bytes) -> None:
        self._input = piece
        self.hungry = False

    def pull(self) -> bytes:
        """Return the next output; BrokenDataError if the data is broken."""
        before = self._decoder.copy()
        try:
            output = self._decoder.decompress(self._input, OUTPUT_BYTES)
        except zlib.error:
            raise BrokenDataError(self._byte_by_byte(before)) from None
        self._input = self._decoder.unconsumed_tail
        self.whole, self.rest = self._decoder.eof, self._decoder.unused_data
        # With its input used up, a decoder whose output filled the piece may hold more of it.
        self.hungry = not self._input and len(output) < OUTPUT_BYTES
        return output

    def _byte_by_byte(self, decoder) -> bytes:
        output = []
        try:
            for at in range(len(self._input)):
                output.append(decoder.decompress(self._input[at : at + 1]))
        except zlib.error:
            pass
        return b"".join(output)

    def finish(self) -> bytes:
        """Return what the decoder holds when the file ends within the member."""
        return b""


def _new_xz() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MEMORY_BYTES_MAX)


def _pulled(decoder: lzma.LZMADecompressor, piece: bytes) -> Iterator[bytes]:
    """Yield the output of a piece, a bounded part at a time."""
    yield decoder.decompress(piece, OUTPUT_BYTES)
    while not decoder.needs_input and not decoder.eof:
        yield decoder.decompress(b"", OUTPUT_BYTES)


class XzMember:
    """One xz stream. liblzma has no copy of its state: `earlier` gives the input of this stream
    before the current piece again; without it, a second decoder lags one piece behind."""

    def __init__(self, earlier: Callable[[], Iterator[bytes]] | None) -> None:
        self._decoder = _new_xz()
        self._earlier = earlier
        self._lagging = _new_xz()
        self._piece = b""
        self._fed = True
        self._given = 0  # Output of the piece so far.
        self.hungry = True
        self.whole = False
        self.rest = b""

    def feed(self, piece: bytes) -> None:
        if self._earlier is None:
            for _ in _pulled(self._lagging, self._piece):
                pass
        self._piece, self._fed, self._given = piece, False, 0
        self.hungry = False

    def pull(self) -> bytes:
        """Return the next output; BrokenDataError if the data is broken."""
        content = b"" if self._fed else self._piece
        self._fed = True
        try:
            output = self._decoder.decompress(content, OUTPUT_BYTES)
        except (lzma.LZMAError, MemoryError):
            raise BrokenDataError(self._byte_by_byte()) from None
        self._given += len(output)
        self.whole = self._decoder.eof
        self.rest = self._decoder.unused_data
        self.hungry = self._decoder.needs_input
        return output

    def _byte_by_byte(self) -> bytes:
        output = []
        behind = -self._given
        try:
            for piece in self._earlier() if self._earlier else ():
                for _ in _pulled(self._lagging, piece):
                    pass
            for at in range(len(self._piece)):
                for part in _pulled(self._lagging, self._piece[at : at + 1]):
                    begin, behind = max(0, -behind), behind + len(part)
                    output.append(part[begin:])
        except (lzma.LZMAError, MemoryError, EOFError):
            pass
        return b"".join(output)

    def finish(self) -> bytes:
        """Return what the decoder holds when the file ends within the stream."""
        return b""


class ZstdFrame:
    """One zstd frame, fed to the decoder block by block: a block has at most 128 KiB of output."""

    def __init__(self) -> None:
        decompressor = zstandard.ZstdDecompressor(max_window_size=MEMORY_BYTES_MAX)
        self._decoder = decompressor.decompressobj()
        self._input = b""
        self._at = 0
        self._skip = 0  # Bytes of a skippable frame still to pass.
        self._next = self._header
        self.hungry = True
        self.whole = False

    @property
    def rest(self) -> bytes:
        return self._input[self._at :]

    def feed(self, piece: bytes) -> None:
        self._input = self._input[self._at :] + piece
        self._at = 0
        self.hungry = False

    def pull(self) -> bytes:
        """Return the next output; BrokenDataError if the data is broken."""
        return self._next()

    def _has(self, count: int) -> bool:
        self.hungry = len(self._input) - self._at < count
        return not self.hungry

    def _decode(self, count: int) -> bytes:
        part = self._input[self._at : self._at + count]
        self._at += count
        try:
            return self._decoder.decompress(part)
        except zstandard.ZstdError:
            raise BrokenDataError(b"") from None

    def _header(self) -> bytes:
        """Take the frame header (RFC 8878, section 3.1.1.1), or that of a skippable frame."""
        if not self._has(5):
            return b""
        if self._input[self._at] != 0x28:
            if self._has(8):
                size = int.from_bytes(self._input[self._at + 4 : self._at + 8], "little")
                self._at += 8
                self._skip = size
                self._next = self._skipped
            return b""
        descriptor = self._input[self._at + 4]
        single = descriptor >> 5 & 1
        content_size = (single, 2, 4, 8)[descriptor >> 6]
        size = 5 + (1 - single) + (0, 1, 2, 4)[descriptor & 3] + content_size
        if not self._has(size):
            return b""
        self._checksum = descriptor >> 2 & 1
        self._next = self._block
        return self._decode(size)

    def _skipped(self) -> bytes:
        count = min(self._skip, len(self._input) - self._at)
        self._at += count
        self._skip -= count
        self.hungry = self._skip > 0
        self.whole = not self._skip
        return b""

    def _block(self) -> bytes:
        if not self._has(_BLOCK_HEADER_BYTES):
            return b""
        header = int.from_bytes(self._input[self._at : self._at + _BLOCK_HEADER_BYTES], "little")
        kind = header >> 1 & 3
        size = 1 if kind == _RUN_LENGTH else header >> 3
        if not self._has(_BLOCK_HEADER_BYTES + size):
            return b""
        if header & 1:
            self._next = self._tail
        if kind != _RAW:
            return self._decode(_BLOCK_HEADER_BYTES + size)
        # The decoder gives raw bytes as they come; what is wrong with them shows at the last one.
        output = self._decode(_BLOCK_HEADER_BYTES + max(0, size - 1))
        try:
            return output + self._decode(min(size, 1))
        except BrokenDataError:
            raise BrokenDataError(output) from None

    def _tail(self) -> bytes:
        if self._checksum and not self._has(4):
            return b""
        output = self._decode(4) if self._checksum else b""
        self.hungry, self.whole = False, True
        return output

    def finish(self) -> bytes:
        """Return what the decoder makes of the part that is there when the file ends within."""
        if self._skip:
            return b""
        try:
            return self._decode(len(self._input) - self._at)
        except BrokenDataError:
            return b""


class Members:
    """All members of a compressed file of one kind. `replay(begin, end)` reads the file again."""

    def __init__(self, kind: str, replay: Replay | None = None) -> None:
        self._kind = kind
        self._replay = replay
        self._member = None
        self._held = b""  # Input that belongs to no member yet.
        self._padding = False
        self._finished = False
        self._read = 0  # Bytes fed.
        self._piece_at = 0  # Where the last piece began.
        self.hungry = True
        self.ended = False
        self.fault = ""

    def feed(self, piece: bytes) -> None:
        """Take a piece of the file; only while `hungry`."""
        assert self.hungry and not self._finished
        self._piece_at = self._read
        self._read += len(piece)
        self.hungry = False
        if self._member:
            self._member.feed(piece)
        else:
            self._held += piece

    def finish(self) -> None:
        """Take it that the file has no more."""
        self._finished = True
        self.hungry = False

    def pull(self) -> bytes:
        """Return the next bytes decompressed; b"" when `hungry` or `ended`."""
        output = b""
        while not output and not self.hungry and not self.ended:
            output = self._pull_member() if self._member else self._begin()
        return output

    def _pull_member(self) -> bytes:
        member = self._member
        if member.hungry and self._finished:
            self._end(COMPRESSION)
            return member.finish()
        if member.hungry:
            self.hungry = True
            return b""
        try:
            output = member.pull()
        except BrokenDataError as fault:
            self._end(COMPRESSION)
            return fault.output
        if member.whole:
            self._member, self._held = None, member.rest
        return output

    def _begin(self) -> bytes:
        """Begin the next member, or find that there is none."""
        held = self._held
        if not held or (held[0] == 0 and not held.strip(b"\0")):  # Padding, as far as it is seen.
            self._padding = self._padding or bool(held)
            self._held = b""
            if self._finished:
                self._end("")
            self.hungry = not self._finished
            return b""
        begins = compression_of(held) == self._kind and not self._padding
        if not begins and len(held) < _MAGIC_BYTES_MAX and not self._finished:
            self.hungry = True
        elif not begins:
            self._end(TRAILING)
        else:
            self._member = self._new_member(self._read - len(held))
            self._member.feed(held)
            self._held = b""
        return b""

    def _new_member(self, at: int):
        if self._kind == "gzip":
            return GzipMember()
        if self._kind == "zstd":
            return ZstdFrame()
        if self._replay is None:
            return XzMember(None)
        self._piece_at = at
        return XzMember(lambda: self._replay(at, self._piece_at))

    def _end(self, fault: str) -> None:
        self.ended = True
        self.fault = fault
        self._member = None
