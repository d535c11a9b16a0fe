"""Instruments that run the machine's own code find planted bugs of the zoo, and none as shipped.

Method: of each column of the table a sample, by the same call that makes the table. The merge,
whose reader is the classifier's, under xsan with a load that lost its acquire; the classifier's
commit, killed at each access, with two steps exchanged; a whole run of which two workers count on
one line. What it cannot show: the rest of the table, which `python -m stress races zoo` makes.
"""

from pathlib import Path

import pytest

from stress.zoo import line, machine
from stress.zoo.bugs import ALL
from stress.zoo.checked import FORMS
from stress.zoo.conservation import conserve
from stress.zoo.planted import SHIPPED
from stress.zoo.scenarios import why_not
from tools.generated import newest_zoo

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.compiled
def test_merge_races_without_its_acquire_and_not_as_shipped():
    names = ("shipped_merge_many", "merge_tail_loaded_relaxed_many")
    shipped, broken = machine.look("xsan", list(names)).values()
    assert (shipped["said"], shipped["executions"]) == ("", machine.RUNS)
    assert shipped["accesses"] > 1_000
    assert "race" in broken["said"]
    assert "by classifier at " in broken["said"]


@pytest.mark.compiled
def test_commit_with_two_steps_exchanged_does_not_survive_every_death():
    (broken,) = machine.look("killpoint", ["commit_journal_first"]).values()
    assert broken["said"].startswith("killed at (")
    assert broken["executions"] > 1


def test_run_whose_workers_count_on_one_line_does_not_add_up():
    assert "exit 4" in conserve("line_of_two")
    assert conserve(SHIPPED) == ""


def test_line_of_stages_says_what_differs_from_its_stages_in_turns():
    results = line.expected()
    assert line.RUN.check(line.RUN.setup(), results) == []
    assert results["recorder"][0] == results["classifier"][1] + results["classifier"][2]
    (said,) = line.RUN.check(line.RUN.setup(), results | {"recorder": (0, 0)})
    assert said.startswith("recorder says (0, 0), not ")


def test_every_form_of_the_checker_has_run_or_says_why_it_cannot():
    record = newest_zoo(ROOT)
    for bug in ALL:
        for column in FORMS:
            assert (column in record["bugs"][bug.name]) != bool(why_not(bug.protocol, column))
