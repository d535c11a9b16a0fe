"""The recorder's commit: COMMIT, for killpoint.

    python -m stress races killpoint stress.deaths.recorder:COMMIT --writes

The process is the recorder's own `main`, over real segments, with every format and small batches
and groups. It may die before each word that it stores into its ledger, compiled or not, and at each
step that others see: a file that is opened, cut, brought to the disk or renamed, a write and the
middle of it, a place in the ring taken, slots released. Its replacement is `main` again. What is
left must be equal to the byte: files, counters, what it reports.
"""

import atexit
import contextlib
import functools
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pyarrow.parquet  # noqa: F401 - once, not in every child.

from engine.recorder import flows_parquet, main
from engine.recorder.ledger import Ledger
from engine.recorder.outputs import FILES
from engine.rings import lifecycle, spsc
from engine.rings.plan import RunPlan
from engine.rings.report import Reporter, ReportReader, make_log
from engine.rings.ring import Ring
from stress.races.killpoint_code import point, watch, watched
from stress.races.scenario import Role, Scenario
from tests.unit.recorder.dying import BATCH, GROUP, NOW_NS
from tests.unit.recorder.rows import plan_of, some_rows
from tests.unit.recorder.runs import segments

ROWS = 14
_RING_ROWS = 16
_STEPS = (
    *((os, name) for name in ("open", "write", "ftruncate", "fsync", "rename")),
    (spsc, "release"),
    (lifecycle, "take"),
)


class _Run:
    """The segments and the folder of a run, made anew each time: a scenario's memory."""

    def __init__(self, count: int) -> None:
        self.words = np.zeros(count, np.int64)  # None of them is used.

    @property
    def span(self) -> tuple[int, int]:
        """Return what is watched before a recorder has mapped its ledger: nothing."""
        return 0, 0

    def fill(self, words: np.ndarray) -> None:
        """Make what a recorder finds when it begins: all rows in the ring, and no more to come."""
        _run.segments.close()
        folder = Path(_plan().folder)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        statistics, ring = _run.segments.enter_context(segments(_plan(), _RING_ROWS))
        statistics["started_ns"] = NOW_NS
        producer = Ring.attach(ring.segment.name, "rows", "producer")
        producer.slots[:ROWS] = some_rows(ROWS)
        spsc.publish(producer.header, ROWS)
        producer.detach("producer")
        producer.segment.close()
        _run.statistics, _run.ring = statistics, ring


class _Made:
    """What there is of the present run."""

    statistics = ring = None

    def __init__(self) -> None:
        self.segments = contextlib.ExitStack()
        owner = os.getpid()
        atexit.register(lambda: os.getpid() == owner and self.segments.close())


_run = _Made()


@functools.cache
def _plan() -> RunPlan:
    # In memory: what fsync costs on a disk is paid at every point, and shows nothing of a death.
    home = "/dev/shm" if os.path.isdir("/dev/shm") else None
    folder = tempfile.mkdtemp(prefix="deaths-recorder-", dir=home)
    owner = os.getpid()
    atexit.register(lambda: os.getpid() == owner and shutil.rmtree(folder, ignore_errors=True))
    name = "deaths" + secrets.token_hex(6)
    return replace(plan_of(folder, tuple(FILES), "finals", name), folder=f"{folder}/out")


def _step(name: str, act: Callable) -> Callable:
    """Return a step before which, and a write in whose middle, a recorder may die."""

    def step(*words, **options):
        point(name)
        if name == "write" and len(words[1]) > 1:
            half = len(words[1]) // 2
            act(words[0], bytes(words[1])[:half])
            point("write, half")
            return half + act(words[0], bytes(words[1])[half:])
        return act(*words, **options)

    return step


def _attach(attach: Callable, run: str) -> Ledger:
    """Map the ledger; watch its words."""
    ledger = attach(run)
    watch(ledger.words)
    ledger.words, ledger.pending = watched(ledger.words), watched(ledger.pending)
    return ledger


@contextlib.contextmanager
def _mortal() -> Iterator[None]:
    """Have every step of a recorder a point, batches of 5 rows, groups of 4."""
    with contextlib.ExitStack() as stack:
        for owner, name in _STEPS:
            stack.enter_context(patch.object(owner, name, _step(name, getattr(owner, name))))
        attach = functools.partial(_attach, Ledger.attach)
        for owner, name, value in (
            (Ledger, "attach", attach),
            (main, "BATCH_ROWS", BATCH),
            (flows_parquet, "GROUP_ROWS", GROUP),
            (time, "time_ns", lambda: NOW_NS),
        ):
            stack.enter_context(patch.object(owner, name, value))
        yield


def record(words: np.ndarray) -> dict:
    """Be a recorder, the first or a replacement; return what it reports."""
    reports = make_log()
    try:
        with _mortal():
            main.main(_plan(), 0, Reporter(reports, "recorder"))
        told = ReportReader(reports).read()
    finally:
        os.close(reports)
    return [report["summary"] for report in told if report["report"] == "finished"][-1]


def _left() -> tuple[dict[str, bytes], dict[str, int], int]:
    """Return files, counters, and the rows released."""
    folder = Path(_plan().folder)
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    _run.ring.check()
    head = int(_run.ring.header[spsc.HEAD])
    return files, _run.statistics.process("recorder").values(), head


@functools.cache
def _undisturbed() -> tuple:
    memory = _Run(1)
    memory.fill(memory.words)
    summary = record(memory.words)
    files, counters, head = _left()
    assert set(files) == {*FILES.values(), "hosts.jsonl"}
    assert head == counters["rows"] == ROWS
    assert counters["rows_lost"] == 0
    return files, counters, summary


def _check(words: np.ndarray, results: dict) -> list[str]:
    files, counters, head = _left()
    wanted, counted, summary = _undisturbed()
    wrong = []
    if set(files) != set(wanted):
        wrong.append(f"there are {sorted(files)}")
    differ = [name for name in files if name in wanted and files[name] != wanted[name]]
    wrong += [f"{name} is another" for name in differ]
    if (counters, head) != (counted, ROWS):
        wrong.append(f"{head} rows released; counted {counters}, should be {counted}")
    if results["recorder"] != summary:
        wrong.append(f"reported {results['recorder']}")
    return wrong


COMMIT = Scenario(
    setup=lambda: np.zeros(1, np.int64),
    roles={"recorder": Role(record)},
    check=_check,
    prepare=_undisturbed,
    memory=_Run,
)
