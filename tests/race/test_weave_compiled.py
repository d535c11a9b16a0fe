"""Optimised code and its source do the same under the checker; only the former shows the compiler.

Method: a child process, in which all kernels are instrumented, compares both fronts: numbers of
executions, and access by access in the same schedules (weave_side_by_side.py). What it cannot show:
other machines' code, vectors.
"""

import json
import os
import subprocess
import sys

import pytest

from tools.check import ROOT

pytestmark = pytest.mark.compiled
LIMIT_S = 300


@pytest.fixture(scope="module")
def told():
    """Return what the child says."""
    command = [sys.executable, "-m", "tests.race.weave_side_by_side"]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout)


def test_both_fronts_run_the_same_executions(told):
    for name, found in told["compared"].items():
        for model, (lifted, compiled) in found["executions"].items():
            assert lifted == compiled, (name, model)
        assert found["same"] > 0


def test_both_fronts_find_the_same_defects(told):
    for name, (lifted, compiled) in told["broken"].items():
        assert lifted is not None, name
        assert lifted == compiled, name


def test_plain_load_is_taken_out_of_its_loop_by_the_compiler_alone(told):
    lifted, compiled = told["flag loads"]
    assert lifted > 1
    assert compiled == 1


def test_access_to_half_a_word_is_refused(told):
    assert told["half a word"] == "RefusedError"


def test_ring_beyond_its_last_sequence_stops_loudly(told):
    assert told["beyond the last"] == "assertion"


def test_command_checks_compiled_kernels():
    words = ["races", "weave", "stress.races.example:RACY", "--front", "compiled"]
    done = subprocess.run(
        [sys.executable, "-m", "stress", *words],
        cwd=ROOT,
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 1, done.stderr[-2000:]
    assert "data race: plain read of counter" in done.stdout
