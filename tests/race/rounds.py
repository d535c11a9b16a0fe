"""Stateful machines over shared words: Hypothesis draws the work, the model checker the schedules.

A machine holds the words of a protocol. A rule of it is a round: roles with drawn work begin on the
words as they are, run under several drawn schedules of C11, and the machine goes on with what the
last of them left. What must hold is said by a model of a few lines, after each execution, and by
`check` after each round. The canaries of a machine are the bugs of the zoo (stress/zoo/bugs.py): a
machine with one of them in its kernels must fail.
"""

import functools
from collections.abc import Callable, Iterable

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from stress.engine_model import ENGINE_MODEL
from stress.races.scenario import Role, Scenario
from stress.races.weave.choosers import Priorities, RandomWalk
from stress.races.weave.explore import explore
from stress.races.weave.lift import program_of
from stress.races.weave.roles import Setting
from stress.zoo.bugs import BUGS
from stress.zoo.twins import Edit, twin_of

EXECUTIONS = 2  # Of each chooser, in a round.
EXECUTIONS_OF_CANARY = 60  # Where a fence is missing, one execution in a hundred shows it.
STALE = 0.4  # How often a load that may return an older value does.
EXAMPLES_MAX = 15  # Of up to 10 rounds each: a second.
ROUNDS_MAX = 10
SEEDS = st.integers(0, 1 << 30)

twin = functools.cache(twin_of)  # A machine makes its kernels anew for each example.
Judge = Callable[[np.ndarray, dict], Iterable[str]]


class Rounds(RuleBasedStateMachine):
    """Shared words and the rounds that are run on them. `words` are set by who derives from it."""

    edit: Edit | None = None  # A canary's.
    executions = EXECUTIONS
    words: np.ndarray
    tolerated: frozenset[int] = frozenset()

    def round(
        self,
        seed: int,
        roles: dict[str, Role],
        judge: Judge,
        recovery: dict[str, Role] | None = None,
        kills_max: int = 0,
    ) -> None:
        """Run the roles from the words as they are, and keep what the last execution left."""
        begin, left = self.words.copy(), []

        def check(words: np.ndarray, results: dict) -> list[str]:
            left[:] = [words.copy()]
            return list(judge(words, results))

        program = program_of(
            Scenario(
                setup=begin.copy,
                roles=roles,
                check=check,
                recovery=recovery or {},
                model=ENGINE_MODEL,
                tolerated=self.tolerated,
            )
        )
        setting = Setting("c11", kills_max=kills_max)
        for chooser in (Priorities(seed, stale=STALE), RandomWalk(seed, stale=STALE)):
            explored = explore(program, chooser, setting, self.executions)
            assert explored.finding is None, explored.finding
            assert explored.unfinished == 0
        self.words = left[0]


def finished(machine: type[Rounds]) -> type:
    """Return the test case of a machine."""
    case = machine.TestCase
    case.settings = settings(
        max_examples=min(EXAMPLES_MAX, settings().max_examples),
        stateful_step_count=ROUNDS_MAX,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    return case


def bugs_of(*protocols: str) -> list:
    """Return the planted bugs of protocols, as parameters of a test."""
    return [pytest.param(bug.edit, id=bug.name) for bug in BUGS if bug.protocol in protocols]


def assert_finds(
    machine: type[Rounds], edit: Edit | None = None, executions: int = EXECUTIONS_OF_CANARY
) -> None:
    """Assert that a machine fails with an edit in its kernels, or as it is."""
    planted = {"edit": edit or machine.edit, "executions": executions}
    canary = type("Canary", (machine,), planted)
    generate_only = settings(
        max_examples=100,
        stateful_step_count=ROUNDS_MAX,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        derandomize=True,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    with pytest.raises(AssertionError):
        run_state_machine_as_test(canary, settings=generate_only)
