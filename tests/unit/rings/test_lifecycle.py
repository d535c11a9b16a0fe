"""A ring's life is the table and nothing else.

Method: every pair of actor and action in every state, against the table; then machines that walk it
at random and must end where the ring is gone.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import SegmentError
from engine.layouts import RING
from engine.rings import lifecycle
from engine.rings.lifecycle import STATES, TRANSITIONS, take

STATE = RING.index("state")
STEPS = list(TRANSITIONS)
EVERY = [(actor, action, state) for actor, action in STEPS for state in range(len(STATES))]


def ring_in(state):
    """Return the header of a ring in a state."""
    ring = np.zeros(RING.words, np.int64)
    ring[STATE] = state
    return ring


@pytest.mark.parametrize(("actor", "action", "state"), EVERY)
def test_step_is_taken_exactly_where_the_table_allows_it(actor, action, state):
    ring = ring_in(state)
    allowed = TRANSITIONS[actor, action]
    if state in allowed:
        assert take(ring, actor, action) == allowed[state]
        assert ring[STATE] == allowed[state]
    else:
        with pytest.raises(SegmentError, match=f"{actor} cannot {action} .* {STATES[state]}"):
            take(ring, actor, action)
        assert ring[STATE] == state


def test_names_and_numbers_of_the_states_agree():
    named = [getattr(lifecycle, name.upper()) for name in STATES]
    assert named == list(range(len(STATES)))


@given(st.lists(st.sampled_from(STEPS), max_size=30))
def test_used_ring_is_never_free_again_and_down_is_the_end(program):
    ring = ring_in(lifecycle.INITIAL)
    seen = [lifecycle.INITIAL]
    for actor, action in program:
        try:
            seen.append(take(ring, actor, action))
        except SegmentError:
            assert ring[STATE] == seen[-1]
    assert lifecycle.FREE not in seen[2:]
    assert lifecycle.DOWN not in seen[:-1]


@given(st.lists(st.sampled_from(STEPS), max_size=30))
def test_at_most_one_producer_and_one_consumer_are_attached(program):
    ring = ring_in(lifecycle.INITIAL)
    attached = {"producer": 0, "consumer": 0}
    for actor, action in program:
        try:
            take(ring, actor, action)
        except SegmentError:
            continue
        attached[actor] = attached.get(actor, 0) + {"attach": 1, "detach": -1}.get(action, 0)
        assert 0 <= attached["producer"] <= 1
        assert 0 <= attached["consumer"] <= 1


def test_every_state_can_be_left_for_down_or_is_down():
    reachable = {lifecycle.DOWN}
    for _ in STATES:
        for allowed in TRANSITIONS.values():
            reachable |= {before for before, after in allowed.items() if after in reachable}
    assert reachable == set(range(len(STATES)))


def test_step_that_another_actor_overtakes_is_tried_again(monkeypatch):
    ring = ring_in(lifecycle.FREE)
    swap = lifecycle._swap_state

    def overtaken(words, before, after):
        monkeypatch.setattr(lifecycle, "_swap_state", swap)
        take(ring, "consumer", "attach")
        return swap(words, before, after)

    monkeypatch.setattr(lifecycle, "_swap_state", overtaken)
    assert take(ring, "producer", "attach") == lifecycle.BOTH_UP


@pytest.mark.parametrize("actor", ("producer", "consumer"))
def test_actor_is_up_from_its_attaching_to_its_detaching(actor):
    ring = ring_in(lifecycle.FREE)
    assert not lifecycle.is_up(ring, actor)
    take(ring, actor, "attach")
    assert lifecycle.is_up(ring, actor)
    take(ring, actor, "adopt")
    take(ring, actor, "detach")
    assert not lifecycle.is_up(ring, actor)
