"""Ranges are the marks of the valid values; a sample is of all, whatever their order and number."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.features.catalogue import NAMES
from engine.report.ranges import SHARES, VALID_MIN, Sample

AT = 5
NAME = NAMES[AT]


def vectors(values, valid=None):
    vector = np.zeros((len(NAMES), len(values)), np.float32)
    vector[AT] = values
    mask = np.zeros(vector.shape, bool)
    mask[AT] = True if valid is None else valid
    return vector, mask


@given(st.lists(st.tuples(st.integers(-1000, 1000), st.booleans()), min_size=1, max_size=80))
def test_marks_are_values_at_their_shares(drawn):
    values, valid = zip(*drawn, strict=True)
    sample = Sample((NAME,))
    sample.add(*vectors(values, valid))
    chosen = sorted(value for value, is_valid in drawn if is_valid)
    found = sample.ranges().get(NAME)
    if len(chosen) < VALID_MIN:
        assert found is None
        return
    assert found.count == len(chosen)
    for mark, part in zip((found.low, found.middle, found.high), SHARES, strict=True):
        assert mark in chosen
        below = sum(value <= mark for value in chosen) / len(chosen)
        assert below >= part - 1 / len(chosen)
        assert sum(value >= mark for value in chosen) / len(chosen) >= 1 - part - 1 / len(chosen)


def test_sample_is_of_the_whole_and_bounded():
    sample = Sample((NAME,), sample_max=500)
    for block in range(40):
        sample.add(*vectors(np.arange(block * 100, block * 100 + 100)))
        assert sample._values.shape[1] <= 500
    assert sample.count == 4000
    found = sample.ranges()[NAME]
    assert found.count == 500
    assert abs(found.middle - 2000) < 400  # Of 500 drawn evenly: four deviations are 358.
    assert found.low < 600
    assert found.high > 3400


def test_same_records_give_the_same_ranges():
    made = []
    for _ in range(2):
        sample = Sample((NAME,), sample_max=64)
        sample.add(*vectors(np.arange(1000)))
        made.append(sample.ranges())
    assert made[0] == made[1]


def test_feature_that_is_never_valid_has_no_range():
    sample = Sample((NAME,))
    sample.add(*vectors(np.arange(100), valid=False))
    assert sample.ranges() == {}
