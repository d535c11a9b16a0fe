"""Open addressing from a key of some words to a place in an array of records.

An entry is the upper 40 bits of the key's hash and, below them, the place (1 and up); 0 is free.
The hash is the run's keyed one, so that nobody can aim at one stretch. An index has at least twice
as many entries as there are places. Removing moves later entries back: there are no tombstones.
"""

from numba import njit

from engine.memory.options import HOT, KERNEL
from engine.memory.pointers import prefetch, shifted
from engine.memory.wide import multiply_fold

PLACE_BITS = 24
_PLACE_MASK = (1 << PLACE_BITS) - 1
_TOP = 64


@njit(**HOT)
def address_hash(high, low, key):
    """Return the keyed hash of an address; `key` is a pair of words, the second odd."""
    return multiply_fold(low ^ key[0], high ^ key[1])


@njit(**HOT)
def row_hash(hashed, pane, key):
    """Return the keyed hash of (address, pane), from the address's."""
    return multiply_fold(hashed ^ key[1], pane ^ key[0])


@njit(**HOT)
def pair_hash(hashed, other, port, key):
    """Return the keyed hash of (initiator, responder, port), from the addresses'."""
    return multiply_fold(hashed ^ port, multiply_fold(other ^ key[1], key[0]))


@njit(**HOT)
def _home(entry, bits):
    return (entry >> (_TOP - bits)) & ((1 << bits) - 1)


@njit(**HOT)
def ask(index, bits, hashed):
    """Ask for the line where a search will begin."""
    prefetch(index, _home(hashed, bits))


@njit(**HOT)
def guess(index, bits, hashed):
    """Return the first place that stands under a hash as far as the index keeps it, or 0."""
    mask = (1 << bits) - 1
    at = _home(hashed, bits)
    while index[at] != 0 and (index[at] ^ hashed) >> PLACE_BITS != 0:
        at = (at + 1) & mask
    return index[at] & _PLACE_MASK


@njit(**KERNEL)
def find(index, bits, hashed, records, key):
    """Return the place of a key, or 0. `records`: pointer, words of each; `key`: pointer, words."""
    mask = (1 << bits) - 1
    at = _home(hashed, bits)
    first, stride = records
    words, count = key
    while index[at] != 0:
        entry = index[at]
        if (entry ^ hashed) >> PLACE_BITS == 0:
            place = entry & _PLACE_MASK
            record = shifted(first, place * stride)
            differing = 0
            for word in range(count):
                differing |= record[word] ^ words[word]
            if differing == 0:
                return place
        at = (at + 1) & mask
    return 0


@njit(**KERNEL)
def insert(index, bits, hashed, place):
    """Enter a key that is not there."""
    mask = (1 << bits) - 1
    at = _home(hashed, bits)
    while index[at] != 0:
        at = (at + 1) & mask
    index[at] = hashed & ~_PLACE_MASK | place


@njit(**KERNEL)
def remove(index, bits, hashed, place):
    """Take a key out that is there."""
    mask = (1 << bits) - 1
    wanted = hashed & ~_PLACE_MASK | place
    at = _home(hashed, bits)
    while index[at] != wanted:
        assert index[at] != 0, "a key is missing from its index"
        at = (at + 1) & mask
    gap = at
    while True:
        at = (at + 1) & mask
        if index[at] == 0:
            break
        # An entry may fill the gap unless its home lies behind the gap, on the way to it.
        if ((at - _home(index[at], bits)) & mask) >= ((at - gap) & mask):
            index[gap] = index[at]
            gap = at
    index[gap] = 0
