"""Mutants of shipped code are made by rule, always the same; the suites notice one of each rule.

Method: what `python -m stress mutate` makes, names and justifies, against its own record that was
kept last; then for each rule the mutant whose killer is cheapest is judged anew, in a copy of the
tree. What it cannot show: that all others are noticed still; that takes the long run.
"""

import ast
from pathlib import Path

import pytest

from stress.mutate import command, table, trials
from stress.mutate.justified import justified, unfit
from stress.mutate.mutants import COMMITTING, LAYERS, mutants
from stress.mutate.rules import RULES, bound, moved, weaker
from stress.mutate.source import Source, scopes
from stress.mutate.suites import WEAVE
from tools.generated import newest_mutation

ROOT = Path(__file__).resolve().parents[2]
MUTANTS = mutants()
TWICE = ("rings", "classifier")  # Layers whose mutants are made twice.
SUITE = "tests/unit/rings/test_s"  # Suites that take a second, but for the model checker.


def changed(text: str, rule) -> list[str]:
    """Return what a rule makes of a module."""
    source = Source("engine.rings.example", text)
    return [
        source.exchanged(pieces, needs)
        for scope in scopes(source)
        for _, pieces, needs in rule(source, scope)
    ]


def test_rules_change_what_they_say():
    text = "def f(words, at):\n    words[at] = 1\n    store_release(words, TAIL, at)\n"
    relaxed = text.replace("store_release", "store_relaxed")
    hoisted = "def f(words, at):\n    store_release(words, TAIL, at)\n    words[at] = 1\n"
    assert changed(text, weaker) == [relaxed]
    assert changed(text, moved) == [hoisted]
    compared = "def f(a, b):\n    return 0 < a >= b\n"
    assert changed(compared, bound) == [compared.replace("<", "<="), compared.replace(">=", ">")]


def test_what_uses_the_other_statement_is_not_moved_in_front_of_it():
    assert changed("def f(words):\n    at = g()\n    publish(words, at)\n", moved) == []


def test_mutants_are_the_same_each_time_and_each_has_a_name_of_its_own():
    assert mutants(TWICE) == [m for m in MUTANTS if m.layer in TWICE]
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
    assert len({(mutant.file, mutant.edit.new) for mutant in MUTANTS}) == len(MUTANTS)
    for mutant in MUTANTS:
        ast.parse(mutant.edit.new)
        assert mutant.edit.new != mutant.edit.old


def test_layers_are_the_same_everywhere():
    assert command.LAYERS == LAYERS
    assert set(COMMITTING) <= set(LAYERS)
    assert {mutant.layer for mutant in MUTANTS} == set(LAYERS)


def test_every_justification_fits_a_mutant():
    assert unfit(justified(), MUTANTS, LAYERS) == []


def test_scores_in_the_readme_are_those_kept_last_and_high_enough():
    found, reasons = newest_mutation(ROOT), justified()
    assert table.wrong(found, reasons) == []
    rows = table.rows_of(found, reasons)
    assert [row["layer"] for row in rows] == list(LAYERS)
    assert table.rst(rows) in (ROOT / "stress" / "README.rst").read_text(encoding="utf-8")


def cheapest() -> list[tuple]:
    """Return (mutant, its killer) of each rule that has one whose killer is quick."""
    killers = {name: one.get("by", "") for name, one in newest_mutation(ROOT).items()}
    found = {}
    for mutant in MUTANTS:
        by = killers.get(mutant.name, "")
        if by.startswith((WEAVE, SUITE)) and "merge" not in by:
            found.setdefault(mutant.rule, (mutant, by))
    return [found[rule.__name__] for rule in RULES if rule.__name__ in found]


@pytest.mark.compiled  # It runs without the JIT anyway; once is enough.
def test_mutant_of_each_rule_is_noticed_by_the_suite_that_noticed_it():
    chosen = cheapest()
    assert len(chosen) >= len(RULES) - 1
    with trials.judges(1, compiled=False) as (judge,):
        for mutant, by in chosen:
            found = judge.judge(mutant.file, mutant.edit.new, [by])
            assert found.get("by") == by, mutant.name
        for by, mutant in {by: mutant for mutant, by in chosen}.items():
            assert judge.judge(mutant.file, mutant.edit.old, [by]) == {}, f"{by} fails as shipped"
