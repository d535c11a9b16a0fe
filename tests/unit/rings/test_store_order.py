"""What others rely on is stored last and with the order that its verb says: every step, in order.

Method: kernels as plain Python over words that record each store and each ordered access
(tests/unit/recording.py), against the order that is argued in the module. What it cannot show: what
a compiler or a CPU makes of it; test_spsc.py and test_journal.py read LLVM's code, and the model
checker runs the weak memories.
"""

import numpy as np
import pytest

from engine.layouts import JOURNAL, PROCESS, RING, RUN, SEGMENT, STATISTICS
from engine.rings import journal, lifecycle, spsc
from engine.rings import ring as rings
from engine.rings import segment as segments
from engine.rings import statistics as lines
from engine.rings.ring import Ring
from engine.rings.segment import Segment, segment_name
from engine.rings.statistics import ProcessLine, Statistics
from tests.conftest import WITHOUT_JIT
from tests.unit.recording import recorded

pytestmark = pytest.mark.skipif(not WITHOUT_JIT, reason="kernels are watched as plain Python")
AT, ROOM = 16, 40
USED = AT + journal.USED
BEGIN = AT + journal.ENTRIES  # Of the entries.
FENCE = ("fence_program",)


@pytest.fixture
def words(monkeypatch):
    """Return words with an empty journal in them, recorded."""
    made = np.zeros(AT + JOURNAL.words + ROOM, np.int64)
    made[AT + journal.CAPACITY] = ROOM
    return recorded(made, monkeypatch, journal)


def stores(begin, count):
    return [("store", begin + k) for k in range(count)]


def test_entry_is_whole_before_it_counts_and_counts_before_its_words_change(words):
    journal.keep_line(words, AT, 0)
    counted = [*stores(BEGIN, 9), FENCE, ("store", USED), FENCE]
    assert words.told == counted
    words.told.clear()
    journal.keep(words, AT, 3, 2)
    assert words.told == [*stores(BEGIN + 9, 3), FENCE, ("store", USED), FENCE]


def test_commit_stands_between_what_was_changed_and_what_is_told(words):
    journal.commit(words, AT)
    assert words.told == [FENCE, ("store", USED), FENCE]


def test_entry_is_given_up_when_its_words_are_back(words):
    journal.keep(words, AT, 2, 3)
    journal.keep(words, AT, 8, 1)
    words.told.clear()
    assert journal.undo(words, AT) == 2
    back = [*stores(8, 1), FENCE, ("store", USED)]
    assert words.told == [*back, *stores(2, 3), FENCE, ("store", USED)]


def test_state_of_a_ring_is_loaded_with_acquire_and_swapped(monkeypatch):
    ring = recorded(np.zeros(RING.words, np.int64), monkeypatch, lifecycle)
    lifecycle.take(ring, "creator", "seal")
    state = RING.index("state")
    assert ring.told == [("load_acquire", state), ("compare_swap", state)]


def test_magic_is_stored_last_with_release_and_looked_at_first(new_run, monkeypatch):
    name = segment_name(new_run(), "statistics")
    made = Segment.create(name, "statistics", 64)
    try:
        magic = SEGMENT.index("magic")
        made.header = recorded(made.header, monkeypatch, segments)
        told = made.header.told
        assert made.header[magic] == 0
        made.publish()
        assert told == [("store_release", magic)]
        told.clear()
        made._check("statistics")
        assert told == [("load_acquire", magic)]
    finally:
        made.unlink()


@pytest.mark.parametrize("make", ["ring", "statistics"])
def test_segment_is_published_when_it_has_its_content(new_run, monkeypatch, make):
    seen = []
    whole = Segment.publish
    monkeypatch.setattr(Segment, "publish", lambda one: (seen.append(one.words.copy()), whole(one)))
    run = new_run()
    if make == "ring":
        made = Ring.create(segment_name(run, "packets", 0), "packets", 2, 64)
        assert rings.lifecycle is lifecycle
        wanted = {"capacity": 2, "slot_bytes": 64, "state": lifecycle.FREE}
        layout = RING
    else:
        made = Statistics.create(run, 2)
        wanted, layout = {"processes": 5, "workers": 2}, STATISTICS
        assert seen[0][STATISTICS.index("started_ns")] > 0
    made.segment.unlink()
    (words,) = seen
    assert {name: words[layout.index(name)] for name in wanted} == wanted


def test_words_of_a_process_are_loaded_with_acquire_and_stored_with_release(monkeypatch):
    line = ProcessLine("capture", recorded(np.zeros(PROCESS.words, np.int64), monkeypatch, lines))
    told, state = line.words.told, PROCESS.index("state")
    line["state"] = 3
    assert line["state"] == 3
    assert told == [("store_release", state), ("load_acquire", state)]


def test_process_says_who_it_is_when_its_line_is_its_own(monkeypatch):
    line = ProcessLine("capture", recorded(np.zeros(PROCESS.words, np.int64), monkeypatch, lines))
    line.begin()
    stored = [step for step in line.words.told if step[0].startswith("store")]
    places = [PROCESS.index(name) for name in ("start_cpu_ns", "pid")]
    assert stored == [("store_release", place) for place in places]


def test_stop_word_is_loaded_with_acquire_and_stored_with_release(monkeypatch):
    class Mapped:
        words = recorded(np.zeros(STATISTICS.words, np.int64), monkeypatch, lines)

    statistics = Statistics(Mapped)
    assert statistics.stop == statistics["stop"] == RUN
    statistics["stop"] = RUN
    stop = STATISTICS.index("stop")
    assert Mapped.words.told == [("load_acquire", stop)] * 2 + [("store_release", stop)]


def test_watermark_is_stored_and_read_in_its_order(monkeypatch):
    ring = recorded(np.zeros(RING.words, np.int64), monkeypatch, spsc)
    spsc.publish_watermark(ring, 5, 7)
    relaxed = [("store_relaxed", place) for place in (spsc.LOCK, spsc.MARK_TIME)]
    relaxed.insert(1, ("fence_release",))
    relaxed.append(("store_relaxed", spsc.MARK_REFERENCE))
    assert ring.told == [*relaxed, ("store_release", spsc.LOCK)]
    ring.told.clear()
    spsc.read_watermark(ring)
    assert ring.told[0] == ("load_acquire", spsc.LOCK)
    words = {("load_relaxed", place) for place in (spsc.MARK_TIME, spsc.MARK_REFERENCE)}
    assert set(ring.told[1:3]) == words
    assert ring.told[3:] == [("fence_acquire",), ("load_relaxed", spsc.LOCK)]
