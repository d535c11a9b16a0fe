"""The index: open addressing from a flow's hash to its row.

A slot holds 42 bits of the hash (the tag) above 21 bits of the row, 0 when it is empty. The tag
says where the slot's entry would like to be, so deletion by backward shift reads no row. There are
one and a half times as many slots as rows, so a search always meets an empty one.
"""

from numba import njit

from engine.flows.shard import addresses_at, row_at
from engine.layouts import places
from engine.layouts.table import TABLE
from engine.memory.options import HOT, KERNEL
from engine.packets.key import DESTINATION_HIGH, FLOW_KEY_MASK, SOURCE_HIGH

SLOTS = TABLE.index("slots")
SLOTS_AT = TABLE.index("slots_at")
ROW_BITS = 21
TAG_BITS = 42
_SPREAD_BITS = 32  # Of the tag; times the number of slots it stays within 63 bits.


@njit(**HOT)
def tag_of(key_hash):
    """Return the 42 bits of a 63-bit keyed hash that a slot keeps."""
    return key_hash >> ROW_BITS


@njit(**HOT)
def home_slot(tag, slots):
    """Return the slot that an entry would like: tag / 2**42 x slots."""
    return ((tag >> (TAG_BITS - _SPREAD_BITS)) * slots) >> _SPREAD_BITS


@njit(**HOT)
def _same_addresses(table, row, packet, at, side):
    """Return whether a row has the IPv6 addresses of a packet sent by endpoint `side`."""
    kept = addresses_at(table, row)
    a = at + (DESTINATION_HIGH if side else SOURCE_HIGH)
    b = at + (SOURCE_HIGH if side else DESTINATION_HIGH)
    same_a = (kept[0] == packet[a]) & (kept[1] == packet[a + 1])
    return same_a & (kept[2] == packet[b]) & (kept[3] == packet[b + 1])


@njit(**HOT)
def find_row(table, key, packet, at, side):
    """Return the row of a packet's flow, 0 if it has none. `key`: two key words and the tag."""
    addresses, rest, tag = key
    slots, slots_at = table[SLOTS], table[SLOTS_AT]
    slot = home_slot(tag, slots)
    while True:
        entry = table[slots_at + slot]
        if entry == 0:
            return entry
        if entry >> ROW_BITS == tag:
            row = entry & places.REFERENCE_MASK
            line = row_at(table, row)
            if (
                line[places.ADDRESSES] == addresses
                and line[places.FLOW_KEY] & FLOW_KEY_MASK == rest
                and (rest & places.VERSION6 == 0 or _same_addresses(table, row, packet, at, side))
            ):
                return row
        slot += 1
        if slot == slots:
            slot = 0


@njit(**KERNEL)
def insert_slot(table, tag, row):
    """Enter a row under a tag."""
    slots, slots_at = table[SLOTS], table[SLOTS_AT]
    slot = home_slot(tag, slots)
    while table[slots_at + slot] != 0:
        slot += 1
        if slot == slots:
            slot = 0
    table[slots_at + slot] = tag << ROW_BITS | row


@njit(**KERNEL)
def remove_slot(table, tag, row):
    """Remove a row's entry, then close the gap: later entries that may move back to it do."""
    slots, slots_at = table[SLOTS], table[SLOTS_AT]
    entry = tag << ROW_BITS | row
    gap = home_slot(tag, slots)
    while table[slots_at + gap] != entry:
        assert table[slots_at + gap] != 0
        gap += 1
        if gap == slots:
            gap = 0
    slot = gap
    while True:
        slot += 1
        if slot == slots:
            slot = 0
        entry = table[slots_at + slot]
        if entry == 0:
            break
        from_home = slot - home_slot(entry >> ROW_BITS, slots)
        from_gap = slot - gap
        if from_home < 0:
            from_home += slots
        if from_gap < 0:
            from_gap += slots
        if from_home >= from_gap:
            table[slots_at + gap] = entry
            gap = slot
    table[slots_at + gap] = 0
