"""Goal: what compares engine and twin would notice a kernel that is wrong in one line.

Method: the bugs of canaries.py, each planted in a process of its own; README.rst says what found
each. What it cannot show: that every possible bug would be noticed.
"""

import pytest

from tests.property.canaries import CANARIES, find

QUICK = ("idle period at 5 s", "delta not cleared")


def test_canaries_are_many() -> None:
    assert len(CANARIES) >= 15


@pytest.mark.parametrize(
    "name",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in CANARIES],
)
def test_planted_bug_is_found(name: str) -> None:
    process = find(name)
    assert process.returncode == 0, f"{name}: {process.stdout}{process.stderr}"
    assert process.stdout.startswith(CANARIES[name].by)
