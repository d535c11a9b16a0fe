"""python -m stress fuzz: how long, what, from which seed; exit 1 if anything was found."""

import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import click
import numpy as np

from stress.fuzz.batch import FOUND_MAX
from stress.fuzz.children import Answer, Share, run_children
from stress.fuzz.files import FILE_TARGETS, FileTarget
from stress.fuzz.parser import ParserTarget
from stress.fuzz.payload import PayloadTarget
from stress.fuzz.texts import ConfigTarget, ModelTarget
from stress.fuzz.written import WrittenTarget
from stress.kept import keep_result

TARGETS = ("parser", "payload", *FILE_TARGETS, "model", "config", "written")
# Of the time, when all are run: parser and payload are what an attacker reaches most easily.
_SHARES = {"parser": 12, "payload": 2}
RESIDENT_BYTES_MAX = 2 << 30  # Of a child: an interpreter with all kernels has 300 MB.
_OF_FOLDERS = {"model": ModelTarget, "config": ConfigTarget, "written": WrittenTarget}
_BATCHES_MAX, _FOR_EVER_S = 1 << 40, 1e9
_SHOWN_BYTES = 600


@dataclass(slots=True)
class Tally:
    """What a target came to."""

    name: str
    seconds: float = 0.0
    batches: int = 0
    cases: int = 0
    resident_bytes_max: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    findings: list[dict] = field(default_factory=list)

    def take(self, answer: Answer) -> None:
        """Add a batch."""
        self.batches += 1
        self.cases += answer.batch.cases
        self.resident_bytes_max = max(self.resident_bytes_max, answer.resident_bytes_max)
        for name, count in answer.batch.counts.items():
            self.counts[name] = self.counts.get(name, 0) + count
        for finding in answer.batch.findings[:FOUND_MAX]:
            self.findings.append({"batch": answer.number, **finding})

    def line(self) -> str:
        """Return what is said of it."""
        rate = self.cases / self.seconds if self.seconds else 0
        most = sorted(self.counts.items(), key=lambda pair: -pair[1])[:5]
        shown = ", ".join(f"{name} {count:,}" for name, count in most)
        return (
            f"{self.name:8} {self.cases:13,} cases {self.seconds:8,.0f} s {rate:10,.0f}/s "
            f"{len(self.findings):3} findings   {shown}"
        )


def maker(name: str, seed: int, folder: Path) -> Callable[[np.ndarray], object]:
    """Return what makes a target in a child."""

    def make(progress: np.ndarray):
        own = Path(tempfile.mkdtemp(dir=folder))
        if name in FILE_TARGETS:
            return FileTarget(name, seed, progress, own)
        if name in _OF_FOLDERS:
            return _OF_FOLDERS[name](seed, progress, own)
        return (ParserTarget if name == "parser" else PayloadTarget)(seed, progress)

    return make


@dataclass(frozen=True, slots=True)
class Extent:
    """How much of a target is fuzzed: for a time, or until so many cases, or one batch."""

    seconds: float
    cases: int | None = None
    batch: int | None = None

    def shares(self, jobs: int) -> list[Share]:
        """Return the share of each process, beginning now."""
        began_s = time.monotonic()
        if self.batch is not None:
            return [Share(self.batch, 1, self.batch + 1, began_s + _FOR_EVER_S)]
        if self.cases is None:
            return [Share(k, jobs, _BATCHES_MAX, began_s + self.seconds) for k in range(jobs)]
        each = -(-self.cases // jobs)
        return [Share(k, jobs, _BATCHES_MAX, began_s + _FOR_EVER_S, each) for k in range(jobs)]


def fuzz_target(name: str, seed: int, jobs: int, extent: Extent) -> Tally:
    """Fuzz one target, as far as its extent goes."""
    tally = Tally(name)
    began_s = time.monotonic()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fuzz-")))
        make = maker(name, seed, folder)
        make(np.zeros(8, np.int64)).run(-1)  # Compiles the kernels, before it is forked.
        began_s = time.monotonic()
        run_children(make, extent.shares(jobs), tally.take)
    tally.seconds = time.monotonic() - began_s
    if tally.resident_bytes_max > RESIDENT_BYTES_MAX:
        what = f"{tally.resident_bytes_max:,} bytes resident, at most {RESIDENT_BYTES_MAX:,}"
        tally.findings.append({"batch": -1, "case": -1, "what": what, "octets": ""})
    return tally


def fuzz(names: tuple[str, ...], seed: int, jobs: int, extent: Extent) -> list[Tally]:
    """Fuzz targets one after the other; together they take the extent's seconds."""
    whole = sum(_SHARES.get(name, 1) for name in names)
    tallies = []
    for name in names:
        part = replace(extent, seconds=extent.seconds * _SHARES.get(name, 1) / whole)
        tally = fuzz_target(name, seed, jobs, part)
        print(tally.line(), flush=True)
        for finding in tally.findings[:FOUND_MAX]:
            print(f"  {finding['what'][:_SHOWN_BYTES]}")
            print(f"  {finding['octets'][:_SHOWN_BYTES]}")
            print(
                f"  again: python -m stress fuzz --only {name} --seed {seed} "
                f"--batch {finding['batch']}    (case {finding['case']})"
            )
        tallies.append(tally)
    return tallies


def as_record(tallies: list[Tally], seed: int) -> dict:
    """Return what fuzzing came to, as it is kept."""
    rows = [
        {
            "target": tally.name,
            "seconds": round(tally.seconds, 1),
            "cases": tally.cases,
            "cases_per_second": round(tally.cases / tally.seconds) if tally.seconds else 0,
            "resident_bytes_max": tally.resident_bytes_max,
            "counts": dict(sorted(tally.counts.items())),
            "findings": tally.findings[:FOUND_MAX],
            "findings_count": len(tally.findings),
        }
        for tally in tallies
    ]
    return {"seed": seed, "targets": rows}


@click.command(name="fuzz")
@click.option("--seconds", type=float, default=60.0, help="For all targets together.")
@click.option("--seed", type=int, default=1)
@click.option("--only", "only", multiple=True, type=click.Choice(TARGETS), help="These targets.")
@click.option("--jobs", type=click.IntRange(1, 64), default=2, help="Processes at a time.")
@click.option(
    "--cases",
    type=click.IntRange(1),
    default=None,
    help="Of each target at least so many, however long it takes: 10000000 is the long profile.",
)
@click.option("--batch", type=int, default=None, help="This batch alone, as a finding names it.")
@click.option("--save", is_flag=True, help="Keep the result in stress/results.")
def command(only, seed, jobs, save, **extent) -> None:
    """Hostile bytes for parser, payload readers, capture files, models, configurations."""
    tallies = fuzz(only or TARGETS, seed, jobs, Extent(**extent))
    record = as_record(tallies, seed)
    if save:
        print(f"kept: {keep_result('fuzz', record)}")
    found = sum(len(tally.findings) for tally in tallies)
    whole_s = sum(tally.seconds for tally in tallies)
    print(f"{sum(tally.cases for tally in tallies):,} cases, {found} findings, in {whole_s:,.0f} s")
    sys.exit(1 if found else 0)
