"""The model checker finds every bug of the zoo in one form at least, and none in what is shipped.

Method: each twin differs from the shipped source by one edit, which must fit exactly once. The form
with C11 and happens-before runs all of them; the weaker forms must miss what only a weak memory
shows, or the columns of the table would say nothing. What it cannot show: bugs of code that the
protocols do not call; the process-local table is no race at all (test_zoo_engine.py).
"""

from pathlib import Path

import pytest

from stress.zoo.bugs import BUGS, Bug
from stress.zoo.checked import FORMS, look
from stress.zoo.scenarios import PROTOCOLS, planted, shipped
from stress.zoo.table import missed, rst
from stress.zoo.twins import Edit, TwinError, twin_of
from tools.generated import newest_zoo

ROOT = Path(__file__).resolve().parents[2]
EXECUTIONS = 300
WEAK = {bug.name for bug in BUGS if "relaxed" in bug.name or "fence" in bug.name}
# Nothing comes of it: who reads a slot before it gives it back reads what was there.
UNSEEN = {"ring_head_relaxed", "ring_head_loaded_relaxed"}


def test_zoo_has_bugs_of_every_protocol():
    assert len(BUGS) >= 16
    assert {bug.protocol for bug in BUGS} == set(PROTOCOLS)
    assert len({bug.name for bug in BUGS}) == len(BUGS)


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_checker_with_happens_before_finds_the_bug(bug: Bug):
    assert look(planted(bug), bug.protocol, "c11+hb", EXECUTIONS).said


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_only_a_weak_memory_shows_what_is_weak(bug: Bug):
    assert bool(look(planted(bug), bug.protocol, "sc", EXECUTIONS).said) == (bug.name not in WEAK)
    found = look(planted(bug), bug.protocol, "c11", EXECUTIONS).said
    assert bool(found) == (bug.name not in UNSEEN)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("form", FORMS)
def test_checker_finds_nothing_in_shipped_code(protocol: str, form: str):
    checked = look(shipped(protocol), protocol, form, EXECUTIONS)
    assert checked.said == ""
    assert checked.executions > EXECUTIONS


def test_edit_that_does_not_fit_once_is_refused():
    for old in ("this stands nowhere", "def "):
        with pytest.raises(TwinError, match="times, not once"):
            twin_of("engine.rings.spsc", ("claim",), Edit("engine.rings.spsc", old, ""))


def test_table_in_the_readme_is_the_one_kept_last():
    record = newest_zoo(ROOT)
    assert missed(record) == []
    assert rst(record) in (ROOT / "stress" / "README.rst").read_text(encoding="utf-8")
