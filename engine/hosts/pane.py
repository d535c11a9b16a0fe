"""The end of a pane for hosts, and the end of everything they know."""

from numba import njit

from engine.config import PANE_NS
from engine.hosts import index
from engine.hosts.forget import forget_hosts, forget_pairs
from engine.hosts.initiator_row import write_initiator_row
from engine.hosts.known import (
    EXTERNAL_COUNT,
    HOST_BITS,
    HOST_COUNT,
    HOST_FREE,
    HOST_FRESH,
    HOSTS_MAX,
    INITIATOR_PLACE,
    RESPONDER_PLACE,
    TOUCHED_AT,
    TOUCHED_INITIATORS,
    TOUCHED_RESPONDERS,
    VERSION,
    host_index,
)
from engine.hosts.operations import flush
from engine.hosts.pairs import (
    PAIR_BITS,
    PAIR_COUNT,
    PAIR_FREE,
    PAIR_FRESH,
    PAIRS_MAX,
    hash_pair,
    pair_at,
    pair_index,
)
from engine.hosts.pools import empty_pools
from engine.hosts.responder import TO_10_AT
from engine.hosts.responder_row import write_responder_row
from engine.hosts.rows import (
    INITIATOR_RING,
    RESPONDER_RING,
    ROW_BITS,
    ROWS,
    ask_coming_entry,
    ask_coming_row,
    ask_row,
    hash_row,
)
from engine.hosts.space import (
    PACKETS_30_AT,
    RESPONDER_WORDS,
    host_at,
    initiator_at,
    key_of,
    responder_at,
    spread,
)
from engine.hosts.starts import apply_starts
from engine.hosts.view import view_of
from engine.layouts.hosts import HOST_ROW, HOSTS, NEVER, RESPONDER_ROW
from engine.layouts.windows import (
    INITIATOR_30,
    INITIATOR_60,
    INITIATOR_300,
    INTERNAL_300,
    RESPONDER_10,
    STARTS_30,
    STARTS_60,
    STARTS_300,
)
from engine.memory.atomics import fence_release, store_relaxed, store_release
from engine.memory.kept import span
from engine.memory.options import HOT, KERNEL
from engine.memory.pointers import prefetch, shifted

_HOST_ROW_WORDS = HOST_ROW.words
_RESPONDER_ROW_WORDS = RESPONDER_ROW.words

OPEN_PANE, END_NS = HOSTS.index("pane"), HOSTS.index("end_ns")
ROWS_VERSION = HOSTS.index("rows_version")
BEGINNING = -(1 << 63)
_AHEAD = 6
_LINE_WORDS = 8
_INITIATOR_30_WORDS, _INITIATOR_60_WORDS = INITIATOR_30.words, INITIATOR_60.words
_INITIATOR_300_WORDS, _INTERNAL_300_WORDS = INITIATOR_300.words, INTERNAL_300.words
_STARTS_30_WORDS, _STARTS_60_WORDS = STARTS_30.words, STARTS_60.words
_STARTS_300_WORDS = STARTS_300.words
_RESPONDER_10_WORDS = RESPONDER_10.words


@njit(**HOT)
def _ask(cells, count):
    """Ask for both cells of a group."""
    for at in range(0, count, _LINE_WORDS):
        prefetch(cells[0], at)
        prefetch(cells[1], at)


@njit(**HOT)
def _ask_stamps(words, place):
    """Ask for what says where the cells of an initiator part are; its host has been asked for."""
    part = initiator_at(words, host_at(words, place)[INITIATOR_PLACE])
    for at in range(0, PACKETS_30_AT, _LINE_WORDS):
        prefetch(part, at)


@njit(**KERNEL)
def _ask_initiator(words, place, pane):
    """Ask for what the row of an initiator part is made of, and for where it goes."""
    host = host_at(words, place)
    ask_row(words, host, pane, INITIATOR_RING)
    view = view_of(words, host, pane)
    _ask(view.packets_30, _INITIATOR_30_WORDS)
    _ask(view.packets_60, _INITIATOR_60_WORDS)
    _ask(view.packets_300, _INITIATOR_300_WORDS)
    _ask(view.starts_30, _STARTS_30_WORDS)
    _ask(view.starts_60, _STARTS_60_WORDS)
    _ask(view.starts_300, _STARTS_300_WORDS)
    _ask(view.internal, _INTERNAL_300_WORDS)


@njit(**KERNEL)
def _ask_responder(words, place, pane):
    """Ask for what the row of a responder part is made of, and for where it goes."""
    host = host_at(words, place)
    ask_row(words, host, pane, RESPONDER_RING)
    place = host[RESPONDER_PLACE]
    part = responder_at(words, place)
    for at in range(0, RESPONDER_WORDS, _LINE_WORDS):
        prefetch(part, at)
    first, gap = spread(words, TO_10_AT, _RESPONDER_10_WORDS, place)
    for at in range(0, _RESPONDER_10_WORDS, _LINE_WORDS):
        prefetch(first, (pane & 1) * gap + at)
        prefetch(first, (1 - (pane & 1)) * gap + at)


@njit(**HOT)
def _ask_host(words, begin, number, count):
    """Ask for a host of the list that begins at word `begin`, if it is as long as that."""
    if number < count:
        prefetch(host_at(words, words[begin + number]), 0)


@njit(**KERNEL)
def _write_rows(space, pane):
    """Make the rows of all parts touched in the pane, in order of their first touch."""
    words = space.words
    begin = words[TOUCHED_AT]
    for number in range(words[TOUCHED_INITIATORS]):
        _ask_host(words, begin, number + 3 * _AHEAD, words[TOUCHED_INITIATORS])
        if number + 2 * _AHEAD < words[TOUCHED_INITIATORS]:
            _ask_stamps(words, words[begin + number + 2 * _AHEAD])
            ask_coming_row(words, INITIATOR_RING, _HOST_ROW_WORDS, 2 * _AHEAD)
        if number + _AHEAD < words[TOUCHED_INITIATORS]:
            _ask_initiator(words, words[begin + number + _AHEAD], pane)
            ask_coming_entry(words, INITIATOR_RING, _HOST_ROW_WORDS, _AHEAD)
        write_initiator_row(space, words[begin + number], pane)
    begin += words[HOSTS_MAX]
    for number in range(words[TOUCHED_RESPONDERS]):
        _ask_host(words, begin, number + 2 * _AHEAD, words[TOUCHED_RESPONDERS])
        ask_coming_row(words, RESPONDER_RING, _RESPONDER_ROW_WORDS, 2 * _AHEAD)
        if number + _AHEAD < words[TOUCHED_RESPONDERS]:
            _ask_responder(words, words[begin + number + _AHEAD], pane)
            ask_coming_entry(words, RESPONDER_RING, _RESPONDER_ROW_WORDS, _AHEAD)
        write_responder_row(space, words[begin + number], pane)
    words[TOUCHED_INITIATORS] = words[TOUCHED_RESPONDERS] = 0


@njit(**HOT)
def is_over(words, time, order_class):
    """Return whether an event of that time and class ends the open pane."""
    return time >= words[END_NS] and (time > words[END_NS] or order_class != 0)


@njit(**HOT)
def open_pane(words, time, order_class):
    """Open the pane of an event: a delta (class 0) has the time of its pane's end."""
    pane = time // PANE_NS - (order_class == 0)
    words[OPEN_PANE], words[END_NS] = pane, (pane + 1) * PANE_NS


@njit(**HOT)
def _begin_change(words):
    """Make the version odd before rows change, for readers of live state (snapshot.py)."""
    store_relaxed(words, ROWS_VERSION, words[ROWS_VERSION] + 1)
    fence_release()  # The version is odd before any other word changes.


@njit(**HOT)
def _end_change(words):
    store_release(words, ROWS_VERSION, words[ROWS_VERSION] + 1)


@njit(**KERNEL)
def end_open_pane(space):
    """End the pane that is open: starts, filters, rows, forgetting."""
    words = space.words
    flush(space)
    pane = words[OPEN_PANE]
    if words[TOUCHED_INITIATORS] | words[TOUCHED_RESPONDERS]:
        _begin_change(words)
        apply_starts(space, pane)
        _write_rows(space, pane)
        forget_pairs(space)
        forget_hosts(space)
        _end_change(words)


@njit(**KERNEL)
def _clear(words, count):
    for word in range(count):
        words[word] = 0


@njit(**KERNEL)
def _clear_rows(words, ring, row_words):
    """Give up all rows of a ring, at a cost that follows how many there are."""
    made_at, gone_at, index_at, rows_at = ring
    count = min(words[made_at], words[ROWS])
    entries, is_many = shifted(words, words[index_at]), count > words[ROWS] >> 3
    for place in range(1, count + 1):
        row = shifted(words, words[rows_at] + place * row_words)
        if not is_many:
            index.remove(entries, words[ROW_BITS], hash_row(words, row), place)
        row[0] = 0
    if is_many:
        _clear(span(entries, 1 << words[ROW_BITS]), 1 << words[ROW_BITS])
    words[made_at], words[gone_at] = 0, NEVER


@njit(**KERNEL)
def _clear_hosts(words):
    entries, is_many = host_index(words), words[HOST_COUNT] > words[HOSTS_MAX] >> 3
    for place in range(1, words[HOST_FRESH] + 1):
        host = host_at(words, place)
        if host[VERSION] and not is_many:
            hashed = index.address_hash(host[1], host[2], key_of(words))
            index.remove(entries, words[HOST_BITS], hashed, place)
        host[VERSION] = 0
    if is_many:
        _clear(span(entries, 1 << words[HOST_BITS]), 1 << words[HOST_BITS])
    words[HOST_COUNT] = words[EXTERNAL_COUNT] = words[HOST_FRESH] = words[HOST_FREE] = 0
    empty_pools(words)


@njit(**KERNEL)
def _clear_pairs(words):
    entries, is_many = pair_index(words), words[PAIR_COUNT] > words[PAIRS_MAX] >> 3
    for place in range(1, words[PAIR_FRESH] + 1):
        pair = pair_at(words, place)
        if pair[0] and not is_many:
            index.remove(entries, words[PAIR_BITS], hash_pair(words, pair), place)
        pair[0] = 0
    if is_many:
        _clear(span(entries, 1 << words[PAIR_BITS]), 1 << words[PAIR_BITS])
    words[PAIR_COUNT] = words[PAIR_FRESH] = words[PAIR_FREE] = 0


@njit(**KERNEL)
def forget_everything(space):
    """Forget all hosts, pairs and rows. The open pane has ended."""
    words = space.words
    _begin_change(words)
    _clear_hosts(words)
    _clear_pairs(words)
    _clear_rows(words, INITIATOR_RING, _HOST_ROW_WORDS)
    _clear_rows(words, RESPONDER_RING, _RESPONDER_ROW_WORDS)
    words[OPEN_PANE], words[END_NS] = NEVER, BEGINNING
    _end_change(words)
