"""Goal: the set of alerted parts holds exactly what was put in and not taken out.

Method: a stateful comparison with Python's set, over few references and a small table, so that runs
wrap and gaps close; a canary that forgets to close gaps. It says nothing about speed.
"""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.classifier import alerted

MEMBERS_MAX = 12
STEPS = st.lists(
    st.tuples(st.sampled_from(["insert", "remove", "contains"]), st.integers(0, 30)), max_size=200
)
KEYS = st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))


def run(steps, hash_key, remove) -> bool:
    """Return whether the set and Python's agree at every step."""
    places, key = alerted.make_set(MEMBERS_MAX), alerted.make_key(hash_key)
    members = set()
    for verb, number in steps:
        reference = number << 44
        if verb == "insert" and (len(members) < MEMBERS_MAX or reference in members):
            agrees = alerted.insert(places, key, reference) == (reference not in members)
            members.add(reference)
        elif verb == "remove":
            agrees = remove(places, key, reference) == (reference in members)
            members.discard(reference)
        else:
            agrees = alerted.contains(places, key, reference) == (reference in members)
        if not agrees or {int(place) for place in places if place >= 0} != members:
            return False
        alerted.check(places, key)
    return True


@given(STEPS, KEYS)
@settings(deadline=None)
def test_set_agrees_with_python_at_every_step(steps, hash_key):
    assert run(steps, hash_key, alerted.remove)


def test_removal_that_leaves_the_gap_open_is_found():
    def remove_only(places, key, reference):
        found = np.flatnonzero(places == reference)
        places[found] = -1
        return len(found) > 0

    draw = np.random.default_rng(1)
    for _ in range(200):
        verbs = draw.choice(["insert", "insert", "remove", "contains"], 100)
        steps = list(zip(verbs.tolist(), draw.integers(0, 30, 100).tolist(), strict=True))
        try:
            if not run(steps, (1, 2), remove_only):
                return
        except AssertionError:
            return
    raise AssertionError("a set with open gaps was not told from a right one")


def test_set_has_twice_as_many_places_as_flows_may_be_live():
    for flows in (1, 2, 3, 64, 1000, 1 << 20):
        places = len(alerted.make_set(flows))
        assert places >= 2 * flows
        assert places & (places - 1) == 0
