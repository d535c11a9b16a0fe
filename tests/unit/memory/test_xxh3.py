"""Goal: bytes fed in pieces have the digest that the library xxhash gives them whole.

Method: drawn pieces, around the lengths at which the rules change (0, 240, stripes of 64, blocks of
1,024); the steps' twins beside the compiled steps. It cannot show more than the library knows.
"""

from itertools import pairwise

import numpy as np
import pytest
import xxhash
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numba import njit

from engine.memory import xxh3
from engine.memory.pointers import pointer

EDGES = (0, 1, 63, 64, 65, 128, 239, 240, 241, 256, 257, 1023, 1024, 1025, 2048, 2049, 4500)
SIZES = st.one_of(st.sampled_from(EDGES), st.integers(0, 3000))


def fed(pieces: list[bytes]) -> np.ndarray:
    """Return the state after the pieces."""
    state = xxh3.make_state()
    for piece in pieces:
        room = np.full(xxh3.WINDOW + len(piece), 0xA5, np.uint8)
        room[xxh3.WINDOW :] = np.frombuffer(piece, np.uint8)
        xxh3.feed(state, state.view(np.uint8), room, len(piece))
    return state


@given(st.lists(SIZES, max_size=6), st.integers(0, 2**32))
@example([1024, 1], 0)
@example([1, 1023, 1024], 0)
@settings(deadline=None, max_examples=150)
def test_pieces_have_the_digest_of_the_whole(sizes, seed):
    whole = np.random.default_rng(seed).integers(0, 256, sum(sizes), np.uint8).tobytes()
    cuts = np.cumsum([0, *sizes])
    pieces = [whole[left:right] for left, right in pairwise(cuts)]
    assert xxh3.text(fed(pieces)) == xxhash.xxh3_128_hexdigest(whole)


def test_every_length_up_to_two_blocks_has_its_digest():
    whole = np.random.default_rng(1).integers(0, 256, 2100, np.uint8).tobytes()
    state = xxh3.make_state()
    for length in range(1, len(whole) + 1):
        room = np.zeros(xxh3.WINDOW + 1, np.uint8)
        room[-1] = whole[length - 1]
        xxh3.feed(state, state.view(np.uint8), room, 1)
        assert xxh3.text(state) == xxhash.xxh3_128_hexdigest(whole[:length])


def test_more_bytes_than_there_is_room_for_are_refused():
    state, room = xxh3.make_state(), np.zeros(xxh3.WINDOW + 3, np.uint8)
    xxh3.feed(state, state.view(np.uint8), room, 3)
    xxh3.feed(state, state.view(np.uint8), room, 0)
    for size in (4, 5, -1):
        with pytest.raises(AssertionError):
            xxh3.feed(state, state.view(np.uint8), room, size)


def test_a_state_put_back_goes_on_as_it_was():
    state = fed([bytes(range(200)), b"x" * 3000])
    kept, room = state.copy(), np.ones(xxh3.WINDOW + 500, np.uint8)
    xxh3.feed(state, state.view(np.uint8), room, 500)
    expected = xxh3.text(state)
    state[:] = kept
    room[:] = 1
    xxh3.feed(state, state.view(np.uint8), room, 500)
    assert xxh3.text(state) == expected


@njit
def _steps(lanes, octets, at, number):
    xxh3._take_stripe(pointer(lanes), pointer(octets), at, number)
    xxh3._scramble(pointer(lanes))


@given(st.integers(0, 2**32), st.integers(0, 9), st.integers(0, 15))
@settings(deadline=None, max_examples=50)
def test_compiled_steps_are_their_twins(seed, at, number):
    random = np.random.default_rng(seed)
    lanes = random.integers(-(2**63), 2**63 - 1, 8)
    octets = random.integers(0, 256, 100, np.uint8)
    expected = lanes.copy()
    _steps(lanes, octets, at, number)
    xxh3._take_stripe(expected, octets, at, number)
    xxh3._scramble(expected)
    assert lanes.tolist() == expected.tolist()
