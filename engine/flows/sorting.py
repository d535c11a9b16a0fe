"""Sort entries of the due list in place: value << 21 | row, ties by the row's first position.

One pass puts entries into 2,048 buckets by their top bits (American flag: no second array), then
each bucket is sorted by insertion when it is small and as a heap when it is not, so that no
arrangement of deadlines, however hostile, costs more than n log n.
"""

from numba import njit

from engine.flows.shard import row_at
from engine.layouts import places
from engine.memory.options import KERNEL

_ROW_BITS = 21
_BUCKET_BITS = 11
BUCKETS = 1 << _BUCKET_BITS
_INSERTION_MAX = 24


@njit(**KERNEL)
def comes_later(table, entry, other):
    """Return whether `entry` belongs behind `other`: by value, then by first packet's position."""
    value, other_value = entry >> _ROW_BITS, other >> _ROW_BITS
    if value != other_value:
        return value > other_value
    line = row_at(table, entry & places.REFERENCE_MASK)
    other_line = row_at(table, other & places.REFERENCE_MASK)
    if line[places.START] != other_line[places.START]:
        return line[places.START] > other_line[places.START]
    return line[places.FIRST_REFERENCE] > other_line[places.FIRST_REFERENCE]


@njit(**KERNEL)
def _sort_by_insertion(table, begin, end):
    for k in range(begin + 1, end):
        entry = table[k]
        hole = k
        while hole > begin and comes_later(table, table[hole - 1], entry):
            table[hole] = table[hole - 1]
            hole -= 1
        table[hole] = entry


@njit(**KERNEL)
def _sift_down(table, begin, root, count):
    """Restore the heap (largest first) of `count` entries below `root`, an index in the heap."""
    entry = table[begin + root]
    while True:
        child = 2 * root + 1
        if child >= count:
            break
        if child + 1 < count and comes_later(table, table[begin + child + 1], table[begin + child]):
            child += 1
        if not comes_later(table, table[begin + child], entry):
            break
        table[begin + root] = table[begin + child]
        root = child
    table[begin + root] = entry


@njit(**KERNEL)
def _sort_as_heap(table, begin, end):
    count = end - begin
    for root in range(count // 2 - 1, -1, -1):
        _sift_down(table, begin, root, count)
    for last in range(count - 1, 0, -1):
        table[begin], table[begin + last] = table[begin + last], table[begin]
        _sift_down(table, begin, 0, last)


@njit(**KERNEL)
def _sort_few(table, begin, end):
    if end - begin <= _INSERTION_MAX:
        _sort_by_insertion(table, begin, end)
    else:
        _sort_as_heap(table, begin, end)


@njit(**KERNEL)
def sort_entries(table, at, count, buckets_at):
    """Sort `count` entries (>= 0) at words `at`...; 2 x BUCKETS scratch words at `buckets_at`."""
    if count <= _INSERTION_MAX:
        _sort_by_insertion(table, at, at + count)
        return
    smallest = largest = table[at]
    for k in range(at + 1, at + count):
        smallest = min(smallest, table[k])
        largest = max(largest, table[k])
    smallest -= smallest & places.REFERENCE_MASK
    shift = _ROW_BITS  # Entries of one value stay in one bucket: their order is not that of rows.
    while (largest - smallest) >> shift >= BUCKETS:
        shift += 1
    _bucket(table, at, count, (smallest, shift, buckets_at))
    begin = at
    for bucket in range(BUCKETS):
        end = table[buckets_at + bucket]
        if end - begin > 1:
            _sort_few(table, begin, end)
        begin = end


@njit(**KERNEL)
def _bucket(table, at, count, scale):
    """Permute entries into buckets; words buckets_at + b then hold the end of bucket b."""
    smallest, shift, ends = scale
    heads = ends + BUCKETS
    for bucket in range(BUCKETS):
        table[ends + bucket] = 0
    for k in range(at, at + count):
        table[ends + ((table[k] - smallest) >> shift)] += 1
    place = at
    for bucket in range(BUCKETS):
        table[heads + bucket] = place
        place += table[ends + bucket]
        table[ends + bucket] = place
    for bucket in range(BUCKETS):
        end = table[ends + bucket]
        while table[heads + bucket] < end:
            entry = table[table[heads + bucket]]
            home = (entry - smallest) >> shift
            while home != bucket:
                target = table[heads + home]
                table[heads + home] += 1
                entry, table[target] = table[target], entry
                home = (entry - smallest) >> shift
            table[table[heads + bucket]] = entry
            table[heads + bucket] += 1
