"""Where bytes go: a file that appears under its name only when it is whole, or a stream.

A file is written as NAME.partial in its own folder, flushed to the disk and renamed. When something
goes wrong the .partial stays: what was written is not thrown away, and no program takes it for the
whole. It then ends with the last write that succeeded, so no record in it is cut.

Files are also gone on with after the death of the process that wrote them: what lies behind the
length that it had committed is cut off.
"""

import errno
import os
import select
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import xxhash

from engine.errors import OutputError
from engine.recorder.escape import whole_text

PARTIAL = ".partial"
_OPEN = os.O_CLOEXEC | os.O_NOFOLLOW
_PIECE_BYTES = 1 << 20
_POLL_MS = 200
_PIPE_BYTES = 4096  # PIPE_BUF: a pipe that is ready takes as many without blocking.


def write_standard_output(text: str) -> None:
    """Write a verb's result. BrokenPipeError when its reader has gone, else OutputError."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        # What is still buffered goes nowhere: at exit Python would try once more, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            raise
        raise _fault("standard output", error) from None


class LeftError(Exception):
    """The run is to be left at once, while a stream would not take more."""


def _fault(path: Path | str, error: OSError) -> OutputError:
    return OutputError(f"cannot write {whole_text(str(path))}: {error.strerror}")


class OutputFile:
    """A file of a run. `bytes` and the digest are of what was written so far."""

    def __init__(self, folder: str, name: str, committed: int | None = None) -> None:
        """Begin a file, or go on with one behind its first `committed` bytes."""
        self.path = Path(folder) / name
        self.partial = Path(folder) / (name + PARTIAL)
        self.bytes = 0
        self._whole = False
        self._digest = xxhash.xxh3_128()
        try:
            if committed is None:
                begin = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
                self._descriptor = os.open(self.partial, begin | _OPEN, 0o666)
            else:
                self._go_on(committed)
        except OSError as error:
            raise _fault(self.partial, error) from None

    def _go_on(self, committed: int) -> None:
        """Open what a dead process has left and cut off what it had not committed."""
        self._whole = not self.partial.exists() and self.path.exists()  # It died after the rename.
        self._descriptor = os.open(self.place, os.O_RDWR | _OPEN)
        while self.bytes < committed:
            piece = os.pread(
                self._descriptor, min(_PIECE_BYTES, committed - self.bytes), self.bytes
            )
            if not piece:
                os.close(self._descriptor)
                what = f"{self.bytes} of {committed} bytes are left: somebody has cut it"
                raise OutputError(f"cannot go on with {whole_text(str(self.place))}: {what}")
            self._digest.update(piece)
            self.bytes += len(piece)
        if self._whole and os.fstat(self._descriptor).st_size != committed:
            # Whoever reads it by its name must never see it cut.
            os.close(self._descriptor)
            what = f"it has its name and not its {committed} bytes: somebody has changed it"
            raise OutputError(f"cannot go on with {whole_text(str(self.place))}: {what}")
        os.ftruncate(self._descriptor, committed)
        os.lseek(self._descriptor, committed, os.SEEK_SET)

    @property
    def name(self) -> str:
        """Return the file's name when it is whole."""
        return self.path.name

    @property
    def place(self) -> Path:
        """Return where the content stands now."""
        return self.path if self._whole else self.partial

    @property
    def xxh3(self) -> str:
        """Return the XXH3-128 of what was written, 32 hex digits: against accidents, and fast."""
        return self._digest.hexdigest()

    def write(self, content) -> None:
        """Append all of `content`, or none of it and OutputError."""
        rest = memoryview(content)
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError as error:
            self._cut()
            raise _fault(self.partial, error) from None
        self.bytes += len(content)
        self._digest.update(content)

    def tail(self, end: int, count: int) -> bytes:
        """Return the last `count` of the first `end` bytes. Only of a file that is gone on with."""
        return os.pread(self._descriptor, count, end - count)

    def _cut(self) -> None:
        """Take back the part of a write that succeeded."""
        try:
            os.ftruncate(self._descriptor, self.bytes)
            os.lseek(self._descriptor, self.bytes, os.SEEK_SET)
        except OSError:
            return  # A disk that is gone: the first error is the one that is told.

    def settle(self) -> None:
        """Bring everything to the disk; OutputError if it will not go."""
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            raise _fault(self.partial, error) from None

    def appear(self) -> None:
        """Take the file's own name: it is whole. After settle. Twice is as good as once."""
        try:
            os.close(self._descriptor)
            self._descriptor = -1
            if not self._whole:
                os.rename(self.partial, self.path)
                self._whole = True
            sync_folder(self.path.parent)
        except OSError as error:
            raise _fault(self.path, error) from None

    def abandon(self) -> bool:
        """Leave the file as NAME.partial; return whether anybody can still find it."""
        if self._descriptor < 0:
            return self.place.exists()
        status = os.fstat(self._descriptor)
        os.close(self._descriptor)
        self._descriptor = -1
        try:
            return os.path.samestat(status, os.stat(self.place))
        except OSError:
            return False


def sync_folder(folder: Path) -> None:
    """Bring a folder's names to the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # Some file systems have no such.
            raise
    finally:
        os.close(descriptor)


class Stream:
    """Standard output. A reader that is slow is waited for; `waiting` is called meanwhile.

    `waiting` returns False when the run is to be left. What was taken cannot be taken back, so
    `noted`, a word that outlives this process, says after each write how many bytes that was. A
    stream that goes on behind its first `committed` bytes leaves out what was taken beyond. Only
    the last write before a death may be repeated: whole lines, PIPE_BUF bytes at most.
    """

    def __init__(
        self,
        descriptor: int,
        name: str,
        waiting: Callable[[], bool],
        noted: np.ndarray,
        committed: int = 0,
    ) -> None:
        self.name = name
        self.bytes = committed
        self._descriptor = descriptor
        self._waiting = waiting
        self._noted = noted
        self._ahead = max(0, int(noted[0]) - committed)
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)
        dumb = os.environ.get("TERM", "dumb") == "dumb"
        self._erase = b"" if dumb or not os.isatty(descriptor) else b"\r\x1b[2K"

    def write(self, content) -> None:
        """Write all of `content`; `bytes` counts what was taken even when OutputError comes.

        On a terminal the line of the cursor is erased first: it is the supervisor's progress bar,
        which appears again below.
        """
        known = min(self._ahead, len(content))
        self._ahead -= known
        self.bytes += known
        rest = memoryview(content)[known:]
        if rest and self._erase:
            self._put(self._erase)
        while rest:
            end = bytes(rest[:_PIPE_BYTES]).rfind(b"\n") + 1 or _PIPE_BYTES
            written = self._put(rest[:end])
            self.bytes += written
            self._noted[0] = self.bytes  # Plain: only this process and its replacement use it.
            rest = rest[written:]

    def _put(self, piece) -> int:
        """Return how many bytes of `piece` were taken."""
        while True:
            try:
                while not self._poll.poll(_POLL_MS):
                    if not self._waiting():
                        raise LeftError
                return os.write(self._descriptor, piece)
            except BlockingIOError:
                continue
            except BrokenPipeError:
                raise OutputError(f"{self.name} was closed by its reader") from None
            except OSError as error:
                raise _fault(self.name, error) from None

    def settle(self) -> None:
        """Do nothing: what was written is out."""

    def appear(self) -> None:
        """Do nothing: a stream has no name to take."""

    def abandon(self) -> bool:
        """Do nothing: the descriptor is the process's own, and what was taken is out."""
        return True
