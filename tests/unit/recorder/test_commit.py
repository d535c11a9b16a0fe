"""Whatever the recorder notes of a batch is noted between its begin and its commit, and kept first.

Method: outputs over a ledger whose words record their stores, by name of what begins and commits;
and a batch that is taken back. The kernels run as plain Python. That files go on from what was
committed, wherever the process dies: test_recovery.py, with real kills.
"""

import numpy as np
import pytest

from engine.layouts import JOURNAL, TAKING, WRITTEN
from engine.recorder.found import Found
from engine.recorder.ledger import Ledger
from engine.recorder.outputs import Outputs
from engine.rings import journal
from tests.conftest import WITHOUT_JIT
from tests.unit.recorder.rows import plan_of, some_rows
from tests.unit.recording import recorded

pytestmark = pytest.mark.skipif(not WITHOUT_JIT, reason="kernels are watched as plain Python")
ROWS = 24


class ToldLedger(Ledger):
    """A ledger that tells of its begins, its commits, and stores to what they are about."""

    def begin(self):
        """Begin, and say so."""
        super().begin()
        self.words.told.append(("begin",))

    def commit(self):
        """Say so, and commit."""
        self.words.told.append(("commit",))
        super().commit()


@pytest.fixture
def ledger(monkeypatch):
    """Return a new ledger, recorded."""
    words = Ledger.private(parquet=True).words
    return ToldLedger(recorded(words, monkeypatch, journal))


def transactions(ledger: Ledger) -> list[list[int]]:
    """Return the places that were stored to in each transaction; outside there are none."""
    entries_end = ledger.table_at(0, 0)
    found, is_open = [], False
    for step, *place in ledger.words.told:
        if step == "begin":
            assert not is_open
            found.append([])
            is_open = True
        elif step == "commit":
            is_open = False
        elif step == "store" and not ledger.journal_at <= place[0] < entries_end:
            assert is_open, f"word {place[0]} is stored outside of a transaction"
            found[-1] += place
    assert not is_open, "the last transaction is not committed"
    ledger.words.told.clear()
    return found


def test_every_word_is_stored_between_a_begin_and_a_commit(ledger, tmp_path, monkeypatch):
    full = iter([True, False, False])
    made = Outputs(plan_of(tmp_path, ("csv", "parquet"), "finals"), lambda: True, ledger)
    (first,) = transactions(ledger)
    assert first
    monkeypatch.setattr(made._parquet, "advance", lambda: next(full))
    made.take(some_rows(ROWS))
    batch, group = transactions(ledger)  # What Parquet writes has a commit of its own.
    assert batch and group
    assert ledger["phase"] == TAKING
    made.complete(b"{}\n")
    (last,) = transactions(ledger)
    assert last
    assert ledger["phase"] == WRITTEN
    assert ledger.words[ledger.journal_at + journal.USED] == 0


def test_addresses_counted_in_a_batch_are_taken_back(ledger):
    tally = Found(ledger)
    tally.add(some_rows(ROWS))
    ledger.commit()
    before = np.array(ledger.words)
    ledger.begin()
    tally.add(some_rows(2 * ROWS))
    changed = np.flatnonzero(np.asarray(ledger.words) != before)
    assert (changed >= ledger.table_at(0, 0)).any()
    ledger.recover()
    behind = ledger.journal_at + JOURNAL.words
    entries = slice(behind, ledger.table_at(0, 0))
    after = np.array(ledger.words)
    before[entries] = after[entries] = 0
    assert np.array_equal(after, before)


def test_ledger_without_a_segment_has_none_to_give_up():
    with pytest.raises(AssertionError):
        Ledger.private(parquet=False).close()
