"""Mappings of files in memory, and large pages for them: 2 MiB at a time.

A table that is reached at random finds few of its pages in what the processor remembers of them
as long as they are small. Linux gives a file in memory large ones by itself only if the machine's
owner has said so; but it joins small ones on request (MADV_COLLAPSE, Linux 6.1). Who cannot have
that, for want of memory in one piece or by an older kernel, goes on with small pages: nothing but
time depends on it. The file keeps its pages when a process dies.
"""

import ctypes
import mmap
import os

import numpy as np

LARGE_BYTES = 2 << 20
_PROT_NONE = 0  # mmap has no name for it, nor for what follows.
_MADV_COLLAPSE = 25
_MAP_FIXED, _MAP_NORESERVE = 0x10, 0x4000
FAILED = ctypes.c_void_p(-1).value
LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.mmap.restype = ctypes.c_void_p
LIBC.mmap.argtypes = [
    ctypes.c_void_p,
    ctypes.c_size_t,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_long,
]
LIBC.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
LIBC.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


class Mapped:
    """Holds mapped bytes for the arrays on them: unmapped with the last one."""

    def __init__(self, begin: int, size: int, at: int, words: int) -> None:
        """`size` bytes from `begin` on are mapped; the array is of `words` words at `at`."""
        self._begin, self._size = begin, size
        shape = {"shape": (words,), "typestr": "<i8", "data": (at, False), "version": 3}
        self.__array_interface__ = shape

    def __del__(self, munmap=LIBC.munmap) -> None:  # The name is gone when Python ends.
        munmap(self._begin, self._size)


def _map(address: int | None, size: int, protection: int, flags: int, descriptor: int) -> int:
    found = LIBC.mmap(address, size, protection, flags, descriptor, 0)
    if found == FAILED:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return found


def map_file(descriptor: int, size: int, populate: bool = False) -> np.ndarray:
    """Return the whole words of a file's first `size` bytes, shared, where large pages fit.

    `populate`: all pages are mapped now. OSError if they cannot be. The file stays open until the
    last array on it is gone.
    """
    wanted = mmap.PROT_READ | mmap.PROT_WRITE
    flags = mmap.MAP_SHARED | (mmap.MAP_POPULATE if populate else 0)
    if size < LARGE_BYTES:
        begin = _map(None, size, wanted, flags, descriptor)
        return np.asarray(Mapped(begin, size, begin, size // 8))
    room = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_NORESERVE
    pages = -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
    first = _map(None, pages + LARGE_BYTES, _PROT_NONE, room, -1)
    begin = -(-first // LARGE_BYTES) * LARGE_BYTES
    try:
        _map(begin, size, wanted, flags | _MAP_FIXED, descriptor)
    except OSError:
        LIBC.munmap(first, pages + LARGE_BYTES)
        raise
    if begin > first:
        LIBC.munmap(first, begin - first)
    LIBC.munmap(begin + pages, first + LARGE_BYTES - begin)
    return np.asarray(Mapped(begin, size, begin, size // 8))


def enlarge(address: int, size: int) -> bool:
    """Make the pages large that lie whole in `size` bytes from `address` on; return if all are.

    Each has a small page already, or it stays as it is. What is in them stays.
    """
    begin = -(-address // LARGE_BYTES) * LARGE_BYTES
    end = (address + size) // LARGE_BYTES * LARGE_BYTES
    return end <= begin or LIBC.madvise(begin, end - begin, _MADV_COLLAPSE) == 0


def reserve(descriptor: int, words: np.ndarray) -> None:
    """Take the pages of a new file, which is mapped whole as `words`; OSError without room."""
    for at in range(0, words.nbytes - LARGE_BYTES + 1, LARGE_BYTES):
        os.pwrite(descriptor, b"\0", at)  # Not by a store: where there is no room, that kills.
    enlarge(words.ctypes.data, words.nbytes)
    os.posix_fallocate(descriptor, 0, os.fstat(descriptor).st_size)
