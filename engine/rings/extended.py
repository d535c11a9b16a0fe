"""A segment with private memory of this process behind it, as one array of words.

For state of which others read a part and the rest is this process's own: kernels reach both by
offsets from one pointer. Pages of the private part are taken when they are first written. Large
ones are not asked for: the classifier took 270 to 520 ns a packet with them and 276 to 283 without,
for the kernel first had to make them.
"""

import ctypes
import mmap

import numpy as np

from engine.errors import SegmentError
from engine.layouts import SEGMENT
from engine.rings.segment import Segment

_MAP_FIXED, _MAP_NORESERVE = 0x10, 0x4000
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
        _map(begin, shared, mmap.MAP_SHARED | _MAP_FIXED, segment.descriptor)
        content = (ctypes.c_int64 * words_max).from_address(begin + SEGMENT.size_bytes)
        self.words = np.ctypeslib.as_array(content)
