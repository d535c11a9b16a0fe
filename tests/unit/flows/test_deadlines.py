"""Names of deadlines: a row is never named after the open pane, nor further ahead than names go.

Method: the definition on a few control words, at the limits. That deadlines end flows when they
should is shown by the twin (tests/property).
"""

import numpy as np
import pytest

from engine.config import PANE_NS
from engine.flows.deadlines import AHEAD_MAX, COUNTS_AT, NAMES, NEVER, PANE, _name_for, next_pane
from engine.layouts import places
from engine.layouts.table import TABLE

NOW = 1000


@pytest.fixture
def table():
    """Return the control words of a table whose pane is NOW, and counts of names behind them."""
    words = np.zeros(TABLE.words + NAMES + 1, np.int64)
    words[PANE], words[COUNTS_AT] = NOW, TABLE.words
    return words


@pytest.mark.parametrize("ahead", [1, 2, AHEAD_MAX - 1, AHEAD_MAX, AHEAD_MAX + 1, 10 * NAMES])
def test_deadline_is_named_after_its_pane_or_the_furthest(table, ahead):
    wanted = (NOW + min(ahead, AHEAD_MAX)) % NAMES + 1
    for offset in (0, PANE_NS - 1):
        assert _name_for(table, (NOW + ahead) * PANE_NS + offset) == wanted


def test_deadline_that_never_comes_has_a_name_of_its_own(table):
    assert _name_for(table, places.TIME_MAX) == NEVER


def test_deadline_within_the_open_pane_has_no_name(table):
    for deadline in (NOW * PANE_NS - 1, NOW * PANE_NS, (NOW + 1) * PANE_NS - 1):
        with pytest.raises(AssertionError):
            _name_for(table, deadline)


@pytest.mark.parametrize("ahead", [1, 2, 100, AHEAD_MAX])
def test_next_pane_is_the_first_with_a_name_and_no_later_than_now(table, ahead):
    table[TABLE.words + (NOW + ahead) % NAMES + 1] = 1
    for now in (NOW + 1, NOW + ahead, NOW + ahead + 1, NOW + 1000):
        assert next_pane(table, now) == min(NOW + ahead, now)
