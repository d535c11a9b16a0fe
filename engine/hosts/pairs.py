"""Pairs of an initiator and a responder's port: their newest starts, for feature 99."""

import math

from numba import njit

from engine.config import PANE_NS
from engine.events import counter_index
from engine.hosts import index
from engine.hosts.known import HIGH, LOW, VERSION
from engine.hosts.space import key_of
from engine.layouts.hosts import HOSTS, PAIR, PAIR_TIMES, START
from engine.memory.options import HOT, KERNEL
from engine.memory.pointers import prefetch_write, shifted
from engine.memory.wide import square_add, variance_numerator, wrapped_difference

_PAIR_WORDS = PAIR.words

DAY_NS = 24 * 3600 * 10**9
_GAPS_MIN = 4

PAIR_COUNT, PAIR_FRESH, PAIR_FREE, PAIRS_MAX, PAIR_BITS, PAIR_INDEX_AT, PAIRS_AT = (
    HOSTS.index(name)
    for name in (
        "pair_count",
        "pair_fresh",
        "pair_free",
        "max_pairs",
        "pair_bits",
        "pair_index_at",
        "pairs_at",
    )
)
_REFUSED = counter_index("classifier", "pairs_refused")
KEY_WORDS = 6  # Version, both addresses, port.
STARTS = PAIR.index("pair_starts")
TIMES = PAIR.index("times")
_START_TIME, _PORT, _PAIR_HASH = (
    START.index(name) for name in ("start_time", "peer_port", "pair_hash")
)


@njit(**HOT)
def pair_at(words, place):
    """Return the pointer to a pair."""
    return shifted(words, words[PAIRS_AT] + place * _PAIR_WORDS)


@njit(**HOT)
def pair_index(words):
    """Return the pointer to the pairs' index."""
    return shifted(words, words[PAIR_INDEX_AT])


@njit(**HOT)
def hash_pair(words, key):
    """Return the keyed hash of a pair's key."""
    secret = key_of(words)
    initiator = index.address_hash(key[1], key[2], secret)
    return index.pair_hash(initiator, index.address_hash(key[3], key[4], secret), key[5], secret)


@njit(**HOT)
def find_pair(words, hashed, key):
    """Return the place of a pair, or 0. `key` points to its six words."""
    records = (shifted(words, words[PAIRS_AT]), _PAIR_WORDS)
    return index.find(pair_index(words), words[PAIR_BITS], hashed, records, (key, KEY_WORDS))


@njit(**KERNEL)
def _make_pair(space, hashed, key):
    """Return the place of a new pair, or 0 if there is none left."""
    words = space.words
    if words[PAIR_COUNT] == words[PAIRS_MAX]:
        space.counters[_REFUSED] += 1
        return 0
    place = words[PAIR_FREE]
    if place:
        words[PAIR_FREE] = pair_at(words, place)[1]
    else:
        words[PAIR_FRESH] += 1
        place = words[PAIR_FRESH]
    pair = pair_at(words, place)
    for word in range(KEY_WORDS):
        pair[word] = key[word]
    pair[STARTS] = 0
    index.insert(pair_index(words), words[PAIR_BITS], hashed, place)
    words[PAIR_COUNT] += 1
    return place


@njit(**HOT)
def ask_index(words, start):
    """Ask for where the search for the pair of a start (pointer to it) will begin."""
    index.ask(pair_index(words), words[PAIR_BITS], start[_PAIR_HASH])


@njit(**HOT)
def ask_pair(words, start):
    """Ask for the pair that the index has under the hash of a start's pair."""
    place = index.guess(pair_index(words), words[PAIR_BITS], start[_PAIR_HASH])
    pair = pair_at(words, place if place else words[PAIR_FREE])
    prefetch_write(pair, 0)
    prefetch_write(pair, TIMES + 1)


@njit(**KERNEL)
def enter_pair(space, host, start):
    """Enter a start (pointer to it) of a host into its pair, which is made if need be."""
    key = space.key
    key[0], key[1], key[2] = host[VERSION], host[HIGH], host[LOW]
    key[3], key[4], key[5] = start[_PORT - 2], start[_PORT - 1], start[_PORT]
    hashed = start[_PAIR_HASH]
    place = find_pair(space.words, hashed, key)
    if place == 0:
        place = _make_pair(space, hashed, key)
    if place:
        pair = pair_at(space.words, place)
        pair[TIMES + pair[STARTS] % PAIR_TIMES] = start[_START_TIME]
        pair[STARTS] += 1


@njit(**KERNEL)
def regularity(pair, pane):
    """Return (feature 99 of a pair at the end of `pane`, whether it is valid)."""
    end_ns = (pane + 1) * PANE_NS
    starts = pair[STARTS]
    gaps, total, low, high = 0, 0, 0, 0
    previous, is_first = 0, True
    for number in range(max(0, starts - PAIR_TIMES), starts):
        time = pair[TIMES + number % PAIR_TIMES]
        age = wrapped_difference(end_ns, time)
        if age < 0 or age > DAY_NS:  # Below 0: beyond 63 bits.
            continue
        if not is_first:
            gap = wrapped_difference(time, previous)
            gaps += 1
            total += gap
            low, high = square_add(low, high, gap)
        previous, is_first = time, False
    if gaps < _GAPS_MIN or total == 0:
        return 0.0, False
    spread = variance_numerator(gaps, low, high, total) / (float(gaps) * float(gaps - 1))
    mean = float(total) / float(gaps)
    return max(0.0, 1.0 - math.sqrt(spread) / mean), True
