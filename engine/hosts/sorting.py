"""Starts in order of position, and heaps of entries that are compared word by word.

Starts of deltas come sorted, and only those of remainders are not: sorted input costs one look at
each. Otherwise a heap: n log n whatever the order.
"""

from numba import njit

from engine.layouts.hosts import START
from engine.memory.kept import span
from engine.memory.options import KERNEL
from engine.memory.pointers import shifted
from engine.memory.wide import unsigned_less

_START_WORDS = START.words


@njit(**KERNEL)
def _exchange(entries, stride, left, right):
    for word in range(stride):
        kept = entries[left * stride + word]
        entries[left * stride + word] = entries[right * stride + word]
        entries[right * stride + word] = kept


@njit(**KERNEL)
def is_start_before(starts, left, right):
    """Return whether start number `left` has the earlier position."""
    first, second = shifted(starts, left * _START_WORDS), shifted(starts, right * _START_WORDS)
    if first[0] != second[0]:
        return first[0] < second[0]
    return first[1] < second[1]


@njit(**KERNEL)
def _sink_start(starts, root, count):
    """Restore the heap (largest first) below `root`."""
    while True:
        child = 2 * root + 1
        if child >= count:
            return
        if child + 1 < count and is_start_before(starts, child, child + 1):
            child += 1
        if not is_start_before(starts, root, child):
            return
        _exchange(starts, _START_WORDS, root, child)
        root = child


@njit(**KERNEL)
def sort_starts(starts, count):
    """Sort `count` starts by position, in place."""
    at = 1
    while at < count and is_start_before(starts, at - 1, at):
        at += 1
    if at >= count:
        return
    entries = span(starts, count * _START_WORDS)
    for root in range(count // 2 - 1, -1, -1):
        _sink_start(entries, root, count)
    for last in range(count - 1, 0, -1):
        _exchange(entries, _START_WORDS, 0, last)
        _sink_start(entries, 0, last)


@njit(**KERNEL)
def _entry_before(entries, shape, left, right):
    """Compare entries: the first word signed (a pane), the further ones unsigned."""
    stride, compared = shape
    first, second = shifted(entries, left * stride), shifted(entries, right * stride)
    if first[0] != second[0]:
        return first[0] < second[0]
    for word in range(1, compared):
        if first[word] != second[word]:
            return unsigned_less(first[word], second[word])
    return False


@njit(**KERNEL)
def sink_entry(entries, shape, root, count):
    """Restore a heap (smallest first) below `root`. `shape`: words of an entry, words compared."""
    stride, _ = shape
    while True:
        child = 2 * root + 1
        if child >= count:
            return
        if child + 1 < count and _entry_before(entries, shape, child + 1, child):
            child += 1
        if not _entry_before(entries, shape, child, root):
            return
        _exchange(entries, stride, root, child)
        root = child


@njit(**KERNEL)
def make_heap(entries, shape, count):
    """Make `count` entries a heap, the smallest first."""
    for root in range(count // 2 - 1, -1, -1):
        sink_entry(entries, shape, root, count)


@njit(**KERNEL)
def take_smallest(entries, shape, count):
    """Move the smallest of `count` entries behind the others, which stay a heap."""
    stride, _ = shape
    _exchange(entries, stride, 0, count - 1)
    sink_entry(entries, shape, 0, count - 1)
