"""Features 122 to 141: single symptoms of scans, log-ins, names, uploads."""

import math

from numba import njit

from engine.hosts.initiator import (
    ANSWERS,
    DURATION_300,
    ENDED_300,
    EXTERNAL_BWD,
    EXTERNAL_FWD,
    FAILURES,
    HELLOS_NAMED,
    HELLOS_NAMELESS,
    HTTP_UNUSUAL,
    LETTERS,
    NAMES,
    PARENTS,
    QUERIES,
    REFUSING,
    RST_30,
    SHORT_SESSIONS,
    TCP_30,
    UPLOADS,
)
from engine.hosts.sketches import SMALL_AT, count_of, entropy, ones_of
from engine.hosts.starts import (
    BEGUN_BY_SYN,
    BURST,
    BY_PORT,
    COUNT_30,
    EXTERNAL_PEERS,
    NEW_PAIRS,
    SLICE_PANES,
    SLICES,
    SYN_UNANSWERED,
    TRIED,
    UNANSWERED,
)
from engine.hosts.starts import SERVICES as CLASSES_USED
from engine.hosts.values import deviation, log2_ratio, mean, put, put_if, ratio
from engine.hosts.view import both
from engine.hosts.windows import PANES_300, per_second
from engine.layouts.windows import SERVICE_CLASSES
from engine.memory.lanes import count_bits
from engine.memory.options import HOT, KERNEL

_LETTER_CLASSES = 40
_MOST_LETTERS = math.log2(_LETTER_CLASSES)
_PARENT_BUCKETS, _PORT_BUCKETS = 16, 16
_TRIED_MIN, _SLICES_MIN = 4.0, 2
_SLICES_OF_CELL = PANES_300 // SLICE_PANES


@njit(**HOT)
def _letters_of(cells):
    """Return how many characters the names had."""
    total = 0
    for number in range(_LETTER_CLASSES):
        total += count_of(cells[0], LETTERS, number) + count_of(cells[1], LETTERS, number)
    return total


@njit(**HOT)
def _names_of_parent(cells):
    """Return how many bits the bitmap of the parent with the most queries has."""
    most, best = 0, 0
    for number in range(_PARENT_BUCKETS):
        count = count_of(cells[0], PARENTS, number) + count_of(cells[1], PARENTS, number)
        if count > most:
            most, best = count, number
    return count_bits(cells[0][NAMES + best] | cells[1][NAMES + best])


@njit(**KERNEL)
def write_names(row, view, distinct):
    """Write 122, 124, 125, 136; return their bits."""
    cells = view.names
    queries, answers = both(cells, QUERIES), both(cells, ANSWERS)
    letters, names = 0.0, 0
    if queries:
        total = _letters_of(cells)
        if total:
            letters = min(_MOST_LETTERS, max(0.0, entropy(cells, LETTERS, _LETTER_CLASSES, total)))
        names = _names_of_parent(cells)
    valid = put_if(row, 29, queries > 0, letters) << 29
    valid |= put(row, 31, 60.0 * per_second(queries, view.covered_300)) << 31
    valid |= put_if(row, 32, answers > 0, ratio(both(cells, FAILURES), answers)) << 32
    return valid | put(row, 43, distinct[SMALL_AT + names]) << 43


@njit(**KERNEL)
def write_logins(row, view, distinct):
    """Write 126 to 129, 132, 135, 139; return their bits."""
    cells = view.packets_300
    nameless = both(cells, HELLOS_NAMELESS)
    hellos = nameless + both(cells, HELLOS_NAMED)
    valid = put_if(row, 33, hellos > 0, ratio(nameless, hellos)) << 33
    valid |= put(row, 34, float(both(cells, HTTP_UNUSUAL))) << 34
    valid |= put(row, 35, distinct[ones_of(cells[0], cells[1], REFUSING)]) << 35
    valid |= put(row, 36, float(both(cells, SHORT_SESSIONS))) << 36
    sent, received = both(cells, EXTERNAL_FWD), both(cells, EXTERNAL_BWD)
    valid |= put(row, 39, log2_ratio(float(sent + 1), float(received + 1))) << 39
    valid |= put(row, 42, float(both(cells, UPLOADS))) << 42
    ended = both(cells, ENDED_300)
    duration = mean(both(cells, DURATION_300), ended) / 1e9
    return valid | put_if(row, 46, ended > 0, duration) << 46


@njit(**HOT)
def _most_peers(cells):
    """Return the most bits in one of the 16 bitmaps of peers."""
    most = 0
    for number in range(_PORT_BUCKETS):
        most = max(most, ones_of(cells[0], cells[1], BY_PORT + 4 * number))
    return most


@njit(**KERNEL)
def write_starts(row, view, distinct):
    """Write 123, 130, 131, 133, 134, 138, 140, 141; return their bits."""
    cells = view.starts_30
    current, before = cells
    tcp = both(view.packets_30, TCP_30)
    resets = ratio(both(view.packets_30, RST_30), tcp)
    valid = put_if(row, 47, tcp > 0, resets) << 47
    syn = both(cells, BEGUN_BY_SYN)
    valid |= put_if(row, 48, syn > 0, ratio(both(cells, SYN_UNANSWERED), syn)) << 48
    most = _most_peers(cells) if both(cells, COUNT_30) else 0
    valid |= put(row, 30, distinct[most]) << 30
    valid |= put(row, 37, distinct[ones_of(current, before, NEW_PAIRS)]) << 37
    tried = distinct[ones_of(current, before, TRIED)]
    open_pairs = distinct[ones_of(current, before, UNANSWERED)]
    valid |= put_if(row, 38, tried >= _TRIED_MIN, ratio(open_pairs, tried)) << 38
    valid |= put(row, 40, float(max(current[BURST], before[BURST]))) << 40
    valid |= put(row, 41, distinct[ones_of(current, before, EXTERNAL_PEERS)]) << 41
    classes = count_bits(current[CLASSES_USED] | before[CLASSES_USED])
    return valid | put(row, 45, ratio(classes, SERVICE_CLASSES)) << 45


@njit(**KERNEL)
def write_rates(row, view):
    """Write 137; return its bit."""
    cell = view.pane // PANES_300
    first = max((cell - 1) * _SLICES_OF_CELL, -(-view.known // SLICE_PANES))
    end = (view.pane + 1) // SLICE_PANES
    slices, total, squares = 0, 0, 0
    for number in range(first, end):
        current = number // _SLICES_OF_CELL == cell
        cells = view.starts_300[0] if current else view.starts_300[1]
        starts = count_of(cells, SLICES, number % _SLICES_OF_CELL)
        slices += 1
        total += starts
        squares += starts * starts
    is_valid = slices >= _SLICES_MIN
    return put_if(row, 44, is_valid, deviation(slices, squares, 0, total) * 6.0) << 44
