"""Worker, recorder and classifier, killed at drawn stores, leave what they leave whom nobody kills.

Method: the scenarios of stress/deaths, their kernels as plain Python, so that nothing has to be
compiled: children killed by SIGKILL, the shipped recovery, everything compared; and beside them
stages whose replacements do not recover, which must be found. Every store of the compiled stages is
killed by `python -m stress races killpoint` (stress/deaths/README.rst). What it cannot show: the
loss of the machine's power.
"""

import re

from stress.races.killpoint import Sample
from tests.race.instruments import run_instrument

SHIPPED = ("worker:WORKER", "worker:CRAMPED", "recorder:COMMIT", "classifier:MERGE")
BROKEN = ("WORKER", "CLASSIFIER")
_SAYS = re.compile(r"^\w+: killed at (\d+) of (\d+) writes .* (\d+) of them wrong", re.M)
_WRITES_MIN = 3000  # Of each: far fewer, and it is not the stage that is killed.


def killed(names: list[str], points: int, **options: str) -> list[tuple[int, int, int]]:
    """Return (points, writes, wrong outcomes) of each scenario."""
    words = ("--writes", "--here", "--points", str(points))
    _, text = run_instrument("killpoint", *names, *words, **options)
    found = [tuple(map(int, one)) for one in _SAYS.findall(text)]
    assert len(found) == len(names), text
    return found


def test_stage_killed_at_a_drawn_store_is_replaced_exactly_and_one_that_forgets_is_found():
    names = [f"stress.deaths.{name}" for name in SHIPPED]
    names += [f"tests.race.stage_scenarios:{name}" for name in BROKEN]
    found = killed(names, 3, NUMBA_DISABLE_JIT="1")
    for name, (points, writes, wrong) in zip(names, found, strict=True):
        assert (name, points) == (name, 3)
        assert writes > _WRITES_MIN
        assert (wrong > 0) == ("stage_scenarios" in name), (name, wrong)


def test_sample_draws_each_point_once_and_all_if_nothing_is_said():
    assert list(Sample().of(4)) == [1, 2, 3, 4]
    assert sorted(Sample(seconds=1).of(50)) == list(range(1, 51))
    drawn = list(Sample(points=5, seed=3).of(50))
    assert len(set(drawn)) == 5
    assert drawn == list(Sample(points=5, seed=3).of(50))
    assert drawn != list(Sample(points=5, seed=4).of(50))
