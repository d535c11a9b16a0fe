"""What several tests of the twin begin with."""

import pytest

from tests.unit.reference.host_scenes import Scene


@pytest.fixture
def scene() -> Scene:
    """Return hosts to which nothing has happened."""
    return Scene()
