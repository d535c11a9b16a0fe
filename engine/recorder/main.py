"""The recorder process: rows out of the classifier's ring, into files or onto standard output.

Python work that must not slow the path before it: rows are rendered by a kernel, a batch at a time,
and given back to the ring at once. The ring ends when its producer is done and it is empty. A
fault of an output ends the run with exit 1: OutputError names it and counts what was written.

A recorder that takes the place of a dead one goes on from the ledger; it need not be told.
"""

import time

from engine.errors import OutputError
from engine.events import RECORDER, counter_index
from engine.layouts import LEAVE, RING
from engine.memory.atomics import load_acquire
from engine.recorder.eve import stats_event
from engine.recorder.files import LeftError
from engine.recorder.ledger import BATCH_ROWS, Ledger
from engine.recorder.outputs import Outputs
from engine.rings import spsc
from engine.rings.lifecycle import DOWN, DRAINING
from engine.rings.plan import RunPlan
from engine.rings.report import Reporter
from engine.rings.ring import Ring
from engine.rings.segment import Segment, segment_name
from engine.rings.statistics import ProcessLine, Statistics
from engine.rings.waiting import BUSY, FINISHED, IDLE, SOME, Sleeps, run_stage

ROWS_PER_S = 1e6  # What a classifier of one core sends at most.
SLEEP_S_MAX = 10e-3

_STATE = RING.index("state")
_COUNTERS = {counter.name: counter_index("recorder", counter.name) for counter in RECORDER}


class _Recorder:
    """What the recorder holds while it runs."""

    def __init__(self, ring: Ring, outputs: Outputs, line: ProcessLine) -> None:
        self._ring = ring
        self._outputs = outputs
        self._line = line

    def step(self) -> int:
        """Take a batch of rows."""
        done = load_acquire(self._ring.header, _STATE) in (
            DRAINING,
            DOWN,
        )  # Before the tail is read.
        first, count = spsc.peek(self._ring.header)
        if count == 0:
            return FINISHED if done else IDLE
        at = first & (self._ring.capacity - 1)
        taken = min(count, BATCH_ROWS, self._ring.capacity - at)
        self._outputs.take(self._ring.slots[at : at + taken])
        self.count()
        spsc.release(self._ring.header, first + taken)
        return BUSY if count > taken else SOME

    def count(self, ended: bool = False) -> None:
        """Bring the counters up to date: while it runs what was given, in the end what is safe."""
        outputs = self._outputs
        safe = outputs.safe() if ended else outputs.given
        values = {
            "rows": outputs.rows,
            "flows_written": safe.flows,
            "alerts_written": safe.alerts,
            "hosts_written": safe.hosts,
            "bytes_written": outputs.bytes,
            "rows_lost": outputs.rows - safe.rows if ended else 0,
        }
        for name, at in _COUNTERS.items():
            self._line.counters[at] = values[name]  # Plain: a statistic, orders nothing.


def main(plan: RunPlan, number: int, reporter: Reporter) -> None:
    """Run the recorder of a run until its ring ends, or the run is to be left."""
    assert number == 0, "a run has one recorder"
    statistics = Statistics.attach(plan.run)
    line = statistics.process("recorder")
    replaces = line.begin()

    def waiting() -> bool:
        line.beat()
        return statistics.stop != LEAVE

    ledger = Ledger.attach(plan.run)
    outputs = Outputs(plan, waiting, ledger)
    ring = _take_ring(plan.run, replaces, outputs.rows)
    recorder = _Recorder(ring, outputs, line)
    recorder.count()  # A dead one may have died between its last commit and counting it.
    if replaces:
        line.back()
    reporter.send("ready")
    try:
        sleeps = Sleeps.behind(ring.capacity, ROWS_PER_S, SLEEP_S_MAX)
        if not run_stage(statistics, line, recorder.step, sleeps):
            raise LeftError
        stats = stats_event(statistics.totals(), statistics["started_ns"], time.time_ns())
        outputs.complete(stats)
    except LeftError:
        outputs.abandon()
        return
    except OutputError as error:
        outputs.abandon()
        raise OutputError(f"{error}; {outputs.losses()}") from None
    finally:
        recorder.count(ended=True)
        line.beat()  # Completing the files is work too.
        ring.segment.close()
        ledger.close()
        statistics.segment.close()
    if load_acquire(ring.header, _STATE) != DOWN:
        ring.detach("consumer")
    summary = {"outputs": outputs.written(), "found": outputs.found.summary()}
    reporter.send("finished", summary=summary)


def _take_ring(run: str, replaces: bool, taken: int) -> Ring:
    """Return the ring of rows; those that a dead recorder had `taken` are given back."""
    name = segment_name(run, "rows")
    ring = Ring(Segment.attach(name, "rows"))
    if load_acquire(ring.header, _STATE) != DOWN:  # Else a dead one had nothing more to take.
        ring.segment.close()
        ring = Ring.attach(name, "rows", "consumer", replaces)
    assert taken - BATCH_ROWS <= ring.header[spsc.HEAD] <= taken  # Plain: our own line.
    spsc.release(ring.header, taken)
    return ring
