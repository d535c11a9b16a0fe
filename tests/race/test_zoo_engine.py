"""A flow table that is private to its worker is found in the running engine, by who is lost.

Method: the whole engine on a small capture, with a twin of the worker's module whose table is a
copy (stress/zoo/planted.py), beside the shipped one. No order and no race is wrong there, and
all records are right: only the comparison of what workers counted with what stands in their tables
shows it. What it cannot show: tables of which only a part is private.
"""

import json
import subprocess
import sys

import numpy as np
import pytest

from engine.events import WORKER, counter_index
from engine.flows.witness import COMPARED, outside_of_table
from engine.layouts.table import TABLE
from tests.process import runs

WORKERS = 2
PACKETS = 200  # The kernels run as Python: nothing is compiled for a twin.
SHIPPED, PRIVATE = (("-m", "stress.zoo.planted", name) for name in ("shipped", "private_table"))
LIMIT_S = 300


@pytest.fixture(scope="module")
def capture(tmp_path_factory):
    """Return a small capture of mixed traffic."""
    path = tmp_path_factory.mktemp("captures") / "mixed.pcap"
    runs.mixed_capture(path)
    path.write_bytes(runs.first_packets(path.read_bytes(), PACKETS))
    return path


def ended(*program: str, capture) -> tuple[int, dict]:
    """Return (exit code, JSON) of a run of the engine, or of a twin, over a capture."""
    words = [
        "engine",
        "run",
        "--json",
        "--digest",
        "--no-score",
        "-n",
        str(WORKERS),
        "-r",
        str(capture),
    ]
    done = subprocess.run(
        [sys.executable, *program, *words],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        cwd=runs.ROOT,
        env=runs.environment(NUMBA_DISABLE_JIT="1"),
        check=False,
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_private_table_is_found_and_the_worker_named(capture):
    code, shipped = ended(*SHIPPED, capture=capture)
    assert (code, shipped["errors"]) == (0, [])
    code, broken = ended(*PRIVATE, capture=capture)
    assert code == 4
    for number in range(WORKERS):
        accepted = broken["processes"][f"worker.{number}"]["counters"]["accepted"]
        assert accepted > 0
        said = (
            f"worker.{number} counted {accepted:,} accepted, its flow table in shared memory 0: "
            f"{accepted:,} are in its own memory alone, and would be lost with it"
        )
        assert said in broken["errors"]
    # Nothing else is wrong: whoever trusts records and counters alone sees a sound run.
    assert broken["digest"] == shipped["digest"]
    assert broken["counters"]["worker"]["accepted"] == shipped["counters"]["worker"]["accepted"]


def test_only_what_a_table_lacks_is_said():
    counters = dict.fromkeys((counter.name for counter in WORKER), 5)
    table = np.zeros(TABLE.words, np.int64)
    begin = TABLE.index("counters_0")
    for name in COMPARED:
        table[begin + counter_index("worker", name)] = 6  # Ahead: counted, not shown yet.
    assert list(outside_of_table("worker.1", counters, table)) == []
    table[begin + counter_index("worker", "parts")] = 2
    (said,) = outside_of_table("worker.1", counters, table)
    assert said.startswith("worker.1 counted 5 parts, its flow table in shared memory 2: 3 are")
