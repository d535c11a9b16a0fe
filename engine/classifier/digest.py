"""The digest of a run: XXH3-128 over its records in order (SEMANTICS.rst, "Digest").

A kernel packs a batch of rows into bytes, another hashes them (memory/xxh3.py): its state is words,
which may lie in shared memory. The same for any number of workers, ring size and hash key.
"""

import numpy as np
from numba import njit

from engine.layouts import FEATURES, ROW
from engine.memory import xxh3
from engine.memory.pointers import pointer, shifted

# version, protocol, VLAN, ports, addresses, source number, three times, four counts, reason, kind,
# sequence; then vector, validity, score.
_KEY_BYTES = 1 + 1 + 2 + 2 * 2 + 2 * 16 + 2
_NUMBERS = 3 + 4
_VECTOR_AT = _KEY_BYTES + 8 * _NUMBERS + 1 + 1 + 4
_VALID_BYTES = -(-FEATURES // 8)
_VALID_AT = _VECTOR_AT + 4 * FEATURES
RECORD_BYTES = _VALID_AT + _VALID_BYTES  # Without the score.
SCORE_BYTES = 4
ALERT_BYTES = 1 + 4
ENTRY_BYTES_MAX = RECORD_BYTES + SCORE_BYTES + ALERT_BYTES
NOT_SCORED = "noscore:"

_EARLY, _FINAL, _ALERT = 0, 1, 2  # Kinds in the digest.
_KEY = ROW.index("key")
_VLAN_SHIFT, _VLAN_MASK = ROW.shift("key", "vlan"), ROW.mask("key", "vlan")
_VERSION_SHIFT = ROW.shift("key", "version6")
_PROTOCOL_SHIFT, _PROTOCOL_MASK = ROW.shift("key", "protocol"), ROW.mask("key", "protocol")
_PORTS_SHIFT = ROW.shift("key", "initiator_port")
assert ROW.shift("key", "responder_port") == _PORTS_SHIFT + 16
_INITIATOR = ROW.index("initiator_high")
assert ROW.index("responder_low") == _INITIATOR + 3
_FIRST_REFERENCE = ROW.index("first_reference")
_SOURCE_SHIFT = 48
_TIME, _START, _END = ROW.index("time_ns"), ROW.index("start_ns"), ROW.index("end_ns")
_COUNTS = ROW.index("fwd_packets")
assert [ROW.index(n) for n in ("bwd_packets", "fwd_total_bytes", "bwd_total_bytes")] == [
    _COUNTS + 1,
    _COUNTS + 2,
    _COUNTS + 3,
]
_HEAD, _REASON_SHIFT = ROW.index("head"), ROW.shift("head", "reason")
_REASON_MASK = ROW.mask("head", "reason")
_SEQUENCE = ROW.index("sequence")
_VECTOR = 8 * ROW.index("vector_0")
_VALID = 8 * ROW.index("valid")
_SCORE = 8 * ROW.index("score_threshold")
_VERDICT, _ALERT_SHIFT = ROW.index("verdict"), ROW.shift("verdict", "alert")
_ROW_WORDS, _ROW_BYTES = ROW.words, ROW.size_bytes


class Digest:
    """The digest of the records so far. `update` takes batches of rows in order."""

    def __init__(self, rows_max: int, scored: bool, state: np.ndarray | None = None) -> None:
        """`state`: words of an xxh3 state to go on with; None for one of its own, of no records."""
        self._state = xxh3.make_state() if state is None else state
        self._octets = self._state.view(np.uint8)
        self._room = np.zeros(xxh3.WINDOW + rows_max * ENTRY_BYTES_MAX, np.uint8)
        self._packed = self._room[xxh3.WINDOW :]
        self._scored = scored

    def update(self, rows: np.ndarray, count: int) -> None:
        """Add the first `count` rows, int64 (any, ROW.words)."""
        size = pack(rows, rows.view(np.uint8), count, self._packed, self._scored)
        xxh3.feed(self._state, self._octets, self._room, size)

    def text(self) -> str:
        """Return the digest as outputs and `engine diff` show it."""
        return ("" if self._scored else NOT_SCORED) + xxh3.text(self._state)


@njit(cache=True)
def _put(out, at, value, size):
    """Write the low `size` bytes of a number, little endian; return the place behind them."""
    for place in range(size):
        out[at + place] = value >> (8 * place) & 0xFF
    return at + size


@njit(cache=True)
def _put_address(out, at, high, low):
    """Write an address as 16 bytes in network order; return the place behind them."""
    for place in range(8):
        out[at + place] = high >> (56 - 8 * place) & 0xFF
        out[at + 8 + place] = low >> (56 - 8 * place) & 0xFF
    return at + 16


@njit(cache=True)
def _copy(source, begin, out, at, size):
    """Copy bytes; return the place behind them."""
    for place in range(size):
        out[at + place] = source[begin + place]
    return at + size


@njit(cache=True)
def _pack_record(row, content, out, scored):
    """Write one record at the start of `out`; return how many bytes it has."""
    key = row[_KEY]
    at = _put(out, 0, 4 + 2 * (key >> _VERSION_SHIFT & 1), 1)
    at = _put(out, at, key >> _PROTOCOL_SHIFT & _PROTOCOL_MASK, 1)
    at = _put(out, at, key >> _VLAN_SHIFT & _VLAN_MASK, 2)
    at = _put(out, at, key >> _PORTS_SHIFT, 4)
    at = _put_address(out, at, row[_INITIATOR], row[_INITIATOR + 1])
    at = _put_address(out, at, row[_INITIATOR + 2], row[_INITIATOR + 3])
    at = _put(out, at, row[_FIRST_REFERENCE] >> _SOURCE_SHIFT, 2)
    at = _put(out, at, row[_TIME], 8)
    at = _put(out, at, row[_START], 8)
    at = _put(out, at, row[_END], 8)
    at = _copy(content, 8 * _COUNTS, out, at, 32)
    reason = row[_HEAD] >> _REASON_SHIFT & _REASON_MASK
    at = _put(out, at, reason, 1)
    at = _put(out, at, _FINAL if reason else _EARLY, 1)
    at = _put(out, at, row[_SEQUENCE], 4)
    at = _copy(content, _VECTOR, out, at, 4 * FEATURES)
    at = _copy(content, _VALID, out, at, _VALID_BYTES)
    if scored:
        at = _copy(content, _SCORE, out, at, 4)
        if row[_VERDICT] >> _ALERT_SHIFT & 1:
            at = _put(out, at, _ALERT, 1)
            at = _copy(content, _SCORE + 4, out, at, 4)
    return at


@njit("i8(i8[:, ::1], u1[:, ::1], i8, u1[::1], b1)", cache=True)
def pack(rows, content, count, out, scored):
    """Write the first `count` rows as the digest wants them; return the size in bytes.

    `content` is `rows` seen as bytes; `out` has ENTRY_BYTES_MAX for each.
    """
    assert count * ENTRY_BYTES_MAX <= len(out)
    words, bytes_in, packed = pointer(rows.reshape(-1)), pointer(content.reshape(-1)), pointer(out)
    size = 0
    for at in range(count):
        row = shifted(words, at * _ROW_WORDS)
        size += _pack_record(row, shifted(bytes_in, at * _ROW_BYTES), shifted(packed, size), scored)
    return size
