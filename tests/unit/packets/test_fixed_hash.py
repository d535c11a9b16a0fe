"""Goal: the fixed hash is splitmix64 chained over words, in kernels and in plain Python alike.

Method: published numbers, the vectors of the module, and the plain twin against the kernels. It
does not show how well the hash spreads.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.packets.fixed_hash import (
    TEST_VECTORS,
    hash_address,
    hash_port,
    hash_word,
    hash_words,
    plain_hash,
)

WORDS = st.integers(0, 2**64 - 1)


def signed(word: int) -> int:
    return word - 2**64 if word >> 63 else word


def kernel_hash(words) -> int:
    return int(hash_words(np.array([signed(word) for word in words], np.int64))) % 2**64


def test_first_step_gives_the_published_numbers_of_splitmix64():
    assert plain_hash([0]) == 16294208416658607535  # Seed 0, first number.
    assert plain_hash([1234567]) == 6457827717110365317  # Seed 1234567, first number.


@pytest.mark.parametrize(("words", "expected"), TEST_VECTORS)
def test_vector_holds_in_kernel_and_twin(words, expected):
    assert plain_hash(words) == expected
    assert kernel_hash(words) == expected


def test_there_are_ten_vectors():
    assert len({words for words, _ in TEST_VECTORS}) == 10


@given(st.lists(WORDS, max_size=9))
def test_kernel_equals_twin_on_any_words(words):
    assert kernel_hash(words) == plain_hash(words)


@given(WORDS, st.lists(WORDS, min_size=1, max_size=4))
def test_one_word_at_a_time_gives_the_same_hash(first, rest):
    h = hash_word(0, signed(first))
    for word in rest:
        h = hash_word(h, signed(word))
    assert int(h) % 2**64 == plain_hash([first, *rest])


@given(st.booleans(), WORDS, WORDS, st.integers(0, 255), st.integers(0, 65535))
def test_pair_is_address_then_port_with_its_protocol(version6, high, low, protocol, port):
    h = hash_port(hash_address(0, version6, signed(high), signed(low)), protocol, port)
    words = [6 if version6 else 4, high, low, protocol << 16 | port]
    assert int(h) % 2**64 == plain_hash(words)
