"""Instruments that run the machine's own code find planted bugs of the zoo, and none as shipped.

Method: of each column of the table a sample, by the same call that makes the table. The merge,
whose reader is the classifier's, under xsan with a load that lost its acquire; the classifier's
commit, killed at each access, with two steps exchanged; a whole run of which two workers count on
one line. The line of stages, with a bug in it and as shipped, under both race detectors, with
--long. What it cannot show: the rest of the table, which `python -m stress races zoo` makes.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from stress.races.tsan import find_library
from stress.zoo import line, machine
from stress.zoo.bugs import ALL
from stress.zoo.conservation import conserve
from stress.zoo.planted import SHIPPED
from stress.zoo.scenarios import why_not
from stress.zoo.table import COLUMNS
from tests.race.instruments import run_instrument
from tools.generated import newest_zoo

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.compiled
def test_merge_races_without_its_acquire_and_not_as_shipped():
    names = ("shipped_merge_many", "merge_tail_loaded_relaxed_many")
    shipped, broken = (machine.look("xsan", name) for name in names)
    assert (shipped["said"], shipped["executions"]) == ("", machine.RUNS)
    assert shipped["accesses"] > 1_000
    assert "race" in broken["said"]
    assert "by classifier at " in broken["said"]


@pytest.mark.compiled
def test_commit_with_two_steps_exchanged_does_not_survive_every_death():
    broken = machine.look("killpoint", "commit_journal_first")
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


@pytest.mark.compiled
@pytest.mark.long  # Minutes, where no code is kept yet.
@pytest.mark.parametrize("instrument", ["tsan", "xsan"])
def test_line_of_stages_races_with_a_bug_in_it_and_not_as_shipped(instrument):
    if instrument == "tsan" and find_library() is None:
        pytest.skip("libtsan is missing: apt-get install libtsan2")
    options = ("--kept", "--runs", "3")
    code, text = run_instrument(instrument, "stress.zoo.line:RUN", *options)
    assert (code, text.split(" in ")[0]) == (0, "0 races, 0 violations"), text
    code, text = run_instrument(instrument, "stress.zoo.planted_line:ring_tail_relaxed", *options)
    assert code == 1
    assert "race, " in text


_PLACES = """
from stress.races import hook
from stress.races.killpoint_code import KillBackEnd
hook.install(KillBackEnd(), "killpoint")
from stress.zoo import planted_line
planted = {planted}
if planted:
    edit = next(bug.edit for bug in planted_line.BUGS if bug.name == "ring_tail_relaxed")
    planted_line._keep_apart(edit)
    planted_line.plant(edit)
from engine.rings import journal, spsc
print(journal.commit._cache.cache_path, spsc.publish._cache.cache_path, sep="|")
"""


@pytest.mark.compiled
def test_kept_kernels_are_apart_where_they_depend_on_the_bug():
    def places(planted: bool) -> list[str]:
        done = subprocess.run(
            [sys.executable, "-c", _PLACES.format(planted=planted)],
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
        )
        return done.stdout.strip().split("|")

    shipped, planted = places(False), places(True)
    assert planted[0] == shipped[0]  # The journal does not know the ring.
    assert planted[1].startswith(f"{shipped[1]}-")
    assert not shipped[0].startswith(str(ROOT))  # Where the engine keeps what it compiles.


def test_every_instrument_has_run_or_says_why_it_cannot():
    record = newest_zoo(ROOT)
    for bug in ALL:
        for column in COLUMNS:
            assert (column in record["bugs"][bug.name]) != bool(why_not(bug.protocol, column))
