"""The waiting rule: on at once, a spin after nothing, then sleeps of 50 us doubling to 1 ms.

Method: sleeps and spins are recorded instead of made; stages are lists of what their steps find.
"""

import pytest

from engine.layouts import DONE, LEAVE, RUNNING
from engine.rings import waiting
from engine.rings.statistics import Statistics
from engine.rings.waiting import BUSY, FINISHED, IDLE, SOME, Backoff, Sleeps, run_stage


@pytest.fixture
def waits(monkeypatch):
    """Return the list of waits: "spin", or microseconds slept."""
    made = []
    monkeypatch.setattr(waiting, "_spin", lambda pauses: made.append("spin"))
    monkeypatch.setattr(waiting.time, "sleep", lambda s: made.append(round(s * 1e6)))
    return made


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([BUSY] * 5, []),
        ([IDLE] * 9, ["spin", 50, 100, 200, 400, 800, 1000, 1000, 1000]),
        ([SOME] * 3, [50, 100, 200]),
        ([IDLE, SOME, SOME], ["spin", 50, 100]),
        ([IDLE, IDLE, IDLE, BUSY, IDLE, IDLE], ["spin", 50, 100, "spin", 50]),
        ([SOME, IDLE, BUSY, SOME], [50, 100, 50]),
    ],
)
def test_wait_follows_what_the_steps_found(waits, found, expected):
    backoff = Backoff()
    for one in found:
        backoff.wait(one)
    assert waits == expected


@pytest.mark.parametrize(
    ("capacity", "slots_per_s", "longest_s", "expected"),
    [
        (16, 1e6, 2e-3, (50e-6, 2e-3)),  # A third of it fills in 5 us.
        (3_000, 10e6, 2e-3, (100e-6, 2e-3)),
        (1 << 20, 1e6, 10e-3, (1e-3, 10e-3)),
        (1 << 20, 1e6, 0.5e-3, (1e-3, 1e-3)),
    ],
)
def test_sleeps_follow_the_ring(capacity, slots_per_s, longest_s, expected):
    sleeps = Sleeps.behind(capacity, slots_per_s, longest_s)
    assert sleeps == pytest.approx(expected)


def test_sleeps_double_within_their_bounds(waits):
    backoff = Backoff(Sleeps(1e-3, 10e-3))
    for found in [IDLE] * 7 + [BUSY, SOME]:
        backoff.wait(found)
    assert waits == ["spin", 1000, 2000, 4000, 8000, 10000, 10000, 1000]


@pytest.fixture
def statistics(new_run):
    """Return statistics of a run with 1 worker; they are unlinked at the end."""
    made = Statistics.create(new_run(), workers=1)
    yield made
    made.segment.unlink()


def test_stage_runs_until_it_is_finished(waits, statistics):
    line = statistics.process("capture")
    steps = [BUSY, IDLE, SOME, FINISHED]
    states = []

    def step():
        states.append(line["state"])
        return steps.pop(0)

    assert run_stage(statistics, line, step)
    assert steps == []
    assert states == [RUNNING] * 4
    assert line["state"] == DONE
    assert line["heartbeat_ns"] > 0
    assert waits == ["spin", 50]


def test_stage_leaves_at_once_when_it_is_told_to(waits, statistics):
    line = statistics.process("capture")
    calls = []

    def step():
        calls.append(1)
        if len(calls) == 3:
            statistics["stop"] = LEAVE
        return BUSY

    assert not run_stage(statistics, line, step)
    assert len(calls) == 3
    assert line["state"] == RUNNING


def test_spin_is_bounded_and_returns():
    waiting._spin(waiting.SPIN_PAUSES)
    assert waiting.SPIN_PAUSES <= 100
