"""Batches in child processes: what ends a child, or holds it up, is a finding with its case.

A child has every STRIDE-th batch of a target. It answers a line of JSON for each batch; the number
of the batch and of the case at work stand in memory that is shared with the parent, so that the
case that killed it is known.
"""

import faulthandler
import json
import mmap
import os
import resource
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace

import numpy as np

from stress.fuzz.batch import Batch

BATCH_S_MAX = 120.0  # Nothing that reads bytes may take long: a batch takes a second.
DEATHS_MAX = 10  # Of a child's place; each is a finding.
CASE, BATCH, _WORDS = 0, 1, 8
_READ_BYTES = 1 << 16

Make = Callable[[np.ndarray], object]  # Of the progress words: a target.


@dataclass(frozen=True, slots=True)
class Share:
    """Which batches are a child's: `first`, then every `stride`-th, below `end`, until a time.

    And until they had `cases` together.
    """

    first: int
    stride: int
    end: int
    until_s: float  # On the monotonic clock.
    cases: int = 1 << 62


@dataclass(frozen=True, slots=True)
class Answer:
    """What a batch came to."""

    number: int
    batch: Batch
    resident_bytes_max: int = 0


class Child:
    """A process that runs batches; the parent's view of it."""

    def __init__(self, make: Make, share: Share) -> None:
        """Fork it."""
        self._make, self._share = make, share
        self._map = mmap.mmap(-1, mmap.PAGESIZE)
        self._progress = np.frombuffer(self._map, np.int64, _WORDS)
        self._rest = b""
        self._deaths = self._cases = 0
        self._begin(share)

    def _begin(self, share: Share) -> None:
        self._progress[:] = (0, share.first, *[0] * (_WORDS - 2))
        self.pipe, writing = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        self._pid = os.fork()
        self._heard_s = time.monotonic()
        if self._pid == 0:
            os.close(self.pipe)
            _work(self._make, share, self._progress, writing)
        os.close(writing)

    def answers(self) -> Iterator[Answer]:
        """Yield what is there to be read; the pipe closes when the child is gone."""
        content = os.read(self.pipe, _READ_BYTES)
        self._heard_s = time.monotonic()
        *lines, self._rest = (self._rest + content).split(b"\n")
        for line in lines:
            told = json.loads(line)
            batch = Batch(**told["batch"])
            self._cases += batch.cases
            yield Answer(told["number"], batch, told["resident_bytes_max"])
        if not content:
            yield from self._ended()

    def is_late(self) -> bool:
        """Return whether a batch takes too long."""
        return time.monotonic() - self._heard_s > BATCH_S_MAX

    def kill(self) -> None:
        """End it; what it was at is then told by answers()."""
        os.kill(self._pid, signal.SIGKILL)

    def _ended(self) -> Iterator[Answer]:
        """Tell how the child ended; begin another behind a batch that killed it."""
        os.close(self.pipe)
        _, status = os.waitpid(self._pid, 0)
        self._rest = b""
        self.pipe = -1
        if status == 0:
            return
        number, case = int(self._progress[BATCH]), int(self._progress[CASE])
        batch = Batch(case + 1)
        code = os.waitstatus_to_exitcode(status)
        what = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        batch.find(case, f"its process ended by {what}")
        yield Answer(number, batch)
        self._deaths += 1
        behind = replace(
            self._share,
            first=number + self._share.stride,
            cases=self._share.cases - self._cases,
        )
        if self._deaths < DEATHS_MAX:
            self._begin(behind)


def _work(make: Make, share: Share, progress: np.ndarray, pipe: int) -> None:
    """Run batches and answer; never returns."""
    code = 1
    faulthandler.disable()  # The parent tells what ended us, and at which case.
    try:
        target = make(progress)
        cases = 0
        for number in range(share.first, share.end, share.stride):
            if time.monotonic() > share.until_s or cases >= share.cases:
                break
            progress[BATCH] = number
            batch = target.run(number)
            cases += batch.cases
            resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            told = {"number": number, "batch": asdict(batch), "resident_bytes_max": resident}
            os.write(pipe, json.dumps(told).encode() + b"\n")
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def run_children(make: Make, shares: list[Share], take: Callable[[Answer], None]) -> None:
    """Run every share in a process of its own; hand each answer to `take`."""
    children = [Child(make, share) for share in shares]
    while open_ones := {child.pipe: child for child in children if child.pipe >= 0}:
        ready, _, _ = select.select(list(open_ones), [], [], 1.0)
        for pipe in ready:
            for answer in open_ones[pipe].answers():
                take(answer)
        for child in open_ones.values():
            if child.pipe >= 0 and child.is_late():
                child.kill()
