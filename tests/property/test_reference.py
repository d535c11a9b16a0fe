"""Goal: whatever the traffic, the twin accounts for every packet, in order, and never fails.

Method: drawn runs of hostile capture files and settings; identities that must hold in each, and
changes of the input that must change nothing. It does not show that single values are right: the
tests of tests/unit/reference do.
"""

from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings

from engine.config import PANE_NS
from engine.reference import Capture, Run, run_bytes, sources_of
from engine.reference.events import ACTIVE, MARKS, Delta, Record, order
from engine.reference.streams import uncompressed
from tests.property.capture_files import COMPRESSIONS, in_pieces
from tests.property.strategies import RunInput, random_run, runs

drawn = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])


def _check(run: Run) -> None:
    """Assert what holds in every run."""
    counters = run.counters
    fates = [n for name, n in counters.items() if name.startswith("refused_")]
    assert counters["read"] == sum(fates) + counters["accepted"] + counters["filtered"]
    finals = [record for record in run.records if record.final]
    assert _packets(finals) == counters["accepted"] + counters["layers"]
    assert len(finals) == counters["parts"]
    assert all(before < after for before, after in pairwise(map(order, run.events)))
    _check_parts(run)
    _check_increases(run)


def _packets(records: list[Record]) -> int:
    return sum(record.counts.fwd_packets + record.counts.bwd_packets for record in records)


def _check_parts(run: Run) -> None:
    """Each part's records count up and end in its only final."""
    parts: dict[tuple, list[Record]] = {}
    for record in run.records:
        parts.setdefault((record.source, record.first), []).append(record)
    assert len(parts) == run.counters["parts"]
    for records in parts.values():
        assert [record.sequence for record in records] == list(range(len(records)))
        assert [record.final for record in records[:-1]] == [False] * (len(records) - 1)
        assert records[-1].final
        assert all(_packets([a]) <= _packets([b]) for a, b in pairwise(records))


def _check_increases(run: Run) -> None:
    """Deltas and remainders tell each packet once, and each mark of a flow once."""
    told = marked = 0
    for event in run.events:
        if isinstance(event, Delta):
            assert event.time % PANE_NS == 0
            told += event.increase.fwd_packets + event.increase.bwd_packets
            marked += "started" in event.marks
            assert event.marks == tuple(mark for mark in MARKS if mark in event.marks)
        elif isinstance(event, Record):
            if event.remainder is not None:
                told += event.remainder.fwd_packets + event.remainder.bwd_packets
                marked += "started" in event.marks
            assert (event.ended is not None) == (event.final and event.reason != ACTIVE)
    assert told == run.counters["accepted"] + run.counters["layers"]
    assert marked == run.counters["flows"]


@drawn
@given(runs())
def test_every_packet_is_accounted_for_in_order(drawn_run: RunInput) -> None:
    _check(run_bytes(*drawn_run))


@pytest.mark.parametrize("seed", range(20))
def test_long_random_runs_are_accounted_for(seed: int) -> None:
    _check(run_bytes(*random_run(seed, 1500)))


@drawn
@given(runs(40))
def test_order_of_the_sources_given_changes_nothing(drawn_run: RunInput) -> None:
    contents, chosen = drawn_run
    forward, backward = (run_bytes(given, chosen) for given in (contents, contents[::-1]))
    assert forward.events == backward.events
    assert forward.counters == backward.counters


@drawn
@given(runs(40))
def test_separate_runs_are_the_runs_of_each_source(drawn_run: RunInput) -> None:
    contents, chosen = drawn_run
    together = run_bytes(contents, chosen)
    if not chosen.separate:
        return
    alone = [
        run_bytes([source], chosen) for source in sorted(contents, key=lambda c: c[0].encode())
    ]
    assert together.counters["read"] == sum(run.counters["read"] for run in alone)
    for number, run in enumerate(alone):
        own = [event for event in together.events if event.source == number]
        assert [(event.time, type(event)) for event in own] == [
            (event.time, type(event)) for event in run.events
        ]
        for here, there in zip(own, run.events, strict=True):
            if isinstance(here, Record):
                assert (here.features, here.valid, here.start_ns) == (
                    there.features,
                    there.valid,
                    there.start_ns,
                )


@drawn
@given(runs(40))
def test_compression_changes_nothing(drawn_run: RunInput) -> None:
    contents, chosen = drawn_run
    contents = [(name, uncompressed(content).content) for name, content in contents]
    plain = run_bytes(contents, chosen)
    for compress in COMPRESSIONS.values():
        packed = [(name, in_pieces(content, compress, 2)) for name, content in contents]
        again = run_bytes(packed, chosen)
        assert (again.events, again.counters) == (plain.events, plain.counters)
        assert again.damage == plain.damage


@drawn
@given(runs(60))
def test_frames_are_taken_by_time_source_and_order(drawn_run: RunInput) -> None:
    contents, chosen = drawn_run
    taken = list(Capture(sources_of(contents), chosen))
    places = [(t.time, t.source, t.frame.offset) for t in taken if t.time is not None]
    assert all(before < after for before, after in pairwise(places))
    positions = [metered.position for t in taken for metered in t.metered]
    assert all(before < after for before, after in pairwise(positions))
