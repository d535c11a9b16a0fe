"""Features 93 to 111: ransomware's symptoms, and what a host's traffic looks like."""

import math

from numba import njit

from engine.hosts.initiator import (
    BYTES_60,
    DURATION_60,
    ENDED_60,
    FWD_PACKETS,
    PACKETS_60,
    SMB_DATA,
    SMB_READ,
    SMB_WRITTEN,
    SQUARES_60,
    TCP_60,
    UDP_60,
    UPLOAD_30,
)
from engine.hosts.sketches import count_of, entropy, ones_of
from engine.hosts.starts import (
    ADMIN_PEERS,
    COUNT_30,
    COUNT_60,
    COUNT_300,
    FAILED,
    GAP_SQUARES,
    GAP_SUM,
    GAPS,
    NEW_PEERS,
    PEER_BUCKETS,
    PEERS,
    PORT_BUCKETS,
    PORTS_60,
)
from engine.hosts.values import deviation, log2_ratio, mean, put, put_if, ratio, share_of
from engine.hosts.view import both
from engine.hosts.windows import per_second
from engine.memory.options import HOT, KERNEL
from engine.memory.wide import wide_add

_KNOWN_PANES = 6  # 30 s.
_WRITTEN_MIN = 65_536  # Bytes, for feature 95.
_BUCKETS = 64


@njit(**HOT)
def _log10_above(count):
    return math.log10(float(count + 1))


@njit(**KERNEL)
def _write_smb(row, view):
    """Write 93 to 95; return their bits."""
    cells = view.packets_30
    written, read = both(cells, SMB_WRITTEN), both(cells, SMB_READ)
    rate = per_second(both(cells, SMB_DATA), view.covered_30)
    valid = put_if(row, 0, both(cells, FWD_PACKETS) > 0, rate)
    valid |= put(row, 1, _log10_above(written)) << 1
    is_written = written >= _WRITTEN_MIN
    balance = 0.0
    if is_written:
        balance = 1.0 - float(abs(read - written)) / float(read + written)
    return valid | put_if(row, 2, is_written, balance) << 2


@njit(**KERNEL)
def write_ransomware(row, view, distinct):
    """Write 93 to 98, 100, 101; return their bits."""
    valid = _write_smb(row, view)
    current, before = view.starts_30
    valid |= put(row, 3, distinct[ones_of(current, before, ADMIN_PEERS)]) << 3
    valid |= put(row, 4, _log10_above(both(view.packets_30, UPLOAD_30))) << 4
    peers = distinct[ones_of(current, before, PEERS)]
    new = distinct[ones_of(current, before, NEW_PEERS)]
    valid |= put_if(row, 5, peers > 0.0, ratio(new, peers)) << 5
    starts = both(view.starts_30, COUNT_30)
    newest = per_second(starts, view.covered_30) + 0.01
    longer = per_second(both(view.starts_300, COUNT_300), view.covered_300) + 0.01
    is_known = view.pane + 1 - view.known >= _KNOWN_PANES
    valid |= put_if(row, 7, is_known, log2_ratio(newest, longer)) << 7
    failed = both(view.starts_30, FAILED)
    return valid | put_if(row, 8, starts > 0, ratio(failed, starts)) << 8


@njit(**KERNEL)
def _write_packets(row, view):
    """Write 102, 104, 105; return their bits."""
    cells = view.packets_60
    packets, octets = both(cells, PACKETS_60), both(cells, BYTES_60)
    tcp = both(cells, TCP_60)
    known = tcp + both(cells, UDP_60)
    valid = put(row, 9, per_second(packets, view.covered_60)) << 9
    valid |= put_if(row, 11, known > 0, ratio(tcp, known)) << 11
    return valid | put_if(row, 12, packets > 0, mean(octets, packets)) << 12


@njit(**KERNEL)
def _write_durations(row, view):
    """Write 107; return its bit."""
    current, before = view.packets_60
    ended, total = current[ENDED_60] + before[ENDED_60], current[DURATION_60] + before[DURATION_60]
    low, high = wide_add(
        current[SQUARES_60], current[SQUARES_60 + 1], before[SQUARES_60], before[SQUARES_60 + 1]
    )
    return put_if(row, 14, ended >= 2, deviation(ended, low, high, total) / 1e9) << 14


@njit(**KERNEL)
def _write_gaps(row, view):
    """Write 111; return its bit."""
    current, before = view.starts_60
    gaps, total = current[GAPS] + before[GAPS], current[GAP_SUM] + before[GAP_SUM]
    low, high = wide_add(
        current[GAP_SQUARES], current[GAP_SQUARES + 1], before[GAP_SQUARES], before[GAP_SQUARES + 1]
    )
    starts = current[COUNT_60] + before[COUNT_60]
    is_valid = starts >= 3 and gaps >= 2 and total > 0
    variation = deviation(gaps, low, high, total) / mean(total, gaps) if is_valid else 0.0
    return put_if(row, 18, is_valid, variation) << 18


@njit(**HOT)
def _fullest(cells, at):
    """Return the largest count of 64 buckets over both cells."""
    current, before = cells
    most = 0
    for word in range(at, at + _BUCKETS // 2):
        if current[word] | before[word]:
            bucket = 2 * (word - at)
            for number in (bucket, bucket + 1):
                most = max(most, count_of(current, at, number) + count_of(before, at, number))
    return most


@njit(**KERNEL)
def write_traffic(row, view, distinct):
    """Write 102 to 111; return their bits."""
    valid = _write_packets(row, view) | _write_durations(row, view) | _write_gaps(row, view)
    cells = view.starts_60
    starts = both(cells, COUNT_60)
    valid |= put(row, 10, per_second(starts, view.covered_60)) << 10
    ports = peers = 0.0
    if starts >= 2:
        ports = share_of(entropy(cells, PORT_BUCKETS, _BUCKETS, starts), 6.0)
        peers = share_of(entropy(cells, PEER_BUCKETS, _BUCKETS, starts), 6.0)
    valid |= put_if(row, 13, starts >= 2, ports) << 13
    valid |= put_if(row, 15, starts >= 2, peers) << 15
    top = ratio(_fullest(cells, PEER_BUCKETS), starts) if starts else 0.0
    valid |= put_if(row, 16, starts >= 1, top) << 16
    return valid | put(row, 17, distinct[ones_of(cells[0], cells[1], PORTS_60)]) << 17
