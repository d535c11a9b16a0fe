"""Goal: engine bench --hostile measures what it is told, and finds sums that do not hold.

Method: the command as the command line calls it, on captures of a few hundred packets. What it
cannot show: how dear anything is; nothing here looks at a clock.
"""

import json

import pytest

from engine.bench import main, workloads
from engine.bench.hostile import wrong_sums
from engine.equations import EQUATIONS
from engine.events import COUNTERS

PACKETS = 2_000


@pytest.mark.compiled
def test_hostile_and_ordinary_are_measured_end_to_end(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(workloads, "FOLDER", tmp_path / "cache")
    monkeypatch.setattr(workloads, "HOSTILE_PACKETS", {"crowd": (PACKETS, 80)})
    arguments = ["--hostile", "--json", "--runs", "1", "--cores", "1", "--only", "crowd"]
    assert main(arguments) == 0
    found = json.loads(capsys.readouterr().out)
    (workload,) = found["workloads"]
    assert workload["packets"] == PACKETS
    assert workload["hostile"]["wrong"] == workload["ordinary"]["wrong"] == []
    assert workload["hostile"]["hosts_made"] == PACKETS + 16
    assert workload["ordinary"]["hosts_made"] == 1_000 + 16
    assert workload["ratio"] > 0


def test_each_sum_that_does_not_hold_is_named():
    counters = {stage: {c.name: 0 for c in named} for stage, named in COUNTERS.items()}
    assert wrong_sums(counters) == []
    for equation in EQUATIONS:
        if equation.when in ("", "facts") and "hosts_listed" not in "".join(equation.right):
            stage, name = equation.left[0].split(".")
            changed = counters | {stage: counters[stage] | {name: 1}}
            assert equation.text in wrong_sums(changed)
