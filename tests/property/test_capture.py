"""Capture and its twin make the same records of the same files.

Goal: every word of every record, every clock step, every counter and damage of capture equals what
the plain twin (engine.reference) makes of the same bytes. Method: drawn runs (all formats, link
types, fragments, tunnels, broken clocks, damaged files, several sources), and real captures where
the machine has them. It cannot show what both misread alike.
"""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.config import Config, with_settings
from engine.reference import Settings
from tests.property.capture_side_by_side import compare
from tests.property.strategies import RunInput, random_run, runs


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder for the captures of this module."""
    return tmp_path_factory.mktemp("captures")


@given(run=runs(), workers=st.sampled_from((1, 1, 2, 3)))
def test_capture_makes_the_records_of_the_twin(folder, run, workers):
    compare(folder, run, workers)


@given(run=runs(60), consume_max=st.integers(1, 3), capacity=st.sampled_from((2, 4, 16)))
def test_full_rings_change_no_record(folder, run, consume_max, capacity):
    config = with_settings(run.settings.config, {"ring.packet_capacity": capacity})
    settings = Settings(config, run.settings.separate)
    compare(folder, RunInput(run.contents, settings), 3, consume_max=consume_max)


@pytest.mark.parametrize("seed", range(20))
def test_capture_makes_the_records_of_the_twin_in_long_runs(folder, seed):
    compare(folder, random_run(seed, 3000), 1 + seed % 3)


def real_captures(test_data: Path, name: str) -> list[Path]:
    """Return the captures below a folder of the test data."""
    return sorted(path for path in (test_data / name).rglob("*") if path.is_file())


@pytest.mark.parametrize("layers", ("outer", "inner", "inner or drop", "all"))
@pytest.mark.parametrize("name", ("edge", "peers", "train"))
def test_capture_makes_the_records_of_the_twin_of_real_captures(folder, test_data, name, layers):
    decapsulate, _, dropped = layers.partition(" or ")
    settings = {"packet.decapsulate": decapsulate, "packet.inner_not_ip": dropped or "outer"}
    config = with_settings(Config(), settings)
    for path in real_captures(test_data, name):
        if path.stat().st_size < 2 << 20:
            compare(folder, RunInput([("x", path.read_bytes())], Settings(config)), 1)
