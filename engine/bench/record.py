"""The result as one JSON object, and the folder where results are kept: added to, never changed."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from engine import FINGERPRINT, __version__
from engine.bench.machine import machine
from engine.bench.measure import as_row
from engine.bench.options import BenchOptions
from engine.bench.programs import FEATURES, SCORED, environment
from engine.bench.speed import Measured, Result, ratio
from engine.config import load
from engine.errors import ConfigError, OutputError
from engine.pipeline import shape_of

_ROOT = Path(__file__).resolve().parent.parent.parent


def shared_facts(options: BenchOptions, began_ns: int) -> dict:
    """Return what every kind of record says of itself."""
    return {
        "engine": __version__,
        "fingerprint": FINGERPRINT,
        "commit": commit(),
        "date": datetime.fromtimestamp(began_ns // 10**9, UTC).isoformat(),
        "command": options.command(),
        "machine": machine(),
    }


def commit() -> str | None:
    """Return the commit of the checkout, with a plus if the engine differs from it; else None."""
    told = _git("rev-parse", "--short=12", "HEAD")
    if not told:
        return None
    return told + ("+" if _git("status", "--porcelain", "--", "engine") else "")


def fingerprint_now() -> str:
    """Return the fingerprint of the sources as they are now, which every run read afresh."""
    command = [sys.executable, "-c", "import engine; print(engine.FINGERPRINT)"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | environment()
    )
    return done.stdout.strip()


def _git(*words: str) -> str:
    command = ["git", "-C", str(_ROOT), *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def bytes_per_flow(workers: int) -> float:
    """Return the bytes of table and index for each of flow.max_flows."""
    config = load(None, (f"engine.workers={workers}",))
    return round(shape_of(config, workers).bytes_per_flow, 1)


def speed_record(measured: list[Measured], left_out: dict[str, str], options: BenchOptions) -> dict:
    """Return what speed measurements came to, as it stands in JSON."""
    return {
        "bytes_per_flow": bytes_per_flow(options.workers_wanted),
        "workers": options.workers_wanted,
        "workloads": [_workload_row(one) for one in measured],
        "left_out": left_out,
    }


def _workload_row(one: Measured) -> dict:
    engines = {r.program.name: r for r in one.results if r.program.is_engine}
    return {
        "name": one.workload.name,
        "title": one.workload.title,
        "packets": one.packets,
        "flows": one.flows,
        "bytes": one.workload.bytes,
        "programs": [_program_row(result, engines) for result in one.results],
        "left_out": one.left_out,
    }


def _program_row(result: Result, engines: dict[str, Result]) -> dict:
    program = result.program
    row = {
        "name": program.name,
        "title": program.title,
        "version": program.version or None,
        "command": program.shown,
        "runs": result.cpu_s.count,
        "packets_per_cpu_second": as_row(result.per_cpu_s),
        "packets_per_second": as_row(result.per_wall_s),
        "cpu_seconds": as_row(result.cpu_s),
        "seconds": as_row(result.wall_s),
        "start_seconds": as_row(result.start_s),
        "start_cpu_seconds": as_row(result.start_cpu_s),
        "cpu_seconds_by_difference": result.cpu_s_by_difference,
        "packets_read": result.packets_read,
    }
    if program.is_engine:
        row["alerts"] = result.alerts
        row["ns_per_packet"] = {name: as_row(one) for name, one in result.ns_per_packet.items()}
    else:
        for name in (FEATURES, SCORED):
            row[f"{name}_ratio"] = ratio(engines[name], result) if name in engines else None
    return row


def results_folder() -> Path:
    """Return the folder of kept results; ConfigError outside of a checkout."""
    folder = _ROOT / "stress" / "results"
    if not folder.parent.is_dir():
        raise ConfigError("--save keeps results in a checkout of the project; this is none")
    return folder


def keep(folder: Path, record: dict) -> Path:
    """Write a record under a name that no other has; return its path."""
    date = record["date"][:19].replace("-", "").replace(":", "").replace("T", "-")
    path = folder / f"{date}-{record['kind']}-{(record['commit'] or 'unknown').rstrip('+')}.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(json.dumps(record, indent=1) + "\n")
    except OSError as error:
        raise OutputError(f"cannot keep the result as {path}: {error.strerror}") from None
    return path
