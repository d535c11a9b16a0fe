"""Which hosts there are: found, made, touched."""

from numba import njit

from engine.events import counter_index
from engine.hosts import index
from engine.hosts.addresses import (
    EXTERNAL,
    INTERNAL,
    NO_HOST,
    fixed_address_hash,
    fixed_prefix_hash,
    kind_of,
)
from engine.hosts.pools import INITIATORS, INTERNALS, NAMES, RESPONDERS, take_place
from engine.hosts.space import host_at, initiator_at, responder_at
from engine.layouts.hosts import HOST, HOSTS, NEVER
from engine.layouts.windows import PART, RESPONDER_PART
from engine.memory.options import HOT, KERNEL
from engine.memory.pointers import prefetch_write, shifted

_HOST_WORDS = HOST.words

HOST_COUNT = HOSTS.index("host_count")
EXTERNAL_COUNT = HOSTS.index("external_count")
HOST_FRESH = HOSTS.index("host_fresh")
HOST_FREE = HOSTS.index("host_free")
HOSTS_MAX = HOSTS.index("max_hosts")
HOST_BITS = HOSTS.index("host_bits")
HOST_INDEX_AT = HOSTS.index("host_index_at")
TOUCHED_INITIATORS = HOSTS.index("touched_initiators")
TOUCHED_RESPONDERS = HOSTS.index("touched_responders")
TOUCHED_AT = HOSTS.index("touched_at")
_HOSTS_AT = HOSTS.index("hosts_at")
VERSION, HIGH, LOW = (HOST.index(name) for name in ("version", "high", "low"))
IS_EXTERNAL = HOST.index("is_external")
KNOWN_PANE = HOST.index("known_pane")
INITIATOR_PANE = HOST.index("initiator_pane")
RESPONDER_PANE = HOST.index("responder_pane")
ADDRESS_HASH = HOST.index("address_hash")
PREFIX_HASH = HOST.index("prefix_hash")
HAS_START = HOST.index("has_start")
INITIATOR_PLACE = HOST.index("initiator_place")
RESPONDER_PLACE = HOST.index("responder_place")
INTERNAL_PLACE = HOST.index("internal_place")
_NAMES_PLACE = HOST.index("names_place")
KEY_WORDS = 3
_STAMPS = 16  # Both lines of stamps that begin an initiator part.
assert PART.index("younger") == _STAMPS
_CELL_150 = PART.index("cell_150")
_RESPONDER_STAMPS = RESPONDER_PART.words
_YOUNGER = PART.index("younger")
_IS_BEGUN = PART.index("is_begun")
_HAS_OLDER = PART.index("has_older")
_MADE = counter_index("classifier", "hosts_made")


@njit(**HOT)
def host_index(words):
    """Return the pointer to the hosts' index."""
    return shifted(words, words[HOST_INDEX_AT])


@njit(**HOT)
def find_host(words, hashed, address):
    """Return the place of the host at that address (pointer to version, high, low), or 0."""
    records = (shifted(words, words[_HOSTS_AT]), _HOST_WORDS)
    return index.find(host_index(words), words[HOST_BITS], hashed, records, (address, KEY_WORDS))


@njit(**KERNEL)
def _take_place(words):
    """Return a free place for a host: there is one."""
    place = words[HOST_FREE]
    if place:
        words[HOST_FREE] = host_at(words, place)[HIGH]
        prefetch_write(host_at(words, words[HOST_FREE]), 0)
        return place
    words[HOST_FRESH] += 1
    return words[HOST_FRESH]


@njit(**KERNEL)
def make_host(space, hashed, address, pane):
    """Return the place of a new host known since `pane`; 0 if it is none or has no place.

    The second result tells which: whether a host was refused.
    """
    words = space.words
    kind = kind_of(words, address[0], address[1], address[2])
    if kind == NO_HOST:
        return 0, False
    is_external = kind == EXTERNAL
    if words[HOST_COUNT] == words[HOSTS_MAX]:
        return 0, True
    if is_external and words[EXTERNAL_COUNT] >= words[HOSTS_MAX] >> 1:
        return 0, True
    place = _take_place(words)
    host = host_at(words, place)
    for word in range(KEY_WORDS):
        host[word] = address[word]
    host[IS_EXTERNAL] = is_external
    host[KNOWN_PANE] = pane
    host[INITIATOR_PANE] = host[RESPONDER_PANE] = NEVER
    host[ADDRESS_HASH] = fixed_address_hash(address[0], address[1], address[2])
    host[PREFIX_HASH] = fixed_prefix_hash(address[0], address[1], address[2])
    host[HAS_START] = host[INITIATOR_PLACE] = host[RESPONDER_PLACE] = 0
    host[INTERNAL_PLACE] = host[_NAMES_PLACE] = 0
    index.insert(host_index(words), words[HOST_BITS], hashed, place)
    words[HOST_COUNT] += 1
    words[EXTERNAL_COUNT] += is_external
    space.counters[_MADE] += 1
    return place, False


@njit(**HOT)
def kind_at(words, place, address):
    """Return the kind of an address whose host is at `place` (0: none)."""
    if place:
        return EXTERNAL if host_at(words, place)[IS_EXTERNAL] else INTERNAL
    return kind_of(words, address[0], address[1], address[2])


@njit(**KERNEL)
def _begin_initiator(words, host):
    """Give a host an empty initiator part; return its place."""
    place = take_place(words, INITIATORS, host)
    part = initiator_at(words, place)
    for stamp in range(_STAMPS):
        part[stamp] = NEVER
    part[_CELL_150] = NEVER
    part[_YOUNGER] = part[_IS_BEGUN] = part[_HAS_OLDER] = 0
    return place


@njit(**HOT)
def initiator_place(words, place):
    """Return the place of a host's initiator part, which begins empty when first asked for."""
    host = host_at(words, place)
    if host[INITIATOR_PLACE] == 0:
        return _begin_initiator(words, host)
    return host[INITIATOR_PLACE]


@njit(**KERNEL)
def _begin_responder(words, host):
    """Give a host an empty responder part; return its place."""
    place = take_place(words, RESPONDERS, host)
    part = responder_at(words, place)
    for stamp in range(_RESPONDER_STAMPS):
        part[stamp] = NEVER
    return place


@njit(**HOT)
def responder_place(words, place):
    """Return the place of a host's responder part, likewise."""
    host = host_at(words, place)
    if host[RESPONDER_PLACE] == 0:
        return _begin_responder(words, host)
    return host[RESPONDER_PLACE]


@njit(**HOT)
def internal_place(words, place):
    """Return the place of a host's starts to internal peers, likewise."""
    host = host_at(words, place)
    if host[INTERNAL_PLACE] == 0:
        return take_place(words, INTERNALS, host)
    return host[INTERNAL_PLACE]


@njit(**HOT)
def names_place(words, place):
    """Return the place of a host's DNS names, likewise."""
    host = host_at(words, place)
    if host[_NAMES_PLACE] == 0:
        return take_place(words, NAMES, host)
    return host[_NAMES_PLACE]


@njit(**HOT)
def touch_initiator(words, place, pane):
    """Note that an initiator part gets something in the pane."""
    host = host_at(words, place)
    if host[INITIATOR_PANE] != pane:
        host[INITIATOR_PANE] = pane
        words[words[TOUCHED_AT] + words[TOUCHED_INITIATORS]] = place
        words[TOUCHED_INITIATORS] += 1


@njit(**HOT)
def touch_responder(words, place, pane):
    """Note that a responder part gets something in the pane."""
    host = host_at(words, place)
    if host[RESPONDER_PANE] != pane:
        host[RESPONDER_PANE] = pane
        words[words[TOUCHED_AT] + words[HOSTS_MAX] + words[TOUCHED_RESPONDERS]] = place
        words[TOUCHED_RESPONDERS] += 1
