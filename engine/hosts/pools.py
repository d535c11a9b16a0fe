"""Places for what some hosts have and others have not: parts, starts to internal peers, DNS names.

A place is taken when a host first needs it and given back when the host is forgotten. Places are
used from the lowest on, so memory is dense however few of the hosts need it, and there are as many
as hosts: nobody is refused. Place 0 stays zero. A free place's first word is the next free one.
"""

from typing import NamedTuple

from numba import njit

from engine.hosts.space import INITIATOR_WORDS, RESPONDER_WORDS
from engine.layouts.hosts import HOST, HOSTS
from engine.layouts.windows import INTERNAL_300, NAMES_300
from engine.memory.options import HOT, KERNEL
from engine.memory.pointers import prefetch_write


class Pool(NamedTuple):
    """Words of HOSTS: the highest place ever used, the first free one, where the places begin;
    words of a place; word of HOST with a host's place (0: none).
    """

    fresh: int
    free: int
    begin: int
    words: int
    place: int


def _pool(name: str, region: str, words: int) -> Pool:
    return Pool(
        HOSTS.index(f"{name}_fresh"),
        HOSTS.index(f"{name}_free"),
        HOSTS.index(region),
        words,
        HOST.index(f"{name}_place"),
    )


INITIATORS = _pool("initiator", "initiators_at", INITIATOR_WORDS)
RESPONDERS = _pool("responder", "responders_at", RESPONDER_WORDS)
INTERNALS = _pool("internal", "internals_at", INTERNAL_300.words)
NAMES = _pool("names", "names_at", NAMES_300.words)
POOLS = (INITIATORS, RESPONDERS, INTERNALS, NAMES)


@njit(**KERNEL)
def take_place(words, pool, host):
    """Give a host (pointer) that has none a place of the pool; return it."""
    place = words[pool.free]
    if place:
        words[pool.free] = words[words[pool.begin] + place * pool.words]
        prefetch_write(words, words[pool.begin] + words[pool.free] * pool.words)
    else:
        words[pool.fresh] += 1
        place = words[pool.fresh]
    host[pool.place] = place
    return place


@njit(**HOT)
def _give_back(words, pool, host):
    place = host[pool.place]
    if place:
        words[words[pool.begin] + place * pool.words] = words[pool.free]
        words[pool.free] = place


@njit(**KERNEL)
def give_places_back(words, host):
    """Take all places of a host (pointer) that is forgotten."""
    _give_back(words, INITIATORS, host)
    _give_back(words, RESPONDERS, host)
    _give_back(words, INTERNALS, host)
    _give_back(words, NAMES, host)


@njit(**KERNEL)
def empty_pools(words):
    """Make all places free: there are no hosts any more."""
    for pool in POOLS:
        words[pool.fresh] = words[pool.free] = 0
