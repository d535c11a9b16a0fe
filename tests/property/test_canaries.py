"""Goal: what compares engine and twin would notice a kernel that is wrong in one line.

Method: the bugs of canaries.py, each planted in a process of its own; README.rst says what found
each. What it cannot show: that every possible bug would be noticed.
"""

from pathlib import Path

import pytest

from tests.property.canaries import CANARIES, find

ROOT = Path(__file__).resolve().parents[2]
QUICK = ("idle period at 5 s", "delta not cleared", "last record sent twice")
QUICK += ("block given back not kept",)


def test_canaries_are_many() -> None:
    assert len(CANARIES) >= 15


def test_what_is_planted_over_stands_in_its_module() -> None:
    for name, canary in CANARIES.items():
        module = ROOT.joinpath(*canary.module.split(".")).with_suffix(".py")
        assert canary.right in module.read_text(encoding="utf-8"), name


@pytest.mark.parametrize(
    "name",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in CANARIES],
)
def test_planted_bug_is_found(name: str) -> None:
    process = find(name)
    assert process.returncode == 0, f"{name}: {process.stdout}{process.stderr}"
    assert process.stdout.startswith(CANARIES[name].by)
