"""Hostile input for what is known of hosts, beside ordinary traffic of the same shape.

Each workload of capture/synthetic/crowds.py is run hostile and ordinary, in turns, scored, writing
nothing. Three things are shown: what a packet costs more, what memory the classifier holds at most,
and whether every sum of counters holds.
"""

from collections.abc import Callable

from engine.bench.measure import Spread, as_row, spread
from engine.bench.memory import Looked, look_at, scored_command
from engine.bench.options import BenchOptions, chosen
from engine.bench.workloads import (
    HOSTILE_NAMES,
    ORDINARY,
    LeftOutError,
    Workload,
    make_hostile,
    warm,
)
from engine.config import load
from engine.equations import EQUATIONS
from engine.pipeline import private_bytes, sizes

RATIO_MAX = 3.0
_PROPERTIES = ("", "facts")  # Of a run that scores and writes nothing.


def hostile_record(options: BenchOptions, cores: list[int], say: Callable[[str], None]) -> dict:
    """Return cost, memory and accounting of every hostile workload and of its ordinary twin."""
    workers = options.workers_wanted
    rows, left_out = [], {}
    for name in chosen(options.only, HOSTILE_NAMES):
        try:
            pair = [make_hostile(name, hostile, options.quick, say) for hostile in (True, False)]
        except LeftOutError as error:
            left_out[name] = str(error)
            continue
        rows.append(_row(name, pair, options, cores, say))
    config = load(None, (f"engine.workers={workers}",))
    return {
        "workers": workers,
        "ratio_max": RATIO_MAX,
        "hosts_bytes_max": sizes(config, workers, arena=False)["hosts"] + private_bytes(config),
        "workloads": rows,
        "left_out": left_out,
    }


def _row(name: str, pair: list[Workload], options: BenchOptions, cores: list[int], say) -> dict:
    found: dict[str, list[Looked]] = {"hostile": [], ORDINARY: []}
    for number in range(options.runs):
        for kind, workload in zip(found, pair, strict=True):
            say(f"{name}, {kind}: run {number + 1} of {options.runs}")
            warm(workload)
            found[kind].append(look_at(scored_command(workload, options.workers_wanted), cores))
    packets = pair[0].packets
    costs = {kind: _cost(runs, packets) for kind, runs in found.items()}
    return {
        "name": name,
        "packets": packets,
        "ratio": costs["hostile"].median / costs[ORDINARY].median,
        **{f"{kind}_ns_per_packet": as_row(cost) for kind, cost in costs.items()},
        **{kind: _held(runs) for kind, runs in found.items()},
    }


def _cost(runs: list[Looked], packets: int) -> Spread:
    return spread([run.said["cpu_seconds"] for run in runs]).scaled(1e9 / packets)


def _held(runs: list[Looked]) -> dict:
    """Return what the classifier held at most, what is wrong, and what hosts came to."""
    counters = runs[0].said["counters"]
    names = ("hosts_made", "hosts_forgotten", "host_refused", "pairs_forgotten", "host_rows")
    return {
        "classifier_resident_bytes": max(
            run.processes.get("classifier", {}).get("resident", 0) for run in runs
        ),
        "hosts_bytes": max(run.hosts_bytes for run in runs),
        "wrong": sorted({text for run in runs for text in wrong_sums(run.said["counters"])}),
        **{name: counters["classifier"][name] for name in names},
    }


def wrong_sums(counters: dict[str, dict[str, int]]) -> list[str]:
    """Return the equations that do not hold, but for those of files."""

    def total(names: tuple[str, ...]) -> int:
        return sum(counters[stage][name] for stage, name in (name.split(".") for name in names))

    return [
        equation.text
        for equation in EQUATIONS
        if equation.when in _PROPERTIES
        and "hosts_listed" not in "".join(equation.right)
        and total(equation.left) != total(equation.right)
    ]
