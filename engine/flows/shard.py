"""What a worker's kernels reach: table, event ring, counters, sources, as a bundle of pointers."""

from typing import NamedTuple

import numpy as np
from numba import njit

from engine.features.services import service_table
from engine.layouts import RECORD_SLOTS, places
from engine.layouts.records import EVENT_SLOT_WORDS
from engine.layouts.table import TABLE
from engine.memory.options import HOT, KERNEL
from engine.memory.pointers import pointer, shifted
from engine.packets.dns import NAME_BUFFER_BYTES
from engine.rings.ring import Ring

RECORD_WORDS = RECORD_SLOTS * EVENT_SLOT_WORDS

ROWS_AT = TABLE.index("rows_at")
AGE_MASK = TABLE.index("age_mask")
COLD_AT = TABLE.index("cold_at")
ADDRESSES_AT = TABLE.index("addresses_at")
COUNTERS = TABLE.index("counters_0")


class Shard(NamedTuple):
    """Pointers into a worker's memory. `floats` sees the same bytes as `slots`."""

    table: np.ndarray  # Words of the table segment, layouts.table.
    ring: np.ndarray  # Header words of the event ring, layouts.RING.
    slots: np.ndarray  # Words of its slots.
    floats: np.ndarray  # The slots as float32.
    scratch: np.ndarray  # A record that wraps is made here first; words,
    scratch_floats: np.ndarray  # and as float32.
    counters: np.ndarray  # The worker's counters, events.WORKER, in the table;
    shown: np.ndarray  # and where others read them, as of the last batch.
    services: np.ndarray  # Service class of each responder port, uint8.
    sources: np.ndarray  # Arena address, arena mask, then each source's address; see SOURCES_AT.
    arena: np.ndarray  # Arena position of each slot of the packet ring.
    name: np.ndarray  # Scratch for a DNS name, uint8.


class ShardArrays(NamedTuple):
    """The same as arrays: what an entry kernel takes."""

    table: np.ndarray
    ring: np.ndarray
    slots: np.ndarray
    floats: np.ndarray
    scratch: np.ndarray
    scratch_floats: np.ndarray
    counters: np.ndarray
    services: np.ndarray
    sources: np.ndarray
    arena: np.ndarray
    name: np.ndarray


# A source's word in `sources`: where its first byte is mapped, or one of these.
NOT_MAPPED, IN_ARENA = 0, 1
ARENA_ADDRESS, ARENA_MASK, SOURCES_AT = 0, 1, 2


def shard_arrays(
    table: np.ndarray, events: Ring, packets: Ring, counters: np.ndarray, sources: np.ndarray
) -> ShardArrays:
    """Return the arrays of a shard; `sources` has a word for each source (SOURCES_AT)."""
    flat = events.slots.reshape(-1)
    scratch = np.zeros(RECORD_WORDS, np.int64)
    return ShardArrays(
        table=table,
        ring=events.header,
        slots=flat,
        floats=flat.view(np.float32),
        scratch=scratch,
        scratch_floats=scratch.view(np.float32),
        counters=counters,
        services=service_table(),
        sources=sources,
        arena=packets.extra,
        name=np.zeros(NAME_BUFFER_BYTES, np.uint8),
    )


@njit(**KERNEL)
def shard_of_arrays(arrays):
    """Return the pointers of a shard's arrays. Entry kernels call it once."""
    table = pointer(arrays.table)
    return Shard(
        table,
        pointer(arrays.ring),
        pointer(arrays.slots),
        pointer(arrays.floats),
        pointer(arrays.scratch),
        pointer(arrays.scratch_floats),
        shifted(table, COUNTERS),
        pointer(arrays.counters),
        pointer(arrays.services),
        pointer(arrays.sources),
        pointer(arrays.arena),
        pointer(arrays.name),
    )


@njit(**HOT)
def row_at(table, row):
    """Return the pointer to a row."""
    return shifted(table, table[ROWS_AT] + row * places.ROW_WORDS)


@njit(**HOT)
def block_at(table, block):
    """Return the pointer to a cold block; block 0 is all zeros, for whoever has none."""
    return shifted(table, table[COLD_AT] + block * places.BLOCK_WORDS)


@njit(**HOT)
def addresses_at(table, row):
    """Return the pointer to the IPv6 addresses of a row."""
    return shifted(table, table[ADDRESSES_AT] + row * places.ADDRESS_WORDS)


@njit(**HOT)
def cold_reference(word, shift):
    """Return the number of a cold block in a packed word of a row; 0: none."""
    return (word >> shift) & places.REFERENCE_MASK
