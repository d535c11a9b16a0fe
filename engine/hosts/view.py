"""An initiator part as its row sees it: two cells of every group, zeros for those that are over."""

from typing import NamedTuple

import numpy as np
from numba import njit

from engine.hosts.initiator import CELL_30, CELL_60, CELL_300, CELL_NAMES, NAMES_AT
from engine.hosts.known import INITIATOR_PLACE, KNOWN_PANE
from engine.hosts.space import (
    PACKETS_30_AT,
    PACKETS_60_AT,
    PACKETS_300_AT,
    STARTS_300_AT,
    initiator_at,
    inside,
    spread,
)
from engine.hosts.starts import (
    CELL_INTERNAL,
    CELL_STARTS_30,
    CELL_STARTS_60,
    CELL_STARTS_300,
    INTERNALS_AT,
    STARTS_30_AT,
    STARTS_60_AT,
)
from engine.hosts.windows import PANES_30, PANES_60, PANES_300, cells_of, covered_ns
from engine.layouts.hosts import HOST
from engine.layouts.windows import (
    INITIATOR_30,
    INITIATOR_60,
    INITIATOR_300,
    INTERNAL_300,
    NAMES_300,
    STARTS_30,
    STARTS_60,
    STARTS_300,
)
from engine.memory.options import KERNEL

_INTERNAL_PLACE, _NAMES_PLACE = HOST.index("internal_place"), HOST.index("names_place")
_INITIATOR_30_WORDS = INITIATOR_30.words
_INITIATOR_300_WORDS = INITIATOR_300.words
_INITIATOR_60_WORDS = INITIATOR_60.words
_INTERNAL_300_WORDS = INTERNAL_300.words
_NAMES_300_WORDS = NAMES_300.words
_STARTS_30_WORDS = STARTS_30.words
_STARTS_300_WORDS = STARTS_300.words
_STARTS_60_WORDS = STARTS_60.words


class View(NamedTuple):
    """Pairs of pointers (open cell, cell before), and times; `covered_...` in ns."""

    part: np.ndarray
    packets_30: tuple
    packets_60: tuple
    packets_300: tuple
    starts_30: tuple
    starts_60: tuple
    starts_300: tuple
    internal: tuple
    names: tuple
    covered_30: int
    covered_60: int
    covered_300: int
    pane: int
    known: int  # Pane of the first packet.


@njit(**KERNEL)
def view_of(words, host, pane):
    """Return the view of a host's (pointer) initiator part at the end of `pane`."""
    place, known = host[INITIATOR_PLACE], host[KNOWN_PANE]
    part, zeros = initiator_at(words, place), initiator_at(words, 0)
    short, minute, long = (
        (pane // PANES_30, zeros),
        (pane // PANES_60, zeros),
        (pane // PANES_300, zeros),
    )
    packets_30 = inside(part, PACKETS_30_AT, _INITIATOR_30_WORDS)
    packets_60 = inside(part, PACKETS_60_AT, _INITIATOR_60_WORDS)
    packets_300 = inside(part, PACKETS_300_AT, _INITIATOR_300_WORDS)
    starts_30 = spread(words, STARTS_30_AT, _STARTS_30_WORDS, place)
    starts_60 = spread(words, STARTS_60_AT, _STARTS_60_WORDS, place)
    starts_300 = inside(part, STARTS_300_AT, _STARTS_300_WORDS)
    internal = spread(words, INTERNALS_AT, _INTERNAL_300_WORDS, host[_INTERNAL_PLACE])
    names = spread(words, NAMES_AT, _NAMES_300_WORDS, host[_NAMES_PLACE])
    return View(
        part,
        cells_of(part, CELL_30, packets_30, short),
        cells_of(part, CELL_60, packets_60, minute),
        cells_of(part, CELL_300, packets_300, long),
        cells_of(part, CELL_STARTS_30, starts_30, short),
        cells_of(part, CELL_STARTS_60, starts_60, minute),
        cells_of(part, CELL_STARTS_300, starts_300, long),
        cells_of(part, CELL_INTERNAL, internal, long),
        cells_of(part, CELL_NAMES, names, long),
        covered_ns(pane, PANES_30, known),
        covered_ns(pane, PANES_60, known),
        covered_ns(pane, PANES_300, known),
        pane,
        known,
    )


@njit(**KERNEL)
def both(cells, word):
    """Return the sum of a word in both cells."""
    return cells[0][word] + cells[1][word]
