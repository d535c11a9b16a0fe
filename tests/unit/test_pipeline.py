"""The wiring holds for every number of workers, takes the memory it says, and leaves none behind.

Goal: engine.pipeline. Method: plans of small tables; the segments that a run makes are looked up in
the file system, and must be gone afterwards, however it went. Processes are not started.
"""

from dataclasses import replace

import pytest

from engine import pipeline
from engine.config import Config, with_settings
from engine.errors import SegmentError
from engine.rings.plan import RunPlan
from engine.rings.segment import Segment, find_segments

SMALL = {
    "flow.max_flows": 4096,
    "ring.packet_capacity": 64,
    "ring.event_capacity": 64,
    "ring.row_capacity": 2,
    "capture.arena_bytes": "256 KiB",
    "capture.stream_buffer_bytes": "64 KiB",
}


@pytest.fixture
def plan(new_run):
    """Return the plan of a small run of three workers."""
    config = with_settings(Config(), SMALL | {"engine.workers": 3})
    return RunPlan(run=new_run(), config=config, sources=(), hash_key=(0, 0), workers=3)


def made_by(plan) -> list:
    """Return the segments of a run."""
    return [found for found in find_segments() if found.run == plan.run]


@pytest.mark.parametrize("workers", [1, 2, 5, 64])
def test_every_ring_has_one_writer_upstream_of_its_one_reader(workers):
    stages = pipeline.build(Config(), workers)
    names = ["capture", *(f"worker.{k}" for k in range(workers)), "classifier", "recorder"]
    assert [stage.name for stage in stages] == names
    place = {ring: at for at, stage in enumerate(stages) for ring in stage.writes}
    for at, stage in enumerate(stages):
        assert all(place.pop(ring) < at for ring in stage.reads)
    assert place == {}


def test_wrong_wiring_is_our_bug():
    stages = pipeline.build(Config(), 2)
    capture, first, second, *rest = stages
    two_readers = (capture, first, replace(second, reads=first.reads), *rest)
    backwards = (first, capture, second, *rest)
    nobody_reads = (capture, first, replace(second, reads=()), *rest)
    for wrong in (two_readers, backwards, nobody_reads):
        with pytest.raises(AssertionError):
            pipeline.check(wrong)


@pytest.mark.parametrize("arena", [False, True])
def test_segments_have_the_sizes_that_are_told_and_are_unlinked(plan, arena):
    told = pipeline.sizes(plan.config, plan.workers, arena)
    segments = pipeline.Segments(plan, arena)
    try:
        sizes = dict.fromkeys(told, 0)
        for found in made_by(plan):
            sizes[found.kind] += found.size_bytes
            assert found.live
    finally:
        segments.unlink()
    assert sizes == told
    assert made_by(plan) == []


def test_segments_that_cannot_all_be_made_leave_none_behind(plan, monkeypatch):
    create = Segment.create.__func__

    def refuse_tables(cls, name, kind, *rest):
        if kind == "table":
            assert made_by(plan)
            raise SegmentError("no room")
        return create(cls, name, kind, *rest)

    monkeypatch.setattr(Segment, "create", classmethod(refuse_tables))
    with pytest.raises(SegmentError, match="no room"):
        pipeline.Segments(plan, arena=True)
    assert made_by(plan) == []


def test_run_that_the_machine_has_no_memory_for_takes_none(plan, monkeypatch, tmp_path):
    (tmp_path / "meminfo").write_text("MemTotal:  9000000 kB\nMemAvailable:  1000 kB\n")
    monkeypatch.setattr(pipeline, "Path", lambda path: tmp_path / path.rpartition("/")[2])
    with pytest.raises(SegmentError, match=r"needs [\d,]+ bytes .* 1000 kB are available"):
        pipeline.Segments(plan, arena=False)
    assert made_by(plan) == []


def test_every_stage_has_a_main():
    stages = {stage.name.partition(".")[0] for stage in pipeline.build(Config(), 2)}
    assert set(pipeline.mains()) == stages
