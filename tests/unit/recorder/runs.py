"""A recorder driven through a real row ring: a test producer in front, its reports behind."""

import contextlib
import os
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from engine.errors import EngineError
from engine.layouts import LEAVE, ROW
from engine.recorder.ledger import ledger_words, prepare_ledger
from engine.recorder.main import main
from engine.rings import spsc
from engine.rings.plan import RunPlan
from engine.rings.report import Reporter, ReportReader, make_log
from engine.rings.ring import Ring
from engine.rings.segment import Segment, segment_name
from engine.rings.statistics import Statistics
from engine.rings.waiting import IDLE, Backoff


@dataclass
class Outcome:
    """What a recorder did."""

    counters: dict[str, int]
    reports: list[dict]
    error: EngineError | None
    state: int
    kinds: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.kinds = [report["report"] for report in self.reports]

    @property
    def outputs(self) -> list[dict]:
        """Return what the recorder says that it wrote."""
        return self.reports[-1]["summary"]["outputs"]


def make_ledger(plan: RunPlan) -> Segment:
    """Return a new ledger's segment."""
    words = ledger_words("parquet" in plan.flow_formats)
    name = segment_name(plan.run, "recorder")
    segment = Segment.create(name, "recorder", 8 * words, reserve=False)
    prepare_ledger(segment.words)
    segment.publish()
    return segment


@contextlib.contextmanager
def segments(plan: RunPlan, capacity: int):
    """Make the segments of a run for as long as the block lasts."""
    statistics = Statistics.create(plan.run, plan.workers)
    ring = Ring.create(segment_name(plan.run, "rows"), "rows", capacity, ROW.size_bytes)
    ledger = make_ledger(plan)
    try:
        yield statistics, ring
    finally:
        for segment in (ring.segment, statistics.segment, ledger):
            segment.unlink()
            segment.close()


def produce(ring: Ring, rows: np.ndarray, statistics: Statistics, at_end: Callable) -> None:
    """Put rows into the ring as its producer, waiting where it is full; then be done with it.

    `at_end` is called when all rows have been taken, before the recorder can know that it was all.
    """
    backoff = Backoff()

    def gone() -> bool:
        backoff.wait(IDLE)
        return statistics.stop == LEAVE or statistics["phase"] != 0

    for row in rows:
        while (at := spsc.claim(ring.header, 1)) == spsc.FULL:
            if gone():
                return
        ring.slots[at & (ring.capacity - 1)] = row
        spsc.publish(ring.header, at + 1)
    while ring.used:
        if gone():
            return
    at_end()
    ring.detach("producer")


def record(
    plan: RunPlan,
    rows: np.ndarray,
    capacity: int = 16,
    stop: int = 0,
    at_end: Callable = lambda: None,
) -> Outcome:
    """Run a recorder over rows and return what it did."""
    plan = replace(plan, run="recorder" + secrets.token_hex(6))
    log = make_log()
    error = None
    with segments(plan, capacity) as (statistics, ring):
        statistics["stop"] = stop
        producer = Ring.attach(ring.segment.name, "rows", "producer")
        thread = threading.Thread(target=produce, args=(producer, rows, statistics, at_end))
        thread.start()
        try:
            main(plan, 0, Reporter(log, "recorder"))
        except EngineError as fault:
            error = fault
        finally:
            statistics["phase"] = 2  # A producer that waits for room goes home.
            thread.join()
            reports = ReportReader(log).read()
            os.close(log)
            producer.segment.close()
        line = statistics.process("recorder")
        return Outcome(line.values(), reports, error, line["state"])
