"""What others read while it changes, as scenarios: rows of flows and hosts, counters, ring states.

The engine's own kernels on few words; with a broken writer in it, a scenario has one step wrong.
`tolerated` words are those that a reader copies while they may change, and throws away if they did.
"""

import numpy as np
from numba import njit

from engine.classifier.outlet import show_counters
from engine.errors import SegmentError
from engine.features.totals import direction_line
from engine.flows.pools import mark_changing, mark_settled
from engine.flows.shard import ADDRESSES_AT, COLD_AT, ROWS_AT, row_at
from engine.flows.snapshot import WHOLE, read_part
from engine.hosts import snapshot
from engine.hosts.pane import ROWS_VERSION, _begin_change, _end_change
from engine.hosts.rows import INITIATOR_RING, ROWS
from engine.layouts import RING, places
from engine.layouts.hosts import HOSTS
from engine.layouts.table import TABLE
from engine.memory.atomics import load_relaxed, store_relaxed
from engine.memory.pointers import pointer, shifted
from engine.rings import lifecycle
from stress.engine_model import ENGINE_MODEL
from stress.races.scenario import Role, Scenario

# A flow table of one row, as far as a reader of live flows looks at it.
_ROWS_BEGIN = TABLE.words
_ADDRESSES_BEGIN = _ROWS_BEGIN + 2 * places.ROW_WORDS
_COLD_BEGIN = _ADDRESSES_BEGIN + 2 * places.ADDRESS_WORDS
_TABLE_WORDS = _COLD_BEGIN + 8 * places.BLOCK_WORDS
_ROW = _ROWS_BEGIN + places.ROW_WORDS
_PACKETS = places.SIDE_A + places.PACKETS
_CHANGED = {
    "pace": _ROW + places.PACE,
    "first reference": _ROW + places.FIRST_REFERENCE,
    "packets": _ROW + _PACKETS,
    "address": _ADDRESSES_BEGIN + places.ADDRESS_WORDS,
}


def table_of_one_row():
    """Return a table's words: row 1 has had one packet."""
    words = np.zeros(_TABLE_WORDS, np.int64)
    words[ROWS_AT], words[ADDRESSES_AT], words[COLD_AT] = _ROWS_BEGIN, _ADDRESSES_BEGIN, _COLD_BEGIN
    words[_CHANGED["packets"]] = words[_CHANGED["address"]] = 1
    return words


@njit(nogil=True)
def change_row(words, times):
    """Change two words of a row together, `times` times."""
    table = pointer(words)
    line = row_at(table, 1)
    for _ in range(times):
        mark_changing(line)
        line[_PACKETS] += 1
        table[_ADDRESSES_BEGIN + places.ADDRESS_WORDS] += 1
        mark_settled(line)


@njit(nogil=True)
def change_row_unmarked(words, times):
    """Change them without making the version odd before."""
    table = pointer(words)
    line = row_at(table, 1)
    for _ in range(times):
        line[_PACKETS] += 1
        table[_ADDRESSES_BEGIN + places.ADDRESS_WORDS] += 1
        mark_settled(line)


@njit(nogil=True)
def read_rows(words, private, looks):
    """Return how many copies were torn, or older than the one before."""
    table, own = pointer(words), pointer(private)
    wrong, latest = 0, 0
    for _ in range(looks):
        if read_part(table, 1, own) == WHOLE:
            packets = direction_line(row_at(own, 1), 0)[places.PACKETS]
            wrong += packets != own[_ADDRESSES_BEGIN + places.ADDRESS_WORDS] or packets < latest
            latest = packets
    return wrong


def row(times=1, looks=1, worker=change_row):
    """Return the scenario of a row that is copied while it changes."""
    return Scenario(
        setup=table_of_one_row,
        roles={
            "worker": Role(worker, lambda: (times,)),
            "reader": Role(read_rows, lambda: (table_of_one_row(), looks)),
        },
        check=lambda words, results: (
            [f"{results['reader']} copies are torn or old"] if results["reader"] else []
        ),
        labels={index: name for name, index in _CHANGED.items()},
        model=ENGINE_MODEL,
        tolerated=frozenset(_CHANGED.values()),
    )


# Hosts: two rows of two words each in a ring, row 0 unused.
_ROW_WORDS = 2
_MADE_AT, _, _, _ROWS_AT = INITIATOR_RING
_HOST_ROWS = HOSTS.words


def hosts_of_two_rows():
    """Return the words of hosts with room for two rows, one of which is made."""
    words = np.zeros(_HOST_ROWS + 3 * _ROW_WORDS, np.int64)
    words[ROWS], words[_ROWS_AT], words[_MADE_AT] = 2, _HOST_ROWS, 1
    words[_HOST_ROWS + _ROW_WORDS :] = [7, 7, 0, 0]
    return words


@njit(nogil=True)
def make_rows(words, count):
    """End `count` panes with one row each: its words are 7 more than the number of rows before."""
    table = pointer(words)
    for _ in range(count):
        _begin_change(table)
        made = table[_MADE_AT]
        row = shifted(table, table[_ROWS_AT] + (made % table[ROWS] + 1) * _ROW_WORDS)
        table[_MADE_AT] += 1
        for word in range(_ROW_WORDS):
            row[word] = 7 + made
        _end_change(table)


@njit(nogil=True)
def make_rows_unmarked(words, count):
    """Change rows and their count without making the version odd before."""
    table = pointer(words)
    for _ in range(count):
        made = table[_MADE_AT]
        row = shifted(table, table[_ROWS_AT] + (made % table[ROWS] + 1) * _ROW_WORDS)
        table[_MADE_AT] += 1
        for word in range(_ROW_WORDS):
            row[word] = 7 + made
        store_relaxed(table, ROWS_VERSION, table[ROWS_VERSION] + 2)


@njit(nogil=True)
def read_host_rows(words, rows, looks):
    """Return how many copies of the newest row were torn, or not that row."""
    wrong = 0
    for _ in range(looks):
        start = load_relaxed(words, _MADE_AT) - 1
        ring = (_MADE_AT, _ROWS_AT, _ROW_WORDS)
        if snapshot.copy_rows(words, ring, start, rows) == snapshot.WHOLE:
            for word in range(_ROW_WORDS):
                wrong += rows[0, word] != 7 + start
    return wrong


def host_rows(count=2, looks=1, classifier=make_rows):
    """Return the scenario of hosts' rows that are copied while panes end."""
    last = _HOST_ROWS + 3 * _ROW_WORDS
    return Scenario(
        setup=hosts_of_two_rows,
        roles={
            "classifier": Role(classifier, lambda: (count,)),
            "reader": Role(read_host_rows, lambda: (np.zeros((1, _ROW_WORDS), np.int64), looks)),
        },
        check=lambda words, results: (
            [f"{results['reader']} words are torn"] if results["reader"] else []
        ),
        labels={ROWS_VERSION: "version", _MADE_AT: "rows made"},
        model=ENGINE_MODEL,
        tolerated=frozenset({_MADE_AT, ROWS_VERSION, *range(_HOST_ROWS + _ROW_WORDS, last)}),
    )


@njit(nogil=True)
def show_twice(words, tally, rounds):
    """Show counters that only grow, together, `rounds` times."""
    for done in range(1, rounds + 1):
        for at in range(len(tally)):
            tally[at] = done
        show_counters(words, tally, len(tally))


@njit(nogil=True)
def watch_counters(words, latest, looks):
    """Return how often a counter went back."""
    wrong = 0
    for _ in range(looks):
        for at in range(len(latest)):
            now = load_relaxed(words, at)
            wrong += now < latest[at]
            latest[at] = now
    return wrong


@njit(nogil=True)
def show_by_two(words, tally, rounds):
    """A second writer of the same counters: the one-writer rule broken."""
    for _ in range(rounds):
        for at in range(len(tally)):
            store_relaxed(words, at, load_relaxed(words, at) + 1)


def counters(rounds=2, looks=2, second=None):
    """Return the scenario of two counters of one writer, exact at the end and never falling."""
    roles = {
        "writer": Role(second or show_twice, lambda: (np.zeros(2, np.int64), rounds)),
        "reader": Role(watch_counters, lambda: (np.zeros(2, np.int64), looks)),
    }
    if second:
        roles["other"] = roles["writer"]
    total = 2 * rounds if second else rounds

    def check(words, results):
        wrong = [f"{results['reader']} times a counter fell"] if results["reader"] else []
        return wrong + [f"counters are {words[:2]}"] * (words[:2].tolist() != [total] * 2)

    return Scenario(
        setup=lambda: np.zeros(2, np.int64), roles=roles, check=check, model=ENGINE_MODEL
    )


_STATE = RING.index("state")


def attach(words, actor):
    """Attach to a ring; return whether that was allowed."""
    try:
        lifecycle.take(words, actor, "attach")
    except SegmentError:
        return False
    return True


def attach_by_halves(words, actor):
    """Look at the state and change it in two steps."""
    state = load_relaxed(words, _STATE)
    allowed = lifecycle.TRANSITIONS[actor, "attach"]
    if state not in allowed:
        return False
    store_relaxed(words, _STATE, allowed[state])
    return True


def life(kernel=attach):
    """Return the scenario of two producers and a consumer who attach to a ring at once."""

    def setup():
        words = np.zeros(RING.words, np.int64)
        words[_STATE] = lifecycle.FREE
        return words

    def check(words, results):
        state = int(words[_STATE])
        producers = results["first"] + results["second"]
        is_right = producers == 1 and results["consumer"] and state == lifecycle.BOTH_UP
        return [] if is_right else [f"{results}, state {lifecycle.STATES[state]}"]

    return Scenario(
        setup=setup,
        roles={
            "first": Role(kernel, lambda: ("producer",)),
            "second": Role(kernel, lambda: ("producer",)),
            "consumer": Role(kernel, lambda: ("consumer",)),
        },
        check=check,
        labels={_STATE: "state"},
        model=ENGINE_MODEL,
    )


# As `python -m stress races weave tests.race.weave_states:LIFE` takes them.
FLOW_ROW = row(1, 1)
FLOW_ROW_TWICE = row(1, 2)
FLOW_ROW_CHANGES = row(2, 1)
HOST_ROWS = host_rows(1, 1)
HOST_ROWS_GIVEN_UP = host_rows(2, 1)
COUNTERS = counters()
LIFE = life()
# Each with one step wrong; what finds them is kept in replays/.
ROW_NOT_MARKED = row(2, 1, change_row_unmarked)
PANE_NOT_MARKED = host_rows(2, 1, make_rows_unmarked)
TWO_WRITERS = counters(second=show_by_two)
STATE_IN_HALVES = life(attach_by_halves)
