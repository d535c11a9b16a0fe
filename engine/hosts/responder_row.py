"""Features 82 to 91 of a responder part at the end of a pane."""

import math

from numba import njit

from engine.hosts.known import KNOWN_PANE, RESPONDER_PLACE
from engine.hosts.responder import (
    CELL_10,
    CELL_60,
    FROM_PACKETS,
    FROM_UDP_BYTES,
    LENGTH_BINS,
    PREFIX_BUCKETS,
    REGISTERS_AT,
    TO_10_AT,
    TO_ENDED,
    TO_IMPOSSIBLE,
    TO_PACKETS,
    TO_PACKETS_60,
    TO_PROPER,
    TO_STARTS,
    TO_SYN,
    TO_SYN_OPEN,
    TO_TCP,
    TO_UDP_BYTES,
    UDP_PACKETS,
)
from engine.hosts.rows import VALID, next_responder_row, pointers_to
from engine.hosts.sketches import entropy, estimate
from engine.hosts.space import TO_60_AT, host_at, initiator_at, inside, responder_at, spread
from engine.hosts.values import log2_ratio, put, put_if, ratio, share_of
from engine.hosts.windows import PANES_60, cells_of, covered_ns, per_second
from engine.layouts.windows import RESPONDER_10, RESPONDER_60
from engine.memory.options import KERNEL

_RESPONDER_10_WORDS = RESPONDER_10.words
_RESPONDER_60_WORDS = RESPONDER_60.words

FIRST = 82
_KNOWN_PANES = 2  # 10 s.


@njit(**KERNEL)
def _write_counts(row, cells):
    """Write 82, 83, 85, 87, 88; return their bits."""
    current, before = cells
    syn, still_open = current[TO_SYN] + before[TO_SYN], current[TO_SYN_OPEN] + before[TO_SYN_OPEN]
    arrived = current[TO_PACKETS] + before[TO_PACKETS]
    left = current[FROM_PACKETS] + before[FROM_PACKETS]
    tcp, impossible = current[TO_TCP] + before[TO_TCP], current[TO_IMPOSSIBLE]
    impossible += before[TO_IMPOSSIBLE]
    ended, proper = current[TO_ENDED] + before[TO_ENDED], current[TO_PROPER] + before[TO_PROPER]
    udp_in = current[TO_UDP_BYTES] + before[TO_UDP_BYTES]
    udp_out = current[FROM_UDP_BYTES] + before[FROM_UDP_BYTES]
    udp = current[UDP_PACKETS] + before[UDP_PACKETS]
    both = arrived + left
    asymmetry = float(arrived - left) / float(both) if both else 0.0
    valid = put_if(row, 0, syn > 0, ratio(still_open, syn))
    valid |= put_if(row, 1, both > 0, asymmetry) << 1
    valid |= put_if(row, 3, tcp > 0, ratio(impossible, tcp)) << 3
    gain = log2_ratio(float(udp_in + 1), float(udp_out + 1))
    valid |= put_if(row, 5, udp > 0, gain) << 5
    return valid | put_if(row, 6, ended > 0, ratio(proper, ended)) << 6


@njit(**KERNEL)
def _write_spread(row, cells):
    """Write 84, 86, 89; return their bits."""
    current, before = cells
    arrived = current[TO_PACKETS] + before[TO_PACKETS]
    valid = put(row, 2, math.log10(1.0 + estimate(cells, REGISTERS_AT))) << 2
    lengths = share_of(entropy(cells, LENGTH_BINS, 16, arrived), 4.0)
    valid |= put_if(row, 4, arrived >= 2, lengths) << 4
    prefixes = share_of(entropy(cells, PREFIX_BUCKETS, 64, arrived), 6.0)
    return valid | put_if(row, 7, arrived >= 2, prefixes) << 7


@njit(**KERNEL)
def write_responder_row(space, place, pane):
    """Make the row of a host's responder part at the end of `pane`."""
    words = space.words
    host = host_at(words, place)
    place = host[RESPONDER_PLACE]
    part = responder_at(words, place)
    made, row = pointers_to(space, next_responder_row(space, host, pane))
    zeros = initiator_at(words, 0)
    group = spread(words, TO_10_AT, _RESPONDER_10_WORDS, place)
    cells = cells_of(part, CELL_10, group, (pane, zeros))
    group = inside(part, TO_60_AT, _RESPONDER_60_WORDS)
    minute = cells_of(part, CELL_60, group, (pane // PANES_60, zeros))
    known = host[KNOWN_PANE]
    valid = _write_counts(row, cells) | _write_spread(row, cells)
    covered = covered_ns(pane, 1, known)
    arrived = cells[0][TO_PACKETS] + cells[1][TO_PACKETS]
    wide = minute[0][TO_PACKETS_60] + minute[1][TO_PACKETS_60]
    newest = per_second(arrived, covered) + 1.0
    longer = per_second(wide, covered_ns(pane, PANES_60, known)) + 1.0
    is_known = pane + 1 - known >= _KNOWN_PANES
    valid |= put_if(row, 8, is_known, log2_ratio(newest, longer)) << 8
    starts = cells[0][TO_STARTS] + cells[1][TO_STARTS]
    valid |= put(row, 9, math.log10(1.0 + per_second(starts, covered))) << 9
    made[VALID] = valid
