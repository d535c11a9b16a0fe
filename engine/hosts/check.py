"""Whether a segment of hosts is sound: every invariant that its kernels rely on.

Tests call it after each step. Between events; the open pane may have begun. Plain Python, O(n).
"""

import numpy as np

from engine.hosts import index
from engine.hosts.known import (
    HOST_BITS,
    HOST_COUNT,
    HOST_FREE,
    HOST_FRESH,
    HOST_INDEX_AT,
    HOSTS_MAX,
    TOUCHED_AT,
    TOUCHED_INITIATORS,
    TOUCHED_RESPONDERS,
)
from engine.hosts.pairs import (
    PAIR_BITS,
    PAIR_COUNT,
    PAIR_FREE,
    PAIR_FRESH,
    PAIR_INDEX_AT,
    PAIRS_AT,
    PAIRS_MAX,
)
from engine.hosts.pane import OPEN_PANE, ROWS_VERSION
from engine.hosts.pools import POOLS
from engine.hosts.rows import INITIATOR_RING, RESPONDER_RING, ROW_BITS, ROWS
from engine.hosts.space import INITIATOR_WORDS, RESPONDER_WORDS
from engine.hosts.starts import REMAINDER_STARTS, START_CAPACITY, START_COUNT
from engine.hosts.windows import PANES_30, PANES_60, PANES_300
from engine.layouts.hosts import HOST, HOST_ROW, HOSTS, NEVER, PAIR, RESPONDER_ROW
from engine.layouts.windows import PART, RESPONDER_PART
from engine.memory.layout import Layout

_TAG = ~((1 << index.PLACE_BITS) - 1)
_PLACE = (1 << index.PLACE_BITS) - 1
_WORD = (1 << 64) - 1
_HOST = {name: HOST.index(name) for name in HOST.dtype().names}
# Panes of a cell of each group; its two places have a stamp each.
_PANES = {
    "cells_30": PANES_30,
    "cells_60": PANES_60,
    "cells_300": PANES_300,
    "cells_names": PANES_300,
    "cells_starts_30": PANES_30,
    "cells_starts_60": PANES_60,
    "cells_starts_300": PANES_300,
    "cells_internal": PANES_300,
}
_TO_PANES = {"cells_10": 1, "cells_to_60": PANES_60}
_REGIONS = (("initiators_at", INITIATOR_WORDS), ("responders_at", RESPONDER_WORDS))


def check(words: np.ndarray) -> None:
    """Assert all invariants of a segment's words."""
    assert words[ROWS_VERSION] % 2 == 0, "rows change"
    hosts = _records(words, words[HOSTS.index("hosts_at")], HOST.words, words[HOSTS_MAX])
    pairs = _records(words, words[PAIRS_AT], PAIR.words, words[PAIRS_MAX])
    key = tuple(int(words[HOSTS.index(name)]) for name in ("key_low", "key_high"))
    used = _check_places(words, hosts, (HOST_FRESH, HOST_COUNT, HOST_FREE))
    _check_index(words, HOST_INDEX_AT, HOST_BITS, {k: host_hash(hosts[k], key) for k in used})
    external = sum(int(hosts[k, _HOST["is_external"]]) for k in used)
    assert external == words[HOSTS.index("external_count")], "external hosts are miscounted"
    assert external <= words[HOSTS_MAX] // 2, "too many external hosts"
    _check_hosts(words, hosts, used)
    _check_pools(words, hosts, used)
    _check_touched(words, hosts, used)
    paired = _check_places(words, pairs, (PAIR_FRESH, PAIR_COUNT, PAIR_FREE))
    _check_index(words, PAIR_INDEX_AT, PAIR_BITS, {k: pair_hash(pairs[k], key) for k in paired})
    assert (pairs[paired, PAIR.index("pair_starts")] > 0).all(), "a pair without a start"
    for ring, layout in ((INITIATOR_RING, HOST_ROW), (RESPONDER_RING, RESPONDER_ROW)):
        _check_rows(words, ring, layout.words, key)
    starts, early = words[START_COUNT], words[REMAINDER_STARTS]
    assert 0 <= early <= starts <= words[START_CAPACITY], f"{starts} starts, {early} of remainders"
    for name, size in _REGIONS:
        at = words[HOSTS.index(name)]
        assert not words[at : at + size].any(), f"the zeros of {name} were written"


def host_hash(row: np.ndarray, key: tuple[int, int]) -> int:
    """Return the keyed hash of the address in words 1 and 2."""
    return index.address_hash(int(row[1]), int(row[2]), key)


def pair_hash(pair: np.ndarray, key: tuple[int, int]) -> int:
    """Return the keyed hash of a pair's key."""
    other = index.address_hash(int(pair[3]), int(pair[4]), key)
    return index.pair_hash(host_hash(pair, key), other, int(pair[5]), key)


def _records(words: np.ndarray, at: int, size: int, count: int) -> np.ndarray:
    """Return records 0 (never used) to `count` as rows."""
    return words[at : at + (count + 1) * size].reshape(count + 1, size)


def _check_places(words: np.ndarray, records: np.ndarray, names: tuple) -> list[int]:
    """Return the places in use; those used once and free now are in the free list, each once."""
    fresh, count, head = (int(words[name]) for name in names)
    assert fresh < len(records), "more places than there are"
    used = [place for place in range(1, fresh + 1) if records[place, 0]]
    assert len(used) == count, f"{len(used)} places are in use, {count} are counted"
    assert not records[fresh + 1 :, 0].any(), "a place beyond those ever used is in use"
    free: list[int] = []
    while head:
        assert records[head, 0] == 0, f"place {head} is free and in use"
        free.append(head)
        assert len(free) <= fresh, "the free list goes round"
        head = int(records[head, 1])
    assert len(set(free)) == len(free) == fresh - count, "places are lost from the free list"
    keys = {tuple(records[place, : 7 if records.shape[1] == PAIR.words else 3]) for place in used}
    assert len(keys) == count, "a key is there twice"
    return used


def _check_index(words: np.ndarray, at: int, bits_at: int, hashes: dict[int, int]) -> None:
    """Assert that an index leads to every place by its hash, and to nothing else."""
    bits = int(words[bits_at])
    entries = words[words[at] : words[at] + (1 << bits)]
    (filled,) = np.nonzero(entries)
    assert len(filled) == len(hashes), f"{len(filled)} entries of {len(hashes)} records"
    seen = set()
    for number in filled:
        entry = int(entries[number])
        place = entry & _PLACE
        assert place in hashes, f"an entry leads to place {place}"
        seen.add(place)
        assert (entry ^ hashes[place]) & _TAG == 0, f"place {place} stands under another hash"
        slot = (entry & _WORD) >> (64 - bits)
        while slot != number:
            assert entries[slot] != 0, f"place {place} cannot be found"
            slot = (slot + 1) % len(entries)
    assert len(seen) == len(hashes), "two entries of one place"


def _check_hosts(words: np.ndarray, hosts: np.ndarray, used: list[int]) -> None:
    """Assert that nothing of a host lies beyond the open pane, and its states are states."""
    pane = int(words[OPEN_PANE])
    for place in used:
        host = hosts[place]
        assert host[0] in (4, 6), f"version {host[0]}"
        known = int(host[_HOST["known_pane"]])
        assert known <= pane, f"host {place} is known since later than now"
        for name in ("initiator_pane", "responder_pane"):
            touched = int(host[_HOST[name]])
            assert touched == NEVER or known <= touched <= pane, f"{name} {touched} of {place}"
        if host[_HOST["initiator_place"]]:
            at = words[HOSTS.index("initiators_at")]
            at += host[_HOST["initiator_place"]] * INITIATOR_WORDS
            part = words[at : at + PART.words]
            _check_stamps(part, PART, _PANES, pane)
            assert part[PART.index("cell_150")] <= pane // PANES_300, "cell_150 lies ahead"
            for name in ("younger", "is_begun", "has_older"):
                assert part[PART.index(name)] in (0, 1), f"{name} of {place}"
        else:
            assert host[_HOST["initiator_pane"]] == NEVER, f"{place} has no initiator part"
        if host[_HOST["responder_place"]]:
            at = words[HOSTS.index("responders_at")]
            at += host[_HOST["responder_place"]] * RESPONDER_WORDS
            part = words[at : at + RESPONDER_PART.words]
            _check_stamps(part, RESPONDER_PART, _TO_PANES, pane)
        else:
            assert host[_HOST["responder_pane"]] == NEVER, f"{place} has no responder part"


def _check_pools(words: np.ndarray, hosts: np.ndarray, used: list[int]) -> None:
    """Assert that each place of a pool is one host's or free, and place 0 zero."""
    for pool in POOLS:
        begin, fresh = int(words[pool.begin]), int(words[pool.fresh])
        taken = [int(place) for place in hosts[used, pool.place] if place]
        free, place = [], int(words[pool.free])
        while place:
            free.append(place)
            assert len(free) <= fresh, "the free list of a pool goes round"
            place = int(words[begin + place * pool.words])
        assert sorted(taken + free) == list(range(1, fresh + 1)), f"places of {pool} are lost"
        assert not words[begin : begin + pool.words].any(), "place 0 of a pool was written"


def _check_stamps(part: np.ndarray, layout: Layout, groups: dict[str, int], pane: int) -> None:
    """Assert that each place of a group holds a cell that belongs there and is not ahead."""
    for name, panes in groups.items():
        for number in range(2):
            cell = int(part[layout.index(name) + number])
            assert cell <= pane // panes, f"{name} lies ahead"
            assert cell == NEVER or cell & 1 == number, f"{name}: cell {cell} in place {number}"


def _check_touched(words: np.ndarray, hosts: np.ndarray, used: list[int]) -> None:
    """Assert that what was touched in the open pane is listed, once, unless the pane has ended."""
    pane, begin = words[OPEN_PANE], int(words[TOUCHED_AT])
    lists = ((TOUCHED_INITIATORS, "initiator_pane"), (TOUCHED_RESPONDERS, "responder_pane"))
    is_open = any(words[count_at] for count_at, _ in lists)
    for number, (count_at, name) in enumerate(lists):
        at = begin + number * int(words[HOSTS_MAX])
        listed = words[at : at + int(words[count_at])].tolist()
        touched = {place for place in used if hosts[place, _HOST[name]] == pane}
        assert len(set(listed)) == len(listed), "a part is listed twice"
        assert set(listed) == (touched if is_open else set()), f"{name}: not what was touched"


def _check_rows(words: np.ndarray, ring: tuple, size: int, key: tuple[int, int]) -> None:
    """Assert that the newest rows are kept and found, and that none is newer than the pane."""
    made_at, gone_at, index_at, rows_at = ring
    capacity, made = int(words[ROWS]), int(words[made_at])
    rows = _records(words, words[rows_at], size, capacity)
    kept = min(made, capacity)
    assert rows[1 : kept + 1, 0].all(), "a kept row has no version"
    assert not rows[kept + 1 :, 0].any(), "a row beyond those made"
    hashes = {}
    for place in range(1, kept + 1):
        pane = int(rows[place, 3])
        assert pane <= words[OPEN_PANE], f"row {place} lies ahead"
        hashes[place] = index.row_hash(host_hash(rows[place], key), pane, key)
    assert len({tuple(row[:4]) for row in rows[1 : kept + 1]}) == kept, "a row is there twice"
    _check_index(words, index_at, ROW_BITS, hashes)
    assert (words[gone_at] != NEVER) == (made > capacity), "rows were given up, or not"
    order = [int(rows[number % capacity + 1, 3]) for number in range(made - kept, made)]
    assert order == sorted(order), "rows do not stand in the order of panes"
