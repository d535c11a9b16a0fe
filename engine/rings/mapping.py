"""Map the uncompressed file of a source: capture parses it in place, workers read payload from it.

Both map the size that the file had when the run was planned, and refuse another file under its
name, so that a frame reference leads to the same bytes in every process.
"""

import mmap
import os

import numpy as np

from engine.errors import CaptureError
from engine.rings.plan import SourceFile

MADV_POPULATE_READ = 22  # Linux 5.14; mmap has no name for it.
POPULATE_BYTES = 8 << 20


class Mapping:
    """A mapped file: `address` of its first byte, `size` in bytes. Keep it while either is used."""

    def __init__(self, source: SourceFile) -> None:
        """Map `source`; CaptureError if it is not there any more as it was found."""
        assert source.mapped
        self.path = source.path
        self.size = source.bytes
        self.address = 0
        self._map = None
        self._populated = 0
        try:
            descriptor = os.open(source.path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise CaptureError(f"cannot open {source.path!r}: {error.strerror}") from None
        try:
            status = os.fstat(descriptor)
            if (status.st_dev, status.st_ino) != (source.device, source.inode):
                raise CaptureError(f"{source.path!r} was replaced by another file")
            if status.st_size < self.size:
                raise CaptureError(self._shrunk(status.st_size))
            if self.size:
                self._map = mmap.mmap(descriptor, self.size, prot=mmap.PROT_READ)
                self.address = np.frombuffer(self._map, np.uint8).ctypes.data
        except OSError as error:
            raise CaptureError(f"cannot map {source.path!r}: {error.strerror}") from None
        finally:
            os.close(descriptor)

    def _shrunk(self, size: int) -> str:
        return f"{self.path!r} shrank from {self.size} to {size} bytes while it was read"

    def check(self) -> None:
        """Raise CaptureError if the file has become shorter than what is mapped."""
        size = self._map.size() if self._map else 0
        if size < self.size:
            raise CaptureError(self._shrunk(size))

    @property
    def grown_bytes(self) -> int:
        """Return by how much the file has grown since the run was planned."""
        return max(0, self._map.size() - self.size) if self._map else 0

    def head(self, count: int) -> bytes:
        """Return the first bytes of the file."""
        return self._map[:count] if self._map else b""

    def populate(self, offset: int) -> None:
        """Have the pages from `offset` on mapped before a kernel touches them.

        Several pages at once cost less than a fault each, and a prefetch does not cause one.
        """
        while self._map and self._populated < min(self.size, offset + POPULATE_BYTES):
            count = min(POPULATE_BYTES, self.size - self._populated)
            try:
                self._map.madvise(MADV_POPULATE_READ, self._populated, count)
            except OSError:
                self._populated = self.size  # An older kernel: pages come by faults.
            self._populated += count

    def close(self) -> None:
        """Unmap the file, if nothing refers to it any more."""
        if self._map:
            self._map.close()
            self._map = None
