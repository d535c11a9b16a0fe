"""Goal: the index finds every key that is there and none that is not, whatever was removed before.

Method: a stateful machine beside a dict. Keys are drawn so that their hashes begin alike, or end
the index, where chains wrap round; a hash may be that of another key. After each step every entry
is reached from its home, as a search goes.
"""

import hypothesis.strategies as st
import numpy as np
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from numba import njit

from engine.hosts import index
from engine.memory.pointers import pointer
from tests.conftest import WITHOUT_JIT

BITS, PLACES = 5, 16
HOMES = st.sampled_from([0, 1, 2, 30, 31])
TAGS = st.integers(0, 1)


@njit
def _find(entries, hashed, keys, key):
    records, wanted = (pointer(keys), 2), (pointer(key), 2)
    return index.find(pointer(entries), BITS, hashed, records, wanted)


@njit
def _insert(entries, hashed, place):
    index.insert(pointer(entries), BITS, hashed, place)


@njit
def _remove(entries, hashed, place):
    index.remove(pointer(entries), BITS, hashed, place)


def hash_of(home: int, tag: int) -> int:
    """Return a hash with that home; hashes of one home and tag are the same."""
    value = home << (64 - BITS) | tag << 30 | 12345
    return value - (1 << 64) if value >> 63 else value


class IndexMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.entries = np.zeros(1 << BITS, np.int64)
        self.keys = np.zeros((PLACES + 1) * 2, np.int64)
        self.model: dict[tuple[int, int], tuple[int, int]] = {}  # Key: hash, place.
        self.free = list(range(PLACES, 0, -1))
        self.number = 0

    @precondition(lambda self: self.free)
    @rule(home=HOMES, tag=TAGS)
    def insert(self, home, tag):
        self.number += 1
        place, key = self.free.pop(), (home, self.number)
        self.keys[2 * place : 2 * place + 2] = key
        self.model[key] = hash_of(home, tag), place
        _insert(self.entries, hash_of(home, tag), place)

    @precondition(lambda self: self.model)
    @rule(which=st.integers(0, PLACES))
    def remove(self, which):
        key = sorted(self.model)[which % len(self.model)]
        hashed, place = self.model.pop(key)
        _remove(self.entries, hashed, place)
        self.free.append(place)

    @rule(home=HOMES, tag=TAGS)
    def absent_key_is_not_found(self, home, tag):
        key = np.array([home, self.number + 1], np.int64)
        assert _find(self.entries, hash_of(home, tag), self.keys, key) == 0

    @invariant()
    def every_key_is_found(self):
        for key, (hashed, place) in self.model.items():
            assert _find(self.entries, hashed, self.keys, np.array(key, np.int64)) == place
        assert np.count_nonzero(self.entries) == len(self.model)


TestIndexMachine = IndexMachine.TestCase
TestIndexMachine.settings = settings(
    max_examples=10 if WITHOUT_JIT else 100, stateful_step_count=40, deadline=None
)
