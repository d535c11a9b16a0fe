"""Goal: records have the twin's 142 features and validity bits, and hosts are counted alike.

Method: drawn traffic in which hosts matter (host_traffic.py), under limits that are met and long
silences, and directed runs, through capture, workers and classifier, stepped in one process, and
through the plain twin. Hypothesis draws some, to shrink them; many more come from seeds, which are
told with what fails. Real captures are compared in test_real_captures.py, all other settings in
test_worker.py. What it cannot show: what both get wrong alike (tests/unit/reference has what was
computed by hand).
"""

import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.property.host_directed import DIRECTED
from tests.property.host_traffic import host_runs, random_host_run
from tests.property.side_by_side import Way, assert_engine_equals_twin, way_of
from tests.property.strategies import RunInput

EXAMPLES_A_BLOCK = 60
QUICK_BLOCKS = 2
BLOCKS = 22
SIZES = (20, 40, 40, 120)

ways = st.integers(0, 1 << 32).map(lambda seed: way_of(seed)._replace(facts=True))


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    """Return a folder for the capture files of one example after the other."""
    return tmp_path_factory.mktemp("hosts")


def assert_host_seed_agrees(seed: int, size: int, folder: Path) -> int:
    """Compare both on random_host_run(seed, size); return how many rows records took."""
    way = way_of(seed)._replace(facts=True)
    try:
        twin = assert_engine_equals_twin(*random_host_run(seed, size), way, folder)
    except AssertionError as error:
        raise AssertionError(f"random_host_run({seed}, {size}), {way}: {error}") from error
    return twin.counters["host_rows_joined"]


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(host_runs(), ways)
def test_rows_are_those_of_the_twin(folder: Path, drawn: RunInput, way: Way) -> None:
    assert_engine_equals_twin(*drawn, way, folder)


def _blocks() -> list:
    slow = [pytest.param(block, marks=pytest.mark.slow) for block in range(QUICK_BLOCKS, BLOCKS)]
    return [*range(QUICK_BLOCKS), *slow]


@pytest.mark.parametrize("block", _blocks())
def test_rows_of_random_runs_are_those_of_the_twin(block: int, folder: Path, request) -> None:
    drawn = random.Random(f"hosts {request.config.getoption('--hypothesis-seed')} {block}")
    joined = 0
    for number in range(EXAMPLES_A_BLOCK):
        size = SIZES[number % len(SIZES)]
        joined += assert_host_seed_agrees(drawn.getrandbits(40), size, folder)
    assert joined > EXAMPLES_A_BLOCK


@pytest.mark.slow
@pytest.mark.parametrize("number", range(8))
def test_rows_of_long_random_runs_are_those_of_the_twin(number, folder: Path, request) -> None:
    drawn = random.Random(f"long {request.config.getoption('--hypothesis-seed')} {number}")
    assert_host_seed_agrees(drawn.getrandbits(40), 1200, folder)


@pytest.mark.parametrize("name", DIRECTED)
def test_rows_of_directed_runs_are_those_of_the_twin(name: str, folder: Path) -> None:
    for way in (Way(), Way(workers=2, packet_capacity=2, event_capacity=16)):
        twin = assert_engine_equals_twin(*DIRECTED[name](), way, folder)
    assert twin.counters["host_rows_joined"] >= 20
