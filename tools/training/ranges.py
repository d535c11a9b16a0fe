"""How far from the demo's a beacon or an exfiltration may be and still be found.

    python -m tools.training.ranges [--seeds N]

Each row is a capture of its own: the demo's office with one thing that goes wrong, drawn anew. The
counters are held against the records that the engine makes of it; alarms are ordinary flows found.
"""

import argparse
import multiprocessing
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from engine.capture import synthetic
from engine.capture.synthetic import attacks, chores, office
from engine.capture.synthetic.frames import Tape
from engine.features import catalogue
from engine.supervisor.kernels import load_kernels
from tools.training.counters import COUNTERS
from tools.training.records import run_engine

Play = Callable[[Tape, office.Office, float], None]
MEGABYTE = 1_000_000


def variants() -> Iterator[tuple[str, float, Play]]:
    """Yield (what is varied, seconds, what goes wrong)."""
    for gap_s in (2, 5, 10, 30, 60):
        yield f"beacon every {gap_s} s", max(95, 12 * gap_s), _beacon(gap_s, 0.01)
    for jitter in (0.1, 0.2, 0.3, 0.4, 0.5):
        yield f"beacon every 5 s, each off by up to {jitter:.0%}", 95, _beacon(5, jitter)
    for size in (1, 2, 9, 30):
        yield f"exfiltration of {size} MB from 6 desks", 120, _exfiltration(size, 6)
    for desks in (1, 2, 3, 4, 9):
        yield f"exfiltration of 9 MB from {desks} desks", 120, _exfiltration(9, desks)


def _beacon(gap_s: float, jitter: float) -> Play:
    def play(tape: Tape, place: office.Office, end_us: float) -> None:
        attacks.beacon(tape, place, 1.5e6, end_us, gap_s * 1e6, jitter)

    return play


def _exfiltration(size: int, desks: int) -> Play:
    def play(tape: Tape, place: office.Office, end_us: float) -> None:
        others = [desk for desk in range(16) if desk != attacks.EXFILTRATION_DESK]
        attacks.collect(tape, place, 10e6, tuple(others[:desks]), size * MEGABYTE // desks)
        attacks.exfiltrate(tape, place, 45e6, size * MEGABYTE)

    return play


def _try(task: tuple[int, int]) -> tuple[int, int, int]:
    """Return flows found and flows there of a variant's attack, and ordinary flows found."""
    import pyarrow.parquet

    number, seed = task
    _, seconds, play = list(variants())[number]
    with tempfile.TemporaryDirectory(prefix="ml-defender-ranges-") as folder:
        tape, end_us = Tape(seed), seconds * 1e6
        place = office.build(tape)
        office.work(tape, place, end_us)
        play(tape, place, end_us)
        chores.run(tape, place, end_us)
        tape.write(Path(folder) / "one.pcap", end_us)
        command = ["run", "-r", f"{folder}/one.pcap", "-w", f"{folder}/out", "-n", "1"]
        assert run_engine([*command, "--no-score", "--flows", "parquet", "--early"]) == 0
        table = pyarrow.parquet.read_table(f"{folder}/out/flows.parquet")
    columns = [table[name].combine_chunks().fill_null(0.0).to_numpy() for name in catalogue.NAMES]
    vectors = np.stack(columns, axis=1)
    found = np.any([counter.finds(vectors) for counter in COUNTERS], axis=0)
    return _count(table.select(("first_offset", *_ENDS)).to_pylist(), found)


_ENDS = ("initiator", "responder", "responder_port")


def _count(records: list[dict], found: np.ndarray) -> tuple[int, int, int]:
    flows: dict[int, bool] = {}
    attack: dict[int, bool] = {}
    for record, is_found in zip(records, found, strict=True):
        flow = record["first_offset"]
        flows[flow] = flows.get(flow, False) or bool(is_found)
        truth = synthetic.kind_of(*(record[name] for name in _ENDS))
        attack[flow] = truth is not None and truth.kind in ("beacon", "exfiltration")
    hits = sum(flows[flow] for flow in flows if attack[flow])
    return hits, sum(attack.values()), sum(flows.values()) - hits


def main() -> int:
    """Print the table; return 0."""
    parser = argparse.ArgumentParser(prog="tools.training.ranges", description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="captures a row")
    seeds = parser.parse_args().seeds
    rows = list(variants())
    tasks = [(number, seed) for number in range(len(rows)) for seed in range(seeds)]
    load_kernels(lambda: None)
    with multiprocessing.get_context("fork").Pool(2, maxtasksperchild=1) as pool:
        outcomes = np.asarray(pool.map(_try, tasks, chunksize=1)).reshape(len(rows), seeds, 3)
    print(f"{'':44}{'captures':>10}{'flows found':>16}{'alarms':>8}")
    for (what, *_), outcome in zip(rows, outcomes, strict=True):
        hit, there, alarms = outcome.sum(axis=0)
        captures = f"{(outcome[:, 0] > 0).sum()} of {seeds}"
        print(f"{what:44}{captures:>10}{f'{hit:,} of {there:,}':>16}{alarms:>8,}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
