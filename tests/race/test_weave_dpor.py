"""What the checker's partial-order reduction leaves out is equal to something that it runs.

Method: outcomes of all executions (EveryChoice) against those of Dpor, with and without sleep sets,
on drawn programs with waits and deaths, in every model. Counts against theory where it gives them.
Canary: a reduction that takes all steps for independent must lose outcomes. What it cannot show:
programs larger than brute force can run.
"""

from math import factorial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stress.races.weave import dpor
from stress.races.weave.choosers import EveryChoice, RandomWalk
from stress.races.weave.dpor import Dpor
from stress.races.weave.execution import Execution
from stress.races.weave.explore import outcomes
from stress.races.weave.roles import Setting, UnfinishedError
from tests.race.weave_programs import drawn_threads, observed, operations, program_of

MODELS = ("sc", "tso", "c11")
RUNS = 40  # Random executions of a program.
EXECUTIONS_MAX = 4_000  # Of brute force; a larger program is left out.


class _TooManyError(Exception):
    pass


class Bounded(EveryChoice):
    """Brute force that gives up."""

    count = 0

    def advance(self):
        self.count += 1
        if self.count > EXECUTIONS_MAX:
            raise _TooManyError
        return super().advance()


def equal_outcomes(program, setting):
    """Assert that reduced exploration finds what brute force finds, in no more executions."""
    try:
        everything, count = outcomes(program, Bounded(), setting)
    except _TooManyError:
        return
    for use_sleep in (False, True):
        found, fewer = outcomes(program, Dpor(use_sleep), setting)
        assert found == everything
        assert fewer <= count


@given(
    threads=drawn_threads(awaits=True),
    stale_max=st.integers(0, 3),
    successor=st.none() | st.lists(operations(), max_size=1).map(tuple),
)
def test_reduced_exploration_finds_all_outcomes(threads, stale_max, successor):
    for model in MODELS:
        kills = 0 if successor is None else 1
        setting = Setting(model, races="off", stale_max=stale_max, kills_max=kills)
        equal_outcomes(program_of(threads, successor or None), setting)


@given(threads=drawn_threads(awaits=True), seed=st.integers(0, 1 << 20))
def test_pauses_that_wait_lose_no_outcome_of_loops_that_run_on(threads, seed):
    program = program_of(threads)
    for model in MODELS:
        bounds = {"races": "off", "stale_max": 2}
        found, _ = outcomes(program, Dpor(), Setting(model, **bounds))
        running = Setting(model, spins="run", steps_max=200, **bounds)
        assert ended_outcomes(program, RandomWalk(seed), running) <= found


def ended_outcomes(program, chooser, setting):
    """Return the outcomes of those of some executions that come to an end."""
    found = set()
    for _ in range(RUNS):
        execution = Execution(chooser, setting)
        check = program(execution)
        try:
            results = execution.run()
            found.add((*sorted(results.items()), *check(results)))
        except UnfinishedError:
            pass  # A loop that waits for what never comes.
        chooser.advance()
    return found


def races_and_outcomes(program, chooser, setting):
    """Return whether there is a race and, if there is none, all outcomes."""
    found, _ = outcomes(program, chooser, setting)
    return "data race" in found, found if "data race" not in found else None


@given(
    threads=drawn_threads(awaits=True, plain=True),
    stale_max=st.integers(0, 3),
    successor=st.none() | st.lists(operations(plain=True), min_size=1, max_size=1).map(tuple),
)
def test_plain_accesses_need_be_no_steps_where_races_are_found(threads, stale_max, successor):
    program, kills_max = program_of(threads, successor), int(successor is not None)
    for model in MODELS:
        bounds = {"stale_max": stale_max, "kills_max": kills_max}
        every = Setting(model, every_point=True, **bounds)
        try:
            expected = races_and_outcomes(program, Bounded(), every)
        except _TooManyError:
            continue
        setting = Setting(model, **bounds)
        assert races_and_outcomes(program, Dpor(), setting) == expected


@pytest.mark.parametrize(("threads", "adds"), [(2, 2), (3, 2), (2, 3), (4, 1)])
def test_adds_to_one_word_are_run_once_in_every_order(threads, adds):
    program = tuple((("add", 0, 1, "relaxed"),) * adds for _ in range(threads))
    orders = factorial(threads * adds) // factorial(adds) ** threads
    for model in ("sc", "c11"):
        assert observed(program, model, Dpor())[1] == orders


def test_threads_that_share_nothing_are_run_once():
    program = ((("add", 0, 1, "relaxed"),) * 5, (("add", 1, 1, "relaxed"),) * 5)
    for model in MODELS:
        assert observed(program, model, Dpor())[1] == 1


def test_reduction_that_sees_no_dependence_loses_outcomes(monkeypatch):
    threads = ((("store", 0, 1, "relaxed"),), (("load", 0, "relaxed"),))
    everything, _ = observed(threads, "sc", EveryChoice())
    assert observed(threads, "sc", Dpor())[0] == everything
    monkeypatch.setattr(dpor, "_depend", lambda one, other: False)
    assert observed(threads, "sc", Dpor())[0] < everything
