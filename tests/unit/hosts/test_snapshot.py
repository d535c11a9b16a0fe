"""Goal: what another process sees of hosts is whole, and what is listed at a source's end.

Method: drawn starts between a few hosts; the newest rows as a reader sees them against the list of
all hosts, feature by feature. Then a reader beside a writer at full speed: every row of a pane has
the same counts, so a row that mixes two panes shows; the broken twin, which does not look at the
version, must see one in the same run. What it cannot show: reorderings that this CPU does not make.
"""

import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from engine.config import PANE_NS
from engine.features.catalogue import NAMES
from engine.host_list import hosts_of
from engine.hosts import snapshot
from engine.hosts.listing import INITIATOR_ROW_BIT, RESPONDER_ROW_BIT
from engine.hosts.pane import ROWS_VERSION
from engine.hosts.rows import INITIATOR_RING, ROWS
from engine.layouts import ROW
from engine.layouts.hosts import HOST_ROW
from engine.memory.atomics import fence_release, store_relaxed, store_release
from engine.memory.pointers import pointer, shifted
from engine.reference.events import Delta, Increase
from tests.unit.hosts.slots import EngineHosts
from tests.unit.reference.host_scenes import key

HOSTS = [bytes((10, 0, 0, number)) for number in range(1, 7)] + [bytes((9, 9, 9, 9))]
FLOWS = st.lists(
    st.tuples(st.sampled_from(HOSTS), st.sampled_from(HOSTS), st.integers(0, 2)), max_size=40
)
VALID, VECTOR = ROW.index("valid"), 2 * ROW.index("vector_0")
RACE_S = 20.0


def played(flows: list, **limits: object) -> EngineHosts:
    """Return hosts after flows; the third of each says how many panes later it is."""
    hosts = EngineHosts(**limits)
    pane = 100
    for number, (initiator, responder, later) in enumerate(flows):
        pane += later
        position = pane * PANE_NS + number, number
        whose = key(initiator, responder, 80 + number % 3)
        increase = Increase(fwd_packets=1 + number % 4, fwd_bytes=400, squares=160_000)
        hosts.take(Delta(0, (pane + 1) * PANE_NS, position, whose, increase, ("started",)))
    hosts.end_pane()
    return hosts


@settings(max_examples=30, deadline=None)
@given(FLOWS, st.sampled_from([16, 1000]))
def test_reader_sees_the_rows_that_are_listed(flows, rows):
    hosts = played(flows, rows=rows, max_hosts=16)
    seen = {host.address: host for host in hosts_of(hosts.words)}
    has_row = INITIATOR_ROW_BIT | RESPONDER_ROW_BIT
    listed = [row for row in hosts.listed() if row[ROW.index("sequence")] & has_row]
    assert len(listed) == len(seen)
    for row in listed:
        octets = int(row[ROW.index("initiator_low")]).to_bytes(4)
        host = seen[".".join(map(str, octets))]
        assert host.internal == (octets[0] == 10)
        for word, text in (("first_ns", host.known_since), ("last_ns", host.seen_until)):
            assert text == f"{np.datetime64(int(row[ROW.index(word)]), 'ns')}Z"
        assert host.features == valid_features(row)


def valid_features(row: np.ndarray) -> dict[str, float]:
    """Return the features of a listed row by name."""
    values = row.view(np.float32)[VECTOR : VECTOR + 142]
    valid = [row[VALID + (at >> 6)] >> (at & 63) & 1 for at in range(142)]
    return {
        name: float(str(value))
        for name, value, is_valid in zip(NAMES, values, valid, strict=True)
        if is_valid
    }


def test_rows_given_up_meanwhile_are_not_taken_for_others():
    hosts = played([(HOSTS[0], HOSTS[1], 1)] * 20, rows=16)
    made_at, _, _, rows_at = INITIATOR_RING
    ring = (made_at, rows_at, HOST_ROW.words)
    rows = np.zeros((4, HOST_ROW.words), np.int64)
    assert snapshot.copy_rows(hosts.words, ring, 16, rows) == snapshot.WHOLE
    assert rows[:, 3].tolist() == [117, 118, 119, 120]
    assert snapshot.copy_rows(hosts.words, ring, 3, rows) == snapshot.OVER
    assert snapshot.copy_rows(hosts.words, ring, 17, rows) == snapshot.OVER
    hosts.words[ROWS_VERSION] += 1
    assert snapshot.copy_rows(hosts.words, ring, 16, rows) == snapshot.BUSY


@njit(nogil=True)
def _write_rows(words, ring, stop):
    """Fill a ring with rows of equal words again and again, as the classifier changes rows."""
    made_at, rows_at, row_words = ring
    table = pointer(words)
    number = 0
    while stop[0] == 0:
        number += 1
        store_relaxed(table, ROWS_VERSION, table[ROWS_VERSION] + 1)
        fence_release()
        table[made_at] = table[ROWS]
        for place in range(1, table[ROWS] + 1):
            row = shifted(table, table[rows_at] + place * row_words)
            for word in range(row_words):
                row[word] = number
        store_release(table, ROWS_VERSION, table[ROWS_VERSION] + 1)


@njit(nogil=True)
def _copy_at_once(words, ring, rows):
    """Copy rows without looking at the version: the broken twin."""
    _, rows_at, row_words = ring
    table = pointer(words)
    for number in range(len(rows)):
        row = shifted(table, table[rows_at] + (number + 1) * row_words)
        for word in range(row_words):
            rows[number, word] = row[word]


@pytest.mark.compiled
def test_rows_are_whole_beside_a_writer_at_full_speed():
    words = EngineHosts(rows=16).words
    made_at, _, _, rows_at = INITIATOR_RING
    ring = (made_at, rows_at, HOST_ROW.words)
    words[made_at] = 16
    rows, torn = np.zeros((16, HOST_ROW.words), np.int64), np.zeros((16, HOST_ROW.words), np.int64)
    stop = np.zeros(1, np.int64)
    _copy_at_once(words, ring, torn)
    writer = threading.Thread(target=_write_rows, args=(words, ring, stop))
    writer.start()
    copies, broken, deadline = 0, 0, time.monotonic() + RACE_S
    try:
        while (broken == 0 or copies < 1000) and time.monotonic() < deadline:
            if snapshot.copy_rows(words, ring, 0, rows) == snapshot.WHOLE:
                assert (rows == rows[0, 0]).all()
                copies += 1
            _copy_at_once(words, ring, torn)
            broken += not (torn == torn[0, 0]).all()
    finally:
        stop[0] = 1
        writer.join()
    assert copies, "no copy was whole"
    assert broken, "the instrument saw nothing torn, even where nobody looks at the version"
