"""The checker's memory models do what sc, tso and c11 allow, no more and no less.

Method: well-known litmus programs, with the outcome that each is known for and who allows it, and
drawn ones; of all, every outcome that the checker finds against the set that the axioms give
(weave_axioms.py, which shares no code with the checker). Canaries: models with one rule broken must
differ. What it cannot show: programs with loops, more than two words.
"""

import pytest
from hypothesis import given

from stress.races.weave import models
from stress.races.weave.choosers import EveryChoice
from stress.races.weave.dpor import Dpor
from tests.race.weave_axioms import allowed
from tests.race.weave_programs import drawn_threads, observed

MODELS = ("sc", "tso", "c11")
X, Y = 0, 1


def load(word, order="relaxed"):
    return ("load", word, order)


def store(word, value=1, order="relaxed"):
    return ("store", word, value, order)


def fence(order):
    return ("fence", order)


def buffering(store_order, load_order, *between):
    """Return the program of store buffering."""
    return tuple(
        (store(mine, 1, store_order), *between, load(other, load_order))
        for mine, other in ((X, Y), (Y, X))
    )


def passing(store_order, load_order, before=(), behind=()):
    """Return the program of message passing: X is the message, Y the flag."""
    writer = (store(X), *before, store(Y, 1, store_order))
    return (writer, (load(Y, load_order), *behind, load(X)))


def two_readers(store_order, load_order):
    """Return IRIW: two writers, and two readers that read in different orders."""
    readers = tuple((load(a, load_order), load(b, load_order)) for a, b in ((X, Y), (Y, X)))
    return ((store(X, 1, store_order),), (store(Y, 1, store_order),), *readers)


BOTH_OLD = ((0,), (0,))
FLAG_WITHOUT_MESSAGE = ((), (1, 0))
DISAGREEMENT = ((), (), (1, 0), (1, 0))
ADD = ("add", Y, 1, "relaxed")
# Name: program, what loads and updates return in the outcome it is known for, (sc, tso, c11).
LITMUS = {
    "SB": (buffering("relaxed", "relaxed"), BOTH_OLD, (0, 1, 1)),
    "SB release acquire": (buffering("release", "acquire"), BOTH_OLD, (0, 1, 1)),
    "SB fences": (buffering("relaxed", "relaxed", fence("seq_cst")), BOTH_OLD, (0, 0, 0)),
    "SB weak fences": (buffering("relaxed", "relaxed", fence("acq_rel")), BOTH_OLD, (0, 1, 1)),
    "SB seq_cst": (buffering("seq_cst", "seq_cst"), BOTH_OLD, (0, 0, 0)),
    "MP": (passing("relaxed", "relaxed"), FLAG_WITHOUT_MESSAGE, (0, 0, 1)),
    "MP release acquire": (passing("release", "acquire"), FLAG_WITHOUT_MESSAGE, (0, 0, 0)),
    "MP no acquire": (passing("release", "relaxed"), FLAG_WITHOUT_MESSAGE, (0, 0, 1)),
    "MP no release": (passing("relaxed", "acquire"), FLAG_WITHOUT_MESSAGE, (0, 0, 1)),
    "MP fences": (
        passing("relaxed", "relaxed", (fence("release"),), (fence("acquire"),)),
        FLAG_WITHOUT_MESSAGE,
        (0, 0, 0),
    ),
    "MP fence of the writer only": (
        passing("relaxed", "relaxed", (fence("release"),)),
        FLAG_WITHOUT_MESSAGE,
        (0, 0, 1),
    ),
    "MP through an update": (
        ((store(X), store(Y, 1, "release")), (ADD,), (load(Y, "acquire"), load(X))),
        ((), (1,), (2, 0)),
        (0, 0, 0),
    ),
    "MP through another's store": (
        ((store(X), store(Y, 1, "release")), (store(Y, 2),), (load(Y, "acquire"), load(X))),
        ((), (), (2, 0)),
        (1, 1, 1),
    ),
    "CoRR": (((store(X),), (load(X), load(X))), ((), (1, 0)), (0, 0, 0)),
    "CoWR": (((store(X, 1), load(X)), (store(X, 2), load(X))), ((2,), (1,)), (0, 0, 0)),
    "IRIW release acquire": (two_readers("release", "acquire"), DISAGREEMENT, (0, 0, 1)),
    "IRIW seq_cst": (two_readers("seq_cst", "seq_cst"), DISAGREEMENT, (0, 0, 0)),
    "WRC": (
        (
            (store(X, 1, "release"),),
            (load(X, "acquire"), store(Y, 1, "release")),
            (load(Y, "acquire"), load(X, "acquire")),
        ),
        ((), (1,), (1, 0)),
        (0, 0, 0),
    ),
    "WRC relaxed": (
        ((store(X),), (load(X), store(Y)), (load(Y), load(X))),
        ((), (1,), (1, 0)),
        (0, 0, 1),
    ),
    "updates are atomic": (((ADD,), (ADD,)), BOTH_OLD, (0, 0, 0)),
    "swaps are atomic": (
        ((("swap", X, 0, 1, "relaxed"),), (("swap", X, 0, 2, "relaxed"),)),
        BOTH_OLD,
        (0, 0, 0),
    ),
    # C11 allows it, the checker does not: nobody reads what is stored later.
    "LB": (((load(X), store(Y)), (load(Y), store(X))), ((1,), (1,)), (0, 0, 0)),
}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", LITMUS)
def test_litmus_program_has_its_known_outcomes(name, model):
    threads, known, allowed_by = LITMUS[name]
    found, dpor_count = observed(threads, model, Dpor())
    assert found == allowed(threads, model)
    assert any(returned == known for returned, _ in found) == bool(allowed_by[MODELS.index(model)])
    everything, count = observed(threads, model, EveryChoice())
    assert found == everything
    assert dpor_count <= count


@pytest.mark.parametrize("model", MODELS)
def test_stores_to_two_words_follow_each_other_as_executed(model):
    """2+2W: C11 allows that both first stores come last; the checker says that it does not."""
    threads = ((store(X, 1), store(Y, 2)), (store(Y, 1), store(X, 2)))
    found, _ = observed(threads, model, Dpor())
    assert found == allowed(threads, model)
    assert (1, 1) not in {final for _, final in found}


@given(threads=drawn_threads())
def test_drawn_programs_have_the_outcomes_of_the_axioms(threads):
    for model in MODELS:
        found, _ = observed(threads, model, Dpor())
        assert found == allowed(threads, model), model


@pytest.mark.parametrize(
    ("rule", "name", "model"),
    [
        ("ACQUIRES", "MP release acquire", "c11"),
        ("RELEASES", "MP release acquire", "c11"),
        ("ACQUIRES", "MP fences", "c11"),
        ("RELEASES", "MP fences", "c11"),
    ],
)
def test_model_without_a_rule_is_told_from_the_axioms(monkeypatch, rule, name, model):
    monkeypatch.setattr(models, rule, (False,) * 6)
    threads = LITMUS[name][0]
    assert observed(threads, model, Dpor())[0] != allowed(threads, model)


def test_buffer_that_is_never_full_is_told_from_sequential_consistency():
    threads = LITMUS["SB"][0]
    assert observed(threads, "tso", Dpor())[0] != allowed(threads, "sc")
