"""What identifies a row's flow: the fixed hash, and the digest that Community ID is made of.

They are computed for a group of LANES rows before the rows' lines are written: SHA-1 of all lanes
takes little longer than of one, and a line shows the hash twice.
"""

import numpy as np
from numba import njit

from engine.layouts import ROW
from engine.memory.pointers import pointer, shifted
from engine.memory.sha1 import BLOCK_WORDS, DIGEST_WORDS, LANES, sha1_lanes
from engine.packets.fixed_hash import hash_address, hash_port, hash_word
from engine.recorder.community_id import FLOW_WORDS, put_block
from engine.recorder.instructions import COMMUNITY_ID, FLOW_ID, OP_WORDS, UID

FLOW_ID_BITS = 51  # Whole numbers that every JSON reader keeps; Suricata's have as many.
ROW_WORDS = ROW.words
# What is known of a group: LANES hashes, then the digests; behind it what is needed meanwhile.
_DIGESTS = LANES
_BLOCKS = _DIGESTS + DIGEST_WORDS * LANES
_FLOW = _BLOCKS + BLOCK_WORDS * LANES
IDENTIFIER_WORDS = _FLOW + FLOW_WORDS
_NO_SEED = -1
_KEY = ROW.index("key")
_INITIATOR = ROW.index("initiator_high")
_RESPONDER = ROW.index("responder_high")
_FIRST_NS = ROW.index("first_ns")
_FIRST_REFERENCE = ROW.index("first_reference")
_RESPONDER_PORT_SHIFT = ROW.shift("key", "responder_port")
_VLAN_SHIFT, _VLAN_MASK = ROW.shift("key", "vlan"), ROW.mask("key", "vlan")
_VERSION_SHIFT = ROW.shift("key", "version6")
_MARK_SHIFT = ROW.shift("key", "mark")
_PROTOCOL_SHIFT = ROW.shift("key", "protocol")


@njit(cache=True, nogil=True)
def flow_hash(row):
    """Return the fixed hash that identifies the row's flow part, all 64 bits."""
    key = row[_KEY]
    version6, protocol = (key >> _VERSION_SHIFT) & 1, (key >> _PROTOCOL_SHIFT) & 0xFF
    h = hash_address(0, version6, row[_INITIATOR], row[_INITIATOR + 1])
    h = hash_address(h, version6, row[_RESPONDER], row[_RESPONDER + 1])
    h = hash_port(h, protocol, key & 0xFFFF)
    h = hash_port(h, protocol, (key >> _RESPONDER_PORT_SHIFT) & 0xFFFF)
    h = hash_word(h, (key >> _VLAN_SHIFT) & _VLAN_MASK)
    return hash_word(hash_word(h, row[_FIRST_NS]), row[_FIRST_REFERENCE])


@njit(cache=True, nogil=True)
def flow_id(known_hash):
    """Return the upper bits of a flow's hash: its number in every output."""
    return known_hash >> (64 - FLOW_ID_BITS) & ((1 << FLOW_ID_BITS) - 1)


@njit(cache=True, nogil=True)
def _fill_flow_ids(rows, numbers):
    words = pointer(rows.ravel())
    for k in range(len(rows)):
        numbers[k] = flow_id(flow_hash(shifted(words, k * ROW_WORDS)))


def flow_ids(rows: np.ndarray) -> np.ndarray:
    """Return the flow numbers of contiguous rows."""
    numbers = np.zeros(len(rows), np.int64)
    _fill_flow_ids(rows, numbers)
    return numbers


@njit(cache=True, nogil=True)
def wanted_identifiers(ops, count):
    """Return what a program needs: whether the hash, and the seed of Community IDs or -1."""
    hashed, seed = False, _NO_SEED
    for place in range(count):
        op = shifted(ops, place * OP_WORDS)
        hashed = hashed or op[0] == FLOW_ID or op[0] == UID
        if op[0] == COMMUNITY_ID:
            seed = op[1]  # A run has one.
    return hashed, seed


@njit(cache=True, nogil=True)
def _put_flow(flow, row):
    key = row[_KEY]
    flow[0], flow[1], flow[2] = row[_INITIATOR], row[_INITIATOR + 1], key & 0xFFFF
    flow[3], flow[4] = row[_RESPONDER], row[_RESPONDER + 1]
    flow[5] = (key >> _RESPONDER_PORT_SHIFT) & 0xFFFF
    flow[6], flow[7] = (key >> _VERSION_SHIFT) & 1, (key >> _PROTOCOL_SHIFT) & 0xFF
    flow[8] = (key >> _MARK_SHIFT) & 1


@njit(cache=True, nogil=True)
def fill_identifiers(rows, count, wanted, group):
    """Write what is `wanted` of 1 to LANES rows into `group` (IDENTIFIER_WORDS)."""
    hashed, seed = wanted
    if hashed:
        for lane in range(count):
            group[lane] = flow_hash(shifted(rows, lane * ROW_WORDS))
    if seed == _NO_SEED:
        return
    blocks, flow = shifted(group, _BLOCKS), shifted(group, _FLOW)
    for lane in range(count):
        _put_flow(flow, shifted(rows, lane * ROW_WORDS))
        put_block(shifted(blocks, lane), flow, seed)
    sha1_lanes(blocks, shifted(group, _DIGESTS))


@njit(cache=True, nogil=True)
def digest_of(known):
    """Return the digest of the lane whose hash is known[0]: its words are LANES apart."""
    return shifted(known, _DIGESTS)
