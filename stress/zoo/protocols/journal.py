"""The undo journal: a worker killed anywhere loses nothing and counts nothing twice.

Each transaction changes the words of a row and says in the same transaction how far it has come
(rings/journal.py). Who takes a dead worker's place undoes what was not committed and goes on; he
may be killed as well.
"""

import numpy as np

from engine.layouts import JOURNAL
from engine.memory.atomics import fence_program
from stress.races.scenario import Role, Scenario
from stress.zoo.protocols.waiting import MODEL
from stress.zoo.twins import Edit, twin_of
from stress.zoo.uncached import uncached

MODULE = "engine.rings.journal"
DEATHS = 2
ROW, ROW_WORDS, DONE = 0, 2, 2  # The row, and behind it how many transactions are done.
_JOURNAL = 8
_CAPACITY = 16
WORDS = _JOURNAL + JOURNAL.words + _CAPACITY
_USED = JOURNAL.index("used")


def scenario(edit: Edit | None, count: int) -> Scenario:
    """Return a worker of `count` transactions, and who takes its place."""
    twin = twin_of(MODULE, ("keep", "commit", "undo"), edit)
    work, go_on = _roles(twin)

    def setup() -> np.ndarray:
        words = np.zeros(WORDS, np.int64)
        words[_JOURNAL + JOURNAL.index("capacity")] = _CAPACITY
        return words

    def check(words: np.ndarray, results: dict) -> list[str]:
        row, done = words[ROW : ROW + ROW_WORDS].tolist(), int(words[DONE])
        wanted = [sum(range(count + 1)), 2 * sum(range(count + 1))]
        if (row, done) == (wanted, count):
            return []
        return [f"the row is {row} after {done} transactions, not {wanted} after {count}"]

    return Scenario(
        setup=setup,
        roles={"worker": Role(work, lambda: (count,))},
        check=check,
        recovery={"worker": Role(go_on, lambda: (count,))},
        labels={ROW: "row 0", ROW + 1: "row 1", DONE: "done", _JOURNAL + _USED: "used"},
        model=MODEL,
    )


def _roles(twin) -> tuple:
    """Return what a worker does, and what does who takes its place."""
    keep, commit, undo = twin.keep, twin.commit, twin.undo

    @uncached
    def work(words, count):
        while words[DONE] < count:
            number = words[DONE] + 1
            if number % 2 == 0:  # Entries of another order: what lies behind USED is no help.
                keep(words, _JOURNAL, DONE, 1)
            keep(words, _JOURNAL, ROW, ROW_WORDS)
            words[ROW] += number
            fence_program()  # No two changes of the row become one store.
            words[ROW + 1] += 2 * number
            if number % 2:
                keep(words, _JOURNAL, DONE, 1)
            words[DONE] = number
            commit(words, _JOURNAL)
        return count

    @uncached
    def go_on(words, count):
        undo(words, _JOURNAL)
        return work(words, count)

    return work, go_on
