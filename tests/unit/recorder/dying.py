"""Recorders that are killed at a chosen step, and their replacements, each a process of its own.

A step is what others can see of a recorder: a write, a cut, a rename, a commit, a release. SIGKILL
comes before the k-th, half way through it or right behind it, so that nothing is tidied up.
"""

import os
import signal
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow.parquet  # noqa: F401 - once, not in every child.
import pytest

from engine.recorder import flows_parquet, main
from engine.recorder.ledger import Ledger
from engine.recorder.outputs import Outputs
from engine.rings import lifecycle, spsc
from engine.rings.plan import RunPlan
from engine.rings.report import Reporter, ReportReader, make_log
from engine.rings.ring import Ring
from tests.unit.recorder.runs import segments

BEFORE, HALF, AFTER = "before", "half", "after"
BATCH, GROUP = 5, 4
NOW_NS = 1_700_000_000_000_000_000
_STEPS = (
    (os, "write"),
    (os, "ftruncate"),
    (os, "fsync"),
    (os, "rename"),
    (Outputs, "_commit"),
    (Ledger, "begin"),
    (Ledger, "commit"),
    (spsc, "release"),
    (lifecycle, "take"),
)


@dataclass(frozen=True)
class Death:
    """When a recorder dies: at its `step`-th step, and how far into it."""

    step: int
    how: str = BEFORE


@dataclass
class Left:
    """What a run has left."""

    steps: tuple[str, ...]  # Of the last recorder.
    files: dict[str, bytes]
    counters: dict[str, int]
    summary: dict
    stdout: bytes = b""
    deaths: int = field(default=0, compare=False)


class _Steps:
    """Counts steps, and dies at one."""

    def __init__(self, patch: pytest.MonkeyPatch, death: Death | None, reports: int) -> None:
        self.names: list[str] = []
        self._death = death
        self._reports = reports
        for owner, name in _STEPS:
            patch.setattr(owner, name, self._watched(name, getattr(owner, name)))

    def _watched(self, name: str, act: Callable) -> Callable:
        def step(*words):
            self.names.append(name)
            if self._death is None or len(self.names) != self._death.step:
                return act(*words)
            how = self._death.how
            if name == "write" and how == HALF and words[0] not in (1, self._reports):
                act(words[0], bytes(words[1])[: len(words[1]) // 2])
            if how == AFTER:
                act(*words)
            os.kill(os.getpid(), signal.SIGKILL)
            raise AssertionError("nobody survives that")

        return step


def _be_recorder(plan: RunPlan, death: Death | None, log: int, out: int, told: int) -> None:
    """Be a recorder; never returns. The names of its steps go to `told`."""
    code = 1
    try:
        os.dup2(out, 1)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(time, "time_ns", lambda: NOW_NS)
            steps = _Steps(patch, death, log)
            main.main(plan, 0, Reporter(log, "recorder"))
        os.write(told, " ".join(steps.names).encode())
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _one(plan: RunPlan, death: Death | None, log: int, out: int) -> tuple[str, ...]:
    """Run a recorder to its end; return the names of its steps, none if it was killed."""
    reading, told = os.pipe()
    pid = os.fork()
    if pid == 0:
        _be_recorder(plan, death, log, out, told)
    os.close(told)
    _, status = os.waitpid(pid, 0)
    answer = os.read(reading, 1 << 16)
    os.close(reading)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return ()
    assert status == 0, "a recorder has failed: its traceback is above"
    return tuple(answer.decode().split())


def recorded(folder: Path, plan: RunPlan, rows: np.ndarray, deaths: tuple[Death, ...]) -> Left:
    """Run recorders over rows until one comes to its end; each dies as `deaths` say."""
    plan = replace(plan, folder=str(folder) if plan.folder else None)
    capacity = 1 << max(1, len(rows) - 1).bit_length()
    with segments(plan, capacity) as (statistics, ring), open(folder / ".out", "w+b") as out:
        statistics["started_ns"] = NOW_NS
        producer = Ring.attach(ring.segment.name, "rows", "producer")
        producer.slots[: len(rows)] = rows
        spsc.publish(producer.header, len(rows))
        producer.detach("producer")
        producer.segment.close()
        log = make_log()
        deaths_seen = 0
        for death in (*deaths, None):
            steps = _one(plan, death, log, out.fileno())
            if steps:
                break
            deaths_seen += 1
        reports = ReportReader(log).read()
        os.close(log)
        ring.check()
        assert ring.header[spsc.HEAD] == len(rows)
        counters = statistics.process("recorder").values()
        out.seek(0)
        files = {p.name: p.read_bytes() for p in folder.iterdir() if p.name != ".out"}
        finished = [r["summary"] for r in reports if r["report"] == "finished"]
        return Left(steps, files, counters, finished[-1], out.read(), deaths_seen)


def small(patch: pytest.MonkeyPatch) -> None:
    """Have batches of 5 rows and groups of 4."""
    patch.setattr(main, "BATCH_ROWS", BATCH)
    patch.setattr(flows_parquet, "GROUP_ROWS", GROUP)
