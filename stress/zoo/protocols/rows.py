"""A flow row and its reader: a copy is whole, and newer than the one before (flows/snapshot.py)."""

import numpy as np

from engine.flows.shard import ADDRESSES_AT, COLD_AT, ROWS_AT
from engine.layouts import places
from engine.layouts.table import TABLE
from engine.memory.atomics import pause
from engine.memory.pointers import pointer
from stress.races.scenario import Role, Scenario
from stress.zoo.protocols.waiting import MODEL, TRIES
from stress.zoo.twins import Edit, twin_of
from stress.zoo.uncached import uncached

POOLS, SNAPSHOT = "engine.flows.pools", "engine.flows.snapshot"
_ROW = 1
_AT = TABLE.words  # Where the rows begin.
_ADDRESSES = _AT + 2 * places.ROW_WORDS
_COLD = _ADDRESSES + 2 * places.ADDRESS_WORDS
WORDS = _COLD + 6 * places.BLOCK_WORDS
_LINE = _AT + _ROW * places.ROW_WORDS
# Two words of a row that must be of one change. They are copied after the word with the version: of
# words before it, reading the version in the copy would keep the order even without a fence.
_END, _BEGIN = places.PACE + 2, places.PACE + 3
# Plain words of the row, which the reader copies while they may change: whoever takes them for
# relaxed ones judges what the version makes of it.
_GUARDED = frozenset(range(_LINE, _LINE + places.ROW_WORDS)) | frozenset(range(_ADDRESSES, _COLD))


def scenario(edit: Edit | None, count: int) -> Scenario:
    """Return a worker that changes a row `count` times, and a reader."""
    pools = twin_of(POOLS, ("mark_changing", "mark_settled"), edit)
    snapshot = twin_of(SNAPSHOT, ("read_part", "BUSY"), edit)

    def check(words: np.ndarray, results: dict) -> list[str]:
        latest, torn, older = results["reader"]
        said = [f"{torn} copies are torn"] if torn else []
        said += [f"{older} copies are older than one before"] if older else []
        return said or ([] if latest == count else [f"the last copy is of change {latest}"])

    return Scenario(
        setup=table,
        roles={
            "worker": Role(_writer(pools), lambda: (count,)),
            "reader": Role(_reader(snapshot), lambda: (table(), count)),
        },
        check=check,
        labels={_LINE + places.PACE: "pace", _LINE + _BEGIN: "begin", _LINE + _END: "end"},
        validated=frozenset({"copy_part", "_copy_block"}),
        model=MODEL,
        tolerated=_GUARDED,
    )


def table() -> np.ndarray:
    """Return the words of a table of one row and two cold blocks, by their offsets alone."""
    words = np.zeros(WORDS, np.int64)
    words[ROWS_AT], words[ADDRESSES_AT], words[COLD_AT] = _AT, _ADDRESSES, _COLD
    return words


def _writer(pools):
    mark_changing, mark_settled = pools.mark_changing, pools.mark_settled

    @uncached
    def write(words, count):
        line = pointer(words[_LINE:])
        for change in range(1, count + 1):
            mark_changing(line)
            line[_BEGIN] = change  # Plain: the version says whether a copy of it is whole.
            line[_END] = 7 * change  # Plain: likewise.
            mark_settled(line)
        return count

    return write


def _reader(snapshot):
    read_part, busy = snapshot.read_part, snapshot.BUSY

    @uncached
    def read(words, private, count):
        shared, kept = pointer(words), pointer(private)
        tries = latest = torn = older = 0
        while latest < count and tries < TRIES:
            found = read_part(shared, _ROW, kept)
            change = private[_LINE + _BEGIN]
            if found == busy or change == latest:
                tries += 1
                pause()
                continue
            torn += private[_LINE + _END] != 7 * change
            older += change < latest
            latest = max(latest, change)
            tries = 0
        return latest, torn, older

    return read
