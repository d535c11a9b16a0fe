"""A run that is going on: which one it is, and what its statistics say to a person."""

import time
from collections.abc import Iterator

from engine.errors import ConfigError
from engine.events import COUNTERS
from engine.layouts.control import PROCESS_STATES
from engine.rings.segment import find_segments
from engine.rings.statistics import Statistics


def live_run(wanted: str | None) -> str:
    """Return the name of the run that is going on here; ConfigError when it is not one."""
    runs = [found.run for found in find_segments() if found.live and found.kind == "statistics"]
    if wanted is not None:
        if wanted not in runs:
            raise ConfigError(f"no engine of the name {wanted!r} is running here")
        return wanted
    if not runs:
        raise ConfigError("no engine is running here")
    if len(runs) > 1:
        names = ", ".join(runs)
        raise ConfigError(f"{len(runs)} engines are running here: name one with --run ({names})")
    return runs[0]


def process_lines(name: str, statistics: Statistics) -> Iterator[str]:
    """Yield a line of each process."""
    age_s = (time.time_ns() - statistics["started_ns"]) / 1e9
    yield f"run {name}, started {age_s:,.0f} s ago"
    yield f"{'process':12}{'pid':>9}  {'state':10}{'silent for':>10}{'CPU':>10}{'live flows':>14}"
    for line in statistics.processes():
        silent_ms = max(0, time.monotonic_ns() - line["heartbeat_ns"]) / 1e6
        silent = f"{silent_ms:,.0f} ms" if line["heartbeat_ns"] else "-"
        live = f"{line['live']:,}" if line.stage == "worker" else ""
        yield (
            f"{line.name:12}{line['pid']:>9}  {PROCESS_STATES[line['state']]:10}{silent:>10}"
            f"{line['cpu_ns'] / 1e9:>8.2f} s{live:>14}".rstrip()
        )


def counter_lines(statistics: Statistics) -> Iterator[str]:
    """Yield the counters that are not 0, with what they mean."""
    for stage, counters in statistics.totals().items():
        yield stage
        for counter in COUNTERS[stage]:
            if counters[counter.name]:
                yield f"  {counter.name:28}{counters[counter.name]:>18,}  {counter.meaning}"
    yield "(counters that are 0 are left out)"
