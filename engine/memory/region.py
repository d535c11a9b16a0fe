"""A region of kept.py: made, mapped, its content in one or two pieces.

Where it lives decides what it is for. In a memory file (`make_file`) it outlives the process that
maps it, as long as somebody has the file open: the supervisor, which also gives it to a replacement
by its path. Without a file it is private: for tests, measurements, and runs without replacement.

Pages are taken when they are first written. Another file may be mapped over the beginning of the
content and HEADER_BYTES before it: a segment, for those words that other processes read.
"""

import ctypes
import mmap
import os

import numpy as np

from engine.errors import SegmentError
from engine.memory import kept
from engine.memory.large import FAILED, LIBC, Mapped

HEADER_BYTES = 128  # In front of the content: a segment's header.
_MAP_FIXED, _MAP_NORESERVE, _MAP_FIXED_NOREPLACE = 0x10, 0x4000, 0x100000
_FIRST_PLACE, _PLACES_END = 1 << 8, 1 << 10  # Of regions in the addresses: 2**44 to 2**46.


def _map(address: int, size: int, flags: int, descriptor: int) -> int:
    found = LIBC.mmap(address, size, mmap.PROT_READ | mmap.PROT_WRITE, flags, descriptor, 0)
    return 0 if found == FAILED else found


def _map_somewhere(size: int, flags: int, descriptor: int) -> int:
    """Map a region at an address that is free; return it."""
    for place in range(_FIRST_PLACE, _PLACES_END):
        wanted = place * kept.REGION_BYTES
        found = _map(wanted, size, flags | _MAP_NORESERVE | _MAP_FIXED_NOREPLACE, descriptor)
        if found == wanted:
            return found
        if found:
            LIBC.munmap(found, size)  # A kernel that takes the address for a hint.
    raise SegmentError(f"no room for {size:,} bytes of memory: errno {ctypes.get_errno()}")


def _size_of(words: int) -> int:
    size = kept.CONTENT_AT + HEADER_BYTES + 8 * words
    if size > kept.REGION_BYTES:
        raise SegmentError(f"what is known of hosts would take {8 * words:,} bytes")
    return size


def make_file(words: int) -> int:
    """Return the descriptor of a memory file for a region with `words` words of content."""
    descriptor = os.memfd_create("ml-defender.classifier")
    os.ftruncate(descriptor, _size_of(words))
    return descriptor


def map_region(words: int, path: str = "", over: tuple[int, int] | None = None) -> np.ndarray:
    """Return the content, int64 (words,): of the memory file at `path`, else private, zeroed.

    `over`: descriptor of a file that is mapped over its first words, and how many these are. The
    region is unmapped with the last array on it.
    """
    size = _size_of(words)
    if path:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        begin = _map_somewhere(size, mmap.MAP_SHARED, descriptor)
        os.close(descriptor)
    else:
        begin = _map_somewhere(size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1)
    found = np.asarray(Mapped(begin, size, begin + kept.CONTENT_AT + HEADER_BYTES, words))
    if over is not None:
        shared = 8 * over[1] + HEADER_BYTES
        assert shared % mmap.PAGESIZE == 0 and shared <= size
        flags = mmap.MAP_SHARED | _MAP_FIXED
        if not _map(begin + kept.CONTENT_AT, shared, flags, over[0]):
            raise SegmentError(f"a segment of {shared:,} bytes cannot be mapped")
    return found
