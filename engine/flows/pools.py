"""Rows and cold blocks: taking and giving back, without ever allocating.

Free ones are chained, last in first out, through a word of their own; those never used yet are
counted. A free row says so: its first_reference is -1 and its start is the largest time, so that
nobody who still holds its number takes it for the part that was there.
"""

from numba import njit

from engine.flows.keep import keep_line, keep_row, keep_side_line, keep_words
from engine.flows.shard import block_at, cold_reference, row_at
from engine.layouts import places
from engine.layouts.table import TABLE
from engine.memory.atomics import fence_release, store_relaxed, store_release
from engine.memory.options import HOT, KERNEL
from engine.memory.pointers import prefetch

LIVE = TABLE.index("live")
ROW_FREE = TABLE.index("row_free")
ROW_FRESH = TABLE.index("row_fresh")
ROWS = TABLE.index("rows")
COLD_FREE = TABLE.index("cold_free")
COLD_FRESH = TABLE.index("cold_fresh")
COLD_LEFT = TABLE.index("cold_left")


@njit(**KERNEL)
def take_row(table):
    """Return the number of a free row, or 0 when the table is full. It is kept, if ever used."""
    row = table[ROW_FREE]
    if row:
        keep_row(table, row)
        table[ROW_FREE] = row_at(table, row)[places.ADDRESSES]
    elif table[ROW_FRESH] == table[ROWS]:
        return row
    else:
        row = table[ROW_FRESH] + 1
        table[ROW_FRESH] = row
    table[LIVE] += 1
    return row


@njit(**KERNEL)
def give_row(table, row):
    """Give a row back, and every cold block it has. Its flow line and side line are kept."""
    line = row_at(table, row)
    mark_changing(line)
    give_cold_blocks(table, line)
    line[places.FIRST_REFERENCE] = -1
    line[places.START] = places.TIME_MAX
    line[places.ADDRESSES] = table[ROW_FREE]
    mark_settled(line)
    table[ROW_FREE] = row
    table[LIVE] -= 1


@njit(**HOT)
def mark_changing(line):
    """Make a row's version odd before anything in it changes, for readers of live state."""
    store_relaxed(line, places.PACE, line[places.PACE] | places.VERSION_ONE)
    fence_release()  # The version is odd before any other word changes.


@njit(**HOT)
def mark_settled(line):
    """Make a row's version even again, and another than before."""
    pace = line[places.PACE]
    version = (pace >> places.VERSION_SHIFT | 1) + 1
    store_release(line, places.PACE, pace & ~places.VERSION_BITS | version << places.VERSION_SHIFT)


@njit(**KERNEL)
def ask_for_cold(table, line):
    """Ask for the cold blocks of a row that making a record or a delta reads."""
    cold = line[places.COLD_FLOW]
    if cold:
        prefetch(block_at(table, cold_reference(cold, places.ACTIVITY_SHIFT)), 0)
        prefetch(block_at(table, cold_reference(cold, places.BULK_SHIFT)), 0)
        prefetch(block_at(table, cold_reference(cold, places.PANE_SHIFT)), 0)


@njit(**KERNEL)
def give_cold_blocks(table, line):
    """Give back every cold block that a row has. Its side line is kept."""
    flow, side = line[places.COLD_FLOW], line[places.COLD_SIDE]
    if flow:
        _give_block(table, cold_reference(flow, places.ACTIVITY_SHIFT))
        _give_block(table, cold_reference(flow, places.BULK_SHIFT))
        _give_block(table, cold_reference(flow, places.PANE_SHIFT))
        line[places.COLD_FLOW] = 0
    if side:
        _give_spill(table, cold_reference(side, places.SPILL_SHIFT))
        _give_spill(table, cold_reference(side, places.SPILL_SHIFT + 21))
        line[places.COLD_SIDE] = 0


@njit(**KERNEL)
def give_pane_block(table, line):
    """Give back a row's pane block: it says nothing any more once the pane's delta is sent."""
    flow, pace = line[places.COLD_FLOW], line[places.PACE]
    keep_line(table, line, 0)
    keep_side_line(table, line)
    mark_changing(line)
    _give_block(table, cold_reference(flow, places.PANE_SHIFT))
    line[places.COLD_FLOW] = flow & ~(places.REFERENCE_MASK << places.PANE_SHIFT)
    if pace & places.VERSION_ONE == 0:  # Or the row is the packet's own, which goes on changing.
        mark_settled(line)


@njit(**KERNEL)
def _give_spill(table, block):
    if block:
        _give_block(table, block_at(table, block)[places.SPILL_MORE])
        _give_block(table, block)


@njit(**KERNEL)
def _give_block(table, block):
    if block == 0:
        return
    line = block_at(table, block)
    keep_line(table, line, 0)
    for word in range(1, places.BLOCK_WORDS):
        line[word] = 0
    line[0] = table[COLD_FREE]
    table[COLD_FREE] = block
    table[COLD_LEFT] += 1


@njit(**KERNEL)
def _take_block(table):
    """Return the number of a block of zeros. The caller has seen to it that there is one."""
    block = table[COLD_FREE]
    if block:
        line = block_at(table, block)
        keep_line(table, line, 0)
        table[COLD_FREE] = line[0]
        line[0] = 0
    else:
        block = table[COLD_FRESH] + 1
        table[COLD_FRESH] = block
    table[COLD_LEFT] -= 1
    assert table[COLD_LEFT] >= 0
    return block


@njit(**KERNEL)
def owned_block(table, line, word, shift):
    """Return the pointer to the cold block that a row refers to in `word`; taken on first use.

    It is kept: the caller writes to it.
    """
    block = cold_reference(line[word], shift)
    if block == 0:
        keep_words(table, line, word, 1)
        block = _take_block(table)
        line[word] |= block << shift
    else:
        keep_line(table, block_at(table, block), 0)
    return block_at(table, block)


@njit(**KERNEL)
def spill_block(table, line, side):
    """Return the pointer to a direction's SPILL_BLOCK; taken on first use."""
    return owned_block(table, line, places.COLD_SIDE, places.SPILL_SHIFT + 21 * side)


@njit(**KERNEL)
def spill_flags_block(table, line, side):
    """Return the pointer to a direction's SPILL_FLAGS_BLOCK; taken on first use."""
    return owned_block(table, spill_block(table, line, side), places.SPILL_MORE, 0)


@njit(**KERNEL)
def spills_of(table, line, side):
    """Return pointers to a direction's spill blocks, to the block of zeros where it has none."""
    spill = block_at(table, cold_reference(line[places.COLD_SIDE], places.SPILL_SHIFT + 21 * side))
    return spill, block_at(table, spill[places.SPILL_MORE])


@njit(**KERNEL)
def clear_row(line):
    """Set every word behind the key to zero, but for the version, for a part that begins."""
    for word in range(places.START, places.PACE):
        line[word] = 0
    # Never 0 in between: to a reader that were a version, and an even one.
    line[places.PACE] &= places.VERSION_BITS
    for word in range(places.PACE + 1, places.ROW_WORDS):
        line[word] = 0
