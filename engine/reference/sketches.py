"""What hosts are counted with, by definition (SEMANTICS.rst, "Hosts", "Sketches" and "New").

Things are their hashes; a sketch is worked out anew from the set of all of them.
"""

import math
from collections.abc import Collection, Iterable
from functools import cache

from engine.config import SECOND_NS
from engine.reference.hashes import address_words, fixed_hash

HASH_BITS = 64
REGISTERS = 256
GENERATION_NS = 3600 * SECOND_NS
INSERTIONS_MAX = 512


@cache
def address_hash(address: bytes) -> int:
    """Return the hash of an address."""
    return fixed_hash(address_words(address))


@cache
def port_hash(protocol: int, port: int) -> int:
    """Return the hash of a responder port."""
    return fixed_hash([protocol << 16 | port])


def pair_hash(address: bytes, protocol: int, port: int) -> int:
    """Return the hash of an address and a responder port."""
    return fixed_hash([*address_words(address), protocol << 16 | port])


@cache
def prefix_hash(address: bytes) -> int:
    """Return the hash of the /16 of an IPv4 address, the /32 of an IPv6 address."""
    kept = 2 if len(address) == 4 else 4
    return fixed_hash(address_words(address[:kept].ljust(len(address), b"\0")))


def top(number: int, bits: int) -> int:
    """Return the number in the top bits of a hash."""
    return number >> HASH_BITS - bits


def distinct(hashes: Iterable[int], bits: int = 8) -> int:
    """Return how many things a bitmap of 2^bits bits takes these for."""
    size = 1 << bits
    zeros = size - len({top(number, bits) for number in hashes})
    return round(size * math.log(size / max(zeros, 1)))


def largest_distinct(pairs: Iterable[tuple[int, int]], bucket_bits: int, bits: int) -> int:
    """Return the largest count of one bucket; pairs are (hash bucketed, hash counted)."""
    buckets: dict[int, set[int]] = {}
    for bucketed, counted in pairs:
        buckets.setdefault(top(bucketed, bucket_bits), set()).add(counted)
    return max((distinct(counted, bits) for counted in buckets.values()), default=0)


def hyperloglog(hashes: Collection[int]) -> float:
    """Return how many things 256 registers take these for."""
    registers = [0] * REGISTERS
    for number in hashes:
        rest = number & (1 << 56) - 1
        rank = 1 + 56 - rest.bit_length()
        register = top(number, 8)
        registers[register] = max(registers[register], rank)
    total = 0.0
    for rank in registers:
        total += 2.0**-rank
    estimate = 0.7213 / (1.0 + 1.079 / 256.0) * 65536.0 / total
    zeros = registers.count(0)
    if estimate <= 640.0 and zeros > 0:
        return 256.0 * math.log(256.0 / zeros)
    return estimate


def entropy(counts: Iterable[int]) -> float:
    """Return the entropy of bins, in bits; 0 where all are empty."""
    filled = [count for count in counts if count]
    total = sum(filled)
    bits = 0.0
    for count in filled:
        p = float(count) / float(total)
        bits -= p * math.log2(p)
    return max(bits, 0.0)


class Filters:
    """What a host has begun flows to: two generations of a Bloom filter, as sets of bit numbers."""

    def __init__(self) -> None:
        self.younger: set[int] = set()
        self.older: set[int] = set()
        self.began: int | None = None  # When its first keys entered the younger.
        self.insertions = 0

    def roll(self, time: int) -> None:
        """Let the younger become the older where that is due at `time`, the start of a pane."""
        if self.began is None:
            return
        if self.insertions >= INSERTIONS_MAX or time - self.began >= GENERATION_NS:
            self.older, self.younger = self.younger, set()
            self.began, self.insertions = None, 0

    def holds(self, key: int) -> bool:
        """Return whether a key is in either filter."""
        bits = _probes(key)
        return bits <= self.younger or bits <= self.older

    def enter(self, keys: Iterable[int], new: int, time: int) -> None:
        """Enter keys at the end of a pane, `time`, of whose starts `new` were new."""
        for key in keys:
            self.younger |= _probes(key)
            if self.began is None:
                self.began = time
        self.insertions += new


def _probes(key: int) -> set[int]:
    return {key >> 52, key >> 40 & 0xFFF, key >> 28 & 0xFFF}
