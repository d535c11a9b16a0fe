"""What a record says of its connection: conn_state, history, stream bytes, duration as Zeek has
them (SEMANTICS.rst, "Connection state"); zeros without flow.history. connection.py keeps what it is
made of.
"""

import numpy as np
from numba import njit

from engine.flows.marks import protocol_of
from engine.layouts import places
from engine.layouts.connection import CONNECTION, SIDE_STATES
from engine.layouts.records import CONNECTION_STATES, HISTORY_LETTERS, RECORD_EVENT
from engine.layouts.table import TABLE
from engine.memory.options import KERNEL
from engine.memory.pointers import shifted
from engine.packets.ip import TCP, UDP

CONNECTIONS_AT = TABLE.index("connections_at")
CONNECTION_WORDS = CONNECTION.words
INACTIVE, SYN_SENT, SYN_ACK_SENT, PARTIAL, ESTABLISHED, CLOSED, RESET = range(len(SIDE_STATES))
ACTIVE_NS = CONNECTION.index("active_ns")
LETTERS_0, LETTERS_1, LETTERS_2 = (CONNECTION.index(f"letters_{k}") for k in range(3))
LETTER_BITS = 5
BACKWARD = 16  # What a responder's letter has more.
S, H, A, D, F, R, T, W, I, Q, TURNED = range(1, 1 + len(HISTORY_LETTERS))  # noqa: E741
SIDE_WORDS = CONNECTION.index("bwd_side")
SENT, ACKED = CONNECTION.index("fwd_sent"), CONNECTION.index("fwd_acked")
STATE_SHIFT = CONNECTION.shift("fwd_side", "state")
WAS_SHIFT = CONNECTION.shift("fwd_side", "was")
STATE_MASK = CONNECTION.mask("fwd_side", "state")
FIN_SENT = 1 << CONNECTION.shift("fwd_side", "fin")
_OTH, _S0, _S1, _SF, _REJ, _S2, _S3, _RSTO, _RSTR, _RSTOS0, _RSTRH, _SH, _SHR = range(
    1, 1 + len(CONNECTION_STATES)
)
assert CONNECTION_STATES[_SHR - 1] == "SHR" and CONNECTION_STATES[_RSTOS0 - 1] == "RSTOS0"
_STATE_SHIFT = RECORD_EVENT.shift("history_0", "state")
_HISTORY_AT = RECORD_EVENT.index("history_0")
assert RECORD_EVENT.index("lasting_ns") == _HISTORY_AT + 5


@njit(**KERNEL)
def connection_at(table, row):
    """Return the pointer to the connection of a row; flow.history is on."""
    return shifted(table, table[CONNECTIONS_AT] + row * CONNECTION_WORDS)


@njit(**KERNEL)
def state_of(side):
    """Return a side's state."""
    return (side[0] >> STATE_SHIFT) & STATE_MASK


@njit(**KERNEL)
def was_of(side):
    """Return a side's state before the one it has."""
    return (side[0] >> WAS_SHIFT) & STATE_MASK


@njit(**KERNEL)
def _stream_bytes(side, peer):
    """Return how much of a side's stream was seen, or acknowledged."""
    if state_of(side) == RESET and was_of(side) == SYN_SENT and state_of(peer) == INACTIVE:
        if side[ACKED] != 0 and side[ACKED] != 1:
            return np.int64(0)
    taken = 1 + np.int64(side[0] & FIN_SENT != 0)
    return max(max(side[SENT], side[ACKED]) - taken, np.int64(0))


@njit(**KERNEL)
def _is_half_open(connection):
    """Return whether the letters are those of a SYN that its sender took back."""
    stage = 0  # 1: after the S.
    for word in (LETTERS_0, LETTERS_1, LETTERS_2):
        for place in range(11, -1, -1):
            letter = (connection[word] >> LETTER_BITS * place) & 31
            if letter == 0 or (stage == 0 and letter == TURNED):
                continue
            if stage == 0:
                if letter != S:
                    return False
                stage = 1
            elif letter == R:
                return True
            elif letter in (H, A, F, I, Q):
                return False
    return False


@njit(**KERNEL)
def _state_by_reset(connection, fwd, bwd, empty):
    """Return conn_state where a side has reset; `empty`: neither has sent anything."""
    if bwd == RESET:
        if fwd == SYN_SENT or fwd == SYN_ACK_SENT or (fwd == RESET and empty):
            return _REJ
        return _RSTRH if fwd == INACTIVE or fwd == PARTIAL else _RSTR
    if bwd != INACTIVE and bwd != PARTIAL:
        return _RSTO
    return _RSTOS0 if _is_half_open(connection) else _OTH


@njit(**KERNEL)
def _connection_state(connection, fwd, bwd, empty):
    """Return conn_state, from 1, by the states of both sides."""
    if fwd == RESET or bwd == RESET:
        return _state_by_reset(connection, fwd, bwd, empty)
    if fwd == CLOSED:
        if bwd == CLOSED:
            return _SF
        return _SH if bwd == INACTIVE or bwd == PARTIAL else _S2
    if bwd == CLOSED:
        return _SHR if fwd == INACTIVE or fwd == PARTIAL else _S3
    if fwd == SYN_SENT and bwd == INACTIVE:
        return _S0
    return _S1 if fwd == ESTABLISHED and bwd == ESTABLISHED else _OTH


@njit(**KERNEL)
def _write(event, state, letters, streams, lasting):
    signed = (state ^ 8) - 8  # The uppermost field.
    event[_HISTORY_AT] = letters[0] | signed << _STATE_SHIFT
    event[_HISTORY_AT + 1] = letters[1]
    event[_HISTORY_AT + 2] = letters[2]
    event[_HISTORY_AT + 3] = streams[0]
    event[_HISTORY_AT + 4] = streams[1]
    event[_HISTORY_AT + 5] = lasting


@njit(**KERNEL)
def write_connection(table, row, line, totals, event):
    """Fill the words of a record that say what Zeek would; zeros without flow.history."""
    zero = np.int64(0)
    if table[CONNECTIONS_AT] == 0:
        _write(event, zero, (zero, zero, zero), (zero, zero), zero)
        return
    key = line[places.FLOW_KEY]
    protocol = protocol_of(key)
    if protocol != TCP:
        state, letters = _OTH, zero
        if protocol == UDP:
            state, letters = _datagrams(key, totals)
        streams = (totals.fwd_payload, totals.bwd_payload)
        _write(event, np.int64(state), (letters, zero, zero), streams, totals.duration)
        return
    connection = connection_at(table, row)
    fwd, bwd = connection, shifted(connection, SIDE_WORDS)
    streams = (_stream_bytes(fwd, bwd), _stream_bytes(bwd, fwd))
    empty = streams[0] == 0 and streams[1] == 0
    state = _connection_state(connection, state_of(fwd), state_of(bwd), empty)
    letters = (connection[LETTERS_0], connection[LETTERS_1], connection[LETTERS_2])
    lasting = max(connection[ACTIVE_NS] - line[places.START], zero)
    _write(event, np.int64(state), letters, streams, lasting)


@njit(**KERNEL)
def _datagrams(key, totals):
    """Return conn_state and letters of a UDP flow part."""
    fwd, bwd = np.int64(D), np.int64(D + BACKWARD)
    if totals.bwd_packets == 0:
        return _S0, fwd
    if totals.fwd_packets == 0:
        return _SHR, bwd
    first_is_b, initiator_is_b = key & places.FIRST_B != 0, key & places.INITIATOR_B != 0
    if first_is_b == initiator_is_b:
        return _SF, fwd << LETTER_BITS | bwd
    return _SF, bwd << LETTER_BITS | fwd
