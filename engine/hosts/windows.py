"""Cells of windows: which is open, which is before it, when they are cleared.

A window of length W has cells of W/2. Cell k of a group lies in place k & 1, so the cell that opens
takes the place of the one before the last. Each place has a stamp: the cell that it holds. A place
that nobody has added to holds an older one, and a reader takes zeros instead (`cells_of`).
"""

from numba import njit

from engine.config import PANE_NS
from engine.memory.kept import clear
from engine.memory.options import HOT
from engine.memory.pointers import shifted

# Panes in a cell of a window of 30, 60 and 300 s.
PANES_30, PANES_60, PANES_300 = 3, 6, 30


@njit(**HOT)
def open_cell(part, stamps, group, count, cell):
    """Return the pointer to a cell of `count` words, cleared if it was another one.

    `part[stamps]` and the word behind it say which cells the group's two places hold; `group`:
    pointer to the first place, words from there to the second.
    """
    place = cell & 1
    words = shifted(group[0], place * group[1])
    if part[stamps + place] != cell:
        assert part[stamps + place] < cell, "a cell of the past"
        clear(words, count)
        part[stamps + place] = cell
    return words


@njit(**HOT)
def cells_of(part, stamps, group, moment):
    """Return the pointers to a cell and the one before it. `moment`: the cell, pointer to zeros."""
    cell, zeros = moment
    place = cell & 1
    current = shifted(group[0], place * group[1]) if part[stamps + place] == cell else zeros
    place = 1 - place
    before = shifted(group[0], place * group[1]) if part[stamps + place] == cell - 1 else zeros
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
