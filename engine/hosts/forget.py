"""Forgetting hosts and pairs at the end of a pane: those longest without a packet first."""

from numba import njit

from engine.config import PANE_NS
from engine.events import counter_index
from engine.hosts import index
from engine.hosts.known import (
    EXTERNAL_COUNT,
    HIGH,
    HOST_BITS,
    HOST_COUNT,
    HOST_FREE,
    HOST_FRESH,
    HOSTS_MAX,
    INITIATOR_PANE,
    IS_EXTERNAL,
    RESPONDER_PANE,
    VERSION,
    host_index,
)
from engine.hosts.pairs import (
    KEY_WORDS,
    PAIR_BITS,
    PAIR_COUNT,
    PAIR_FREE,
    PAIR_FRESH,
    PAIRS_MAX,
    STARTS,
    TIMES,
    hash_pair,
    pair_at,
    pair_index,
)
from engine.hosts.pools import give_places_back
from engine.hosts.sorting import make_heap, take_smallest
from engine.hosts.space import HEAP_WORDS, host_at, key_of
from engine.layouts.hosts import HOSTS, PAIR_TIMES
from engine.memory.kept import plain
from engine.memory.options import KERNEL
from engine.memory.pointers import prefetch_write, shifted

_AHEAD = 8  # Entries.
_HEAP_AT = HOSTS.index("heap_at")
_PLACE = HEAP_WORDS - 1
_HOST_SHAPE = (HEAP_WORDS, 4)  # Pane, version, high, low.
_PAIR_SHAPE = (HEAP_WORDS, 1 + KEY_WORDS)
_HOSTS_FORGOTTEN = counter_index("classifier", "hosts_forgotten")
_PAIRS_FORGOTTEN = counter_index("classifier", "pairs_forgotten")
assert _PLACE == 1 + KEY_WORDS


@njit(**KERNEL)
def _scratch(words):
    """Return the pointer to the heap's scratch: nobody needs what was there."""
    return plain(shifted(words, words[_HEAP_AT]))


@njit(**KERNEL)
def _forget_host(space, place):
    words = space.words
    host = host_at(words, place)
    hashed = index.address_hash(host[1], host[2], key_of(words))
    index.remove(host_index(words), words[HOST_BITS], hashed, place)
    words[HOST_COUNT] -= 1
    words[EXTERNAL_COUNT] -= host[IS_EXTERNAL]
    give_places_back(words, host)
    host[VERSION] = 0
    host[HIGH] = words[HOST_FREE]
    words[HOST_FREE] = place
    space.counters[_HOSTS_FORGOTTEN] += 1


@njit(**KERNEL)
def _part(heap, shape, count, left):
    """Move the smallest of `count` entries behind the `left` largest, the smallest last."""
    make_heap(heap, shape, count)
    while count > left:
        take_smallest(heap, shape, count)
        count -= 1


@njit(**KERNEL)
def _gather_hosts(words, only_external):
    """Put the hosts that may be forgotten into the heap's scratch; return how many."""
    heap = _scratch(words)
    count = 0
    for place in range(1, words[HOST_FRESH] + 1):
        host = host_at(words, place)
        if host[VERSION] == 0 or (only_external and host[IS_EXTERNAL] == 0):
            continue
        entry = shifted(heap, count * HEAP_WORDS)
        entry[0] = max(host[INITIATOR_PANE], host[RESPONDER_PANE])
        for word in range(3):
            entry[1 + word] = host[word]
        entry[_PLACE] = place
        count += 1
    return count


@njit(**KERNEL)
def _forget_down_to(space, only_external, left):
    """Forget hosts (external ones) until `left` are."""
    words = space.words
    heap = _scratch(words)
    count = _gather_hosts(words, only_external)
    _part(heap, _HOST_SHAPE, count, left)
    for number in range(count - 1, left - 1, -1):
        ahead = shifted(heap, max(left, number - _AHEAD) * HEAP_WORDS)
        prefetch_write(host_at(words, ahead[_PLACE]), 0)
        hashed = index.address_hash(ahead[2], ahead[3], key_of(words))
        index.ask(host_index(words), words[HOST_BITS], hashed)
        _forget_host(space, heap[number * HEAP_WORDS + _PLACE])


@njit(**KERNEL)
def forget_hosts(space):
    """Forget hosts where fewer than an eighth of the places are free."""
    words = space.words
    places = words[HOSTS_MAX]
    external = places >> 1
    if words[EXTERNAL_COUNT] > 7 * external // 8:
        _forget_down_to(space, True, 3 * external // 4)
    if words[HOST_COUNT] > 7 * places // 8:
        _forget_down_to(space, False, 3 * places // 4)


@njit(**KERNEL)
def _forget_pair(space, place):
    words = space.words
    pair = pair_at(words, place)
    index.remove(pair_index(words), words[PAIR_BITS], hash_pair(words, pair), place)
    words[PAIR_COUNT] -= 1
    pair[0], pair[1] = 0, words[PAIR_FREE]
    words[PAIR_FREE] = place
    space.counters[_PAIRS_FORGOTTEN] += 1


@njit(**KERNEL)
def forget_pairs(space):
    """Forget pairs where fewer than an eighth of the places are free."""
    words = space.words
    places = words[PAIRS_MAX]
    if words[PAIR_COUNT] <= 7 * places // 8:
        return
    heap = _scratch(words)
    count = 0
    for place in range(1, words[PAIR_FRESH] + 1):
        pair = pair_at(words, place)
        if pair[0]:
            entry = shifted(heap, count * HEAP_WORDS)
            entry[0] = pair[TIMES + (pair[STARTS] - 1) % PAIR_TIMES] // PANE_NS
            for word in range(KEY_WORDS):
                entry[1 + word] = pair[word]
            entry[_PLACE] = place
            count += 1
    left = 3 * places // 4
    _part(heap, _PAIR_SHAPE, count, left)
    for number in range(count - 1, left - 1, -1):
        ahead = shifted(heap, max(left, number - _AHEAD) * HEAP_WORDS)
        prefetch_write(pair_at(words, ahead[_PLACE]), 0)
        hashed = hash_pair(words, shifted(ahead, 1))
        index.ask(pair_index(words), words[PAIR_BITS], hashed)
        _forget_pair(space, heap[number * HEAP_WORDS + _PLACE])
