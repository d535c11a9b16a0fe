"""Memory: what a flow takes in the table, what a run takes in shared memory, and what each process
holds while it runs.

Resident memory is looked at while the run goes on, so a short peak may be missed. Shared pages
count in every process that has touched them; `proportional` parts them among those, so that its sum
is what the machine really gives. `files` is the part of that which is page cache: a mapped capture
and libraries, given back whenever somebody needs it.
"""

import json
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from engine.bench.measure import Watched, run_watched
from engine.bench.options import BenchOptions
from engine.bench.programs import FEATURES, engine_command, engine_program, environment
from engine.bench.record import bytes_per_flow
from engine.bench.speed import LIMIT_S
from engine.bench.workloads import Workload, chosen_workloads, warm
from engine.config import load
from engine.errors import ProcessError, SegmentError
from engine.pipeline import sizes
from engine.rings.segment import SHARED_MEMORY, find_segments
from engine.rings.statistics import Statistics

LOOK_S = 0.02
BYTES_PER_FLOW_MAX = 384
KINDS = {"Rss": "resident", "Pss": "proportional", "Anonymous": "own", "Pss_File": "files"}


@dataclass(slots=True)
class Looked:
    """What a run cost, and what its processes held at most."""

    watched: Watched
    processes: dict[str, dict[str, int]]
    proportional_bytes_sum: int
    hosts_bytes: int  # Pages taken of the hosts' segment, and behind it by the classifier.

    @property
    def said(self) -> dict:
        """Return the object that the run printed."""
        return json.loads(self.watched.stdout)


def memory_record(options: BenchOptions, cores: list[int], say: Callable[[str], None]) -> dict:
    """Return bytes per flow, sizes of segments, and what processes held, by workload."""
    workers = options.workers_wanted
    left_out: dict[str, str] = {}
    rows = []
    for workload in chosen_workloads(options, left_out, say):
        say(f"{workload.title}: looking at the memory of a run")
        rows.append(_workload_row(workload, workers, cores))
    config = load(None, (f"engine.workers={workers}",))
    return {
        "workers": workers,
        "max_flows": config.flow.max_flows,
        "bytes_per_flow": bytes_per_flow(workers),
        "bytes_per_flow_max": BYTES_PER_FLOW_MAX,
        "segments": sizes(config, workers, arena=False),
        "workloads": rows,
        "left_out": left_out,
    }


def _workload_row(workload: Workload, workers: int, cores: list[int]) -> dict:
    warm(workload)
    program = engine_program(FEATURES, workers)
    looked = look_at(program.fill(workload.path, Path(os.devnull)), cores)
    scored = look_at(scored_command(workload, workers), cores)
    return {
        "name": workload.name,
        "title": workload.title,
        "processes": looked.processes,
        "proportional_bytes_sum": looked.proportional_bytes_sum,
        "hosts": _hosts_row(scored),
    }


def scored_command(workload: Workload, workers: int) -> list[str]:
    """Return the command of a run that scores, and so knows hosts, and writes no files."""
    return [*engine_command(["run", "-r", str(workload.path), "--json", "-n", str(workers)])]


def _hosts_row(scored: Looked) -> dict:
    """Return what hosts took, with pairs, rows and indices."""
    counters = scored.said["counters"]["classifier"]
    known = counters["hosts_made"] - counters["hosts_forgotten"]
    return {
        "made": counters["hosts_made"],
        "known_at_end": known,
        "bytes": scored.hosts_bytes,
        "bytes_per_host": round(scored.hosts_bytes / known) if known else None,
        "rows": counters["host_rows"],
    }


def look_at(command: list[str], cores: list[int]) -> Looked:
    """Run a command of the engine and look at its memory all the time."""
    done: list[Watched] = []
    thread = threading.Thread(
        target=lambda: done.append(run_watched(command, cores, LIMIT_S, environment()))
    )
    thread.start()
    held: dict[str, dict[str, int]] = {}
    total = hosts_bytes = 0
    while thread.is_alive():
        now, hosts_now = _look()
        for name, sizes_now in now.items():
            held[name] = most(held.get(name, {}), sizes_now)
        total = max(total, sum(one["proportional"] for one in now.values()))
        hosts_bytes = max(hosts_bytes, hosts_now)
        thread.join(LOOK_S)
    if not done or done[0].failure:
        raise ProcessError(f"the run whose memory was looked at {_why(done)}")
    return Looked(done[0], held, total, hosts_bytes)


def _why(done: list[Watched]) -> str:
    return f"failed: {done[0].failure}" if done else "could not be started"


def most(a: dict[str, int], b: dict[str, int]) -> dict[str, int]:
    """Return the larger of each size; of what one lacks, the other's."""
    return {name: max(a.get(name, 0), b.get(name, 0)) for name in {**a, **b}}


def _look() -> tuple[dict[str, dict[str, int]], int]:
    """Return what the processes of the run that we started hold now, and what hosts take."""
    found: dict[str, dict[str, int]] = {}
    names: dict[str, str] = {}  # Of its segments, by kind.
    for segment in find_segments():
        if _parent(_parent(segment.owner_pid)) == os.getpid():  # We, the watcher, the run.
            names[segment.kind] = segment.name
            run, supervisor = segment.run, segment.owner_pid
    if "statistics" not in names:
        return {}, 0
    try:
        statistics = Statistics.attach(run)
    except SegmentError:
        return {}, 0  # It is being made, or has just ended.
    pids = {line.name: line["pid"] for line in statistics.processes()}
    statistics.segment.close()
    pids["zygote"] = _parent(next(filter(None, pids.values()), 0))
    pids["supervisor"] = supervisor
    found = {name: held_by(pid) for name, pid in pids.items() if pid}
    hosts_bytes = 0
    if "hosts" in names:
        path = SHARED_MEMORY / names["hosts"]
        hosts_bytes = _pages_taken(path) + private_behind(_smaps(pids["classifier"]), str(path))
    return {name: sizes_now for name, sizes_now in found.items() if sizes_now}, hosts_bytes


def _pages_taken(path: Path) -> int:
    """Return the bytes of the pages that a file in memory has; 0 if it is gone."""
    try:
        return 512 * path.stat().st_blocks
    except OSError:
        return 0


def _smaps(pid: int) -> str:
    """Return what a process has mapped; empty if it is gone."""
    try:
        return Path(f"/proc/{pid}/smaps").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def private_behind(smaps: str, path: str) -> int:
    """Return the resident bytes of private mappings that begin where one of `path` ends."""
    end, is_behind, found = "", False, 0
    for line in smaps.splitlines():
        words = line.split()
        if not words[0].endswith(":"):
            begin, _, end_now = words[0].partition("-")
            is_behind = begin == end and len(words) == 5  # No path.
            end = end_now if words[-1] == path else ""
        elif words[0] == "Rss:" and is_behind:
            found += int(words[1]) * 1024
    return found


def _parent(pid: int) -> int:
    """Return the process that forked a stage; 0 if it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return 0
    return int(text.rpartition(")")[2].split()[1])


def held_by(pid: int) -> dict[str, int]:
    """Return the resident bytes of a process by kind; empty if it is gone."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return {}
    return parse_rollup(text)


def parse_rollup(text: str) -> dict[str, int]:
    """Return {kind: bytes} from the text of a smaps_rollup; empty if it has none."""
    found = {}
    for line in text.splitlines()[1:]:
        name, _, value = line.partition(":")
        if name in KINDS:
            found[KINDS[name]] = int(value.split()[0]) * 1024
    return found
