"""A worker that dies anywhere, and whoever comes after it, do each transaction once.

Method: a machine of rounds (rounds.py) over words and their undo journal (rings/journal.py). A
round is a drawn list of transactions, each of drawn changes that say in the same transaction how
far they have come; up to two deaths at drawn accesses, each followed by the shipped recovery, which
goes on. The model applies the same changes to a list. What it cannot show: the journal of a whole
worker (tests/unit/flows/test_killed.py), compiled code (test_killpoint.py).
"""

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from engine.layouts import JOURNAL
from engine.rings import journal as shipped
from stress.races.scenario import Role
from stress.zoo.twins import Edit
from tests.race.rounds import SEEDS, Rounds, assert_finds, bugs_of, finished, twin

KEPT, DONE, AT, ROOM = 8, 8, 16, 40
_NAMES = ("keep", "commit", "undo")
_CHANGE = st.tuples(st.integers(0, KEPT - 3), st.integers(1, 3), st.integers(-9, 9))
_TRANSACTIONS = st.lists(st.lists(_CHANGE, min_size=1, max_size=3), min_size=1, max_size=3)


def worker_of(journal, keeps_late=False):
    """Return who does transactions from the first that is not done on.

    Who `keeps_late` keeps words when he has changed the first of them.
    """
    keep, commit = journal.keep, journal.commit

    def work(words, first, transactions):
        while words[DONE] < first + len(transactions):
            for place, count, value in transactions[words[DONE] - first]:
                if keeps_late:
                    words[place] += value
                keep(words, AT, place, count)
                for word in range(place + keeps_late, place + count):
                    words[word] += value
            keep(words, AT, DONE, 1)
            words[DONE] += 1
            commit(words, AT)

    return work


def heir_of(journal, work):
    """Return who takes a dead worker's place: the shipped recovery, and on."""
    undo = journal.undo

    def go_on(words, first, transactions):
        undo(words, AT)
        work(words, first, transactions)

    return go_on


class RedoMachine(Rounds):
    """Words, their journal, and what the words must be."""

    keeps_late = False

    @initialize()
    def begin(self):
        """Begin with zeros."""
        journal = twin("engine.rings.journal", _NAMES, self.edit)
        self.work = worker_of(journal, self.keeps_late)
        self.go_on = heir_of(journal, self.work)
        self.words = np.zeros(AT + JOURNAL.words + ROOM, np.int64)
        self.words[AT + shipped.CAPACITY] = ROOM
        self.model, self.done = [0] * KEPT, 0

    @rule(transactions=_TRANSACTIONS, kills=st.integers(0, 2), seed=SEEDS)
    def work_transactions(self, transactions, kills, seed):
        """Do them, however often their worker is killed."""
        first = self.done
        self.done += len(transactions)
        for changes in transactions:
            for place, count, value in changes:
                for word in range(place, place + count):
                    self.model[word] += value

        def judge(words, results):
            if words[:KEPT].tolist() != self.model:
                yield f"{words[:KEPT].tolist()}, should be {self.model}"

        def arguments():
            return first, tuple(map(tuple, transactions))

        self.round(
            seed,
            {"worker": Role(self.work, arguments)},
            judge,
            recovery={"worker": Role(self.go_on, arguments)},
            kills_max=kills,
        )

    @invariant()
    def check(self):
        """Nothing is kept between transactions, and all of them are done."""
        if not hasattr(self, "words"):
            return
        assert self.words[AT + shipped.USED] == 0
        assert self.words[DONE] == self.done


TestRedo = finished(RedoMachine)


@pytest.mark.parametrize("edit", bugs_of("journal"))
def test_redo_machine_finds_the_bug(edit):
    assert_finds(RedoMachine, edit)


class KeepsLate(RedoMachine):
    """A worker that changes a word before it keeps it."""

    keeps_late = True


class CommitsEarly(RedoMachine):
    """A journal whose commit comes between an entry and what it is for."""

    edit = Edit(
        "engine.rings.journal",
        "    fence_program()  # And counts before what it is for changes.\n",
        "    words[journal + USED] = 0\n",
    )


@pytest.mark.parametrize("machine", [KeepsLate, CommitsEarly])
def test_redo_machine_finds_a_worker_that_uses_the_journal_wrongly(machine):
    assert_finds(machine)
