"""Goal: the stage turns published events into counters, rows, alerts and a digest, whatever the
rings hold, and ends when its workers have.

Method: a run's real segments, events written by the test, `main` and `step` called in this process.
What several processes do to each other is for tests/process.
"""

import os
import secrets

import numpy as np
import pytest

from engine.classifier.digest import Digest
from engine.classifier.main import Classifier, main
from engine.classifier.order import INFINITE
from engine.classifier.state import private_state
from engine.config import SECOND_NS, load
from engine.errors import ModelError
from engine.hosts.space import initialise
from engine.layouts import (
    CLASS_TIMER,
    DONE,
    EVENT_SLOT_BYTES,
    EVENT_SLOT_WORDS,
    FLOW_FEATURES,
    IDLE,
    ROW,
)
from engine.pipeline import hosts_of
from engine.rings import lifecycle, spsc
from engine.rings.plan import RunPlan
from engine.rings.report import Reporter, ReportReader, make_log
from engine.rings.ring import Ring
from engine.rings.segment import Segment, segment_name
from engine.rings.statistics import Statistics
from engine.rings.waiting import FINISHED
from tests.unit.classifier.builders import (
    delta,
    fact,
    free_slots,
    order_key,
    pane_record,
    publish_event,
    record,
)
from tests.unit.classifier.models import write_small

PARTS = 60
REFERENCE_AT = ROW.index("first_reference")


@pytest.fixture(scope="module")
def model_path(tmp_path_factory):
    """Return a small model's path."""
    path = tmp_path_factory.mktemp("model") / "small.model"
    write_small(path)
    return str(path)


def events_of_parts() -> list[np.ndarray]:
    """Return the events of PARTS flow parts in order: a delta, an early record, a final, facts."""
    draw = np.random.default_rng(5)
    events = []
    for part in range(PARTS):
        time = int(draw.integers(0, 30 * SECOND_NS))
        features = draw.uniform(-2, 2, FLOW_FEATURES)
        content = {"first_reference": part, "features": features, "fwd_packets": 2}
        events.append(delta(time, part, fwd=2))
        events.append(pane_record((time, part), **content))
        content |= {"order_class": CLASS_TIMER, "rank": 0, "reason": IDLE, "sequence": 1}
        events.append(record(time + 120 * SECOND_NS, (time, part), **content))
        if part % 7 == 0:
            events.append(fact(time, part))
    return sorted(events, key=lambda event: order_key(event, False))


class Run:
    """The segments of a run of `workers`, removed at the end."""

    def __init__(self, model_path, workers=2, slots=1 << 12, room=1 << 8, **plan):
        name = secrets.token_hex(6)
        config = load(overrides=(f"model.path={model_path}",))
        self.plan = RunPlan(name, config, (), (1, 2), workers, **plan)
        self.statistics = Statistics.create(name, workers)
        self.events = [
            Ring.create(segment_name(name, "events", k), "events", slots, EVENT_SLOT_BYTES)
            for k in range(workers)
        ]
        self.rows = Ring.create(segment_name(name, "rows"), "rows", room, ROW.size_bytes)
        shape = hosts_of(config)
        self.hosts = Segment.create(
            segment_name(name, "hosts"), "hosts", 8 * shape.shared_words, reserve=False
        )
        initialise(self.hosts.words, config.host, shape, (1, 2))
        self.hosts.publish()
        self.state = private_state(self.plan)
        self.waiting = [[] for _ in range(workers)]
        for at, event in enumerate(events_of_parts()):
            self.waiting[at % workers].append(event)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for ring in (*self.events, self.rows):
            ring.segment.unlink()
        self.statistics.segment.unlink()
        self.hosts.unlink()

    def work(self) -> None:
        """Publish as much as there is room for, and the infinite watermark behind the last."""
        for ring, waiting in zip(self.events, self.waiting, strict=True):
            while waiting and free_slots(ring) >= len(waiting[0]) // EVENT_SLOT_WORDS:
                publish_event(ring, waiting.pop(0))
            if not waiting:
                spsc.publish_watermark(ring.header, INFINITE, INFINITE)

    def take_rows(self) -> list[np.ndarray]:
        """Take what the recorder would."""
        first, count = spsc.peek(self.rows.header)
        taken = [self.rows.slots[(first + k) % self.rows.capacity].copy() for k in range(count)]
        spsc.release(self.rows.header, first + count)
        return taken

    def classifier(self) -> Classifier:
        """Return the stage, attached."""
        name = self.plan.run
        events = [
            Ring.attach(segment_name(name, "events", k), "events", "consumer")
            for k in range(self.plan.workers)
        ]
        rows = Ring.attach(segment_name(name, "rows"), "rows", "producer")
        return Classifier(
            self.plan, self.statistics.process("classifier"), events, rows, self.state
        )

    def finish(self) -> tuple[list[np.ndarray], dict, dict]:
        """Step to the end; return (rows, summary, counters)."""
        classifier = self.classifier()
        rows = []
        for _ in range(100_000):
            self.work()
            found = classifier.step()
            rows += self.take_rows()
            if found == FINISHED:
                break
        assert found == FINISHED
        classifier.detach()
        return rows, classifier.summary(), self.statistics.process("classifier").values()


def outcome(model_path, **settings):
    """Return (rows, summary, counters) of a run."""
    with Run(model_path, **settings) as run:
        return run.finish()


def test_counters_are_of_the_events_published(model_path):
    rows, summary, counters = outcome(model_path, digest=True, rows="all")
    assert counters["finals"] == counters["early"] == counters["deltas"] == PARTS
    assert counters["facts"] == len(range(0, PARTS, 7))
    assert counters["final_packets"] == summary["delta_packets"] == 2 * PARTS
    assert counters["scored"] == counters["rows"] == len(rows) == 2 * PARTS
    assert 0 < counters["scored_full"] < counters["scored"]


def test_digest_does_not_depend_on_workers_and_rings(model_path):
    expected = outcome(model_path, workers=1, digest=True)[1]
    assert len(expected["digest"]) == 32
    for workers, slots, room in ((1, 16, 2), (2, 16, 64), (3, 64, 2), (5, 4096, 256)):
        found = outcome(model_path, workers=workers, slots=slots, room=room, digest=True)[1]
        assert found == expected


def test_digest_is_that_of_all_rows_in_order(model_path):
    rows, summary, _ = outcome(model_path, digest=True, rows="all")
    digest = Digest(len(rows), True)
    digest.update(np.stack(rows), len(rows))
    assert digest.text() == summary["digest"]
    times = [int(row[ROW.index("time_ns")]) for row in rows]
    assert times == sorted(times)


def test_full_row_ring_delays_rows_and_loses_none(model_path):
    expected = outcome(model_path, rows="all")[0]
    found, _, counters = outcome(model_path, rows="all", room=2)
    assert np.array_equal(found, expected)
    assert counters["waits"] > 0


def is_alert(row) -> bool:
    return bool(row[ROW.index("verdict")] >> ROW.shift("verdict", "alert") & 1)


def is_final(row) -> bool:
    return bool(row[ROW.index("head")] >> ROW.shift("head", "reason") & 15)


def test_rows_sent_are_those_that_the_plan_wants(model_path):
    every, _, counters = outcome(model_path, rows="all")
    alerts = [row for row in every if is_alert(row)]
    assert 0 < counters["alerts"] == len(alerts) < PARTS
    assert np.array_equal(outcome(model_path, rows="alerts")[0], alerts)
    finals = [row for row in every if is_alert(row) or is_final(row)]
    assert np.array_equal(outcome(model_path, rows="finals")[0], finals)
    assert outcome(model_path, rows="none")[0] == []


def test_part_alerts_at_most_once(model_path):
    alerted = [int(row[REFERENCE_AT]) for row in outcome(model_path)[0]]
    assert len(alerted) == len(set(alerted)) > 0


def test_without_scores_the_digest_says_so_and_no_row_has_a_verdict(model_path):
    rows, summary, counters = outcome(model_path, score=False, digest=True, rows="all")
    assert summary["digest"].startswith("noscore:")
    assert counters["scored"] == counters["alerts"] == 0
    assert not any(row[ROW.index("verdict")] for row in rows)


def test_flow_features_only_are_counted_alike(model_path):
    expected = outcome(model_path, score=False, rows="finals")[2]
    found = outcome(model_path, score=False, rows="none")[2]
    found |= {"rows": PARTS, "host_rows_none": expected["host_rows_none"]}  # No hosts are kept.
    assert found == expected


def test_main_reports_and_leaves_the_rings_when_its_workers_are_done(model_path):
    log = make_log()
    with Run(model_path, digest=True) as run:
        run.work()
        main(run.plan, 0, Reporter(log, "classifier"))
        assert run.statistics.process("classifier")["state"] == DONE
        state = lifecycle.STATES[run.rows.header[0]]
        assert (state, run.rows.used) == ("producer_done", len(run.take_rows()))
    *_, report = ReportReader(log).read()
    os.close(log)
    assert report["report"] == "finished"
    assert report["summary"]["digest"] == outcome(model_path, digest=True)[1]["digest"]


def test_counters_are_whole_before_the_row_ring_is_left(model_path, monkeypatch):
    seen = []
    leave = Ring.detach

    def look_and_leave(ring: Ring, side: str) -> None:
        if side == "producer":
            seen.append(run.statistics.process("classifier").values())
        leave(ring, side)

    monkeypatch.setattr(Ring, "detach", look_and_leave)
    log = make_log()
    with Run(model_path) as run:
        run.work()
        main(run.plan, 0, Reporter(log, "classifier"))
        assert seen == [run.statistics.process("classifier").values()]
        assert seen[0]["finals"] == PARTS
        assert seen[0]["rows"] == run.rows.used
    os.close(log)


def test_model_that_cannot_be_used_ends_the_run(tmp_path):
    with Run(tmp_path / "absent.model") as run, pytest.raises(ModelError, match="absent"):
        run.classifier()
