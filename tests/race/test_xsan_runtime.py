"""xsan calls racing what happens-before does not order, and nothing else.

Goal: the clocks of xsan_runtime.py against the definition. Method: drawn sequences of plain and
atomic accesses and fences by three processes, one after the other; the runtime is called as the
instrumented code calls it, with a state for each process. The reference keeps for every event the
set of all events before it, by the rules of C11 (release sequences and fences with them), and
compares every pair. Canaries are named cases that a wrong order of its steps gets wrong. What it
cannot show: that instrumented code calls the runtime rightly (test_detectors.py).
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stress.races import xsan_runtime as x

pytestmark = pytest.mark.compiled
PROCESSES, WORDS = 3, 2
EXAMPLES = 500  # 25 did not find a check that came before what the access learns; 500 did.
PLAIN = ("read", "write")
ATOMIC = ("load", "store", "rmw")
_ORDERS = {"relaxed": 0, "acquire": 1, "release": 2, "both": 3}


class Runtime:
    """Processes that watch some words, in one process."""

    def __init__(self) -> None:
        self.words = np.zeros(WORDS, np.int64)
        self.shadow = np.zeros(x.shadow_words(WORDS), np.int64)
        self.states = [np.zeros(x.STATE_WORDS, np.int64) for _ in range(PROCESSES)]
        for number, state in enumerate(self.states):
            state[x.ME], state[x.BASE] = number, self.words.ctypes.data
            state[x.BYTES], state[x.SHADOW] = self.words.nbytes, self.shadow.ctypes.data
            state[x.KNOWN + number] = 1

    def races(self, event: tuple) -> bool:
        """Make an event; return whether it was reported as one side of a race."""
        process, what, word, order, span = event
        before = int(self.shadow[x.REPORTS])
        state = self.states[process].ctypes.data
        address = self.words.ctypes.data + 8 * word
        if what == "fence":
            x._fence(state, _ORDERS[order])
        elif what in PLAIN:
            x._touch(state, address + span[0], span[1], PLAIN.index(what), 7)
        else:
            x._lock(x._word(state, address))
            x._end(state, address, 8, ATOMIC.index(what) | _ORDERS[order] << 2, 7)
        return int(self.shadow[x.REPORTS]) > before


class Definition:
    """Happens-before by sets of events."""

    def __init__(self) -> None:
        self.events: list[tuple] = []
        self.before: list[set[int]] = []  # All that happens before an event.
        self.known = [set() for _ in range(PROCESSES)]  # Before whatever a process does next.
        self.read = [set() for _ in range(PROCESSES)]  # Told by loads, for an acquire fence.
        self.fenced = [set() for _ in range(PROCESSES)]  # Before the last release fence.
        self.told = [set() for _ in range(WORDS)]  # What reading a word's last store tells.

    def races(self, event: tuple) -> bool:
        """Make an event; return whether it races with an earlier one."""
        process, what, word, order, _ = event
        number, acquires = len(self.events), order in ("acquire", "both")
        releases = order in ("release", "both")
        if what in ("load", "rmw"):
            (self.known if acquires else self.read)[process] |= self.told[word]
        if what == "fence" and acquires:
            self.known[process] |= self.read[process]
        before = set(self.known[process])
        self.events.append(event)
        self.before.append(before)
        self.known[process].add(number)
        if what == "fence" and releases:
            self.fenced[process] = set(self.known[process])
        if what in ("store", "rmw"):
            tells = self.known[process] if releases else self.fenced[process]
            self.told[word] = set(tells) | (self.told[word] if what == "rmw" else set())
        return any(
            conflict(event, other) and at not in before for at, other in enumerate(self.events)
        )


def conflict(one: tuple, two: tuple) -> bool:
    """Return whether two events of two processes touch a byte, one writing, one plainly."""
    if one[0] == two[0] or "fence" in (one[1], two[1]):
        return False
    spans = [(8 * event[2] + event[4][0], sum(event[4]) + 8 * event[2]) for event in (one, two)]
    if max(spans[0][0], spans[1][0]) >= min(spans[0][1], spans[1][1]):
        return False
    kinds = {one[1], two[1]}
    return bool(kinds & {"write", "store", "rmw"}) and bool(kinds & set(PLAIN))


def events(spans):
    """Return a strategy of sequences of events; `spans` draws (first byte, bytes) of plain ones."""
    who, word = st.integers(0, PROCESSES - 1), st.integers(0, WORDS - 1)
    whole = st.just((0, 8))
    plain = st.tuples(who, st.sampled_from(PLAIN), word, st.just("relaxed"), spans)
    orders = {"load": ("relaxed", "acquire"), "store": ("relaxed", "release")}
    atomic = [
        st.tuples(who, st.just(what), word, st.sampled_from(orders.get(what, list(_ORDERS))), whole)
        for what in ATOMIC
    ]
    fences = st.tuples(
        who, st.just("fence"), st.just(0), st.sampled_from(["acquire", "release", "both"]), whole
    )
    return st.lists(st.one_of(plain, *atomic, *atomic, fences), min_size=2, max_size=40)


@settings(max_examples=EXAMPLES)
@given(events(st.just((0, 8))))
def test_access_is_reported_exactly_if_it_races_by_definition(drawn):
    runtime, definition = Runtime(), Definition()
    found = [(runtime.races(event), definition.races(event)) for event in drawn]
    assert [one for one, _ in found] == [two for _, two in found]


@given(events(st.sampled_from([(0, 8), (0, 4), (4, 4), (2, 1), (7, 1)])))
def test_access_to_part_of_a_word_is_never_reported_wrongly(drawn):
    runtime, definition = Runtime(), Definition()
    for event in drawn:
        reported, racing = runtime.races(event), definition.races(event)
        assert racing or not reported


def sides(*drawn: tuple) -> list[bool]:
    """Return which events are reported."""
    runtime = Runtime()
    return [runtime.races((*event, *((0, 8),) * (5 - len(event)))) for event in drawn]


def test_reader_that_acquires_from_the_word_it_reads_follows_the_plain_write_before():
    first = (0, "write", 0, "relaxed"), (0, "store", 0, "release")
    assert sides(*first, (1, "load", 0, "acquire")) == [False] * 3
    assert sides(*first, (1, "load", 0, "relaxed"))[2]


def test_bytes_beside_each_other_do_not_race_and_overlapping_ones_do():
    low, high, over = ((0, 4), (4, 4), (3, 2))
    write = (0, "write", 0, "relaxed", low)
    assert sides(write, (1, "write", 0, "relaxed", high)) == [False, False]
    assert sides(write, (1, "write", 0, "relaxed", over)) == [False, True]


def test_copy_over_several_words_races_where_they_meet():
    runtime = Runtime()
    assert not runtime.races((0, "write", 1, "relaxed", (0, 8)))
    assert runtime.races((1, "read", 0, "relaxed", (4, 8)))
