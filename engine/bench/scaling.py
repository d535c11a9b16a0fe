"""Scaling: what a packet costs when 1,000 flows are live, and when 1,000,000 are.

The same million flows each time, of the same packets and spacing: only how many of them are live at
once differs (capture/synthetic/live.py), so that what is compared is a table that fits the caches
with one that does not.
"""

from collections.abc import Callable

from engine.bench.measure import as_row
from engine.bench.options import BenchOptions
from engine.bench.programs import FEATURES, engine_program
from engine.bench.speed import Measured, Rounds, measure
from engine.bench.workloads import LeftOutError, make_live_workload

LEVELS = (1_000, 10_000, 100_000, 1_000_000)
FLOWS, QUICK_FLOWS = 1_000_000, 100_000
RATIO_MAX = 2.5


def scaling_record(options: BenchOptions, cores: list[int], say: Callable[[str], None]) -> dict:
    """Return the cost per packet at each level, and the ratio of the last to the first."""
    flows = QUICK_FLOWS if options.quick else FLOWS
    program = engine_program(FEATURES, options.workers_wanted)
    rounds, left_out = {}, {}
    for level in (level for level in LEVELS if level <= flows):
        try:
            workload = make_live_workload(level, flows, say)
        except LeftOutError as error:
            left_out[f"{level:,} live flows"] = str(error)
        else:
            rounds[level] = Rounds(workload, [program], cores, say)
    measured = dict(zip(rounds, measure(list(rounds.values()), options.runs), strict=True))
    for level, one in measured.items():
        if one.flows != flows:
            left_out[f"{level:,} live flows"] = f"{one.flows:,} flows instead of {flows:,}"
    rows = [level_row(level, one) for level, one in measured.items() if one.flows == flows]
    return {
        "workers": options.workers_wanted,
        "flows": flows,
        "levels": rows,
        "ratio": ratio_of(rows),
        "ratio_max": RATIO_MAX,
        "left_out": left_out,
    }


def level_row(level: int, one: Measured) -> dict:
    """Return what a level came to, in ns of CPU per packet, of all processes and by stage."""
    result = one.results[0]
    return {
        "live": level,
        "packets": one.packets,
        "ns_per_packet": as_row(result.cpu_s.scaled(1e9 / one.packets)),
        "by_stage": {name: as_row(found) for name, found in result.ns_per_packet.items()},
    }


def ratio_of(rows: list[dict]) -> float | None:
    """Return the cost at the last level by that at the first; None if one of them is missing."""
    if len(rows) < 2:
        return None
    return rows[-1]["ns_per_packet"]["median"] / rows[0]["ns_per_packet"]["median"]
