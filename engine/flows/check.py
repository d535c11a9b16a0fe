"""check(): every invariant of a worker's flow table, in time proportional to its size.

Tests call it after each step. It may be called whenever the table's worker is between two steps,
also when it waits for room in the event ring; never while the worker runs.
"""

import itertools
from typing import NamedTuple

import numpy as np
from numba import njit

from engine.config import PANE_NS, STEPS_MAX
from engine.features.flags import TOPS
from engine.flows.deadlines import (
    AHEAD_MAX,
    BLOCK_SHIFT,
    COUNT_NAMES,
    IN_DUE_LIST,
    NAMES,
    NEVER,
    NO_PANE,
)
from engine.flows.finish import row_tag
from engine.flows.panes import pane_capacity
from engine.flows.shard import row_at
from engine.flows.slots import ROW_BITS, SLOTS, home_slot
from engine.flows.spill import IMPOSSIBLE_TOP, PAIR_TOPS
from engine.layouts import places
from engine.layouts.connection import CONNECTION, SIDE_STATES
from engine.layouts.table import PANE_ENTRY, TABLE
from engine.memory.options import KERNEL
from engine.memory.pointers import pointer
from engine.memory.wide import signed
from engine.packets.ip import TCP

_CONTROL_WORDS = {name: TABLE.index(name) for name in TABLE.dtype().names}
_NOT_STOPPING = -1
_OPEN, _DELTAS = 0, 1
_DIRECTIONS = (places.SIDE_A, places.SIDE_A + places.LINE_WORDS)
_COLD_FLOW_SHIFTS = (places.ACTIVITY_SHIFT, places.BULK_SHIFT, places.PANE_SHIFT)
_COLD_SIDE_SHIFTS = (places.SPILL_SHIFT, places.SPILL_SHIFT + 21)
_ENTRY_OFFSET_SHIFT = PANE_ENTRY.shift("place", "offset")
_ENTRY_OFFSET_MASK = PANE_ENTRY.mask("place", "offset")
_ENTRY_BEGAN_SHIFT = PANE_ENTRY.shift("place", "began")
_BIN_BITS, _BINS_A_WORD, _BIN_MASK = 12, 5, (1 << 12) - 1


class Table(NamedTuple):
    """A table's regions as arrays; nothing is copied."""

    words: np.ndarray
    word: dict[str, int]  # Control words by name.
    rows: np.ndarray  # (rows + 1, ROW_WORDS)
    live: np.ndarray  # Numbers of the live rows, ascending.


def regions(words: np.ndarray) -> Table:
    """Return the regions of a table; which rows are live is what the rows say."""
    word = {name: int(words[at]) for name, at in _CONTROL_WORDS.items()}
    rows = _region(words, word["rows_at"], word["rows"] + 1, places.ROW_WORDS)
    used = rows[1 : word["row_fresh"] + 1, places.FIRST_REFERENCE]
    return Table(words, word, rows, np.flatnonzero(used >= 0) + 1)


def _region(words: np.ndarray, at: int, count: int, size: int) -> np.ndarray:
    return words[at : at + count * size].reshape(count, size)


def check(words: np.ndarray) -> int:
    """Assert all invariants of a table; return how many packets its live rows have counted."""
    table = regions(words)
    _check_rows(table)
    _check_blocks(table)
    _check_slots(table)
    _check_deadlines(table)
    if table.word["stop_count"] == _NOT_STOPPING:
        _check_due_list(table)
        _check_pane_list(table)
    _check_contents(table)
    _check_connections(table)
    return packets_of(table)


def _check_rows(table: Table) -> None:
    """Free list and live rows partition the rows that were ever used; the others are zero."""
    word, rows = table.word, table.rows
    fresh, live = word["row_fresh"], word["live"]
    assert 0 <= live <= fresh <= word["rows"], f"{live} live of {fresh} used of {word['rows']}"
    assert not rows[0].any(), "row 0 is used"
    assert not rows[fresh + 1 :].any(), "a row that was never taken is not zero"
    free, row = set(), word["row_free"]
    while row:
        assert 1 <= row <= fresh and row not in free, f"row {row} in the list of free rows"
        free.add(row)
        line = rows[row]
        assert line[places.FIRST_REFERENCE] == -1, f"free row {row} has a part's first packet"
        assert line[places.START] == places.TIME_MAX, f"free row {row} has a start"
        assert not line[[places.COLD_FLOW, places.COLD_SIDE]].any(), f"free row {row} owns blocks"
        row = int(line[places.ADDRESSES])
    assert len(free) == fresh - live, f"{len(free)} free rows, {live} live, {fresh} used"
    assert free.isdisjoint(table.live.tolist()), "a free row looks live"
    assert len(table.live) == live, f"{len(table.live)} rows look live, {live} are counted"
    odd = np.flatnonzero(rows[1 : fresh + 1, places.PACE] & places.VERSION_ONE) + 1
    assert not len(odd), f"rows {odd[:5]} are being changed"


def _owned(table: Table) -> np.ndarray:
    """Return every cold block that a live row refers to, directly or by a spill block."""
    lines, word = table.rows[table.live], table.word
    blocks = _region(table.words, word["cold_at"], word["blocks"] + 1, places.BLOCK_WORDS)
    found = [
        lines[:, at] >> shift & places.REFERENCE_MASK
        for at, shifts in (
            (places.COLD_FLOW, _COLD_FLOW_SHIFTS),
            (places.COLD_SIDE, _COLD_SIDE_SHIFTS),
        )
        for shift in shifts
    ]
    every = np.concatenate(found)
    assert (every <= word["cold_fresh"]).all(), "a row refers to a block that was never taken"
    spills = np.concatenate(found[len(_COLD_FLOW_SHIFTS) :])
    more = blocks[spills, places.SPILL_MORE]
    assert ((more >= 0) & (more <= word["cold_fresh"])).all(), "a spill block refers to nowhere"
    every = np.concatenate((every, more))
    return every[every > 0]


def _check_blocks(table: Table) -> None:
    """Each cold block that was ever used is owned once or in the free list, never both."""
    word = table.word
    blocks = _region(table.words, word["cold_at"], word["blocks"] + 1, places.BLOCK_WORDS)
    fresh = word["cold_fresh"]
    assert 0 <= fresh <= word["blocks"], f"{fresh} blocks used of {word['blocks']}"
    assert not blocks[0].any(), "block 0 is not zero"
    assert not blocks[fresh + 1 :].any(), "a block that was never taken is not zero"
    owned = _owned(table)
    assert len(np.unique(owned)) == len(owned), "a block has two owners"
    free, block = set(), word["cold_free"]
    while block:
        assert 1 <= block <= fresh and block not in free, f"block {block} in the list of free ones"
        free.add(block)
        assert not blocks[block, 1:].any(), f"free block {block} is not zero"
        block = int(blocks[block, 0])
    assert free.isdisjoint(owned.tolist()), "a free block has an owner"
    assert len(free) + len(owned) == fresh, f"{fresh - len(free) - len(owned)} blocks are lost"
    left = word["blocks"] - len(owned)
    assert word["cold_left"] == left, f"{left} blocks are left, {word['cold_left']} counted"


def _check_slots(table: Table) -> None:
    """Each live row has one slot, under its tag, and no gap between its home and its place."""
    word = table.word
    count = word["slots"]
    entries = table.words[word["slots_at"] : word["slots_at"] + count]
    used = np.flatnonzero(entries)
    rows = entries[used] & places.REFERENCE_MASK
    assert np.array_equal(np.sort(rows), table.live), "slots and live rows are not the same"
    gaps = np.flatnonzero(entries == 0)
    assert len(gaps), "there is no empty slot: a search would never end"
    homes = np.zeros(len(rows), np.int64)
    wrong = _look_up(table.words, rows, entries[used], homes)
    assert wrong < 0, f"row {rows[wrong]} has a slot under another tag"
    before = gaps[np.searchsorted(gaps, used) - 1]  # The last gap, around the end if need be.
    cut_off = (used - homes) % count >= (used - before) % count
    assert not cut_off.any(), f"a gap stands between row {rows[cut_off][:1]} and its home"


@njit("i8(i8[::1], i8[::1], i8[::1], i8[::1])", **KERNEL)
def _look_up(words, rows, entries, homes):
    """Set the home slot of each row; return the first whose entry has another tag, or -1."""
    table = pointer(words)
    for k in range(len(rows)):
        tag = row_tag(table, row_at(table, rows[k]))
        if entries[k] >> ROW_BITS != tag:
            return k
        homes[k] = home_slot(tag, table[SLOTS])
    return -1


def deadlines_of(table: Table) -> np.ndarray:
    """Return the deadline of each live row, computed anew."""
    word, lines = table.word, table.rows[table.live]
    last = lines[:, places.START] + (lines[:, places.LAST] & word["age_mask"])
    ended = lines[:, places.FLOW_KEY] & places.ENDED != 0
    protocols = lines[:, places.FLOW_KEY] >> places.PROTOCOL_SHIFT & places.PROTOCOL_MASK
    timeouts = table.words[word["timeouts_at"] + protocols]
    silent = np.where(timeouts != 0, last + timeouts, places.TIME_MAX)
    return np.where(ended, last + word["linger_ns"], silent)


def _check_deadlines(table: Table) -> None:
    """Bytes and counts agree; no byte names a later pane than its row's deadline."""
    word = table.word
    at = word["bytes_at"]
    octets = table.words[at : at + (word["rows"] >> 3) + 1].view(np.uint8)
    names = octets[: word["rows"] + 1].astype(np.int64)
    idle = np.ones(len(names), bool)
    idle[table.live] = False
    assert not names[idle].any(), "a row that is not live has a deadline"
    own = names[table.live]
    known = (own >= 1) & (own <= NEVER) | (own == IN_DUE_LIST)
    assert known.all(), "a live row has no deadline"
    counts = table.words[word["counts_at"] : word["counts_at"] + COUNT_NAMES]
    expected = np.bincount(own, minlength=COUNT_NAMES)
    assert np.array_equal(counts[1:], expected[1:]), "names of panes are counted wrongly"
    if word["blocks_counted"]:
        _check_block_counts(table, names)
    deadlines = deadlines_of(table)
    assert np.array_equal(own == NEVER, deadlines == places.TIME_MAX), "NEVER is not never"
    filed = own <= NAMES
    ahead = (own[filed] - 2 - word["pane"]) % NAMES + 1  # 1 to NAMES.
    assert (ahead <= AHEAD_MAX).all(), "a row is filed in the pane that is open"
    assert (word["pane"] + ahead <= deadlines[filed] // PANE_NS).all(), "a deadline is missed"
    if word["stop_count"] == _NOT_STOPPING:
        assert (deadlines >= word["pane"] * PANE_NS).all(), "a deadline has been missed"


def _check_block_counts(table: Table, names: np.ndarray) -> None:
    blocks = (table.word["rows"] >> BLOCK_SHIFT) + 1
    at = table.word["counts_at"] + COUNT_NAMES
    counts = _region(table.words, at, blocks, COUNT_NAMES)
    for block in range(blocks):
        own = names[block << BLOCK_SHIFT : (block + 1) << BLOCK_SHIFT]
        expected = np.bincount(own, minlength=COUNT_NAMES)
        assert np.array_equal(counts[block, 1:], expected[1:]), f"block {block} is counted wrongly"


def _check_due_list(table: Table) -> None:
    """The due list ascends; each row that is said to be in it is, once, not after its deadline."""
    word = table.word
    head, count, at = word["due_head"], word["due_count"], word["due_at"]
    assert 0 <= head <= count <= word["rows"], f"due list from {head} to {count}"
    entries = table.words[at + head : at + count]
    values, rows = entries >> 21, entries & places.REFERENCE_MASK
    assert ((values >= 0) & (values < PANE_NS)).all(), "a due entry lies outside the pane"
    octets = table.words[word["bytes_at"] :].view(np.uint8)
    named = octets[rows] == IN_DUE_LIST
    starts, references = (table.rows[rows, at] for at in (places.START, places.FIRST_REFERENCE))
    order = list(zip(values[named], starts[named], references[named], strict=True))
    assert order == sorted(order), "the due list is not sorted"
    assert (np.diff(values) >= 0).all(), "the due list is not sorted by time"
    expected = table.live[octets[table.live] == IN_DUE_LIST]
    assert np.array_equal(np.sort(rows[named]), expected), "rows said to be due are not in the list"
    deadlines = dict(zip(table.live.tolist(), deadlines_of(table).tolist(), strict=True))
    for row, value in zip(rows[named].tolist(), values[named].tolist(), strict=True):
        due = word["pane"] * PANE_NS + value
        assert due <= deadlines[row], f"row {row} is due at {due}, ends at {deadlines[row]}"


def _check_pane_list(table: Table) -> None:
    """The pane list ascends; each row in the pane has one entry that is its part's."""
    word = table.word
    count = word["pane_count"]
    assert 0 <= count <= pane_capacity(word["rows"]), f"{count} entries in the pane list"
    entries = _region(table.words, word["panes_at"], count, PANE_ENTRY.words)
    rows = entries[:, 1] & places.REFERENCE_MASK
    offsets = entries[:, 1] >> _ENTRY_OFFSET_SHIFT & _ENTRY_OFFSET_MASK
    order = list(zip(offsets.tolist(), entries[:, 0].tolist(), strict=True))
    assert all(a < b for a, b in itertools.pairwise(order)), "the pane list is unsorted"
    assert (offsets < PANE_NS).all(), "an entry lies outside the pane"
    began = entries[:, 1] >> _ENTRY_BEGAN_SHIFT & 1 == 1
    lines = table.rows[rows]
    same = lines[:, places.FIRST_REFERENCE] == entries[:, 0]
    older = lines[:, places.START] < word["pane"] * PANE_NS
    current = rows[np.where(began, same, older)]
    if word["pane_phase"] == _DELTAS:
        current = rows[word["pane_cursor"] :][np.where(began, same, older)[word["pane_cursor"] :]]
    elif word["pane_phase"] != _OPEN:
        current = rows[:0]
    inside = table.live[table.rows[table.live, places.FLOW_KEY] & places.IN_PANE != 0]
    assert np.array_equal(np.sort(current), inside), "the pane list is not that of the rows"


def _check_contents(table: Table) -> None:
    """What each live row says of its part is possible."""
    word, lines = table.word, table.rows[table.live]
    assert word["pane"] != NO_PANE or not len(lines), "flows before the first packet"
    assert word["step_count"] >= 0, f"{word['step_count']} of {STEPS_MAX} steps"
    age = lines[:, places.LAST] & word["age_mask"]
    assert (age >= 0).all(), "a part's last packet lies before its first"
    for at in _DIRECTIONS:
        side = lines[:, at : at + places.LINE_WORDS]
        packets = side[:, places.PACKETS]
        assert not (packets & PAIR_TOPS).any(), "packets are not spilled"
        assert not (side[:, places.BYTES] & PAIR_TOPS).any(), "bytes are not spilled"
        impossible = side[:, places.LENGTHS] >> places.IMPOSSIBLE_SHIFT & places.IMPOSSIBLE_MASK
        assert not (impossible & IMPOSSIBLE_TOP).any(), "impossible flags are not spilled"
        assert not (side[:, places.FLAGS] & int(signed(TOPS))).any(), "flags are not spilled"
        some = packets & places.MASK32 > 0
        own = side[:, places.SIDE_LAST] & word["age_mask"]
        assert (own[some] <= age[some]).all(), "a direction's last packet is behind the part's"
        assert not side[~some].any(), "a direction without packets has counted something"
    run = lines[:, places.RUN] >> places.RUN_PACKETS_SHIFT & 7
    assert (run <= 4).all(), "a run of more than 4"
    to_early = lines[:, places.PACE] >> places.TO_EARLY_SHIFT & places.TO_EARLY_MASK
    assert (to_early >= 1).all(), "an early record is overdue"
    state = lines[:, places.STATE]
    assert (state & places.PAYLOAD_PACKETS_MASK <= 8).all(), "more than 8 data packets looked at"
    total = state >> places.PAYLOAD_BYTES_SHIFT & places.PAYLOAD_BYTES_MASK
    bins = sum(
        lines[:, places.NIBBLES + word_at] >> _BIN_BITS * place & _BIN_MASK
        for word_at in range(3)
        for place in range(_BINS_A_WORD)
    )
    assert np.all(bins <= total), "more nibbles than bytes"


def _check_connections(table: Table) -> None:
    """What is kept of connections, with flow.history, is possible."""
    word = table.word
    at = word["connections_at"]
    if at == 0:
        return
    kept = _region(table.words, at, word["rows"] + 1, CONNECTION.words)[table.live]
    other = table.rows[table.live, places.FLOW_KEY] >> places.PROTOCOL_SHIFT & 0xFF != TCP
    assert not kept[other].any(), "a flow that is not TCP has a connection"
    for side in ("fwd", "bwd"):
        words = kept[:, CONNECTION.index(f"{side}_side")]
        for name in ("state", "was"):
            state = words >> CONNECTION.shift(f"{side}_side", name) & 7
            assert (state < len(SIDE_STATES)).all(), f"a side's state is {state.max()}"
        for name in ("sent", "acked"):
            total = np.abs(kept[:, CONNECTION.index(f"{side}_{name}")])
            assert (total <= 1 << 62).all(), f"{name} is {total.max()}"
    letters = kept[:, [CONNECTION.index(f"letters_{k}") for k in range(3)]]
    assert (letters >> 60 == 0).all(), "a word has more than 12 letters"
    assert not letters[:, 1:][letters[:, :-1] >> 55 == 0].any(), "letters behind a word not full"


def packets_of(table: Table) -> int:
    """Return how many packets the live rows have counted, spilled ones included."""
    lines, word = table.rows[table.live], table.word
    blocks = _region(table.words, word["cold_at"], word["blocks"] + 1, places.BLOCK_WORDS)
    total = 0
    for at, shift in zip(_DIRECTIONS, _COLD_SIDE_SHIFTS, strict=True):
        spills = lines[:, places.COLD_SIDE] >> shift & places.REFERENCE_MASK
        total += int((lines[:, at + places.PACKETS] & places.MASK32).sum())
        total += int(blocks[spills, places.SPILL_PACKETS].sum())
    return total
