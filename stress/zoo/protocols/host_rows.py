"""The kept rows of hosts and their reader: a copy is of one pane (hosts/snapshot.py)."""

import numpy as np

from engine.hosts.pane import ROWS_VERSION
from engine.hosts.rows import ROWS
from engine.layouts.hosts import HOSTS
from engine.memory.atomics import pause
from engine.memory.pointers import pointer
from stress.races.scenario import Role, Scenario
from stress.zoo.protocols.waiting import MODEL, TRIES
from stress.zoo.twins import Edit, twin_of
from stress.zoo.uncached import uncached

PANE, SNAPSHOT = "engine.hosts.pane", "engine.hosts.snapshot"
_KEPT, _ROW_WORDS = 2, 2
_AT = HOSTS.words  # Where rows are counted, where they begin, the rows.
_MADE, _BEGIN, _ROWS = _AT, _AT + 1, _AT + 2
WORDS = _ROWS + (_KEPT + 1) * _ROW_WORDS
_GUARDED = frozenset(range(_MADE, WORDS))


def scenario(edit: Edit | None, count: int) -> Scenario:
    """Return a classifier that ends `count` panes of a row each, and a reader of the newest."""
    pane = twin_of(PANE, ("_begin_change", "_end_change"), edit)
    snapshot = twin_of(SNAPSHOT, ("copy_rows", "WHOLE"), edit)

    def setup() -> np.ndarray:
        words = np.zeros(WORDS, np.int64)
        words[ROWS], words[_BEGIN] = _KEPT, _ROWS
        return words

    def check(words: np.ndarray, results: dict) -> list[str]:
        latest, torn = results["reader"]
        said = [f"{torn} copies are not what was written"] if torn else []
        return said or ([] if latest == count else [f"the last copy is of pane {latest}"])

    return Scenario(
        setup=setup,
        roles={
            "classifier": Role(_writer(pane), lambda: (count,)),
            "reader": Role(_reader(snapshot), lambda: (np.zeros((1, _ROW_WORDS), np.int64), count)),
        },
        check=check,
        labels={ROWS_VERSION: "rows_version", _MADE: "rows made"},
        validated=frozenset({"copy_rows", "read"}),
        model=MODEL,
        tolerated=_GUARDED,
    )


def _writer(pane):
    begin_change, end_change = pane._begin_change, pane._end_change

    @uncached
    def write(words, count):
        table = pointer(words)
        for made in range(count):
            begin_change(table)
            place = _ROWS + (made % _KEPT + 1) * _ROW_WORDS
            table[place] = made + 1  # Plain: the version says whether a copy of it is whole.
            table[place + 1] = 7 * made  # Plain: likewise.
            table[_MADE] = made + 1  # Plain: likewise.
            end_change(table)
        return count

    return write


def _reader(snapshot):
    copy_rows, whole = snapshot.copy_rows, snapshot.WHOLE

    @uncached
    def read(words, rows, count):
        tries = latest = torn = 0
        while latest < count and tries < TRIES:
            if copy_rows(words, (_MADE, _BEGIN, _ROW_WORDS), latest, rows) != whole:
                tries += 1
                newest = words[_MADE]  # Plain: copy_rows judges it.
                if newest - _KEPT > latest:
                    latest = newest - _KEPT
                else:
                    pause()
                continue
            torn += rows[0, 0] != latest + 1 or rows[0, 1] != 7 * latest
            latest += 1
            tries = 0
        return latest, torn

    return read
