"""Load the worker's kernels, compiled if need be, before anything is shared."""

import numpy as np

from engine.config import Config
from engine.events import COUNTERS_MAX
from engine.flows.consume import DRAINED, SCRATCH_WORDS, consume
from engine.flows.recover import recover
from engine.flows.shard import shard_arrays
from engine.flows.table import initialise, table_shape
from engine.layouts import PACKET
from engine.layouts.records import EVENT_SLOT_BYTES
from engine.rings.private import PrivateRing
from engine.worker.sources import MappedSources


def load_kernels() -> None:
    """Run the kernels once over an empty ring."""
    packets = PrivateRing(2, PACKET.size_bytes, 2)
    events = PrivateRing(16, EVENT_SLOT_BYTES)
    shape = table_shape(64, 1)
    table = np.zeros(shape.words, np.int64)
    settings = {"hash_key": (0, 0), "separate": False, "facts": True}
    initialise(table, Config(), shape, settings)
    counters = np.zeros(COUNTERS_MAX, np.int64)
    addresses = MappedSources((), None, False).addresses
    arrays = shard_arrays(table, events, packets, counters, addresses)
    scratch = np.zeros(SCRATCH_WORDS, np.int64)
    taken, why = consume(arrays, packets.header, packets.slots.reshape(-1), scratch, 1)
    assert (taken, why) == (0, DRAINED)
    assert recover(arrays, packets.header) == 0
