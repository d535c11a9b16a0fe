"""The kernels alone: capture, workers and classifier stepped in turn by one process on one core.

What a run of several processes costs beyond this sum is the price of being several: waking, lines
that cross cores, mappings of their own. For tuning; the figures that count are those of speed.py.
"""

import os
import time
from collections.abc import Callable

from engine.bench.measure import as_row, spread
from engine.bench.options import BenchOptions, chosen
from engine.bench.programs import FEATURES, SCORED
from engine.bench.workloads import Workload, chosen_workloads, warm
from engine.classifier import model
from engine.classifier.main import Classifier
from engine.classifier.state import private_state
from engine.config import Config, load
from engine.events import CLASSIFIER
from engine.layouts import ROW
from engine.offline import Pipeline, PrivateLine
from engine.rings import spsc
from engine.rings.plan import RunPlan
from engine.rings.private import PrivateRing
from engine.rings.waiting import FINISHED, IDLE
from engine.supervisor.kernels import load_kernels

STAGES = ("capture", "worker", "classifier")
_PAGE_WORDS = 512


def stages_record(options: BenchOptions, cores: list[int], say: Callable[[str], None]) -> dict:
    """Return ns of CPU per packet of each stage's kernels and steps, by workload and mode."""
    left_out: dict[str, str] = {}
    found = chosen_workloads(options, left_out, say)
    load_kernels(lambda: say("compiling kernels, once"))
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores[:1])
    try:
        rows = [_workload_row(workload, options, say) for workload in found]
    finally:
        os.sched_setaffinity(0, before)
    return {"workers": options.workers_wanted, "workloads": rows, "left_out": left_out}


def _workload_row(workload: Workload, options: BenchOptions, say: Callable[[str], None]) -> dict:
    warm(workload)
    config = load(None, (f"engine.workers={options.workers_wanted}",))
    modes = chosen(options.only, (FEATURES, SCORED))
    readings: dict[str, list[dict[str, float]]] = {mode: [] for mode in modes}
    packets = 0
    for number in range(options.runs):
        for mode in modes:
            say(f"{workload.title}: run {number + 1} of {options.runs}: kernels, {mode}")
            packets, costs = step_all(str(workload.path), config, mode != FEATURES)
            readings[mode].append(costs)
    per_packet = 1e9 / max(1, packets)
    return {
        "name": workload.name,
        "title": workload.title,
        "packets": packets,
        "modes": {
            mode: {
                stage: as_row(spread([one[stage] for one in found]).scaled(per_packet))
                for stage in STAGES
            }
            for mode, found in readings.items()
        },
    }


def step_all(path: str, config: Config, score: bool) -> tuple[int, dict[str, float]]:
    """Run all stages but the recorder on a capture; return packets, and CPU seconds by stage."""
    pipeline = Pipeline([path], config, config.workers, facts=score)
    for table in pipeline.tables:
        table[::_PAGE_WORDS] += 0  # The kernel gives a page when it is first written.
    rows = PrivateRing(config.ring.row_capacity, ROW.size_bytes)
    classifier = make_classifier(pipeline, config, rows, score)
    costs = dict.fromkeys(STAGES, 0)
    clock = time.thread_time_ns
    found = IDLE
    while found != FINISHED:
        begin = clock()
        pipeline.step_capture()
        captured = clock()
        pipeline.step_workers()
        worked = clock()
        found = classifier.step()
        costs["classifier"] += clock() - worked
        costs["worker"] += worked - captured
        costs["capture"] += captured - begin
        first, count = spsc.peek(rows.header)
        spsc.release(rows.header, first + count)  # Nobody records them.
    packets = pipeline.capture_line.values()["read"]
    return packets, {stage: cost / 1e9 for stage, cost in costs.items()}


def make_classifier(
    pipeline: Pipeline, config: Config, rows: PrivateRing, score: bool
) -> Classifier:
    """Return a classifier of this process behind a pipeline's workers."""
    card = model.read_card(model.path_of(config.model.path)) if score else None
    plan = RunPlan(
        run="private",
        config=config,
        sources=(),
        hash_key=(0, 0),
        workers=config.workers,
        score=score,
        facts=score,
        digest=score,
        rows="alerts" if score else "none",
        labels=tuple(card.labels) if card else (),
    )
    line = PrivateLine([counter.name for counter in CLASSIFIER])
    return Classifier(plan, line, pipeline.events, rows, private_state(plan, keeps=True))
