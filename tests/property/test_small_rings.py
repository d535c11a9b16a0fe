"""Goal: three workers between packet rings of 2 and event rings of 16 slots never deadlock, and the
digest is the twin's.

Method: capture, workers, classifier and a recorder that takes a row at a time, all the real ones,
stepped in one process in an order drawn from a seed; a deadlock is a state in which no stage, asked
in turn, moves any word of any ring. The broken twin has workers that keep a tick to themselves, as
if capture sent none (rings/README.rst): it must stop in the same run. What it cannot show: threads
that really run side by side (tests/race, tests/process).
"""

import random
from pathlib import Path

import numpy as np
import pytest

from engine.classifier.main import Classifier
from engine.classifier.state import private_state
from engine.config import with_settings
from engine.events import CLASSIFIER, counter_index
from engine.layouts import ROW
from engine.offline import Pipeline, PrivateLine
from engine.reference import Run, Settings, run_bytes
from engine.rings import spsc
from engine.rings.plan import RunPlan
from engine.rings.private import PrivateRing
from engine.rings.waiting import FINISHED
from tests.property.capture_files import FORMATS
from tests.property.side_by_side import Way, engine_config
from tests.property.strategies import RunInput, random_run
from tests.property.traffic import Weaver, woven

WORKERS = 3
SMALLEST = Way(WORKERS, packet_capacity=2, event_capacity=16)
MARKS = slice(spsc.LOCK, spsc.LOCK + 3)
ROUNDS_STILL_MAX = 20  # Of all stages without a change: more than any of them needs to go on.
_ACCEPTED, _LAYERS = (counter_index("worker", name) for name in ("accepted", "layers"))


class DeadlockError(Exception):
    """No stage moves any more."""


class Line:
    """The whole line of stages, one step at a time."""

    def __init__(self, paths: list[str], settings: Settings, way: Way = SMALLEST) -> None:
        config = engine_config(settings, way)
        task = {"hash_key": way.hash_key, "separate": settings.separate}
        self.pipeline = Pipeline(paths, config, way.workers, **task)
        self.rows = PrivateRing(2, ROW.size_bytes)
        self.line = PrivateLine([counter.name for counter in CLASSIFIER])
        outputs = {"score": False, "digest": True, "rows": "all"}
        sources, separate = tuple(paths), settings.separate
        plan = RunPlan("private", config, sources, way.hash_key, way.workers, separate, **outputs)
        state = private_state(plan)
        self.classifier = Classifier(plan, self.line, self.pipeline.events, self.rows, state)
        self.taken = 0
        self.reading, self.working, self.merging = True, set(range(way.workers)), True

    def step_capture(self) -> None:
        """Let capture take a step."""
        if self.reading:
            self.reading = self.pipeline._reader.step(False) != FINISHED

    def step_worker(self, number: int) -> None:
        """Let a worker take a step."""
        if number in self.working and self.pipeline._workers[number].step() == FINISHED:
            self.working.discard(number)

    def step_classifier(self) -> None:
        """Let the classifier take a step."""
        if self.merging:
            self.merging = self.classifier.step() != FINISHED

    def step_recorder(self) -> None:
        """Take one row."""
        first, count = spsc.peek(self.rows.header)
        if count:
            self.taken += 1
            spsc.release(self.rows.header, first + 1)

    def state(self) -> bytes:
        """Return every word by which stages see one another."""
        rings = (*self.pipeline.packets, *self.pipeline.events, self.rows)
        return b"".join(ring.header.tobytes() for ring in rings)

    def run(self, order: random.Random) -> None:
        """Step stages in a drawn order until all are done; DeadlockError if they never are."""
        stages = [self.step_capture, self.step_classifier, self.step_recorder]
        stages += [lambda k=k: self.step_worker(k) for k in range(len(self.pipeline.events))]
        before, still = b"", 0
        while self.reading or self.working or self.merging:
            for stage in order.choices(stages, k=order.choice((0, 0, 3, 30))):
                stage()
            for stage in order.sample(stages, len(stages)):
                stage()
            now = self.state()
            still = still + 1 if now == before else 0
            before = now
            if still == ROUNDS_STILL_MAX:
                raise DeadlockError
        self.step_recorder()
        self.step_recorder()


class DeafLine(Line):
    """Workers that take a tick but keep what it promises to themselves. Broken."""

    def step_worker(self, number: int) -> None:
        """Let a worker take a step; if it took no packet, its watermark stays."""
        header, counters = self.pipeline.events[number].header, self.pipeline.lines[number].counters
        marks, packets = header[MARKS].copy(), int(counters[[_ACCEPTED, _LAYERS]].sum())
        super().step_worker(number)
        if number in self.working and packets == int(counters[[_ACCEPTED, _LAYERS]].sum()):
            header[MARKS] = marks


def written(folder: Path, drawn: RunInput) -> tuple[list[str], Run]:
    """Write a run's files; return their paths and what the twin makes of them."""
    paths = []
    for name, content in drawn.contents:
        (folder / name).write_bytes(content)
        paths.append(str(folder / name))
    named = list(zip(paths, (content for _, content in drawn.contents), strict=True))
    return paths, run_bytes(named, drawn.settings)


def seed_of(request, number: int) -> int:
    """Return the seed of a test: another with each of Hypothesis's own."""
    chosen = random.Random(f"rings {request.config.getoption('--hypothesis-seed')} {number}")
    return chosen.getrandbits(40)


def _numbers() -> list:
    return [n if n < 3 else pytest.param(n, marks=pytest.mark.slow) for n in range(40)]


@pytest.mark.parametrize("number", _numbers())
def test_smallest_rings_neither_deadlock_nor_change_the_digest(tmp_path, request, number) -> None:
    for repeat in range(10):
        seed = seed_of(request, 100 * number + repeat)
        drawn = random_run(seed, 60)
        folder = tmp_path / str(repeat)
        folder.mkdir()
        paths, twin = written(folder, drawn)
        if not twin.counters["read"]:
            continue
        line = Line(paths, drawn.settings)
        line.run(random.Random(seed))
        where = f"random_run({seed}, 60)"
        assert line.classifier.summary()["digest"] == twin.digest, where
        assert line.taken == len(twin.records), where
        assert line.line.values()["finals"] == twin.counters["parts"], where
        assert line.line.values()["deltas"] == twin.counters["deltas"], where
        packets = twin.counters["accepted"] + twin.counters["layers"]
        assert line.classifier.summary()["delta_packets"] == packets, where


def many_flows(folder: Path) -> tuple[list[str], Settings, Run]:
    """Return a capture of calm traffic whose flows are spread over all workers."""
    source = random.Random(7)
    genes = [source.getrandbits(192) for _ in range(400)]
    settings = Settings(with_settings(Settings().config, {"packet.decapsulate": "all"}))
    frames = woven(genes, Weaver(settings.config))
    drawn = RunInput([("a", FORMATS["pcapng"](frames))], settings)
    paths, twin = written(folder, drawn)
    return paths, settings, twin


def test_without_ticks_the_line_deadlocks_and_with_them_it_does_not(tmp_path) -> None:
    paths, settings, twin = many_flows(tmp_path)
    whole = Line(paths, settings)
    whole.run(random.Random(1))
    assert whole.classifier.summary()["digest"] == twin.digest
    assert all(np.count_nonzero(line.counters) for line in whole.pipeline.lines)
    with pytest.raises(DeadlockError):
        DeafLine(paths, settings).run(random.Random(1))
