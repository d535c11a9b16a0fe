"""A drawn run, or real captures, through engine and twin; whatever differs is an error.

The engine's stages are stepped in turn in this process (engine.offline): the events of the workers
and the rows of the classifier, with their 142 features, are compared. How it is run (`Way`) must
change nothing: workers, rings, hash key; without facts there are events alone.
"""

import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from engine.classifier.main import Classifier
from engine.classifier.state import private_state
from engine.config import Config, with_settings
from engine.errors import CaptureError
from engine.events import CLASSIFIER
from engine.layouts import ROW
from engine.layouts.records import EVENT_SLOT_WORDS, RECORD, RECORD_SLOTS
from engine.offline import Pipeline, PrivateLine, events_of
from engine.reference import Run, Settings, run_bytes
from engine.reference.events import Fact
from engine.rings import spsc
from engine.rings.plan import RunPlan
from engine.rings.private import PrivateRing
from engine.rings.waiting import FINISHED
from tests.property.compare import assert_same_events, assert_same_rows, merged
from tests.property.strategies import RunInput, random_run

FLOWS_MAX = 4096  # More than any drawn run has live; so nothing is evicted.
_NOT_COMPARED = (  # Of the engine: how it went about it. Of both: what there is no twin of.
    *("published", "control", "waits", "dropped_ring", "dropped_arena"),
    *("deadlines_moved", "evicted_row", "evicted_cold", "finals_evicted"),
)
_HOST_COUNTERS = (
    *("hosts_made", "hosts_forgotten", "host_refused", "pairs_forgotten", "pairs_refused"),
    *("starts_left_out", "host_rows", "host_rows_joined", "host_rows_none", "host_rows_gone"),
)
ROWS_HELD = 2048  # Of the row ring: more than the classifier makes in a step.


class Way(NamedTuple):
    """How the engine is run."""

    workers: int = 1
    packet_capacity: int = 1024
    event_capacity: int = 1024
    hash_key: tuple[int, int] = (5, 6)
    facts: bool = True
    max_flows: int = FLOWS_MAX


def way_of(seed: int) -> Way:
    """Return a way to run the engine; one in four has the smallest rings."""
    source = random.Random(seed)
    smallest = source.randrange(4) == 0
    return Way(
        workers=source.choice((1, 2, 3)),
        packet_capacity=2 if smallest else source.choice((4, 64, 1024, 1024)),
        event_capacity=16 if smallest else source.choice((16, 64, 1024, 1024)),
        hash_key=(source.getrandbits(64), source.getrandbits(64)),
        facts=source.randrange(8) > 0,
    )


def engine_config(settings: Settings, way: Way):
    """Return the settings of a run with the sizes of `way`: small, so that a run starts fast."""
    sizes = {
        "flow.max_flows": way.max_flows,
        "ring.event_capacity": way.event_capacity,
        "ring.packet_capacity": way.packet_capacity,
        "capture.arena_bytes": 1 << 18,
        "capture.stream_buffer_bytes": 1 << 16,
    }
    return with_settings(settings.config, sizes)


def assert_engine_equals_twin(contents, settings: Settings, way: Way, folder: Path) -> Run:
    """Run both over (name, bytes) pairs; return the twin's run, equal in all that is compared."""
    paths = []
    for name, content in contents:
        path = folder / name
        path.write_bytes(content)
        paths.append(str(path))
    try:
        named = list(zip(paths, (content for _, content in contents), strict=True))
        return assert_same_run(paths, run_bytes(named, settings), settings, way)
    finally:
        for path in paths:
            Path(path).unlink()


def assert_same_run(paths: Sequence[str], twin: Run, settings: Settings, way: Way) -> Run:
    """Run the engine over files that the twin has read; compare everything; return `twin`."""
    task = {"hash_key": way.hash_key, "separate": settings.separate, "facts": way.facts}
    config = engine_config(settings, way)
    try:
        if way.facts:
            whole = WholeLine(paths, config, way.workers, **task)
            whole.run()
            events, pipeline = whole.events, whole.pipeline
        else:
            events, pipeline = events_of(paths, config, workers=way.workers, **task)
    except CaptureError as error:
        assert "no source can be read" in str(error)
        assert twin.counters["read"] == 0
        return twin
    wanted = [event for event in twin.events if way.facts or not isinstance(event, Fact)]
    assert_same_events(merged(events, settings.separate), wanted)
    _assert_same_counters(pipeline, twin, way)
    if way.facts:
        assert_same_rows(whole.rows, twin.records)
        for name in _HOST_COUNTERS:
            count = whole.counters[name]
            wanted = twin.counters[name]
            assert count == wanted, f"counters: {name}: {count}, twin {wanted}"
    return twin


class WholeLine:
    """Capture, workers and classifier, stepped in turn; every event and every row is kept."""

    def __init__(
        self, paths: Sequence[str], config: Config, workers: int, keeps: bool = False, **task
    ) -> None:
        """`keeps`: the classifier may be replaced, and tells the digest."""
        self.pipeline = Pipeline(paths, config, workers, **task)
        self.events: list[list[np.ndarray]] = [[] for _ in range(workers)]
        self.rows: list[np.ndarray] = []
        self._seen = [0] * workers  # Slots of each event ring that are copied.
        self._line = PrivateLine([counter.name for counter in CLASSIFIER])
        self._ring = PrivateRing(ROWS_HELD, ROW.size_bytes)
        hash_key = task["hash_key"]
        outputs = {"score": False, "digest": keeps, "rows": "all"}
        self.plan = RunPlan(
            *("private", config, tuple(paths), hash_key, workers, task["separate"]), **outputs
        )
        self.state = private_state(self.plan, keeps)
        self.replace_classifier()

    def replace_classifier(self) -> None:
        """Begin with a classifier, or go on with another."""
        rings = (self.pipeline.events, self._ring)
        self.classifier = Classifier(self.plan, self._line, *rings, self.state)

    @property
    def counters(self) -> dict[str, int]:
        """Return the counters of the classifier."""
        return self._line.values()

    def run(self) -> None:
        """Run to the end."""
        while self.pipeline.step(self._copy):
            self._classify()
        while self._classify() != FINISHED:
            pass

    def _copy(self, number: int, ring: PrivateRing) -> None:
        """Copy the events that a worker has published since the last time."""
        at = self._seen[number]
        while at < int(ring.header[spsc.TAIL]):
            is_record = int(ring.slots[at % ring.capacity, 0]) & 15 == RECORD
            slots = RECORD_SLOTS if is_record else 1
            words = ring.slots[(at + np.arange(slots)) % ring.capacity]
            self.events[number].append(words.reshape(slots * EVENT_SLOT_WORDS).copy())
            at += slots
        self._seen[number] = at

    def _classify(self) -> int:
        """Let the classifier take a step; keep the rows that it made."""
        found = self.classifier.step()
        first, count = spsc.peek(self._ring.header)
        for at in range(first, first + count):
            self.rows.append(self._ring.slots[at % self._ring.capacity].copy())
        if count:
            spsc.release(self._ring.header, first + count)
        return found


def _assert_same_counters(pipeline: Pipeline, twin: Run, way: Way) -> None:
    """Compare the counters of capture with the twin's, and the sums of the workers'."""
    workers: Counter = Counter()
    for line in pipeline.lines:
        workers.update(line.values())
    for name in ("evicted_row", "evicted_cold", "finals_evicted"):
        assert workers[name] == 0, f"{name}: the table was too small for a comparison"
    for counters in (pipeline.capture_line.values(), workers):
        for name, count in counters.items():
            if name not in _NOT_COMPARED and (way.facts or name != "facts"):
                assert count == twin.counters[name], f"{name}: {count}, twin {twin.counters[name]}"


def assert_seed_agrees(seed: int, size: int, folder: Path) -> Run | None:
    """Compare both on random_run(seed, size); what differs is told with what reproduces it."""
    drawn: RunInput = random_run(seed, size)
    try:
        return assert_engine_equals_twin(drawn.contents, drawn.settings, way_of(seed), folder)
    except AssertionError as error:
        raise AssertionError(f"random_run({seed}, {size}), {way_of(seed)}: {error}") from error
