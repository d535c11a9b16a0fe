"""A worker's process: packets of its shard in, events out. It alone writes its flow table."""

import numpy as np

from engine.events import counter_index
from engine.flows.consume import (
    LIMIT_REACHED,
    NEEDS_SOURCE,
    NO_ROOM,
    RUN_ENDED,
    SCRATCH_WORDS,
    TIME_MAX,
    consume,
)
from engine.flows.recover import recover
from engine.flows.shard import COUNTERS, shard_arrays
from engine.layouts.table import TABLE
from engine.rings.plan import RunPlan
from engine.rings.report import Reporter
from engine.rings.ring import Ring
from engine.rings.segment import Segment, segment_name
from engine.rings.spsc import HEAD
from engine.rings.statistics import ProcessLine, Statistics
from engine.rings.waiting import BUSY, FINISHED, IDLE, SOME, run_stage
from engine.worker.sources import MappedSources

STEP_RECORDS = 8192  # A step must return soon: heartbeat and stop word are looked at between steps.
BUSY_RECORDS = 1024  # A step that took so many goes on at once; fewer are not worth waking for.
_WAITS = counter_index("worker", "waits")
_TAKEN = [COUNTERS + counter_index("worker", name) for name in ("accepted", "layers")]
_CLOCK, _REFERENCE = TABLE.index("clock_ns"), TABLE.index("clock_reference")
_LIVE = TABLE.index("live")


class Worker:
    """The stage: call `step` until it returns FINISHED."""

    def __init__(
        self,
        plan: RunPlan,
        line: ProcessLine,
        table: np.ndarray,
        packets: Ring,
        events: Ring,
        arena: np.ndarray | None,
    ) -> None:
        self._line = line
        self._table = table
        self._packets = packets
        self._words = packets.slots.reshape(-1)
        self._scratch = np.zeros(SCRATCH_WORDS, np.int64)
        self._sources = MappedSources(
            plan.files, arena, plan.separate, plan.config.payload_is_copied
        )
        self._arrays = shard_arrays(table, events, packets, line.counters, self._sources.addresses)
        self._busy_records = max(1, min(BUSY_RECORDS, packets.capacity // 4))

    def recover(self) -> int:
        """Take a dead worker's place; return how many packets of its last batch come again."""
        taken = int(self._table[_TAKEN].sum())
        recover(self._arrays, self._packets.header)
        return taken - int(self._table[_TAKEN].sum())

    def step(self) -> int:
        """Take what capture has published; return FINISHED, IDLE, SOME or BUSY."""
        if self._table[_REFERENCE] == TIME_MAX:
            return FINISHED  # A predecessor took the end, and died before it could say so.
        taken, why = consume(
            self._arrays, self._packets.header, self._words, self._scratch, STEP_RECORDS
        )
        self._line["time_ns"] = int(self._table[_CLOCK])
        self._line["live"] = int(self._table[_LIVE])
        if why == RUN_ENDED:
            return FINISHED
        if why == NEEDS_SOURCE:
            # Plain: the consumer is the only writer of its own line.
            slot = int(self._packets.header[HEAD]) & (self._packets.capacity - 1)
            self._sources.map_source_of(self._packets.slots[slot])
            return BUSY
        if why == NO_ROOM:
            self._table[COUNTERS + _WAITS] += 1  # Shown with the next batch.
            return SOME if taken else IDLE
        if why == LIMIT_REACHED or taken >= self._busy_records:
            return BUSY
        return SOME if taken else IDLE


def attach_arena(plan: RunPlan) -> np.ndarray | None:
    """Return the bytes of the run's frame arena, if it has one."""
    if not plan.config.payload_is_copied and all(file.mapped for file in plan.files):
        return None
    return Segment.attach(segment_name(plan.run, "arena"), "arena").words.view(np.uint8)


def main(plan: RunPlan, number: int, reporter: Reporter) -> None:
    """Run worker `number` of a run until its packets end, or the run is to be left."""
    statistics = Statistics.attach(plan.run)
    line = statistics.process(f"worker.{number}")
    replaces = line.begin()
    table = Segment.attach(segment_name(plan.run, "table", number), "table", populate=True)
    packets = Ring.attach(
        segment_name(plan.run, "packets", number), "packets", "consumer", replaces
    )
    events = Ring.attach(segment_name(plan.run, "events", number), "events", "producer", replaces)
    worker = Worker(plan, line, table.words, packets, events, attach_arena(plan))
    if replaces:
        reporter.send("recovered", packets=worker.recover())
        line.back()
    reporter.send("ready")
    if run_stage(statistics, line, worker.step):
        packets.detach("consumer")
        events.detach("producer")
        reporter.send("finished", summary={"live": int(table.words[_LIVE])})
