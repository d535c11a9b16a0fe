"""The classifier's transaction: killed anywhere, it loses no event and takes none twice.

A step takes an event from each of two rings, changes lines of the region that outlives the
classifier, each kept first, and commits: only that gives the events back (classifier/transaction,
memory/kept). Who takes a dead one's place recovers as shipped, and may be killed as well.

The region has fewer words than a real one, and lies at no round address: a kernel of its own keeps
lines, in the steps of keep_line (memory/kept.py), which is shipped as instructions, not as source.
"""

from typing import NamedTuple

import numpy as np

from engine.classifier.lanes import HEAD, HEADER, LANE_WORDS, RELEASED
from engine.layouts import RING
from engine.memory.atomics import fence_program
from engine.memory.pointers import pointer, shifted
from engine.rings.spsc import HEAD as RING_HEAD
from engine.rings.spsc import TAIL, TAIL_SEEN
from stress.races.scenario import Role, Scenario
from stress.zoo.protocols.waiting import MODEL, place_of
from stress.zoo.twins import Edit, twin_of
from stress.zoo.uncached import uncached

KEPT, TRANSACTION = "engine.memory.kept", "engine.classifier.transaction"
MERGE = "engine.classifier.merge"
DEATHS = 2
RINGS = 2
_SIZES = {"CONTROL_WORDS": 16, "CACHE_LINES": 4, "JOURNAL_LINES": 8}
_IS_BEGUN = 8  # The owner's first control word.
_CONTROL_WORDS, RING_WORDS = _SIZES["CONTROL_WORDS"], RING.words
_REGION = RINGS * RING_WORDS
_KEPT_NAMES = ("commit", "undo", "USED", "IS_ON", "LINE_BYTES", "LINE_WORDS")
_KEPT_NAMES += ("_CACHE_AT", "_NUMBERS_AT", "_LINES_AT")
# Two lines of content that have the same place in the cache, so that lines are kept again.
_FIRST_LINE, _SECOND_LINE = 12, 16
_FIRST, _SECOND = _REGION + 8 * _FIRST_LINE, _REGION + 8 * _SECOND_LINE
WORDS = _SECOND + 8


class _State(NamedTuple):
    """Of a classifier's state what recovering needs."""

    control: np.ndarray
    region: int
    hosts: None


class _Ring(NamedTuple):
    header: np.ndarray


def scenario(edit: Edit | None, count: int) -> Scenario:
    """Return a classifier of `count` steps, and who takes its place."""
    kept = twin_of(KEPT, _KEPT_NAMES, edit, _SIZES)
    merge = twin_of(MERGE, ("release_taken",), edit)
    given = {"IS_BEGUN": _IS_BEGUN, "State": object, "kept": kept}
    given["release_taken"] = merge.release_taken
    transaction = twin_of(TRANSACTION, ("_commit", "recover"), edit, given)
    work = _worker(kept, transaction)
    go_on = _successor(transaction, work)

    def arguments() -> tuple:
        return np.zeros((RINGS, LANE_WORDS), np.int64), count

    def setup() -> np.ndarray:
        words = np.zeros(WORDS, np.int64)
        for ring in range(RINGS):
            words[[ring * RING_WORDS + TAIL, ring * RING_WORDS + TAIL_SEEN]] = count
        words[_REGION + kept.IS_ON] = 1
        return words

    return Scenario(
        setup=setup,
        roles={"classifier": Role(work, arguments)},
        check=lambda words, results: _wrong(words, count),
        recovery={"classifier": Role(go_on, arguments)},
        prepare=lambda: go_on(setup(), *arguments()),
        labels={ring * RING_WORDS + RING_HEAD: f"head of {ring}" for ring in range(RINGS)},
        model=MODEL,
    )


def _wrong(words: np.ndarray, count: int) -> list[str]:
    """Return what is wrong with the words when all events were taken."""
    found = words[[_FIRST, _FIRST + 1, _SECOND]].tolist()
    total = sum(range(1, count + 1))
    wanted = [total, count, 10 * total]
    heads = words[[ring * RING_WORDS + RING_HEAD for ring in range(RINGS)]].tolist()
    said = [] if found == wanted else [f"{found} was made of {count} steps, not {wanted}"]
    return said + ([] if heads == RINGS * [count] else [f"{heads} events were given back"])


def _keeper(kept):
    used_at, is_on = kept.USED, kept.IS_ON
    cache_at, numbers_at = kept._CACHE_AT // 8, kept._NUMBERS_AT // 8
    lines_at, line_words = kept._LINES_AT // 8, kept.LINE_WORDS
    cache_lines = _SIZES["CACHE_LINES"]

    @uncached
    def keep(region, line):
        """Keep a line unless the cache knows it: its words and number, then that it counts."""
        if region[cache_at + line % cache_lines] == line:
            return
        if region[is_on]:
            used = region[used_at]
            for word in range(line_words):
                copy = lines_at + used * line_words + word
                region[copy] = region[line * line_words + word]
            region[numbers_at + used] = line
            fence_program()  # The entry is whole before it counts.
            region[used_at] = used + 1
            fence_program()  # And counts before its line changes.
        region[cache_at + line % cache_lines] = line

    return keep


def _worker(kept, transaction):
    keep, commit = _keeper(kept), transaction._commit

    @uncached
    def work(words, lanes, count):
        region = shifted(pointer(words), _REGION)
        for ring in range(RINGS):
            header = ring * RING_WORDS
            lanes[ring, HEADER] = place_of(words, header)
            lanes[ring, HEAD] = lanes[ring, RELEASED] = words[header + RING_HEAD]
        while lanes[0, HEAD] < count:
            value = lanes[0, HEAD] + 1
            keep(region, _FIRST_LINE)
            words[_FIRST] += value
            keep(region, _SECOND_LINE)
            words[_SECOND] += 10 * value
            keep(region, _FIRST_LINE)
            words[_FIRST + 1] += 1
            for ring in range(RINGS):
                lanes[ring, HEAD] += 1
            commit(place_of(words, _REGION), lanes)
        return count

    return work


def _successor(transaction, work):
    recover = transaction.recover

    def go_on(words, lanes, count):
        """Recover as a replacement does, and go on."""
        control = words[_REGION : _REGION + _CONTROL_WORDS]
        state = _State(control, place_of(words, _REGION), None)
        recover(state, [_Ring(words[k * RING_WORDS : (k + 1) * RING_WORDS]) for k in range(RINGS)])
        return work(words, lanes, count)

    return go_on
