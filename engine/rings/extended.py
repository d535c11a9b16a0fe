"""A segment with private memory of this process behind it, as one array of words.

For state of which others read a part and the rest is this process's own: kernels reach both by
offsets from one pointer. The private part consists of large pages where the kernel gives them on
request: to clear one costs a tenth of 512 small ones that are each taken by a fault.
"""

import ctypes
import mmap

import numpy as np

from engine.errors import SegmentError
from engine.layouts import SEGMENT
from engine.rings.segment import Segment

_MAP_FIXED, _MAP_NORESERVE, _MADV_HUGEPAGE = 0x10, 0x4000, 14
_FAILED = ctypes.c_void_p(-1).value
_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.mmap.restype = ctypes.c_void_p
_LIBC.mmap.argtypes = [
    ctypes.c_void_p,
    ctypes.c_size_t,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_long,
]
_LIBC.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


def _map(address: int | None, size: int, flags: int, descriptor: int) -> int:
    found = _LIBC.mmap(address, size, mmap.PROT_READ | mmap.PROT_WRITE, flags, descriptor, 0)
    if found == _FAILED:
        raise SegmentError(f"no room for {size:,} bytes of memory: errno {ctypes.get_errno()}")
    return found


class Extended:
    """`words`: a segment's content and, behind it, private words, `words_max` in all.

    Both stay mapped until the process ends.
    """

    def __init__(self, segment: Segment, words_max: int) -> None:
        self.segment = segment
        shared = SEGMENT.size_bytes + 8 * len(segment.words)
        size = SEGMENT.size_bytes + 8 * words_max
        assert shared % mmap.PAGESIZE == 0 and shared <= size
        private = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_NORESERVE
        begin = _map(None, size, private, -1)
        # Fails where the kernel has no large pages: small ones do.
        _LIBC.madvise(begin + shared, size - shared, _MADV_HUGEPAGE)
        _map(begin, shared, mmap.MAP_SHARED | _MAP_FIXED, segment.descriptor)
        content = (ctypes.c_int64 * words_max).from_address(begin + SEGMENT.size_bytes)
        self.words = np.ctypeslib.as_array(content)
