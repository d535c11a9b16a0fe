"""The flow table as its worker holds it: how large it is, how it is made, what must hold in it."""

from dataclasses import dataclass

import numpy as np

from engine.config import FLOWS_PER_WORKER_MAX, STEPS_MAX, Config
from engine.features.flags import increments
from engine.flows.deadlines import BLOCK_SHIFT, COUNT_NAMES, NO_PANE, SCRATCH_WORDS
from engine.flows.keep import CAPACITY_WORDS
from engine.flows.panes import pane_capacity
from engine.layouts import CONNECTION, JOURNAL, places
from engine.layouts.table import ADDRESSES, PANE_ENTRY, STEP_ENTRY, TABLE
from engine.packets.key import secret_words
from engine.rings.journal import CAPACITY

_LINE_WORDS = 8
_NO_DUE = -(1 << 63)  # The first packet, whatever its time, makes the table look at the clock.


@dataclass(frozen=True, slots=True)
class TableShape:
    """Capacities of a worker's table, and where its regions begin, in words."""

    rows: int
    slots: int
    blocks: int
    constants_at: int
    timeouts_at: int
    steps_at: int
    counts_at: int
    due_at: int
    bytes_at: int
    slots_at: int
    rows_at: int
    addresses_at: int
    cold_at: int
    panes_at: int
    connections_at: int  # 0: without flow.history there are none.
    journal_at: int
    words: int

    @property
    def bytes_per_flow(self) -> float:
        """Return the bytes of the whole table for each flow it can hold."""
        return 8 * self.words / self.rows


def table_shape(max_flows: int, workers: int, history: bool = False) -> TableShape:
    """Return the shape of each worker's table when all of them together hold `max_flows`.

    `history`: with a place for the connection of each flow.
    """
    rows = -(-max_flows // workers)
    assert rows <= FLOWS_PER_WORKER_MAX
    slots = rows + rows // 2 + 1
    blocks = rows - rows // 8  # 7/8 of a block for each row.
    count_blocks = (rows >> BLOCK_SHIFT) + 2
    sizes = (
        ("constants_at", 256),
        ("timeouts_at", 256),
        ("steps_at", STEPS_MAX * STEP_ENTRY.words),
        ("counts_at", SCRATCH_WORDS + count_blocks * COUNT_NAMES),
        ("due_at", rows),
        ("bytes_at", (rows >> 3) + 8),  # Whole blocks of 64 bytes are looked at.
        ("slots_at", slots),
        ("rows_at", (rows + 1) * places.ROW_WORDS),
        ("addresses_at", (rows + 1) * ADDRESSES.words),
        ("cold_at", (blocks + 1) * places.BLOCK_WORDS),
        ("panes_at", pane_capacity(rows) * PANE_ENTRY.words),
        ("connections_at", (rows + 1) * CONNECTION.words if history else 0),
        ("journal_at", JOURNAL.words + CAPACITY_WORDS),
    )
    at, begins = TABLE.words, {}
    for name, words in sizes:
        begins[name] = at
        at += -(-words // _LINE_WORDS) * _LINE_WORDS
    if not history:
        begins["connections_at"] = 0
    begins["counts_at"] += SCRATCH_WORDS  # The scratch words of sorting stand before the counts.
    return TableShape(rows=rows, slots=slots, blocks=blocks, words=at, **begins)


def initialise(words: np.ndarray, config: Config, shape: TableShape, plan_words: dict) -> None:
    """Make zeroed words an empty table. `plan_words`: hash_key, separate, facts."""
    fixed = {
        name: getattr(shape, name)
        for name in TableShape.__dataclass_fields__
        if name in TABLE.dtype().names
    }
    fixed |= {
        "active_ns": config.flow.active_timeout or places.TIME_MAX,
        "linger_ns": config.flow.tcp_linger,
        "tcp_end": int(config.flow.tcp_end),
        "synack_turns": int(config.flow.initiator == "synack"),
        "age_mask": -1 if config.wide else places.OFFSET_MASK,
        "facts": int(plan_words["facts"]),
        "separate": int(plan_words["separate"]),
        "cold_left": shape.blocks,
        "next_due_ns": _NO_DUE,
        "pane": NO_PANE,
        "stop_count": -1,
    }
    if config.process.replace:
        words[shape.journal_at + CAPACITY] = CAPACITY_WORDS  # Plain: the magic publishes it.
    else:
        fixed["journal_at"] = 0
    for name, value in fixed.items():
        words[TABLE.index(name)] = value  # Plain: the segment is not published yet.
    secrets = TABLE.index("secrets")
    words[secrets : secrets + 4] = secret_words(plan_words["hash_key"])
    words[shape.constants_at : shape.constants_at + 256] = increments()
    timeouts = [config.idle_timeout_of(protocol) for protocol in range(256)]
    words[shape.timeouts_at : shape.timeouts_at + 256] = timeouts
