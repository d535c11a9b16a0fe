"""Goal: the cores that are measured on are the idle ones, and exist.

Method: texts as /proc/stat has them, shares by hand. What it cannot show: what runs there a moment
later.
"""

import os

import pytest

from engine.bench import machine
from engine.errors import ConfigError

BEFORE = """cpu  10 0 10 80 0 0 0 0 0 0
cpu0 5 0 5 40 0 0 0 0 0 0
cpu1 5 1 2 30 10 3 4 5 99 99
intr 12345
"""


def test_ticks_of_a_core_are_parted_into_work_and_all():
    # Idle and waiting are no work; what guests used is in user time already.
    assert machine.core_ticks(BEFORE) == {0: (10, 50), 1: (20, 60)}


def test_idlest_cores_are_chosen(monkeypatch):
    monkeypatch.setattr(machine, "_siblings", str)
    shares = {0: 0.9, 1: 0.0, 2: 0.5, 3: 0.1}
    assert machine.choose_cores(2, shares, range(4)) == [1, 3]


def test_threads_of_one_physical_core_are_chosen_last(monkeypatch):
    monkeypatch.setattr(machine, "_siblings", lambda core: str(core // 2))
    assert machine.choose_cores(2, {}, range(4)) == [1, 3]


@pytest.mark.parametrize("count", [-1, 0, 5])
def test_cores_that_are_not_there_are_refused(count):
    with pytest.raises(ConfigError, match="from 1 to 4 on this machine"):
        machine.check_cores(count, 4)


def test_busy_shares_are_shares_of_every_core():
    shares = machine.busy_shares(0.05)
    assert set(shares) <= set(range(os.cpu_count()))
    assert all(0.0 <= share <= 1.0 for share in shares.values())


def test_machine_says_what_it_is():
    found = machine.machine()
    assert found["cores"] == os.cpu_count()
    assert found["memory_bytes"] > 0
    assert all(found.values())
