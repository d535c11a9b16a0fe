"""The shipped protocols as scenarios for the instruments, and broken twins of them.

Every step is the shipped kernel; a twin replaces one step by a wrong one. A role never waits for
ever: it gives up after so many tries, and the check says what is missing.
"""

import numpy as np
from numba import njit

from engine.classifier.outlet import show_counters
from engine.config import Config
from engine.features.totals import direction_line
from engine.flows.pools import mark_changing, mark_settled
from engine.flows.shard import row_at
from engine.flows.snapshot import WHOLE, private_shard, read_part
from engine.flows.table import initialise, table_shape
from engine.hosts.pane import _begin_change, _end_change
from engine.hosts.rows import INITIATOR_RING
from engine.hosts.rows import ROWS as HOST_ROWS
from engine.hosts.snapshot import copy_rows
from engine.layouts import HOSTS, PROCESS, RING, places
from engine.layouts.hosts import HOST_ROW
from engine.memory.atomics import fetch_add, load_acquire, load_relaxed, pause, store_relaxed
from engine.memory.pointers import pointer
from engine.rings import spsc
from stress.races.scenario import Role, Scenario

TRIES = 1 << 24
RING_WORDS, SLOT_WORDS, CAPACITY = RING.words, 4, 4
RECORDS = 12


# The ring: claim, write, publish, watermark; watermark, peek, read, release.


@njit(nogil=True)
def _write(words, sequence):
    for word in range(SLOT_WORDS):
        words[RING_WORDS + sequence % CAPACITY * SLOT_WORDS + word] = sequence * SLOT_WORDS + word


@njit(nogil=True)
def produce(words, count):
    """Send `count` records by the shipped steps; a watermark behind each."""
    sent = 0
    for _ in range(TRIES):
        if sent == count:
            return sent
        if spsc.claim(words, 1) == spsc.FULL:
            pause()
            continue
        _write(words, sent)
        sent += 1
        spsc.publish(words, sent)
        spsc.publish_watermark(words, sent, 3 * sent)
    return sent


@njit(nogil=True)
def produce_early(words, count):
    """Broken: publish before the record is written."""
    sent = 0
    for _ in range(TRIES):
        if sent == count:
            return sent
        if spsc.claim(words, 1) == spsc.FULL:
            pause()
            continue
        spsc.publish(words, sent + 1)
        _write(words, sent)
        sent += 1
    return sent


@njit(nogil=True)
def produce_relaxed(words, count):
    """Broken: publish without release."""
    sent = 0
    for _ in range(TRIES):
        if sent == count:
            return sent
        if spsc.claim(words, 1) == spsc.FULL:
            pause()
            continue
        _write(words, sent)
        sent += 1
        store_relaxed(words, spsc.TAIL, sent)
    return sent


@njit(nogil=True)
def _is_torn(words, sequence):
    for word in range(SLOT_WORDS):
        at = RING_WORDS + sequence % CAPACITY * SLOT_WORDS + word
        if words[at] != sequence * SLOT_WORDS + word:
            return 1
    return 0


@njit(nogil=True)
def consume(words, count):
    """Return (records received, torn ones, watermarks that promise too much)."""
    torn = early = taken = 0
    for _ in range(TRIES):
        if taken == count:
            break
        mark, reference, is_whole = spsc.read_watermark(words)
        first, readable = spsc.peek(words)
        if readable == 0:
            if is_whole and mark > taken:
                first, readable = spsc.peek(words)
                early += readable == 0
            pause()
            continue
        early += is_whole and (reference != 3 * mark or mark > first + CAPACITY)
        torn += _is_torn(words, first)
        taken += 1
        spsc.release(words, first + 1)
    return taken, torn, early


@njit(nogil=True)
def consume_relaxed(words, count):
    """Broken: look at the tail without acquire."""
    torn = taken = 0
    for _ in range(TRIES):
        if taken == count:
            break
        if load_relaxed(words, spsc.TAIL) == taken:
            pause()
            continue
        torn += _is_torn(words, taken)
        taken += 1
        words[spsc.TAIL_SEEN] = taken
        spsc.release(words, taken)
    return taken, torn, 0


@njit(nogil=True)
def consume_late(words, count):
    """Broken: give the slot back before it is read."""
    torn = taken = 0
    for _ in range(TRIES):
        if taken == count:
            break
        first, readable = spsc.peek(words)
        if readable == 0:
            pause()
            continue
        spsc.release(words, first + 1)
        torn += _is_torn(words, first)
        taken += 1
    return taken, torn, 0


def _new_ring() -> np.ndarray:
    words = np.zeros(RING_WORDS + CAPACITY * SLOT_WORDS, np.int64)
    words[spsc.CAPACITY] = CAPACITY
    return words


def _check_ring(words: np.ndarray, results: dict) -> list[str]:
    taken, torn, early = results["consumer"]
    wrong = [f"{taken} of {RECORDS} records came"] if taken != RECORDS else []
    wrong += [f"{torn} records torn"] if torn else []
    return wrong + ([f"{early} watermarks promised too much"] if early else [])


def _ring(producer, consumer) -> Scenario:
    roles = {"producer": producer, "consumer": consumer}
    roles = {name: Role(kernel, lambda: (RECORDS,)) for name, kernel in roles.items()}
    return Scenario(_new_ring, roles, _check_ring)


RING_SOUND = _ring(produce, consume)
RING_EARLY = _ring(produce_early, consume)
RING_RELAXED = _ring(produce_relaxed, consume)
RING_NO_ACQUIRE = _ring(produce, consume_relaxed)
RING_LATE = _ring(produce, consume_late)


# A flow's row under its version: a worker changes it, another process copies it. So that both are
# at it together, a change waits until the reader has begun another copy: it says so in a last word,
# relaxed, which orders nothing.

CHANGES = 20
_REFERENCE = 5


@njit(nogil=True)
def _wait_for_copy(words, number):
    for _ in range(TRIES):
        if load_relaxed(words, len(words) - 1) >= number:
            return
        pause()


@njit(nogil=True)
def _change(line, value):
    direction_line(line, 0)[places.PACKETS] = value
    direction_line(line, 1)[places.PACKETS] = value
    line[places.START] = value


@njit(nogil=True)
def change_row(words, count):
    """Change row 1 by the shipped marks, so often."""
    line = row_at(pointer(words), 1)
    for value in range(1, count + 1):
        _wait_for_copy(words, value)
        mark_changing(line)
        _change(line, value)
        mark_settled(line)
    return count


@njit(nogil=True)
def copy_row(words, count, private):
    """Return (whole copies, torn or older ones)."""
    table, kept = pointer(words), pointer(private)
    line = row_at(kept, 1)
    whole = torn = latest = 0
    for copy in range(1, TRIES):
        store_relaxed(words, len(words) - 1, copy)
        if read_part(table, 1, kept) == WHOLE:
            whole += 1
            value = line[places.START]
            torn += direction_line(line, 0)[places.PACKETS] != value
            torn += direction_line(line, 1)[places.PACKETS] != value or value < latest
            latest = value
        if latest == count:
            break
    return whole, torn


@njit(nogil=True)
def copy_row_unseen(words, count, private):
    """Broken: copy without a look at the version."""
    line = row_at(pointer(words), 1)
    torn = 0
    for copy in range(1, count + 1):
        store_relaxed(words, len(words) - 1, copy)
        value = line[places.START]
        torn += direction_line(line, 1)[places.PACKETS] != value
    return count, torn


def _new_table() -> np.ndarray:
    shape = table_shape(8, 1)
    words = np.zeros(shape.words + 1, np.int64)
    settings = {"hash_key": (0, 0), "separate": False, "facts": False}
    initialise(words, Config(), shape, settings)
    line = words[shape.rows_at + places.ROW_WORDS :]
    line[places.FIRST_REFERENCE] = _REFERENCE
    return words


def _check_copies(words: np.ndarray, results: dict) -> list[str]:
    whole, torn = results["reader"]
    return [f"{torn} of {whole} copies torn or old"] if torn or not whole else []


def _private() -> tuple:
    return CHANGES, private_shard(_new_table()).table


def _row(writer, reader, validated=("copy_part", "_copy_block")) -> Scenario:
    roles = {"writer": Role(writer, lambda: (CHANGES,)), "reader": Role(reader, _private)}
    return Scenario(_new_table, roles, _check_copies, validated=frozenset(validated))


ROW_SOUND = _row(change_row, copy_row)
ROW_UNSEEN = _row(change_row, copy_row_unseen)


# Rows of hosts under their version: the classifier adds one at a pane's end, another copies some.

HOST_RING_ROWS = 4
_MADE, _, _, _ROWS_AT = INITIATOR_RING
_RING_AT, _HOST_ROW_WORDS = HOSTS.words, HOST_ROW.words


@njit(nogil=True)
def add_rows(words, count):
    """Add rows, each of one number, by the shipped marks."""
    table = pointer(words)
    for number in range(count):
        _wait_for_copy(words, number + 1)
        _begin_change(table)
        row = _RING_AT + (number % HOST_RING_ROWS + 1) * _HOST_ROW_WORDS
        for word in range(_HOST_ROW_WORDS):
            words[row + word] = number
        words[_MADE] = number + 1
        _end_change(table)
    return count


@njit(nogil=True)
def copy_newest(words, count, rows):
    """Return (whole copies of the newest row, torn or older ones)."""
    whole = torn = latest = 0
    for copy in range(1, TRIES):
        store_relaxed(words, len(words) - 1, copy)
        made = load_relaxed(words, _MADE)
        ring = (_MADE, _ROWS_AT, _HOST_ROW_WORDS)
        if made and copy_rows(words, ring, made - 1, rows) == WHOLE:
            whole += 1
            for word in range(_HOST_ROW_WORDS):
                torn += rows[0, word] != made - 1
            torn += made < latest
            latest = made
        if latest == count:
            break
    return whole, torn


def _new_hosts() -> np.ndarray:
    words = np.zeros(_RING_AT + (HOST_RING_ROWS + 1) * _HOST_ROW_WORDS + 1, np.int64)
    words[HOST_ROWS], words[_ROWS_AT] = HOST_RING_ROWS, _RING_AT
    return words


HOSTS_SOUND = Scenario(
    _new_hosts,
    {
        "writer": Role(add_rows, lambda: (CHANGES,)),
        "reader": Role(copy_newest, lambda: (CHANGES, np.zeros((1, _HOST_ROW_WORDS), np.int64))),
    },
    _check_copies,
    validated=frozenset({"copy_rows", "copy_newest"}),
)


# Counters: each process writes its own line, anybody reads.

_COUNTERS, _COUNTERS_AT = 3, PROCESS.index("counters_0")
_LINE_WORDS = PROCESS.words


@njit(nogil=True)
def count_own(words, line, count, tally):
    """Show a tally that grows, `count` times."""
    own = words[line * _LINE_WORDS + _COUNTERS_AT : (line + 1) * _LINE_WORDS]
    for _ in range(count):
        for at in range(_COUNTERS):
            tally[at] += 1
        show_counters(own, tally, _COUNTERS)
    return count


@njit(nogil=True)
def read_counters(words, lines, count):
    """Return how often a counter went backwards."""
    backwards = latest = 0
    for _ in range(count):
        found = 0
        for line in range(lines):
            found += load_acquire(words, line * _LINE_WORDS + _COUNTERS_AT)
        backwards += found < latest
        latest = found
    return backwards


@njit(nogil=True)
def count_shared(words, line, count, tally):
    """Broken: all processes count in the first line, plainly."""
    for at in range(count):
        words[_COUNTERS_AT + (at & 1)] += line * at + 1
    return count


@njit(nogil=True)
def count_together(words, line, count, tally):
    """Count in the first line, each addition in one step."""
    for _ in range(count):
        fetch_add(words, _COUNTERS_AT, 1)
    return count


def _counters(kernel) -> Scenario:
    def check(words: np.ndarray, results: dict) -> list[str]:
        return ["a counter went backwards"] if results["reader"] else []

    roles = {
        f"writer {line}": Role(kernel, lambda line=line: (line, 30, np.zeros(8, np.int64)))
        for line in range(2)
    }
    roles["reader"] = Role(read_counters, lambda: (2, 30))
    return Scenario(lambda: np.zeros(2 * _LINE_WORDS, np.int64), roles, check)


COUNTERS_SOUND = _counters(count_own)
COUNTERS_SHARED = _counters(count_shared)
COUNTERS_TOGETHER = _counters(count_together)
