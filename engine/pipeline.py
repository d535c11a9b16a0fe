"""The engine on one page.

    capture --packets.k--> worker.k --events.k--> classifier --rows--> recorder
                           (table.k)

Boxes are processes, arrows are single-producer single-consumer rings; a worker's flow table is a
segment of its own, and so is the frame arena, which capture fills and workers read. This module
only says who is connected to whom and how large everything is; what a box does is in the module it
names.
"""

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from engine.classifier.state import words_of
from engine.config import Config
from engine.errors import SegmentError
from engine.flows.table import TableShape, initialise, table_shape
from engine.hosts.space import HostShape, host_shape
from engine.hosts.space import initialise as initialise_hosts
from engine.layouts import PACKET, RING, ROW, SEGMENT
from engine.layouts.control import PROCESS, STATISTICS
from engine.layouts.records import EVENT_SLOT_BYTES
from engine.memory.region import make_file
from engine.recorder.ledger import ledger_words, prepare_ledger
from engine.rings.plan import RunPlan
from engine.rings.ring import Ring
from engine.rings.segment import Segment, segment_name
from engine.rings.statistics import Statistics, process_names


@dataclass(frozen=True, slots=True)
class RingPlan:
    """An arrow: the kind and number of a ring segment, and what its slots are."""

    kind: str
    number: int | None
    capacity: int
    slot_bytes: int
    extra_words: int = 0

    @property
    def size_bytes(self) -> int:
        content = RING.size_bytes + self.capacity * self.slot_bytes + 8 * self.extra_words
        return SEGMENT.size_bytes + content


@dataclass(frozen=True, slots=True)
class Stage:
    """A box: one process, the rings it reads and the rings it writes."""

    name: str
    number: int
    reads: tuple[RingPlan, ...] = ()
    writes: tuple[RingPlan, ...] = ()


def build(config: Config, workers: int) -> tuple[Stage, ...]:
    """Return the stages of a run, upstream first; nothing is started or allocated."""
    ring = config.ring
    numbers = range(workers)
    packets = tuple(
        RingPlan("packets", k, ring.packet_capacity, PACKET.size_bytes, ring.packet_capacity)
        for k in numbers
    )
    events = tuple(RingPlan("events", k, ring.event_capacity, EVENT_SLOT_BYTES) for k in numbers)
    rows = (RingPlan("rows", None, ring.row_capacity, ROW.size_bytes),)
    stages = (
        Stage("capture", 0, writes=packets),
        *(Stage(f"worker.{k}", k, (packets[k],), (events[k],)) for k in numbers),
        Stage("classifier", 0, events, rows),
        Stage("recorder", 0, rows),
    )
    check(stages)
    return stages


def rings_of(stages: tuple[Stage, ...]) -> tuple[RingPlan, ...]:
    """Return every ring once, upstream first."""
    return tuple(dict.fromkeys(ring for stage in stages for ring in stage.writes))


def check(stages: tuple[Stage, ...]) -> None:
    """Assert the shape that every ring relies on: one writer, one reader, no cycle."""
    writers = Counter(ring for stage in stages for ring in stage.writes)
    readers = Counter(ring for stage in stages for ring in stage.reads)
    written: set[RingPlan] = set()
    for stage in stages:  # Upstream first.
        assert set(stage.reads) <= written, f"{stage.name} reads from downstream"
        written |= set(stage.writes)
    for ring in rings_of(stages):
        assert writers[ring] == 1, f"{ring.kind}: {writers[ring]} writers"
        assert readers[ring] == 1, f"{ring.kind}: {readers[ring]} readers"


def sizes(
    config: Config, workers: int, arena: bool, facts: bool = True, parquet: bool = False
) -> dict[str, int]:
    """Return the bytes of each kind of segment of a run, all of its kind together."""
    stages = build(config, workers)
    lines = STATISTICS.size_bytes + len(process_names(workers)) * PROCESS.size_bytes
    found = {"statistics": SEGMENT.size_bytes + lines}
    for ring in rings_of(stages):
        found[ring.kind] = found.get(ring.kind, 0) + ring.size_bytes
    found["table"] = workers * (SEGMENT.size_bytes + 8 * shape_of(config, workers).words)
    hosts = hosts_of(config)
    found["hosts"] = SEGMENT.size_bytes + 8 * hosts.shared_words if facts else 0
    found["recorder"] = SEGMENT.size_bytes + 8 * ledger_words(parquet)
    found["arena"] = SEGMENT.size_bytes + config.capture.arena_bytes if arena else 0
    return found


def shape_of(config: Config, workers: int) -> TableShape:
    """Return the shape of each worker's flow table."""
    return table_shape(config.flow.max_flows, workers, config.flow.history)


def private_bytes(config: Config, facts: bool = True) -> int:
    """Return the most that the classifier takes for hosts beside their segment, as hosts come."""
    shape = hosts_of(config)
    return 8 * (shape.words - shape.shared_words) if facts else 0


def hosts_of(config: Config) -> HostShape:
    """Return the shape of the hosts' segment."""
    return host_shape(config.host, config.flow.max_flows)


def _check_memory(wanted: int) -> None:
    """Raise SegmentError if the machine lacks the memory: else the kernel would kill somebody."""
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(":")
        if name == "MemAvailable" and wanted > int(value.split()[0]) * 1024:
            raise SegmentError(
                f"the run needs {wanted:,} bytes of memory, {value.strip()} are available; lower "
                f"flow.max_flows, host.max_hosts or the ring capacities (engine config check)"
            )


class Segments:
    """The shared memory of a run. Who creates unlinks: the supervisor, whatever happens."""

    def __init__(self, plan: RunPlan, arena: bool) -> None:
        parquet = "parquet" in plan.flow_formats
        shared = sizes(plan.config, plan.workers, arena, plan.facts, parquet)
        _check_memory(sum(shared.values()) + private_bytes(plan.config, plan.facts))
        self._held: list[Segment] = []
        self._state_file = -1
        self.rings: dict[tuple[str, int | None], Ring] = {}
        self.tables: list[Segment] = []
        try:
            self.statistics = Statistics.create(plan.run, plan.workers)
            self._held.append(self.statistics.segment)
            for ring in rings_of(build(plan.config, plan.workers)):
                self._make_ring(plan.run, ring)
            for worker in range(plan.workers):
                self._make_table(plan, worker)
            if plan.facts:
                self._make_hosts(plan)
            self._make_ledger(plan.run, parquet)
            self._state_file = make_file(words_of(plan)) if plan.config.process.replace else -1
            if arena:
                name = segment_name(plan.run, "arena")
                segment = Segment.create(name, "arena", plan.config.capture.arena_bytes)
                segment.publish()
                self._held.append(segment)
        except BaseException:
            self.unlink()
            raise

    def _make_ring(self, run: str, ring: RingPlan) -> None:
        name = segment_name(run, ring.kind, ring.number)
        made = Ring.create(name, ring.kind, ring.capacity, ring.slot_bytes, ring.extra_words)
        self._held.append(made.segment)
        self.rings[ring.kind, ring.number] = made

    def _make_table(self, plan: RunPlan, worker: int) -> None:
        shape = shape_of(plan.config, plan.workers)
        name = segment_name(plan.run, "table", worker)
        segment = Segment.create(name, "table", 8 * shape.words, worker)
        self._held.append(segment)
        settings = {"hash_key": plan.hash_key, "separate": plan.separate, "facts": plan.facts}
        initialise(segment.words, plan.config, shape, settings)
        segment.publish()
        self.tables.append(segment)

    def _make_hosts(self, plan: RunPlan) -> None:
        shape = hosts_of(plan.config)
        # Pages as hosts come: to reserve them takes longer than to read a small capture.
        name = segment_name(plan.run, "hosts")
        segment = Segment.create(name, "hosts", 8 * shape.shared_words, reserve=False)
        self._held.append(segment)
        initialise_hosts(segment.words, plan.config.host, shape, plan.hash_key)
        segment.publish()

    def _make_ledger(self, run: str, parquet: bool) -> None:
        # Pages as they are needed: most runs name few addresses.
        name = segment_name(run, "recorder")
        segment = Segment.create(name, "recorder", 8 * ledger_words(parquet), reserve=False)
        self._held.append(segment)
        prepare_ledger(segment.words)
        segment.publish()

    @property
    def state_path(self) -> str:
        """Return where the classifier finds its memory file, as long as we live; empty: none."""
        return f"/proc/{os.getpid()}/fd/{self._state_file}" if self._state_file >= 0 else ""

    def unlink(self) -> None:
        """Remove every name. Processes that still have a segment mapped keep their mapping."""
        if self._state_file >= 0:
            os.close(self._state_file)
            self._state_file = -1
        while self._held:
            segment = self._held.pop()
            segment.unlink()
            segment.close()


def mains() -> dict[str, Callable[[RunPlan, int, object], None]]:
    """Return what each kind of stage runs. Imports all of them."""
    from engine.capture import main as capture
    from engine.classifier import main as classifier
    from engine.recorder import main as recorder
    from engine.worker import main as worker

    return {
        "capture": capture.main,
        "worker": worker.main,
        "classifier": classifier.main,
        "recorder": recorder.main,
    }
