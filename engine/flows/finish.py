"""Ending a flow part: its final record, then its place in the index, its deadline, its row."""

from numba import njit

from engine.flows.deadlines import forget_deadline
from engine.flows.emit import emit_record
from engine.flows.keep import keep_line
from engine.flows.pools import ask_for_cold, give_row
from engine.flows.shard import row_at
from engine.flows.slots import SLOTS, SLOTS_AT, home_slot, remove_slot, tag_of
from engine.layouts import places
from engine.layouts.table import TABLE
from engine.memory.options import KERNEL
from engine.memory.pointers import prefetch, shifted
from engine.packets.key import FLOW_KEY_MASK, keyed_hash

SECRETS = TABLE.index("secrets")


@njit(**KERNEL)
def row_tag(table, line):
    """Return the tag of a row's flow."""
    secrets = shifted(table, SECRETS)
    rest = line[places.FLOW_KEY] & FLOW_KEY_MASK
    return tag_of(keyed_hash(line[places.ADDRESSES], rest, secrets))


@njit(**KERNEL)
def ask_for_rest(table, row):
    """Ask for the slot and cold blocks of a row whose lines have been asked for a while ago."""
    line = row_at(table, row)
    slot = home_slot(row_tag(table, line), table[SLOTS])
    prefetch(table, table[SLOTS_AT] + slot)
    ask_for_cold(table, line)


@njit(**KERNEL)
def end_part(shard, row, reason, order_class, order):
    """Send a part's final and free its row. There is room for a record."""
    table = shard.table
    keep_line(table, row_at(table, row), 0)
    emit_record(shard, row, reason, order_class, order)
    forget_deadline(table, row)
    remove_slot(table, row_tag(table, row_at(table, row)), row)
    give_row(table, row)
