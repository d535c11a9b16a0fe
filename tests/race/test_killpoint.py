"""Killing a role at its every shared access shows each protocol that a death breaks, and no other.

Method: a redo record and three broken twins of it (crash_scenarios.py), each killed at every
access by a real SIGKILL, in processes forked from one in which they were compiled. The expected
number of accesses is counted by hand from the source. What it cannot show: deaths between two
stores that one instruction makes, and what a machine without power leaves.
"""

import re

import pytest

from tests.race.instruments import run_instrument

pytestmark = pytest.mark.compiled
_SAYS = re.compile(
    r"worker: killed at each of (\d+) accesses, (\d+) runs, \d+ deaths, (\d+) of them wrong"
)


def killed(name: str, *options: str) -> tuple[int, int, int, int, str]:
    """Return (exit code, points, runs, wrong outcomes, all that was said)."""
    if ":" not in name:
        name = f"crash_scenarios:{name}"
    code, text = run_instrument("killpoint", f"tests.race.{name}", *options)
    return code, *map(int, _SAYS.search(text).groups()), text


def test_redo_record_survives_a_death_at_every_access():
    code, points, runs, wrong, _ = killed("REDO")
    # In the source: 3 to begin with; a number: its read, 4 of the row, 4 stores, commit, 4 reads,
    # 4 stores, head. Compiled, what was just stored is not read again; no store may be missing.
    assert (code, wrong) == (0, 0)
    assert runs == points + 1
    assert 4 * (4 + 1 + 4 + 1) < points <= 3 + 4 * (1 + 4 + 4 + 1 + 4 + 4 + 1)


def test_redo_record_survives_the_death_of_what_recovers_it():
    code, points, runs, wrong, _ = killed("REDO_SHORT", "--double")
    assert (code, wrong) == (0, 0)
    assert runs > points * 8


@pytest.mark.parametrize("name", ["APPLIED", "TAKEN", "EARLY"])
def test_protocol_that_a_death_breaks_is_found_with_its_place(name):
    code, points, runs, wrong, text = killed(name)
    assert code == 1
    assert runs == points + 1
    assert points // 4 < wrong < points
    places = {
        "APPLIED": r"at access \d+ \(applied:\d+\): .*the row is \[\d, \d+",
        "TAKEN": r"at access \d+ \(_fold:\d+ < taken_first:\d+\): the row is",
        "EARLY": r"at access \d+ \(_fold:\d+ < early:\d+\): the row is",
    }
    assert re.search(places[name].replace(r"\(applied", r"\((?:_fold:\d+ < )?applied"), text)


def test_shipped_journal_survives_a_death_at_every_access():
    code, points, runs, wrong, _ = killed("journal_scenarios:KEPT")
    assert (code, wrong) == (0, 0)
    assert points > 3 * 30
    assert runs == points + 1


@pytest.mark.parametrize("name", ["LATE", "HASTY"])
def test_journal_used_wrongly_is_found(name):
    code, _, _, wrong, _ = killed(f"journal_scenarios:{name}")
    assert code == 1
    assert wrong > 0
