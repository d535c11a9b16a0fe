"""The bytes of a source that is not mapped: standard input, a FIFO, a compressed file.

A stream hands out its (decompressed) bytes in order, a window at a time. The kernels parse the
window; `Window.refill` moves what they have not passed to its front and reads on. Nothing here
blocks: where a pipe has no bytes now, `read_into` says so.
"""

import os
import select
from collections.abc import Iterator

import numpy as np

from engine.capture.members import Members
from engine.capture.sources import HEAD_BYTES, STANDARD_INPUT, compression_of
from engine.capture.state import (
    BASE,
    BLOCK_BYTES_MAX,
    CURSOR,
    END,
    FINAL,
    STREAM_BYTES_MAX,
    WANTED,
)
from engine.errors import CaptureError
from engine.rings.plan import SourceFile

PIECE_BYTES = 64 << 10  # Of a compressed file, read at once.
NOTHING_NOW = -1


class Stream:
    """An open source that is not mapped. `fault` and `ended` are set when it has no more."""

    def __init__(self, source: SourceFile) -> None:
        """Open `source`; CaptureError if it cannot be."""
        self.path = source.path
        self._owned = source.path != STANDARD_INPUT
        self.seekable = False
        try:
            flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
            self._descriptor = os.open(source.path, flags) if self._owned else 0
            if self._owned:
                status = os.fstat(self._descriptor)
                self.seekable = source.bytes > 0
                same = (status.st_dev, status.st_ino) == (source.device, source.inode)
                if self.seekable and not same:
                    os.close(self._descriptor)
                    raise CaptureError(f"{source.path!r} was replaced by another file")
        except OSError as error:
            raise CaptureError(f"cannot open {source.path!r}: {error.strerror}") from None
        self._poll = select.poll()
        self._poll.register(self._descriptor, select.POLLIN)
        self._head = b""  # What was read to tell the kind.
        self._kind = None
        self._members = None
        self._output = memoryview(b"")
        self.bytes_read = 0  # Of the file: how far it is.
        self.ended = False
        self.fault = ""

    def _read(self, count: int) -> bytes | None:
        """Return the next bytes of the file; b"" at its end, None if there are none now."""
        if not self.seekable and not self._poll.poll(0):
            return None
        try:
            piece = os.read(self._descriptor, count)
        except OSError as error:
            raise CaptureError(f"cannot read {self.path!r}: {error.strerror}") from None
        self.bytes_read += len(piece)
        return piece

    def _replay(self, begin: int, end: int) -> Iterator[bytes]:
        """Yield bytes begin to end of the file again."""
        for at in range(begin, end, PIECE_BYTES):
            yield os.pread(self._descriptor, min(PIECE_BYTES, end - at), at)

    def _find_kind(self) -> bool:
        """Read the first bytes, until they tell whether the file is compressed."""
        piece = self._read(PIECE_BYTES)
        if piece is None:
            return False
        self._head += piece
        if piece and len(self._head) < HEAD_BYTES:
            return self._find_kind()
        self._kind = compression_of(self._head)
        if self._kind:
            self._members = Members(self._kind, self._replay if self.seekable else None)
            self._feed(self._head)
        else:
            self._output = memoryview(self._head)
            self.ended = not piece
        self._head = b""
        return True

    def _feed(self, piece: bytes) -> None:
        if piece:
            self._members.feed(piece)
        else:
            self._members.finish()

    def read_into(self, target: memoryview) -> int:
        """Copy the next bytes to `target`; return how many, 0 at the end, or NOTHING_NOW."""
        if self._kind is None and not self._find_kind():
            return NOTHING_NOW
        while not self._output:
            if self.ended:
                return 0
            if self._members is None:
                return self._read_plain(target)
            if self._members.ended:
                self.ended, self.fault = True, self._members.fault
            elif not self._members.hungry:
                self._output = memoryview(self._members.pull())
            else:
                piece = self._read(PIECE_BYTES)
                if piece is None:
                    return NOTHING_NOW
                self._feed(piece)
        count = min(len(target), len(self._output))
        target[:count] = self._output[:count]
        self._output = self._output[count:]
        return count

    def _read_plain(self, target: memoryview) -> int:
        piece = self._read(len(target))
        if piece is None:
            return NOTHING_NOW
        target[: len(piece)] = piece
        self.ended = not piece
        return len(piece)

    def close(self) -> None:
        """Give up the file."""
        if self._owned:
            os.close(self._descriptor)


class Window:
    """The part of a stream that kernels can see: bytes `begin` to `end` of it, in memory."""

    def __init__(self, stream: Stream, size_bytes: int) -> None:
        self.stream = stream
        self._memory = np.zeros(size_bytes, np.uint8)
        self._begin = self._end = 0

    def refill(self, source: np.ndarray) -> bool:
        """Read on for the row of this source; False if there was nothing to read now.

        On return the row says which bytes are there: at least those that it wants, or all.
        """
        self._pass(int(source[CURSOR]))
        if self._end < source[CURSOR]:
            raise CaptureError(f"{self.stream.path!r} changed while it was read")
        self._make_room(int(source[WANTED]))
        target = memoryview(self._memory)
        moved = False
        while self._end - self._begin < len(target):
            count = self.stream.read_into(target[self._end - self._begin :])
            if count <= 0:
                break
            self._end += count
            moved = True
            if not self.stream.seekable and self._end >= int(source[WANTED]):
                break  # What a pipe has now is worth more than a full window.
        if self._end > STREAM_BYTES_MAX:
            raise CaptureError(f"a stream of more than {STREAM_BYTES_MAX} bytes cannot be read")
        source[BASE] = self._memory.ctypes.data - self._begin
        source[END] = self._end
        source[FINAL] = int(self.stream.ended)
        return moved or self.stream.ended

    def head(self, count: int) -> bytes:
        """Return the first bytes that are there."""
        return bytes(self._memory[: min(count, self._end - self._begin)])

    def _pass(self, cursor: int) -> None:
        """Forget everything before `cursor`, skipping what has not been read yet."""
        while self._end < cursor:
            self._begin = self._end
            count = self.stream.read_into(
                memoryview(self._memory)[: min(len(self._memory), cursor - self._end)]
            )
            if count <= 0:
                return
            self._end += count
        if cursor > self._begin:
            kept = self._end - cursor
            at = cursor - self._begin
            self._memory[:kept] = self._memory[at : at + kept].copy()
            self._begin = cursor

    def _make_room(self, wanted: int) -> None:
        size = wanted - self._begin
        assert size <= BLOCK_BYTES_MAX + PIECE_BYTES, f"a record of {size} bytes is wanted"
        if size > len(self._memory):
            larger = np.zeros(1 << (size - 1).bit_length(), np.uint8)
            larger[: self._end - self._begin] = self._memory[: self._end - self._begin]
            self._memory = larger
