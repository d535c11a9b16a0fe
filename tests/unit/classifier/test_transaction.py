"""A step of the classifier counts by one store, and events are given back behind it.

Method: the kernels as plain Python over control words that record their stores; what they call
tells that it was called. That what is kept and taken back is exact: tests/unit/memory/test_kept.py
and tests/property/test_classifier_death.py. What it cannot show: what a compiler makes of the
order.
"""

from types import SimpleNamespace

import numpy as np
import pytest

from engine.classifier import transaction
from engine.classifier.lanes import HEAD, LANE_WORDS
from engine.hosts.pane import ROWS_VERSION
from engine.memory import kept
from tests.conftest import WITHOUT_JIT
from tests.unit.recording import recorded

pytestmark = pytest.mark.skipif(not WITHOUT_JIT, reason="kernels are watched as plain Python")
FENCE, COMMIT = ("fence_program",), ("commit",)
HEADS = transaction._HEADS
TAKEN = [5, 9]  # Heads of the lanes.


@pytest.fixture
def control(monkeypatch):
    """Return the control words of a region, recorded."""
    words = recorded(np.zeros(kept.CONTROL_WORDS, np.int64), monkeypatch, transaction)
    words[kept.IS_ON] = 1
    words.told.clear()
    monkeypatch.setattr(transaction, "words_at", lambda region, count: words)
    told = words.told.append
    monkeypatch.setattr(transaction.kept, "commit", lambda region: told(COMMIT))
    monkeypatch.setattr(transaction, "_forget_journal", lambda region: told(COMMIT))
    monkeypatch.setattr(transaction, "release_taken", lambda lanes: told(("release",)))
    monkeypatch.setattr(transaction, "_release", lambda header, head: told(("release", head)))
    return words


@pytest.fixture
def lanes():
    made = np.zeros((len(TAKEN), LANE_WORDS), np.int64)
    made[:, HEAD] = TAKEN
    return made


def test_heads_stand_before_they_count_and_events_are_given_back_behind_the_commit(control, lanes):
    transaction._commit(0, lanes)
    noted = [("store", HEADS + 1), ("store", HEADS + 2), FENCE, ("store", HEADS)]
    assert control.told == [*noted, COMMIT, ("release",), FENCE, ("store", HEADS)]
    assert control[HEADS + 1 : HEADS + 3].tolist() == TAKEN
    assert control[HEADS] == 0


def test_without_a_journal_events_are_given_back_and_nothing_is_noted(control, lanes):
    control[kept.IS_ON] = 0
    control.told.clear()
    transaction._commit(0, lanes)
    assert control.told == [("release",), FENCE, ("store", HEADS)]


def test_commit_under_way_is_finished_before_it_is_forgotten(control):
    control[HEADS : HEADS + 3] = [2, *TAKEN]
    control.told.clear()
    state = SimpleNamespace(control=control, region=0, hosts=None)
    rings = [SimpleNamespace(header=None)] * 2
    assert transaction.recover(state, rings) == 0
    assert control.told == [*(("release", head) for head in TAKEN), COMMIT, ("store", HEADS)]


def test_version_of_hosts_stands_between_two_fences(monkeypatch):
    hosts = recorded(np.zeros(ROWS_VERSION + 8, np.int64), monkeypatch, transaction)
    transaction._store_version(hosts, 3)
    assert hosts.told == [FENCE, ("store_release", ROWS_VERSION), FENCE]
    assert hosts[ROWS_VERSION] == 3


def test_no_more_rings_are_committed_than_heads_have_a_place(monkeypatch):
    committed = []
    monkeypatch.setattr(transaction, "_commit", lambda region, lanes: committed.append(len(lanes)))
    most, state = transaction._LANES_MAX, SimpleNamespace(region=0)
    transaction.commit(state, np.zeros((most, LANE_WORDS), np.int64))
    with pytest.raises(AssertionError):
        transaction.commit(state, np.zeros((most + 1, LANE_WORDS), np.int64))
    assert committed == [most]
