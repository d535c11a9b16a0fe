"""Writing features of a row: value into its place, validity bit into a mask."""

import math

import numpy as np
from numba import njit

from engine.memory.options import HOT, KERNEL
from engine.memory.wide import wide_variance_numerator


@njit(**HOT)
def put(row, feature, value):
    """Write a valid feature; `row` is a float32 pointer to feature 0. Return its bit."""
    row[feature] = np.float32(value)
    return 1


@njit(**HOT)
def put_if(row, feature, is_valid, value):
    """Write a feature, or 0.0 where it is not valid; return its bit."""
    row[feature] = np.float32(value) if is_valid else np.float32(0.0)
    return 1 if is_valid else 0


@njit(**HOT)
def ratio(part, whole):
    """Return part / whole, at most 1; 0.0 where the whole is 0."""
    if whole == 0:
        return 0.0
    return min(1.0, float(part) / float(whole))


@njit(**HOT)
def mean(total, count):
    """Return total / count; 0.0 of none."""
    return float(total) / float(count) if count else 0.0


@njit(**KERNEL)
def deviation(count, low, high, total):
    """Return the sample deviation of `count` values from their exact sums; 0.0 of one or none."""
    if count < 2:
        return 0.0
    spread = wide_variance_numerator(count, low, high, total)
    return math.sqrt(spread / (float(count) * float(count - 1)))


@njit(**HOT)
def log2_ratio(over, under):
    """Return log2(over / under) of numbers above 0."""
    return 0.0 if over == under else math.log2(over / under)


@njit(**HOT)
def share_of(bits, most):
    """Return an entropy as a share of the largest possible, from 0 to 1."""
    return min(1.0, max(0.0, bits / most))
