"""The flow parts that are still live and have had their alert: one alert per part.

An open-addressing set of the frame references of the parts' first packets, which are unique in a
run. An early record that alerts puts its part in, the part's final takes it out. At any record
there are at most flow.max_flows live parts, so a set of twice as many places never fills.

The slot is chosen by the run's keyed hash, so that nobody can aim at one stretch of it. Removing
closes the gap by moving later members back: there are no tombstones, a set that is empty is clean.
"""

import numpy as np
from numba import njit

from engine.memory.kept import kept
from engine.memory.options import HOT
from engine.memory.pointers import pointer, prefetch
from engine.memory.region import map_region
from engine.memory.wide import multiply_fold

_FREE = -1  # No frame reference is negative.


def places_for(max_flows: int) -> int:
    """Return how many places a set for at most `max_flows` members has."""
    return 1 << (2 * max_flows - 1).bit_length()


def empty_set(places: np.ndarray) -> None:
    """Make words an empty set."""
    places[:] = _FREE


def make_set(max_flows: int) -> np.ndarray:
    """Return an empty set for at most `max_flows` members, int64, in a region of its own."""
    places = map_region(places_for(max_flows))
    empty_set(places)
    return places


def make_key(hash_key: tuple[int, int]) -> np.ndarray:
    """Return the two halves of the run's hash key as int64; the second odd: a factor."""
    return np.frombuffer(
        b"".join(half.to_bytes(8, "little") for half in (hash_key[0], hash_key[1] | 1)), np.int64
    ).copy()


@njit(**HOT)
def _home(places, key, reference):
    return multiply_fold(reference ^ key[0], key[1]) & (len(places) - 1)


@njit(**HOT)
def prefetch_home(places, key, reference):
    """Ask for the line that a question about a part will begin with; changes nothing."""
    prefetch(pointer(places), _home(places, key, reference))


@njit(**HOT)
def contains(places, key, reference):
    """Return whether a part is in the set."""
    at = _home(places, key, reference)
    while places[at] != _FREE:
        if places[at] == reference:
            return True
        at = at + 1 & len(places) - 1
    return False


@njit(**HOT)
def insert(places, key, reference):
    """Put a part in; return whether it was not there before."""
    at = _home(places, key, reference)
    for _ in range(len(places)):
        if places[at] == reference:
            return False
        if places[at] == _FREE:
            kept(places)[at] = reference
            return True
        at = at + 1 & len(places) - 1
    assert False, "more live parts than flow.max_flows"  # noqa: B011 (never run with -O)
    return False


@njit(**HOT)
def remove(places, key, reference):
    """Take a part out; return whether it was there."""
    mask = len(places) - 1
    at = _home(places, key, reference)
    while places[at] != reference:
        if places[at] == _FREE:
            return False
        at = at + 1 & mask
    gap = at
    while True:
        at = at + 1 & mask
        if places[at] == _FREE:
            break
        # A member may fill the gap unless its home lies behind the gap, on the way to it.
        if (at - _home(places, key, places[at]) & mask) >= (at - gap & mask):
            kept(places)[gap] = places[at]
            gap = at
    kept(places)[gap] = _FREE
    return True


def check(places: np.ndarray, key: np.ndarray) -> None:
    """Assert that every member is found and none stands twice."""
    members = places[places != _FREE]
    assert len(np.unique(members)) == len(members), f"doubled members: {members}"
    assert len(members) < len(places), "the set is full"
    for reference in members:
        assert contains(places, key, reference), f"{reference} cannot be reached"
