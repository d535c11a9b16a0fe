"""The machine that is measured on: its cores, how busy they are, what it is."""

import os
import platform
import time
from collections.abc import Iterable
from pathlib import Path

from engine.errors import ConfigError

BUSY_SHARE_MAX = 0.15  # Of the chosen cores, before a run: above it figures are to be doubted.
LOOK_S = 0.5
_IDLE_COLUMNS = (3, 4)  # Of a line of /proc/stat: idle, waiting for input or output.


def core_ticks(text: str) -> dict[int, tuple[int, int]]:
    """Return {core: (ticks not idle, ticks)} from the text of /proc/stat."""
    found = {}
    for line in text.splitlines():
        name, *words = line.split()
        if name.startswith("cpu") and name[3:].isdigit():
            ticks = [int(word) for word in words[:8]]
            idle = sum(ticks[column] for column in _IDLE_COLUMNS if column < len(ticks))
            found[int(name[3:])] = (sum(ticks) - idle, sum(ticks))
    return found


def busy_shares(look_s: float = LOOK_S) -> dict[int, float]:
    """Return which share of the next `look_s` seconds each core works."""
    path = Path("/proc/stat")
    before = core_ticks(path.read_text())
    time.sleep(look_s)
    after = core_ticks(path.read_text())
    shares = {}
    for core, (busy, ticks) in after.items():
        if core in before and ticks > before[core][1]:
            shares[core] = (busy - before[core][0]) / (ticks - before[core][1])
    return shares


def _siblings(core: int) -> str:
    """Return the name of the physical core that `core` is a thread of."""
    path = Path(f"/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list")
    try:
        return path.read_text().strip()
    except OSError:
        return str(core)


def check_cores(count: int, allowed: int) -> None:
    """Raise ConfigError if a machine with that many cores for us cannot give `count`."""
    if not 1 <= count <= allowed:
        raise ConfigError(f"--cores must be from 1 to {allowed} on this machine, is {count}")


def choose_cores(count: int, shares: dict[int, float], allowed: Iterable[int]) -> list[int]:
    """Return the `count` least busy of the allowed cores, threads of one physical core last."""
    by_idleness = sorted(allowed, key=lambda core: (round(shares.get(core, 0.0), 1), -core))
    seen: set[str] = set()
    first, second = [], []
    for core in by_idleness:
        (second if _siblings(core) in seen else first).append(core)
        seen.add(_siblings(core))
    return sorted((first + second)[:count])


def machine() -> dict[str, str | int]:
    """Return what the machine is."""
    model = platform.processor() or platform.machine()
    for line in _lines("/proc/cpuinfo"):
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    memory = 0
    for line in _lines("/proc/meminfo"):
        if line.startswith("MemTotal:"):
            memory = int(line.split()[1]) * 1024
    return {
        "processor": model,
        "architecture": platform.machine(),
        "cores": os.cpu_count() or 1,
        "memory_bytes": memory,
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []
