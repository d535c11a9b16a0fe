"""Who copies rows while they change gets whole ones, in their order, or none.

Method: machines of rounds (rounds.py) over a flow row, which its worker changes and a reader copies
(flows/snapshot.py), and over the kept rows of hosts, which the classifier replaces at each pane's
end (hosts/snapshot.py). The model is a number of changes: what a copy may be follows from it. What
it cannot show: what a row means (tests/unit/flows/test_snapshot.py, tests/unit/hosts).
"""

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from engine.hosts.pane import ROWS_VERSION
from engine.hosts.rows import ROWS
from engine.layouts import places
from engine.layouts.hosts import HOSTS
from engine.memory.pointers import pointer
from stress.races.scenario import Role
from stress.zoo.protocols import rows as flow_rows
from tests.race.rounds import SEEDS, Rounds, assert_finds, bugs_of, finished, twin

_ROW = 1
_LINE = flow_rows._LINE
# Behind the word with the version: of words before it, its second look would keep the order.
_LAST, _FIRST = places.PACE + 2, places.PACE + 3


def row_writer(pools):
    """Return who changes two words of the row together: to `first` + 1, and so on."""
    mark_changing, mark_settled = pools.mark_changing, pools.mark_settled

    def change(words, first, count):
        line = pointer(words[_LINE:])
        for number in range(first + 1, first + count + 1):
            mark_changing(line)
            line[_FIRST] = number
            line[_LAST] = 7 * number
            mark_settled(line)

    return change


def row_reader(snapshot):
    """Return who copies the row; it returns what it has seen in both words."""
    read_part, whole = snapshot.read_part, snapshot.WHOLE

    def read(words, private, looks):
        shared, kept, seen = pointer(words), pointer(private), ()
        for _ in range(looks):
            if read_part(shared, _ROW, kept) == whole:
                seen += ((private[_LINE + _FIRST], private[_LINE + _LAST]),)
        return seen

    return read


class RowMachine(Rounds):
    """A flow row, and how often it has changed."""

    tolerated = flow_rows._GUARDED  # Copied while it may change, and thrown away if it did.

    @initialize()
    def begin(self):
        """Make a row that has changed once: one never settled is not read."""
        pools = twin("engine.flows.pools", ("mark_changing", "mark_settled"), self.edit)
        snapshot = twin("engine.flows.snapshot", ("read_part", "WHOLE"), self.edit)
        self.change, self.read = row_writer(pools), row_reader(snapshot)
        self.words, self.changes = flow_rows.table(), 0
        self.words[_LINE + places.SIDE_A + places.PACKETS] = 1  # Else no part is in it.
        self.change_and_copy(1, 0, 0)

    @rule(count=st.integers(0, 3), looks=st.integers(0, 3), seed=SEEDS)
    def change_and_copy(self, count, looks, seed):
        """Change the row while it is copied."""
        first = self.changes
        self.changes += count

        def judge(words, results):
            seen = [number for number, _ in results["reader"]]
            if any(last != 7 * number for number, last in results["reader"]):
                yield f"torn: {results['reader']}"
            if sorted(seen) != seen or not all(first <= number <= self.changes for number in seen):
                yield f"changes {seen} of {first} to {self.changes}"

        roles = {
            "worker": Role(self.change, lambda: (first, count)),
            "reader": Role(self.read, lambda: (flow_rows.table(), looks)),
        }
        self.round(seed, roles, judge)

    @invariant()
    def check(self):
        """The version is even between changes, the row is that of the last."""
        if not hasattr(self, "words"):
            return
        line = self.words[_LINE:]
        assert line[places.PACE] & places.VERSION_ONE == 0
        assert (line[_FIRST], line[_LAST]) == (self.changes, 7 * self.changes)


TestRow = finished(RowMachine)


@pytest.mark.parametrize("edit", bugs_of("rows"))
def test_row_machine_finds_the_bug(edit):
    assert_finds(RowMachine, edit)


_KEPT, _ROW_WORDS = 2, 2
_MADE = HOSTS.words  # How many rows were made, where they begin, the rows.
_BEGIN, _ROWS_AT = _MADE + 1, _MADE + 2
_WORDS = _ROWS_AT + (_KEPT + 1) * _ROW_WORDS


def pane_writer(pane):
    """Return who ends `count` panes, each with a row of its own number."""
    begin_change, end_change = pane._begin_change, pane._end_change

    def end_panes(words, first, count):
        table = pointer(words)
        for made in range(first, first + count):
            begin_change(table)
            place = _ROWS_AT + (made % _KEPT + 1) * _ROW_WORDS
            table[place] = made + 1
            table[place + 1] = 7 * made
            table[_MADE] = made + 1
            end_change(table)

    return end_panes


def pane_reader(snapshot):
    """Return who copies the rows of drawn numbers; it returns (number, both words) of each copy."""
    copy_rows, whole = snapshot.copy_rows, snapshot.WHOLE

    def read(words, rows, wanted):
        seen = ()
        for number in wanted:
            if copy_rows(words, (_MADE, _BEGIN, _ROW_WORDS), number, rows) == whole:
                seen += ((number, rows[0, 0], rows[0, 1]),)
        return seen

    return read


class PaneMachine(Rounds):
    """Kept rows of hosts, and how many were made."""

    tolerated = frozenset(range(_MADE, _WORDS))

    @initialize()
    def begin(self):
        """Make room for two rows, and end as many panes."""
        pane = twin("engine.hosts.pane", ("_begin_change", "_end_change"), self.edit)
        snapshot = twin("engine.hosts.snapshot", ("copy_rows", "WHOLE"), self.edit)
        self.end_panes, self.read = pane_writer(pane), pane_reader(snapshot)
        self.words, self.made = np.zeros(_WORDS, np.int64), 0
        self.words[ROWS], self.words[_BEGIN] = _KEPT, _ROWS_AT
        self.end_and_copy(_KEPT, (), 0)

    @rule(count=st.integers(0, 3), back=st.lists(st.integers(-2, 1), max_size=3), seed=SEEDS)
    def end_and_copy(self, count, back, seed):
        """End panes while rows around the newest are copied."""
        first = self.made
        self.made += count
        wanted = tuple(max(0, first + one) for one in back)

        def judge(words, results):
            for number, one, other in results["reader"]:
                if (one, other) != (number + 1, 7 * number):
                    yield f"row {number} is {one}, {other}"
                if not first - _KEPT <= number < self.made:
                    yield f"row {number}, when {first} to {self.made} were made"

        roles = {
            "classifier": Role(self.end_panes, lambda: (first, count)),
            "reader": Role(self.read, lambda: (np.zeros((1, _ROW_WORDS), np.int64), wanted)),
        }
        self.round(seed, roles, judge)

    @invariant()
    def check(self):
        """The version is even between panes, the newest rows are those of their numbers."""
        if not hasattr(self, "words"):
            return
        assert self.words[ROWS_VERSION] % 2 == 0
        assert self.words[_MADE] == self.made
        for number in range(max(0, self.made - _KEPT), self.made):
            place = _ROWS_AT + (number % _KEPT + 1) * _ROW_WORDS
            assert self.words[place : place + 2].tolist() == [number + 1, 7 * number]


TestPanes = finished(PaneMachine)


@pytest.mark.parametrize("edit", bugs_of("host rows"))
def test_pane_machine_finds_the_bug(edit):
    assert_finds(PaneMachine, edit)
