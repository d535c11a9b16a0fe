"""Goal: check() finds a segment that is damaged in any of its invariants.

Method: a sound segment with hosts used, forgotten and free, pairs, rows given up and an open pane;
then one word changed at a time. A damage that passes would leave the machine of test_machine.py
blind for it.
"""

import numpy as np
import pytest

from engine.config import PANE_NS
from engine.hosts import known, pairs, pane, rows, starts
from engine.hosts.check import check
from engine.hosts.space import INITIATOR_WORDS, OPS_MAX
from engine.layouts.hosts import HOST, HOST_ROW, HOSTS, PAIR
from engine.layouts.windows import PART
from engine.reference.events import Delta, Increase
from tests.unit.hosts.slots import EngineHosts
from tests.unit.reference.host_scenes import key


@pytest.fixture(scope="module")
def sound() -> np.ndarray:
    """Return the words of a sound segment in which everything occurs."""
    hosts = EngineHosts(max_hosts=16, max_pairs=16, rows=16)
    number = 0
    for at in range(100, 112):
        for host in range(6):
            number += 1
            whose = key(bytes((10, 0, at - 100, host)), bytes((10, 1, 0, 1)), 80 + host)
            increase = Increase(fwd_packets=1, fwd_bytes=40, squares=1600)
            position = at * PANE_NS + number, number
            hosts.take(Delta(0, (at + 1) * PANE_NS, position, whose, increase, ("started",)))
    hosts.end_pane()
    for more in range(OPS_MAX + 1):  # A pane that is open: parts are touched.
        whose = key(bytes((10, 0, 11, more % 6)), bytes((10, 1, 0, 1)))
        position = 112 * PANE_NS + more, number + more
        hosts.take(Delta(0, 113 * PANE_NS, position, whose, Increase(1, 0, 40), ()))
    assert hosts.counters["hosts_forgotten"] > 0
    assert hosts.counters["pairs_forgotten"] > 0
    assert hosts.words[rows.INITIATOR_ROWS] > 16
    assert hosts.words[known.TOUCHED_INITIATORS] == 6
    assert hosts.words[known.HOST_FREE]
    assert hosts.words[pairs.PAIR_FREE]
    return hosts.words


def used(words: np.ndarray, begin: int, size: int) -> int:
    """Return where the first record in use begins."""
    at = begin + size
    while words[at] == 0:
        at += size
    return at


def _host(words, name):
    at = used(words, words[HOSTS.index("hosts_at")], HOST.words)
    return at + HOST.index(name)


def _part(words, name, number=0):
    at = _host(words, "version") - words[HOSTS.index("hosts_at")]
    place = at // HOST.words
    begin = words[HOSTS.index("initiators_at")] + place * INITIATOR_WORDS
    return begin + PART.index(name) + number


def _entry(words, index_at):
    entries = words[words[index_at] : words[index_at] + 32]
    return words[index_at] + int(np.nonzero(entries)[0][0])


def _row(words, word):
    return used(words, words[rows.INITIATOR_ROWS_AT], HOST_ROW.words) + word


# What is damaged: where, and what is added there (None: the word becomes 0).
DAMAGES = {
    "a host is counted twice": (lambda words: known.HOST_COUNT, 1),
    "an external host is counted that is none": (lambda words: known.EXTERNAL_COUNT, 1),
    "free places are lost": (lambda words: known.HOST_FREE, None),
    "a place in use is free": (lambda words: known.HOST_FRESH, -1),
    "a host has another address": (lambda words: _host(words, "low"), 1 << 20),
    "a host is known since later than now": (lambda words: _host(words, "known_pane"), 500),
    "a part was touched later than now": (lambda words: _host(words, "initiator_pane"), 500),
    "an entry of hosts is missing": (lambda words: _entry(words, known.HOST_INDEX_AT), None),
    "an entry leads to another host": (lambda words: _entry(words, known.HOST_INDEX_AT), 1),
    "a hash is another": (lambda words: _entry(words, known.HOST_INDEX_AT), 1 << 30),
    "a pair is counted twice": (lambda words: pairs.PAIR_COUNT, 1),
    "free places of pairs are lost": (lambda words: pairs.PAIR_FREE, None),
    "an entry of pairs is missing": (lambda words: _entry(words, pairs.PAIR_INDEX_AT), None),
    "a pair has no start": (
        lambda words: used(words, words[pairs.PAIRS_AT], PAIR.words) + pairs.STARTS,
        None,
    ),
    "a cell lies ahead": (lambda words: _part(words, "cells_30", 1), 1 << 63 >> 1),
    "a cell stands in the other place": (lambda words: _part(words, "cells_300"), -1),
    "a filter is neither": (lambda words: _part(words, "younger"), 2),
    "a touched part is not listed": (lambda words: known.TOUCHED_INITIATORS, -1),
    "more starts than there is room for": (lambda words: starts.START_COUNT, 1 << 30),
    "a row is of another pane": (lambda words: _row(words, 3), 1),
    "a row lies ahead": (lambda words: _row(words, 3), 500),
    "a kept row is none": (lambda words: _row(words, 0), None),
    "an entry of rows is missing": (lambda words: _entry(words, rows.INITIATOR_INDEX_AT), None),
    "rows that were given up are not told": (lambda words: rows.INITIATOR_GONE, -(1 << 62)),
    "the zeros are written": (lambda words: words[HOSTS.index("initiators_at")] + 7, 1),
    "a part belongs to two": (lambda words: _host(words, "responder_place"), 1),
    "places of a pool are lost": (lambda words: HOSTS.index("names_fresh"), 1),
    "rows change": (lambda words: pane.ROWS_VERSION, 1),
}


def test_a_sound_segment_passes(sound):
    check(sound)


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_found(sound, damage):
    words = sound.copy()
    place, change = DAMAGES[damage]
    at = place(words)
    before = int(words[at])
    if damage == "rows that were given up are not told":
        words[at] = change
    else:
        words[at] = 0 if change is None else before + change
    assert words[at] != before, "nothing was damaged"
    with pytest.raises(AssertionError):
        check(words)
