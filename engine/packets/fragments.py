"""First fragments, remembered so that later ones find the ports of their flow.

One array of words: a few counts, an index (open addressing, linear probing, deletion by backward
shift), and the entries, which are linked from the oldest to the newest. The hash is keyed, so that
nobody can aim at one stretch of the index; what is found does not depend on it. The times given
never decrease. `cache`, `secrets` (key.secret_words) and `line` are pointers.
"""

import numpy as np
from numba import njit

from engine.config import SECOND_NS
from engine.memory.options import KERNEL
from engine.memory.pointers import shifted
from engine.memory.wide import multiply_fold
from engine.packets.fates import ACCEPTED, FRAGMENT_ORPHAN
from engine.packets.ip import ICMP, ICMP6
from engine.packets.lines import DESTINATION_PORT_SHIFT as PORT_SHIFT
from engine.packets.lines import (
    FRAGMENT_KEY,
    KEY,
    MARK_SHIFT,
    PORT_MASK,
    PROTOCOL,
    PROTOCOL_SHIFT,
    SOURCE_HIGH,
)

ENTRIES = 4096
AGE_NS_MAX = 30 * SECOND_NS
_INDEX = 2 * ENTRIES
_COUNT, _OLDEST, _NEWEST = range(3)
_INDEX_AT = 8
_ENTRIES_AT = _INDEX_AT + _INDEX
_ENTRY_WORDS = 8
_ADDRESS_WORDS = 4  # They stand together in a line, as in an entry.
_ENTRY_KEY, _VALUE, _TIME, _LINKS = range(4, 8)  # Words of an entry behind the addresses.
_LINK_SHIFT, _LINK_MASK = 32, (1 << 32) - 1  # The older one, then the newer one.
_PORTS = PORT_MASK | PORT_MASK << PORT_SHIFT
_MARK = 1 << MARK_SHIFT
_PROTOCOL_BITS = 0xFF << PROTOCOL_SHIFT
CACHE_WORDS = _ENTRIES_AT + ENTRIES * _ENTRY_WORDS


def new_cache() -> np.ndarray:
    """Return an empty cache."""
    return np.zeros(CACHE_WORDS, np.int64)


@njit(**KERNEL)
def resolve(cache, secrets, line, time):
    """Give a later fragment the ports and protocol of its first one; return its fate."""
    slot = _find(cache, secrets, line, SOURCE_HIGH, FRAGMENT_KEY)
    entry = cache[_INDEX_AT + slot] - 1
    if entry < 0:
        return FRAGMENT_ORPHAN
    at = _ENTRIES_AT + entry * _ENTRY_WORDS
    if time > cache[at + _TIME] + AGE_NS_MAX:
        return FRAGMENT_ORPHAN
    line[KEY] = (line[KEY] & ~_PROTOCOL_BITS) | cache[at + _VALUE]
    return ACCEPTED


@njit(**KERNEL)
def remember(cache, secrets, line, time):
    """Keep an accepted first fragment; return 1 if an entry younger than 30 s had to go."""
    evicted = 0
    slot = _find(cache, secrets, line, SOURCE_HIGH, FRAGMENT_KEY)
    entry = cache[_INDEX_AT + slot] - 1
    if entry >= 0:
        _unlink(cache, entry)
    elif cache[_COUNT] < ENTRIES:
        entry = cache[_COUNT]
        cache[_COUNT] = entry + 1
        cache[_INDEX_AT + slot] = entry + 1
    else:
        entry = cache[_OLDEST]
        at = _ENTRIES_AT + entry * _ENTRY_WORDS
        evicted = np.int64(time < cache[at + _TIME] + AGE_NS_MAX)
        _unlink(cache, entry)
        _remove(cache, secrets, _find(cache, secrets, shifted(cache, at), 0, _ENTRY_KEY))
        cache[_INDEX_AT + _find(cache, secrets, line, SOURCE_HIGH, FRAGMENT_KEY)] = entry + 1
    at = _ENTRIES_AT + entry * _ENTRY_WORDS
    for k in range(_ADDRESS_WORDS):
        cache[at + k] = line[SOURCE_HIGH + k]
    cache[at + _ENTRY_KEY] = line[FRAGMENT_KEY]
    one_way = line[PROTOCOL] == ICMP or line[PROTOCOL] == ICMP6
    kept = _PORTS | _PROTOCOL_BITS | (_MARK if one_way else 0)
    cache[at + _VALUE] = line[KEY] & kept
    cache[at + _TIME] = time
    _link_newest(cache, entry)
    return evicted


@njit(**KERNEL)
def forget_all(cache):
    """Empty the cache (--separate: at the end of a source)."""
    if cache[_COUNT]:
        for k in range(_ENTRIES_AT):
            cache[k] = 0


@njit(**KERNEL)
def _hash(secrets, words, addresses, key):
    """Return the index slot where the search for a key begins."""
    first = multiply_fold(words[addresses] ^ secrets[0], words[addresses + 1] ^ secrets[1])
    second = multiply_fold(words[addresses + 2] ^ secrets[2], words[addresses + 3] ^ secrets[3])
    mixed = multiply_fold(first ^ secrets[1], second ^ secrets[2])
    return multiply_fold(mixed ^ secrets[3], words[key] ^ secrets[0]) & (_INDEX - 1)


@njit(**KERNEL)
def _find(cache, secrets, words, addresses, key):
    """Return the slot that holds the entry of a key, or the free one where it would go.

    Ends: at most half of the slots are used.
    """
    slot = _hash(secrets, words, addresses, key)
    while cache[_INDEX_AT + slot] != 0:
        at = _ENTRIES_AT + (cache[_INDEX_AT + slot] - 1) * _ENTRY_WORDS
        same = cache[at + _ENTRY_KEY] == words[key]
        for k in range(_ADDRESS_WORDS):
            same = same and cache[at + k] == words[addresses + k]
        if same:
            return slot
        slot = (slot + 1) & (_INDEX - 1)
    return slot


@njit(**KERNEL)
def _remove(cache, secrets, hole):
    """Free slot `hole`, moving up what was pushed past it."""
    slot = hole
    while True:  # Ends: at most half of the slots are used.
        slot = (slot + 1) & (_INDEX - 1)
        if cache[_INDEX_AT + slot] == 0:
            break
        at = _ENTRIES_AT + (cache[_INDEX_AT + slot] - 1) * _ENTRY_WORDS
        home = _hash(secrets, shifted(cache, at), 0, _ENTRY_KEY)
        if (slot - home) & (_INDEX - 1) >= (slot - hole) & (_INDEX - 1):
            cache[_INDEX_AT + hole] = cache[_INDEX_AT + slot]
            hole = slot
    cache[_INDEX_AT + hole] = 0


@njit(**KERNEL)
def _unlink(cache, entry):
    """Take `entry` out of the list. Links hold entry + 1; 0 ends the list."""
    links = cache[_ENTRIES_AT + entry * _ENTRY_WORDS + _LINKS]
    older, newer = (links & _LINK_MASK) - 1, (links >> _LINK_SHIFT) - 1
    if older >= 0:
        at = _ENTRIES_AT + older * _ENTRY_WORDS + _LINKS
        cache[at] = (cache[at] & _LINK_MASK) | (newer + 1) << _LINK_SHIFT
    else:
        cache[_OLDEST] = newer
    if newer >= 0:
        at = _ENTRIES_AT + newer * _ENTRY_WORDS + _LINKS
        cache[at] = (cache[at] & ~_LINK_MASK) | (older + 1)
    else:
        cache[_NEWEST] = older


@njit(**KERNEL)
def _link_newest(cache, entry):
    """Put `entry` at the end of the list."""
    alone = cache[_COUNT] == 1
    newest = -1 if alone else cache[_NEWEST]
    cache[_ENTRIES_AT + entry * _ENTRY_WORDS + _LINKS] = newest + 1
    if newest >= 0:
        at = _ENTRIES_AT + newest * _ENTRY_WORDS + _LINKS
        cache[at] = (cache[at] & _LINK_MASK) | (entry + 1) << _LINK_SHIFT
    else:
        cache[_OLDEST] = entry
    cache[_NEWEST] = entry


def check(cache: np.ndarray, secrets: np.ndarray) -> None:
    """Assert every relation between index, entries and list; O(n)."""
    count = int(cache[_COUNT])
    used = [int(word) - 1 for word in cache[_INDEX_AT:_ENTRIES_AT] if word]
    assert sorted(used) == list(range(count)), f"index holds {len(used)} of {count} entries"
    entries = cache[_ENTRIES_AT:].reshape(ENTRIES, _ENTRY_WORDS)
    for entry in range(count):
        slot = _find(cache, secrets, entries[entry], 0, _ENTRY_KEY)
        assert cache[_INDEX_AT + slot] == entry + 1, f"entry {entry} is not found"
    order = []
    entry = int(cache[_OLDEST]) if count else -1
    while entry >= 0:
        order.append(entry)
        assert len(order) <= count, "the list is a circle"
        entry = (int(entries[entry, _LINKS]) >> _LINK_SHIFT) - 1
    assert sorted(order) == list(range(count)), f"the list holds {len(order)} of {count} entries"
    times = [int(entries[entry, _TIME]) for entry in order]
    assert times == sorted(times), "the list is not in order of time"
