"""The classifier's process: events of all workers in, scored rows and the digest out.

A step merges a batch of records, scores it, adds it to the digest and sends what the recorder
wants. While the row ring is full nothing further is merged; the step resumes where it stopped. When
all of a batch is dealt with it is committed (transaction.py): a classifier that dies is replaced by
one that goes on behind the last commit.
"""

import numpy as np

from engine.classifier import lanes, merge, outlet, transaction
from engine.classifier.alerted import make_key
from engine.classifier.digest import Digest
from engine.classifier.listing import Lister
from engine.classifier.model import Model, path_of, read
from engine.classifier.scoring import make_work, score
from engine.classifier.state import CLOCK, DELTA_PACKETS, IS_DONE, State, attach_state
from engine.events import CLASSIFIER, counter_index
from engine.hosts.space import space_arrays
from engine.layouts import DONE, ROW
from engine.rings import lifecycle
from engine.rings.plan import RunPlan
from engine.rings.report import Reporter
from engine.rings.ring import Ring
from engine.rings.segment import Segment, segment_name
from engine.rings.spsc import TAIL
from engine.rings.statistics import ProcessLine, Statistics
from engine.rings.waiting import BUSY, FINISHED, IDLE, SOME, Sleeps, run_stage

ROWS_MAX = 512  # Records of a batch: 512 KiB, half of a core's second-level cache.
BUSY_SLOTS = 512  # A step that took so many goes on at once; fewer are not worth waking for.
SLOTS_PER_S = 10e6  # What the workers of two cores fill at most.
SLEEP_S_MAX = 2e-3

SCORED, SCORED_FULL, ALERTS, ROWS, WAITS, LISTED = (
    counter_index("classifier", name)
    for name in ("scored", "scored_full", "alerts", "rows", "waits", "hosts_listed")
)


class Scorer:
    """A model and what it keeps between batches."""

    def __init__(self, plan: RunPlan, model: Model, state: State) -> None:
        self._detector = model.detector
        self._work = make_work(state.alerted, make_key(plan.hash_key), state.members)

    def score(self, rows: np.ndarray, count: int, tally: np.ndarray) -> None:
        """Write verdicts into the first `count` rows and count them."""
        floats = rows.view(np.float32)
        alerts, kept = score(rows, floats, count, self._detector, self._work)
        tally[SCORED] += count
        tally[SCORED_FULL] += kept
        tally[ALERTS] += alerts


class Classifier:
    """The stage: call `step` until it returns FINISHED."""

    def __init__(
        self,
        plan: RunPlan,
        line: ProcessLine,
        events: list[Ring],
        rows: Ring,
        state: State,
    ) -> None:
        """`state`: as it was left by the last commit of this run."""
        self._plan = plan
        self._line = line
        self._separate = plan.separate
        self._wanted = outlet.WANTED[plan.rows]
        self._counts_only = not plan.score and not plan.digest and plan.rows == "none"
        model = read(path_of(plan.config.model.path)) if plan.score else None
        self._state = state
        self._scorer = Scorer(plan, model, state) if plan.score else None
        self._digest = Digest(ROWS_MAX, plan.score, state.digest) if plan.digest else None
        self._events = events
        self._row_ring = rows
        self._lanes = lanes.make_lanes(events)
        self._keys = lanes.make_keys(self._lanes)
        self._batch = np.zeros((ROWS_MAX, ROW.words), np.int64)
        self._tally = state.tally
        transaction.begin(state.small)
        self._hosts = None
        if state.hosts is not None:
            self._hosts = space_arrays(state.hosts, self._tally, state.pending)
        lists = plan.folder is not None and plan.facts
        self._lister = Lister(self._hosts, state.listing, plan.separate) if lists else None
        self._count = self._sent = 0  # Rows in the batch; how many of them are dealt with.
        self._are_hosts = False  # What the batch holds.
        self._busy_slots = min(BUSY_SLOTS, min(ring.capacity for ring in events) // 4)

    def step(self) -> int:
        """Take what the workers have published; return FINISHED, IDLE, SOME or BUSY."""
        if self._sent < self._count:
            slots = 0
        elif self._counts_only:
            slots = merge.count_only(self._lanes, self._keys, self._tally, self._separate)
        elif self._lister and self._lister.is_listing:
            slots = self._list()
        else:
            slots = self._merge()
        found = IDLE if slots == 0 else BUSY if slots >= self._busy_slots else SOME
        found = max(found, self._send())
        if self._sent < self._count:
            return found
        if slots == 0:
            if self._lister and self._lister.begin_if_due(lanes.is_finished(self._lanes)):
                found = BUSY
            elif lanes.is_finished(self._lanes):
                found, self._state.listing[IS_DONE] = FINISHED, 1
        if found != IDLE:
            self._commit()
        return found

    def _commit(self) -> None:
        """Make what was done final, and show it."""
        transaction.commit(self._state, self._lanes)
        transaction.begin(self._state.small)
        self.show()

    def show(self) -> None:
        """Bring the counters that others read up to date."""
        outlet.show_counters(self._line.counters, self._tally, len(CLASSIFIER))
        self._line["time_ns"] = int(self._tally[CLOCK])

    def _merge(self) -> int:
        """Make the next batch; return how many slots were taken."""
        rows = (self._batch, self._batch.view(np.float32))
        count, slots = merge.merge(self._lanes, self._keys, rows, self._hosts, self._separate)
        if self._scorer:
            self._scorer.score(self._batch, count, self._tally)
        if self._digest:
            self._digest.update(self._batch, count)
        self._count, self._sent, self._are_hosts = count, 0, False
        return slots

    def _list(self) -> int:
        """Make a batch of hosts; return how many."""
        self._count, self._sent, self._are_hosts = self._lister.fill(self._batch), 0, True
        return self._count

    def _send(self) -> int:
        """Send the batch as far as there is room; return BUSY if any row went, else IDLE."""
        if self._sent == self._count:
            return IDLE
        # Plain: the producer is the only writer of the tail.
        had = int(self._row_ring.header[TAIL] - self._tally[ROWS])
        self._sent, sent = outlet.send(
            self._row_ring.header,
            self._row_ring.slots,
            self._batch,
            (self._sent, self._count),
            (outlet.ALL if self._are_hosts else self._wanted, had),
        )
        self._tally[ROWS] += sent
        self._tally[LISTED] += sent if self._are_hosts else 0
        self._tally[WAITS] += self._sent < self._count
        return BUSY if sent else IDLE

    def summary(self) -> dict:
        """Return what the classifier alone knows at the end of a run."""
        return summary(self._plan, self._state)

    def detach(self) -> None:
        """Leave the rings: the recorder sees that no row will follow."""
        for ring in self._events:
            ring.detach("consumer")
        self._row_ring.detach("producer")


def summary(plan: RunPlan, state: State) -> dict:
    """Return what the classifier alone knows at the end of a run."""
    digest = Digest(ROWS_MAX, plan.score, state.digest) if plan.digest else None
    return {
        "digest": digest.text() if digest else None,
        "delta_packets": int(state.tally[DELTA_PACKETS]),
    }


def _attach_rings(plan: RunPlan) -> tuple[list[Ring], Ring]:
    """Return the event rings and the row ring; the place in them may be that of a dead process."""
    replaces = bool(plan.state_path)
    events = [
        Ring.attach(segment_name(plan.run, "events", worker), "events", "consumer", replaces)
        for worker in range(plan.workers)
    ]
    return events, Ring.attach(segment_name(plan.run, "rows"), "rows", "producer", replaces)


def _leave_for_the_dead(plan: RunPlan) -> None:
    """Detach from the rings that a classifier whose work was done had not left when it died."""
    names = [("events", worker, "consumer") for worker in range(plan.workers)]
    for kind, number, actor in (*names, ("rows", None, "producer")):
        ring = Ring(Segment.attach(segment_name(plan.run, kind, number), kind))
        if lifecycle.is_up(ring.header, actor):
            ring.detach(actor)


def main(plan: RunPlan, number: int, reporter: Reporter) -> None:
    """Run the classifier of a run until its workers are done, or the run is left."""
    assert number == 0, f"there is one classifier, not number {number}"
    statistics = Statistics.attach(plan.run)
    line = statistics.process("classifier")
    replaces = line.begin()
    segment = Segment.attach(segment_name(plan.run, "hosts"), "hosts") if plan.facts else None
    state = attach_state(plan, segment)
    if state.listing[IS_DONE]:
        _leave_for_the_dead(plan)
        reporter.send("ready")
        line["state"] = DONE
        reporter.send("finished", summary=summary(plan, state))
        return
    events, rows = _attach_rings(plan)
    transaction.recover(state, events)
    classifier = Classifier(plan, line, events, rows, state)
    if replaces:
        classifier.show()
        line.back()
    reporter.send("ready")
    sleeps = Sleeps.behind(min(ring.capacity for ring in events), SLOTS_PER_S, SLEEP_S_MAX)
    if run_stage(statistics, line, classifier.step, sleeps):
        classifier.detach()
        reporter.send("finished", summary=summary(plan, state))
