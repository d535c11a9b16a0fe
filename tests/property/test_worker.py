"""Goal: a worker's events are the twin's: every field, feature, validity bit, in the same order.

Method: drawn runs (hostile timing to the ns, broken clocks, several sources, fragments, tunnels,
all link types, damaged files; all settings of flows) through capture and workers, stepped in one
process, and through the plain twin. Counters are compared as well. Hypothesis draws
some, to shrink them; many more come from seeds, which differ from run to run with Hypothesis's own
and are told with what fails: `assert_seed_agrees(seed, size, folder)` repeats it. What it cannot
show: what both get wrong alike (tests/unit/reference has what was computed by hand), evictions
(tests/unit/flows), processes side by side (tests/process).
"""

import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.property.directed import DIRECTED
from tests.property.side_by_side import (
    Way,
    assert_engine_equals_twin,
    assert_seed_agrees,
    way_of,
)
from tests.property.strategies import RunInput, runs

EXAMPLES_A_BLOCK = 200
QUICK_BLOCKS = 2
BLOCKS = 104  # 20,800 examples.
SIZES = (20, 20, 20, 60, 60, 60, 60, 150)  # Actions of an example; each is one to many packets.

ways = st.integers(0, 1 << 32).map(way_of)


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    """Return a folder for the capture files of one example after the other."""
    return tmp_path_factory.mktemp("captures")


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(runs(60), ways)
def test_events_are_those_of_the_twin(folder: Path, drawn: RunInput, way) -> None:
    assert_engine_equals_twin(drawn.contents, drawn.settings, way, folder)


def _blocks() -> list:
    slow = [pytest.param(block, marks=pytest.mark.slow) for block in range(QUICK_BLOCKS, BLOCKS)]
    return [*range(QUICK_BLOCKS), *slow]


@pytest.mark.parametrize("block", _blocks())
def test_events_of_random_runs_are_those_of_the_twin(block: int, folder: Path, request) -> None:
    drawn = random.Random(f"{request.config.getoption('--hypothesis-seed')} {block}")
    events = 0
    for number in range(EXAMPLES_A_BLOCK):
        size = SIZES[number % len(SIZES)]
        events += len(assert_seed_agrees(drawn.getrandbits(40), size, folder).events)
    assert events > EXAMPLES_A_BLOCK


@pytest.mark.slow
@pytest.mark.parametrize("number", range(40))
def test_events_of_long_random_runs_are_those_of_the_twin(
    number: int, folder: Path, request
) -> None:
    drawn = random.Random(f"long {request.config.getoption('--hypothesis-seed')} {number}")
    assert_seed_agrees(drawn.getrandbits(40), 1500, folder)


@pytest.mark.parametrize("name", DIRECTED)
def test_events_of_directed_runs_are_those_of_the_twin(name: str, folder: Path) -> None:
    contents, chosen = DIRECTED[name]()
    for way in (Way(), Way(workers=2, packet_capacity=2, event_capacity=16)):
        twin = assert_engine_equals_twin(contents, chosen, way, folder)
    assert twin.counters["accepted"] > 20
