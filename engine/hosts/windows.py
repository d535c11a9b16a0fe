"""Cells of windows: which is open, which is before it, when they are cleared.

A window of length W has cells of W/2. Cell k of a group lies in place k & 1, so the cell that opens
takes the place of the one before the last. A group that nobody adds to stays as it is: what it
holds then belongs to older cells, and a reader takes zeros in their place (`cells_of`).
"""

from numba import njit

from engine.config import PANE_NS
from engine.memory.options import HOT, KERNEL
from engine.memory.pointers import shifted

# Panes in a cell of a window of 30, 60 and 300 s.
PANES_30, PANES_60, PANES_300 = 3, 6, 30
CELLS = (2 * 5, 30, 60, 300)  # Windows, s, for the documents.


@njit(**KERNEL)
def _clear(words, count):
    for word in range(count):
        words[word] = 0


@njit(**KERNEL)
def _turn(part, stamp, group, count, cell):
    """Make `cell` the newest of a group."""
    newest = part[stamp]
    assert newest < cell, "a cell of the past"
    _clear(shifted(group, (cell & 1) * count), count)
    if newest != cell - 1:
        _clear(shifted(group, (1 - (cell & 1)) * count), count)
    part[stamp] = cell


@njit(**HOT)
def open_cell(part, stamp, group, count, cell):
    """Return the pointer to a cell of `count` words, the newest of its group from now on.

    `part[stamp]` is the group's newest cell so far; `group` points to its two places.
    """
    if part[stamp] != cell:
        _turn(part, stamp, group, count, cell)
    return shifted(group, (cell & 1) * count)


@njit(**HOT)
def cells_of(part, stamp, group, count, moment):
    """Return the pointers to a cell and the one before it. `moment`: the cell, pointer to zeros."""
    cell, zeros = moment
    newest = part[stamp]
    current = shifted(group, (cell & 1) * count) if newest == cell else zeros
    before = shifted(group, (1 - (cell & 1)) * count) if newest >= cell - 1 else zeros
    return current, before


@njit(**HOT)
def covered_ns(pane, panes, known):
    """Return the part of a window with cells of `panes` panes that a host is known in."""
    begin = max((pane // panes - 1) * panes, known)
    return (pane + 1 - begin) * PANE_NS


@njit(**HOT)
def per_second(count, covered):
    """Return a rate from a count and the time it was counted in, ns."""
    return float(count) / (float(covered) / 1e9)
