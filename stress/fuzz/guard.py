"""Memory between two pages that nobody may touch: a read beyond it ends the process.

The kernels read through pointers, where numba's own check of bounds sees nothing. Bytes that end
where the room ends, or begin where it begins, make the first read beyond them a segmentation fault.
"""

import ctypes
import mmap

import numpy as np

PAGE_BYTES = mmap.PAGESIZE
_PROT_NONE = 0
_libc = ctypes.CDLL(None, use_errno=True)


class GuardedRoom:
    """Some bytes with a page without any rights before and behind them; a context manager."""

    def __init__(self, size: int) -> None:
        """Make room for at least `size` bytes."""
        pages = -(-size // PAGE_BYTES)
        self._map = mmap.mmap(-1, (pages + 2) * PAGE_BYTES)
        whole = np.frombuffer(self._map, np.uint8)
        self._address = int(whole.ctypes.data)
        self.octets = whole[PAGE_BYTES:-PAGE_BYTES]
        for at in (0, (pages + 1) * PAGE_BYTES):
            self._protect(at, _PROT_NONE)

    def _protect(self, at: int, rights: int) -> None:
        place, size = ctypes.c_void_p(self._address + at), ctypes.c_size_t(PAGE_BYTES)
        if _libc.mprotect(place, size, rights):
            raise OSError(ctypes.get_errno(), "mprotect")

    def __enter__(self) -> "GuardedRoom":
        return self

    def __exit__(self, *_) -> None:
        del self.octets
        self._map = None  # Unmapped as soon as no view is left.
