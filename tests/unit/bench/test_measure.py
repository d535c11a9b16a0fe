"""Goal: a run is charged with all that its command started, and its figures are plain arithmetic.

Method: spreads against sorted lists; commands that fork, leave orphans, fail, hang or do not exist.
What it cannot show: that the kernel's own accounts of CPU time are right.
"""

import os
import select
import statistics
import sys

from hypothesis import given
from hypothesis import strategies as st

from engine.bench.measure import run_watched, spread

LIMIT_S = 60.0
VALUES = st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=9)
CORES = sorted(os.sched_getaffinity(0))[:1]

# Forks a child that is not waited for and works; says what the child has used.
ORPHAN = """
import os, sys, time
read, write = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        x = 0
        while time.process_time() < 0.2:
            x += 1
        os.write(write, str(time.process_time()).encode())
    os._exit(0)
os.close(write)
print(os.read(read, 100).decode())
"""


def python(text: str) -> list[str]:
    return [sys.executable, "-c", text]


@given(VALUES)
def test_spread_has_the_median_and_both_ends(values):
    found = spread(values)
    assert (found.low, found.high, found.count) == (min(values), max(values), len(values))
    assert found.median == statistics.median(values)


@given(VALUES, st.floats(1e-3, 1e6))
def test_inverse_spread_is_that_of_the_quotients_of_an_odd_number_of_values(values, numerator):
    values = values[: len(values) // 2 * 2 + 1] or values
    values = values if len(values) % 2 else values[:-1]
    expected = spread([numerator / value for value in values])
    assert spread(values).inverse(numerator) == expected


def test_spread_with_nothing_in_it_has_no_inverse():
    assert spread([0.0, 1.0]).inverse(5) is None


@given(VALUES, st.floats(1e-3, 1e3))
def test_scaled_spread_is_that_of_scaled_values(values, factor):
    found = spread(values).scaled(factor)
    assert found.low == min(values) * factor
    assert found.high == max(values) * factor


def test_orphans_of_a_command_are_counted():
    watched = run_watched(python(ORPHAN), CORES, LIMIT_S)
    assert watched.failure is None
    assert watched.cpu_s >= float(watched.stdout)


def test_command_runs_on_the_cores_that_are_given():
    text = "import os; print(sorted(os.sched_getaffinity(0)))"
    assert run_watched(python(text), CORES, LIMIT_S).stdout.strip() == str(CORES)


def test_failure_of_a_command_is_told_with_its_last_words():
    watched = run_watched(python("import sys; sys.exit('no such capture')"), CORES, LIMIT_S)
    assert watched.failure == "exit code 1: no such capture"


def test_command_that_does_not_exist_is_a_failure():
    assert "No such file" in run_watched(["/no/such/program"], CORES, LIMIT_S).failure


def test_command_beyond_its_limit_is_ended_and_said_to_be_late():
    watched = run_watched(python("import signal; signal.pause()"), CORES, 0.05)
    assert watched.late
    assert watched.failure.startswith("took longer than")


def has_ended(pid: int) -> bool:
    """Wait for the end of a process that is not our child; return whether it came."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], LIMIT_S)[0])
    finally:
        os.close(descriptor)


def test_processes_that_live_on_are_ended_and_told(tmp_path):
    path = tmp_path / "pid"
    text = (
        "import os, signal\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    signal.pause()\n"
        f"open({str(path)!r}, 'w').write(str(pid))"
    )
    watched = run_watched(python(text), CORES, LIMIT_S)
    assert watched.failure == "left processes behind"
    assert has_ended(int(path.read_text()))
