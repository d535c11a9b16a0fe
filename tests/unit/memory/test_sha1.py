"""SHA-1 of several messages at once is hashlib's of each.

Method: compiled operation and twin on drawn messages of every length that one block holds.
"""

import hashlib

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from engine.memory.pointers import pointer
from engine.memory.sha1 import BLOCK_WORDS, DIGEST_WORDS, LANES, sha1_lanes

MESSAGE_BYTES_MAX = 55


@njit
def _compiled(blocks, digests):
    sha1_lanes(pointer(blocks), pointer(digests))


def padded(message: bytes) -> list[int]:
    """Return the words of a message's block (FIPS 180-4, 5.1.1)."""
    block = message + b"\x80" + bytes(MESSAGE_BYTES_MAX - len(message))
    block += (8 * len(message)).to_bytes(8, "big")
    return [int.from_bytes(block[at : at + 4], "big") for at in range(0, 4 * BLOCK_WORDS, 4)]


@given(
    st.lists(st.binary(max_size=MESSAGE_BYTES_MAX), min_size=LANES, max_size=LANES), st.booleans()
)
def test_every_lane_has_the_digest_of_its_message(messages, dirty):
    blocks = np.array([padded(message) for message in messages], np.int64).T.ravel()
    for hash_lanes in (_compiled, sha1_lanes):
        digests = np.full(DIGEST_WORDS * LANES, -1 if dirty else 0, np.int64)
        hash_lanes(np.ascontiguousarray(blocks), digests)
        for lane, message in enumerate(messages):
            found = b"".join(int(word).to_bytes(4, "big") for word in digests[lane::LANES])
            assert found == hashlib.sha1(message, usedforsecurity=False).digest()
