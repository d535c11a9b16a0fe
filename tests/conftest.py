"""What every test shares: where the test data is."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Return the folder of test captures; skip where the machine does not have it."""
    folder = Path(os.environ.get("ENGINE_TEST_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no test data at {folder}; name its folder in ENGINE_TEST_DATA")
    return folder
