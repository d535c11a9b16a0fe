"""The hosts' segment as its kernels reach it: its size, its making, a bundle of pointers."""

import ipaddress
import mmap
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit

from engine.config import HostSection
from engine.hosts.sketches import distinct_table
from engine.layouts.control import SEGMENT
from engine.layouts.hosts import (
    HOME_NETWORK,
    HOST,
    HOST_ROW,
    HOSTS,
    NEVER,
    PAIR,
    RESPONDER_ROW,
    START,
)
from engine.layouts.windows import (
    FILTER_WORDS,
    INITIATOR_30,
    INITIATOR_60,
    INITIATOR_300,
    INTERNAL_300,
    NAMES_300,
    PART,
    RESPONDER_10,
    RESPONDER_60,
    RESPONDER_PART,
    STARTS_30,
    STARTS_60,
    STARTS_300,
)
from engine.memory.kept import kept
from engine.memory.options import HOT, KERNEL
from engine.memory.pointers import pointer, shifted
from engine.memory.region import map_region
from engine.packets.key import secret_words

_HOST_WORDS = HOST.words

WORKERS_MAX = 64  # Each may have a flow more than its share of them.
REMAINDER_STARTS_MAX = 131_072  # Of one pane; the others do not count for 99, 111 and filters.
OPS_MAX = 32  # Taken together, so that what they need is fetched at the same time.
OP_WORDS = 32
JOIN_ROWS, JOIN_WORDS = 16, 16  # Rows joined together, words kept of each meanwhile.
# Words of Space.pending: operations gathered; rows joined, rows made; whether the merge stops at a
# source's end while there are hosts, and whether it has.
PENDING, JOINED, READY, HOLDS, IS_HELD = range(5)
PENDING_WORDS = 5
_LINE_WORDS = 8
_PAGE_WORDS = mmap.PAGESIZE // 8
_LOW64 = (1 << 64) - 1

# What an initiator part and a responder part hold themselves: two cells of each small group.
PACKETS_30_AT = PART.words
PACKETS_60_AT = PACKETS_30_AT + 2 * INITIATOR_30.words
PACKETS_300_AT = PACKETS_60_AT + 2 * INITIATOR_60.words
STARTS_300_AT = PACKETS_300_AT + 2 * INITIATOR_300.words
INITIATOR_WORDS = STARTS_300_AT + 2 * STARTS_300.words
TO_60_AT = RESPONDER_PART.words
RESPONDER_WORDS = TO_60_AT + 2 * RESPONDER_60.words
# Words of a host in regions of two places.
SPREAD = {
    "filters_at": FILTER_WORDS,
    "responder_10_at": RESPONDER_10.words,
    "starts_30_at": STARTS_30.words,
    "starts_60_at": STARTS_60.words,
    "internals_at": INTERNAL_300.words,
    "names_at": NAMES_300.words,
}
assert max(SPREAD.values()) <= INITIATOR_WORDS, "no zeros for a missing cell"


@dataclass(frozen=True, slots=True)
class HostShape:
    """Capacities, and where the regions begin, in words.

    The first `shared_words` are a segment: who the hosts are, and their rows. What lies behind them
    only the classifier needs: a memory file, or private memory (memory/region.py).
    """

    max_hosts: int
    max_pairs: int
    rows: int
    start_capacity: int
    host_bits: int
    pair_bits: int
    row_bits: int
    networks_at: int
    host_index_at: int
    pair_index_at: int
    initiator_index_at: int
    responder_index_at: int
    hosts_at: int
    initiators_at: int
    responders_at: int
    filters_at: int
    responder_10_at: int
    starts_30_at: int
    starts_60_at: int
    internals_at: int
    names_at: int
    pairs_at: int
    initiator_rows_at: int
    responder_rows_at: int
    starts_at: int
    touched_at: int
    heap_at: int
    shared_words: int
    words: int


def host_shape(section: HostSection, max_flows: int) -> HostShape:
    """Return the shape of the segment for the hosts of `max_flows` live flows."""
    hosts, pairs, rows = section.max_hosts, section.max_pairs, section.rows
    starts = max_flows + WORKERS_MAX + REMAINDER_STARTS_MAX
    bits = {"host": hosts, "pair": pairs, "row": rows}
    bits = {f"{name}_bits": (2 * places - 1).bit_length() for name, places in bits.items()}
    shared = (
        ("networks_at", len(section.home_networks) * HOME_NETWORK.words),
        ("host_index_at", 1 << bits["host_bits"]),
        ("initiator_index_at", 1 << bits["row_bits"]),
        ("responder_index_at", 1 << bits["row_bits"]),
        ("hosts_at", (hosts + 1) * HOST.words),
        ("initiator_rows_at", (rows + 1) * HOST_ROW.words),
        ("responder_rows_at", (rows + 1) * RESPONDER_ROW.words),
    )
    private = (
        ("pair_index_at", 1 << bits["pair_bits"]),
        ("initiators_at", (hosts + 1) * INITIATOR_WORDS),
        ("responders_at", (hosts + 1) * RESPONDER_WORDS),
        *((name, 2 * (hosts + 1) * words) for name, words in SPREAD.items()),
        ("pairs_at", (pairs + 1) * PAIR.words),
        ("starts_at", starts * START.words),
        ("touched_at", 2 * hosts),
        ("heap_at", HEAP_WORDS * (max(hosts, pairs) + 1)),
    )
    begins = {}
    at = _lay_out(begins, HOSTS.words, shared)
    # The segment ends on a page, behind which the classifier's own memory begins.
    pages = -(-(at + SEGMENT.words) // _PAGE_WORDS)
    begins["shared_words"] = pages * _PAGE_WORDS - SEGMENT.words
    at = _lay_out(begins, begins["shared_words"], private)
    return HostShape(hosts, pairs, rows, starts, **bits, **begins, words=at)


def _lay_out(begins: dict[str, int], at: int, sizes) -> int:
    """Note where regions begin, the first at word `at`; return where the last ends."""
    for name, words in sizes:
        begins[name] = at
        at += -(-words // _LINE_WORDS) * _LINE_WORDS
    return at


HEAP_WORDS = 8  # Of an entry of the heap: what is compared, then the place.


def _network_words(text: str) -> list[int]:
    network = ipaddress.ip_network(text)
    mask, address = int(network.netmask), int(network.network_address)
    halves = (mask >> 64, mask & _LOW64, address >> 64, address & _LOW64)
    return [network.version, *(half - (1 << 64) if half >> 63 else half for half in halves)]


def initialise(
    words: np.ndarray, section: HostSection, shape: HostShape, hash_key: tuple[int, int]
) -> None:
    """Make zeroed words a segment without hosts. The halves of the key: 0 <= half < 2**64."""
    names = HOSTS.dtype().names
    fixed = {name: getattr(shape, name) for name in HostShape.__dataclass_fields__ if name in names}
    low, high = secret_words(hash_key)[:2]  # A weak key gives strong words.
    fixed |= {"key_low": low, "key_high": high, "network_count": len(section.home_networks)}
    fixed |= {"pane": NEVER, "end_ns": -(1 << 63), "initiator_gone": NEVER, "responder_gone": NEVER}
    for name, value in fixed.items():
        words[HOSTS.index(name)] = value  # Plain: the segment is not published yet.
    for number, text in enumerate(section.home_networks):
        at = shape.networks_at + number * HOME_NETWORK.words
        words[at : at + 5] = _network_words(text)


def private_words(
    section: HostSection, max_flows: int, hash_key: tuple[int, int] = (0, 0)
) -> np.ndarray:
    """Return the words of a segment that no other process sees, without hosts."""
    shape = host_shape(section, max_flows)
    words = map_region(shape.words)
    initialise(words, section, shape, hash_key)
    return words


class Space(NamedTuple):
    """Pointers, the first two kept ones. `floats` sees the same bytes as `words`."""

    words: np.ndarray  # of the segment
    floats: np.ndarray  # the same as float32
    distinct: np.ndarray  # float64: of a bitmap with k bits set: 257 of 256 bits, 65 of 64
    ops: np.ndarray  # OPS_MAX operations of OP_WORDS
    pending: np.ndarray  # words named above: PENDING to IS_HELD
    key: np.ndarray  # scratch: the words of keys
    counters: np.ndarray  # of events.CLASSIFIER


class SpaceArrays(NamedTuple):
    """The same as arrays: what an entry kernel takes."""

    words: np.ndarray
    floats: np.ndarray
    distinct: np.ndarray
    ops: np.ndarray
    pending: np.ndarray
    key: np.ndarray
    counters: np.ndarray


def space_arrays(
    words: np.ndarray, counters: np.ndarray, pending: np.ndarray | None = None
) -> SpaceArrays:
    """Return the arrays of a segment (in a region) and of what its writer keeps beside it.

    `pending`: PENDING_WORDS words to go on with; None for words of its own, zero.
    """
    return SpaceArrays(
        words=words,
        floats=words.view(np.float32),
        distinct=distinct_table(),
        ops=np.zeros(OPS_MAX * OP_WORDS, np.int64),
        pending=np.zeros(PENDING_WORDS, np.int64) if pending is None else pending,
        key=np.zeros(JOIN_ROWS * JOIN_WORDS, np.int64),
        counters=counters,
    )


@njit(**KERNEL)
def space_of_arrays(arrays):
    """Return the pointers of a segment's arrays. Entry kernels call it once."""
    return Space(
        kept(arrays.words),
        kept(arrays.floats),
        pointer(arrays.distinct),
        pointer(arrays.ops),
        pointer(arrays.pending),
        pointer(arrays.key),
        pointer(arrays.counters),
    )


_KEY_LOW = HOSTS.index("key_low")
_KEY_HIGH = HOSTS.index("key_high")
_HOSTS_AT = HOSTS.index("hosts_at")
_INITIATORS_AT = HOSTS.index("initiators_at")
_PLACES = HOSTS.index("max_hosts")
_RESPONDERS_AT = HOSTS.index("responders_at")


@njit(**HOT)
def key_of(words):
    """Return the two words of the indices' key."""
    return words[_KEY_LOW], words[_KEY_HIGH]


@njit(**HOT)
def host_at(words, place):
    """Return the pointer to a host."""
    return shifted(words, words[_HOSTS_AT] + place * _HOST_WORDS)


@njit(**HOT)
def initiator_at(words, place):
    """Return the pointer to a host's initiator part."""
    return shifted(words, words[_INITIATORS_AT] + place * INITIATOR_WORDS)


@njit(**HOT)
def responder_at(words, place):
    """Return the pointer to a host's responder part."""
    return shifted(words, words[_RESPONDERS_AT] + place * RESPONDER_WORDS)


@njit(**HOT)
def inside(part, at, count):
    """Return a small group: pointer to its first place, words to its second."""
    return shifted(part, at), count


@njit(**HOT)
def spread(words, region, count, place):
    """Return a host's group in a region of two places; `region`: word that says where it begins."""
    return shifted(words, words[region] + place * count), (words[_PLACES] + 1) * count
