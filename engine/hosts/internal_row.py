"""Features 112 to 121: what a host does to internal peers."""

import math

from numba import njit

from engine.hosts.initiator import (
    EXTERNAL_FWD,
    INTERNAL_BWD,
    INTERNAL_BYTES,
    INTERNAL_DURATION,
    INTERNAL_ENDED,
    INTERNAL_PACKETS,
    INTERNAL_SQUARES,
)
from engine.hosts.sketches import SMALL_AT, entropy, ones_of
from engine.hosts.starts import (
    CELL_150,
    CELLS_150_AT,
    CLASSES,
    INTERNAL_BUCKETS,
    INTERNAL_KNOWN,
    INTERNAL_PEERS,
    INTERNAL_STARTS,
    PORTS_OF_PEER,
)
from engine.hosts.values import deviation, log2_ratio, mean, put, put_if, ratio, share_of
from engine.hosts.view import both
from engine.hosts.windows import PANES_300, per_second
from engine.layouts.windows import CELLS_150, SERVICE_CLASSES
from engine.memory.lanes import count_bits
from engine.memory.options import HOT, KERNEL
from engine.memory.wide import wide_add

_BUCKETS = 64
_EARLIER_MAX, _EARLIER_MIN = 8, 4
_MOST_CLASSES = math.log2(SERVICE_CLASSES)


@njit(**HOT)
def _starts_of(part, cell):
    """Return the starts to internal peers in a cell of 150 s among the newest ten."""
    newest = part[CELL_150]
    if cell > newest or cell <= newest - CELLS_150:
        return 0
    return part[CELLS_150_AT + cell % CELLS_150]


@njit(**KERNEL)
def _write_deviation(row, view):
    """Write 120; return its bit."""
    newest = (view.pane + 1) // PANES_300 - 1  # The newest whole cell.
    earlier, total, squares = 0, 0, 0
    for cell in range(newest - _EARLIER_MAX, newest):
        if cell * PANES_300 >= view.known:
            starts = _starts_of(view.part, cell)
            earlier += 1
            total += starts
            squares += starts * starts
    is_valid = earlier >= _EARLIER_MIN
    value = 0.0
    if is_valid:
        spread = deviation(earlier, squares, 0, total)
        value = (float(_starts_of(view.part, newest)) - mean(total, earlier)) / (spread + 1.0)
    return put_if(row, 27, is_valid, value) << 27


@njit(**KERNEL)
def _write_traffic(row, view):
    """Write 115, 116, 119; return their bits."""
    current, before = view.packets_300
    cells = view.packets_300
    packets, octets = both(cells, INTERNAL_PACKETS), both(cells, INTERNAL_BYTES)
    low, high = wide_add(
        current[INTERNAL_SQUARES],
        current[INTERNAL_SQUARES + 1],
        before[INTERNAL_SQUARES],
        before[INTERNAL_SQUARES + 1],
    )
    is_valid = packets >= 2 and octets > 0
    variation = deviation(packets, low, high, octets) / mean(octets, packets) if is_valid else 0.0
    valid = put_if(row, 22, is_valid, variation) << 22
    ended = both(cells, INTERNAL_ENDED)
    duration = mean(both(cells, INTERNAL_DURATION), ended) / 1e9
    valid |= put_if(row, 23, ended > 0, duration) << 23
    received, sent = both(cells, INTERNAL_BWD), both(cells, EXTERNAL_FWD)
    return valid | put(row, 26, log2_ratio(float(received + 1), float(sent + 1))) << 26


@njit(**HOT)
def _most_ports(cells):
    """Return the most bits in one of the 64 bitmaps of ports."""
    current, before = cells
    most = 0
    for word in range(PORTS_OF_PEER, PORTS_OF_PEER + _BUCKETS):
        most = max(most, count_bits(current[word] | before[word]))
    return most


@njit(**KERNEL)
def write_internal(row, view, distinct):
    """Write 112 to 121; return their bits."""
    valid = _write_traffic(row, view) | _write_deviation(row, view)
    cells = view.internal
    starts = both(cells, INTERNAL_STARTS)
    valid |= put(row, 19, per_second(starts, view.covered_300)) << 19
    known = classes = peers = 0.0
    count, most = 0.0, 0
    if starts:
        known = ratio(both(cells, INTERNAL_KNOWN), starts)
        classes = share_of(entropy(cells, CLASSES, SERVICE_CLASSES, starts), _MOST_CLASSES)
        peers = share_of(entropy(cells, INTERNAL_BUCKETS, _BUCKETS, starts), 6.0)
        count, most = distinct[ones_of(cells[0], cells[1], INTERNAL_PEERS)], _most_ports(cells)
    valid |= put_if(row, 20, starts >= 1, known) << 20
    valid |= put_if(row, 21, starts >= 2, classes) << 21
    valid |= put(row, 24, count) << 24
    valid |= put(row, 25, distinct[SMALL_AT + most]) << 25
    return valid | put_if(row, 28, starts >= 2, peers) << 28
