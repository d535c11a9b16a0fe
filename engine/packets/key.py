"""The key of a packet's flow: which endpoint is which, the words that are compared, the keyed hash.

A flow's endpoints are called A and B: A is the lower by (address, port), so both directions of a
flow give the same words and the same hash, and a record alone says which direction line it touches.
The key of a one-way ICMP type is not turned: its sender is A. The hash is keyed (hash.key, random
per run) and chooses worker and slot, nothing else.

`packet` is a pointer to (or array of) record words, `at` the index of the record's first.
"""

import numpy as np
from numba import njit

from engine.layouts import PACKET
from engine.memory.options import HOT, KERNEL
from engine.memory.wide import multiply_fold, unsigned_less

SOURCE_HIGH = PACKET.index("source_high")
SOURCE_LOW = PACKET.index("source_low")
DESTINATION_HIGH = PACKET.index("destination_high")
DESTINATION_LOW = PACKET.index("destination_low")
KEY = PACKET.index("key")
PORT_MASK = PACKET.mask("key", "source_port")
DESTINATION_PORT_SHIFT = PACKET.shift("key", "destination_port")
VERSION_SHIFT = PACKET.shift("key", "version6")
MARK_SHIFT = PACKET.shift("key", "mark")
PROTOCOL_SHIFT = PACKET.shift("key", "protocol")
PROTOCOL_MASK = PACKET.mask("key", "protocol")
# VLAN and version stand in a packet's key where they stand in a flow's.
VLAN_VERSION_BITS = 0x1FFF << PACKET.shift("key", "vlan")

# The flow's key word: port A 16, port B 16, VLAN 12, version 1, one-way mark 1, protocol 8: 54
# bits.
FLOW_MARK_SHIFT = 45
FLOW_PROTOCOL_SHIFT = 46
FLOW_KEY_BITS = 54
FLOW_KEY_MASK = (1 << FLOW_KEY_BITS) - 1
POSITIVE = (1 << 63) - 1
_SHARD_BITS = 20  # Of the hash; the slot index takes higher ones (flows/slots.py).
_SECRETS = 4
_GOLDEN = 0x9E3779B97F4A7C15


def secret_words(hash_key: tuple[int, int]) -> np.ndarray:
    """Return the hash's four secret words, int64, drawn from the two halves of its key."""
    words = []
    state = hash_key[0]
    for k in range(_SECRETS):
        state = (state + _GOLDEN) % 2**64
        mixed = ((state ^ state >> 30) * 0xBF58476D1CE4E5B9 + hash_key[1] * (2 * k + 1)) % 2**64
        mixed = ((mixed ^ mixed >> 27) * 0x94D049BB133111EB) % 2**64
        words.append((mixed ^ mixed >> 31) | 1)
    return np.array(words, np.uint64).view(np.int64)


@njit(**HOT)
def is_one_way(key):
    """Return 1 when the packet's key word is that of a one-way ICMP or ICMPv6 type."""
    protocol = (key >> PROTOCOL_SHIFT) & PROTOCOL_MASK
    return (key >> MARK_SHIFT) & ((protocol == 1) | (protocol == 58))


@njit(**HOT)
def side_of(packet, at):
    """Return 1 when the packet's sender is endpoint B, else 0."""
    key = packet[at + KEY]
    source_port = key & PORT_MASK
    destination_port = (key >> DESTINATION_PORT_SHIFT) & PORT_MASK
    if is_one_way(key):
        return np.int64(0)
    if (key >> VERSION_SHIFT) & 1 == 0:
        source = packet[at + SOURCE_LOW] << 16 | source_port
        return np.int64(source > (packet[at + DESTINATION_LOW] << 16 | destination_port))
    if packet[at + SOURCE_HIGH] != packet[at + DESTINATION_HIGH]:
        return np.int64(unsigned_less(packet[at + DESTINATION_HIGH], packet[at + SOURCE_HIGH]))
    if packet[at + SOURCE_LOW] != packet[at + DESTINATION_LOW]:
        return np.int64(unsigned_less(packet[at + DESTINATION_LOW], packet[at + SOURCE_LOW]))
    return np.int64(source_port > destination_port)


@njit(**HOT)
def flow_key(packet, at, side, secrets):
    """Return the flow's two key words; for IPv6 the first is a hash of both addresses."""
    key = packet[at + KEY]
    source_port = key & PORT_MASK
    destination_port = (key >> DESTINATION_PORT_SHIFT) & PORT_MASK
    port_a = destination_port if side else source_port
    port_b = source_port if side else destination_port
    rest = port_a | port_b << 16 | (key & VLAN_VERSION_BITS) | is_one_way(key) << FLOW_MARK_SHIFT
    rest |= ((key >> PROTOCOL_SHIFT) & PROTOCOL_MASK) << FLOW_PROTOCOL_SHIFT
    if (key >> VERSION_SHIFT) & 1 == 0:
        low_a = packet[at + DESTINATION_LOW] if side else packet[at + SOURCE_LOW]
        low_b = packet[at + SOURCE_LOW] if side else packet[at + DESTINATION_LOW]
        return low_a << 32 | low_b, rest
    a = at + (DESTINATION_HIGH if side else SOURCE_HIGH)
    b = at + (SOURCE_HIGH if side else DESTINATION_HIGH)
    fold_a = multiply_fold(packet[a] ^ secrets[0], packet[a + 1] ^ secrets[1])
    fold_b = multiply_fold(packet[b] ^ secrets[1], packet[b + 1] ^ secrets[3])
    return multiply_fold(fold_a ^ secrets[2], fold_b), rest


@njit(**HOT)
def keyed_hash(addresses, rest, secrets):
    """Return the 63-bit keyed hash of a flow's two key words."""
    folded = multiply_fold(addresses ^ secrets[0], rest ^ secrets[1])
    return multiply_fold(folded ^ secrets[2], rest ^ secrets[3]) & POSITIVE


@njit(**KERNEL)
def shard_of(packet, at, secrets, workers):
    """Return the number of the worker that owns the packet's flow."""
    addresses, rest = flow_key(packet, at, side_of(packet, at), secrets)
    low = keyed_hash(addresses, rest, secrets) & ((1 << _SHARD_BITS) - 1)
    return (low * workers) >> _SHARD_BITS
