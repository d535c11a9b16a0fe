"""What Zeek would say of a TCP connection, packet by packet (SEMANTICS.rst, "Connection state").

Only with flow.history: the table then has a region of CONNECTION beside its rows. Sequence and
acknowledgment numbers are read where payload is read: in the capture or the arena. A side's
numbers are counted from its start; those of 32 bits are compared modulo 2**32.
"""

import numpy as np
from numba import njit

from engine.features.payload import BYTES_MAX
from engine.flows.conn_state import (
    ACKED,
    ACTIVE_NS,
    BACKWARD,
    CLOSED,
    CONNECTION_WORDS,
    ESTABLISHED,
    FIN_SENT,
    INACTIVE,
    LETTER_BITS,
    LETTERS_0,
    LETTERS_1,
    LETTERS_2,
    PARTIAL,
    RESET,
    SENT,
    SIDE_WORDS,
    STATE_MASK,
    STATE_SHIFT,
    SYN_ACK_SENT,
    SYN_SENT,
    TURNED,
    WAS_SHIFT,
    A,
    D,
    F,
    H,
    I,
    Q,
    R,
    S,
    T,
    W,
    connection_at,
    state_of,
    was_of,
)
from engine.flows.keep import keep_words
from engine.flows.payload import payload_address
from engine.flows.shard import IN_ARENA, SOURCES_AT
from engine.layouts import places
from engine.layouts.connection import CONNECTION
from engine.memory.options import KERNEL
from engine.memory.pointers import bytes_at, load_u32_be, shifted
from engine.packets.ip import TCP_NUMBERS_AT, TCP_NUMBERS_BYTES, transport_offset

TENS = tuple(10**k for k in range(10))
COUNT_MAX = (1 << 31) - 1
JUMP_MAX = 1 << 20  # Bytes: a SYN or RST further off is not believed.
TOTAL_MAX = 1 << 62
_WORD_FULL = 1 << 55  # A word of letters that has its 12th is not below.
_LAST, _LAST_RST = CONNECTION.index("fwd_last"), CONNECTION.index("fwd_last_rst")
_COUNTS = CONNECTION.index("fwd_counts")
_DONE = 1 << CONNECTION.shift("fwd_side", "done")
_STATES_MASK = STATE_MASK << STATE_SHIFT | STATE_MASK << WAS_SHIFT
_SEEN_SHIFT = CONNECTION.shift("fwd_side", "seen")
_SEEN_MASK = CONNECTION.mask("fwd_side", "seen") << _SEEN_SHIFT
_SEEN_SYN, _SEEN_FIN, _SEEN_RST, _SEEN_D, _SEEN_A, _SEEN_I, _SEEN_Q = (
    1 << _SEEN_SHIFT + k for k in range(7)
)
_HALF, _WHOLE = 1 << 31, 1 << 32
_SRF = places.SYN | places.RST | places.FIN
_TCP_BYTES = 20  # Of a header without options.


@njit(**KERNEL)
def begin_connection(table, row, line, packet):
    """Set the connection of a row whose flow begins with a packet."""
    connection = connection_at(table, row)
    keep_words(table, connection, 0, CONNECTION_WORDS)
    for word in range(CONNECTION_WORDS):
        connection[word] = 0
    if packet.tcp:
        connection[ACTIVE_NS] = packet.time
        if np.int64(line[places.FLOW_KEY] & places.INITIATOR_B != 0) != packet.side:
            connection[LETTERS_0] = TURNED


@njit(**KERNEL)
def split_connection(table, row):
    """Begin letters, counts and streams anew for a part that continues; the states stay."""
    connection = connection_at(table, row)
    keep_words(table, connection, 0, CONNECTION_WORDS)
    connection[LETTERS_0], connection[LETTERS_1], connection[LETTERS_2] = 0, 0, 0
    for number in range(2):
        side = shifted(connection, SIDE_WORDS * number)
        moved = max(side[SENT], side[ACKED], 1) - 1
        kept = side[0] & ~(places.MASK32 | _SEEN_MASK)
        side[0] = kept | ((side[0] & places.MASK32) + moved) & places.MASK32
        side[SENT] -= moved
        side[ACKED] -= moved
        side[_COUNTS] = 0


@njit(**KERNEL)
def note_connection(shard, row, line, packet, at):
    """Carry a TCP connection on by the packet at record word `at`, which its row has counted."""
    table = shard.table
    connection = connection_at(table, row)
    keep_words(table, connection, 0, CONNECTION_WORDS)
    responder = np.int64(line[places.FLOW_KEY] & places.INITIATOR_B != 0) != packet.side
    number = np.int64(responder)
    side = shifted(connection, SIDE_WORDS * number)
    peer = shifted(connection, SIDE_WORDS * (1 - number))
    if side[0] & peer[0] & _DONE == 0:
        connection[ACTIVE_NS] = packet.time
    if not packet.flags_known:
        return
    address = _numbers_address(shard, packet, at >> 3)
    if address == 0:
        return  # Somebody has changed the file under us.
    octets = bytes_at(address, TCP_NUMBERS_BYTES)
    sequence, acknowledged = load_u32_be(octets, 0), load_u32_be(octets, 4)
    _take_segment(connection, number, packet, sequence, acknowledged)


@njit(**KERNEL)
def _numbers_address(shard, packet, slot):
    """Return the address of a packet's sequence and acknowledgment number; 0: there is none.

    In a mapped source they stand in its header, in the arena behind what was copied of the payload.
    """
    address = payload_address(shard.sources, shard.arena, packet.reference, slot, 0)
    if shard.sources[SOURCES_AT + (packet.reference >> 48)] == IN_ARENA:
        if packet.payload == 0 or packet.captured == 0:
            return address
        return address + packet.header + min(packet.captured, BYTES_MAX)
    octets = bytes_at(address, packet.header)
    begin = transport_offset(octets, packet.header - _TCP_BYTES)
    return 0 if begin < 0 else address + begin + TCP_NUMBERS_AT


@njit(**KERNEL)
def _take_segment(connection, number, packet, sequence, acknowledged):
    """Apply a segment of side `number` (0: the initiator) to both sides."""
    side = shifted(connection, SIDE_WORDS * number)
    peer = shifted(connection, SIDE_WORDS * (1 - number))
    flags, payload = packet.flags, packet.payload
    room = np.int64(flags & places.SYN != 0) + np.int64(flags & places.FIN != 0)
    if flags & places.RST == 0:
        room += payload
    _begin_side(side, flags, sequence, room)
    _tell(connection, number, side, flags, sequence - (side[0] & places.MASK32), payload)
    closing = state_of(peer) == CLOSED or state_of(side) == RESET
    if packet.window == 0 and flags & places.RST == 0 and not closing:
        _count(connection, number, side, 32, W)
    if flags & places.FIN:
        side[0] |= FIN_SENT
    if flags & places.ACK:
        _acknowledge(peer, flags, acknowledged)
    if _advance(side, flags, sequence + room, payload):
        _count(connection, number, side, 0, T)
    if _change(side, peer, number, flags, payload):
        side[0] |= _DONE


@njit(**KERNEL)
def _enter(side, state):
    """Change a side's state."""
    before = state_of(side)
    if before != state:
        side[0] = side[0] & ~_STATES_MASK | state << STATE_SHIFT | before << WAS_SHIFT


@njit(**KERNEL)
def _ahead(here, there):
    """Return how far a sequence number is ahead of another: signed 32 bits."""
    ahead = (here - there) & places.MASK32
    return ahead - _WHOLE if ahead >= _HALF else ahead


@njit(**KERNEL)
def _set_start(side, start, sent):
    side[0] = side[0] & ~places.MASK32 | start & places.MASK32
    side[SENT] = sent
    side[ACKED] = 0


@njit(**KERNEL)
def _begin_side(side, flags, sequence, room):
    """Count a side's numbers from this segment on, where it is the first or begins it again."""
    state = state_of(side)
    if state == INACTIVE:
        if flags & places.SYN:
            _set_start(side, sequence, room)
        else:
            _set_start(side, sequence - 1, 1)
        return
    if flags & places.SYN == 0 or state == CLOSED:
        return
    if state == RESET and was_of(side) != INACTIVE:
        return
    if (state == SYN_SENT or state == SYN_ACK_SENT) and sequence == side[0] & places.MASK32:
        return
    _set_start(side, sequence, room)


@njit(**KERNEL)
def _add_letter(connection, number, letter):
    """Add a letter of side `number`, while there is room for it."""
    code = letter + BACKWARD * number
    for word in (LETTERS_0, LETTERS_1, LETTERS_2):
        if connection[word] < _WORD_FULL:
            connection[word] = connection[word] << LETTER_BITS | code
            return


@njit(**KERNEL)
def _add_once(connection, number, side, seen, letter):
    if side[0] & seen == 0:
        side[0] |= seen
        _add_letter(connection, number, letter)


@njit(**KERNEL)
def _count(connection, number, side, shift, letter):
    """Count what is told at powers of ten."""
    count = (side[_COUNTS] >> shift) & places.MASK32
    if count == COUNT_MAX:
        return
    side[_COUNTS] += 1 << shift
    for ten in TENS:
        if count + 1 == ten:
            _add_letter(connection, number, letter)


@njit(**KERNEL)
def _is_news(side, seen, word, shift, place):
    """Note the place of a SYN, FIN or RST; return whether it is the first or another than last."""
    last = (side[word] >> shift) & places.MASK32
    news = side[0] & seen == 0 or last != place
    side[0] |= seen
    if shift:
        signed = place - _WHOLE if place >= _HALF else place
        side[word] = side[word] & places.MASK32 | signed << shift
    else:
        side[word] = side[word] & ~places.MASK32 | place
    return news


@njit(**KERNEL)
def _tell(connection, number, side, flags, place, payload):
    """Add the letter of a segment; `place` is its sequence number from the start."""
    control = flags & _SRF
    place &= places.MASK32
    if control == 0:
        if payload:
            _add_once(connection, number, side, _SEEN_D, D)
        elif flags & places.ACK:
            _add_once(connection, number, side, _SEEN_A, A)
    elif control == places.SYN:
        if _is_news(side, _SEEN_SYN, _LAST, 0, place):
            _add_letter(connection, number, H if flags & places.ACK else S)
    elif control == places.FIN:
        if _is_news(side, _SEEN_FIN, _LAST, 32, (place + payload) & places.MASK32):
            _add_letter(connection, number, F)
    elif control == places.RST:
        if _is_news(side, _SEEN_RST, _LAST_RST, 0, place):
            _add_letter(connection, number, R)
    elif flags & places.FIN and flags & places.RST:
        _add_once(connection, number, side, _SEEN_I, I)
    else:
        _add_once(connection, number, side, _SEEN_Q, Q)


@njit(**KERNEL)
def _acknowledge(peer, flags, number):
    """Note how much of the peer's stream an acknowledgment covers."""
    if state_of(peer) == INACTIVE:
        _set_start(peer, number - 1, 0)
    elif flags & places.RST == 0:
        ahead = _ahead(number, (peer[0] & places.MASK32) + peer[ACKED])
        if ahead > 0 and (number != 0 or ahead <= JUMP_MAX):
            peer[ACKED] = min(peer[ACKED] + ahead, TOTAL_MAX)


@njit(**KERNEL)
def _advance(side, flags, end, payload):
    """Note how far a side has sent; return whether the segment's payload was sent before."""
    ahead = _ahead(end, (side[0] & places.MASK32) + side[SENT])
    if flags & (places.SYN | places.RST) and abs(ahead) > JUMP_MAX:
        return False
    if flags & places.FIN and side[SENT] == 1:
        ahead &= places.MASK32
    elif state_of(side) == RESET:
        return False
    elif ahead <= 0:
        return payload > 0
    side[SENT] = min(side[SENT] + ahead, TOTAL_MAX)
    return False


@njit(**KERNEL)
def _change(side, peer, number, flags, payload):
    """Change the states by a segment's flags; return whether its side has closed."""
    state = state_of(side)
    fin, rst = flags & places.FIN != 0, flags & places.RST != 0
    if state == RESET:
        return False
    if state == CLOSED:
        if not rst or state_of(peer) == CLOSED:
            return False
        _enter(side, RESET)
        return True
    if state == INACTIVE:
        _rouse(side, peer, number, flags, payload)
    elif state == ESTABLISHED or state == PARTIAL:
        if state == PARTIAL and state_of(peer) == INACTIVE:
            if flags & (places.SYN | places.ACK) == places.SYN:
                _enter(side, SYN_SENT)
        if fin and not rst and state_of(peer) == RESET and was_of(peer) == CLOSED:
            _enter(peer, CLOSED)
        if rst:
            _enter(side, RESET)
            return True
    if fin:
        _enter(side, CLOSED)
    if rst:
        _enter(side, RESET)
    return fin or rst


@njit(**KERNEL)
def _rouse(side, peer, number, flags, payload):
    """Change the state of an inactive side by a SYN, or by what is no control segment."""
    syn, ack = flags & places.SYN != 0, flags & places.ACK != 0
    other = state_of(peer)
    if syn and number == 0:
        _enter(side, SYN_ACK_SENT if ack else SYN_SENT)
    elif syn:
        if other == SYN_SENT or (other == SYN_ACK_SENT and not ack):
            _enter(peer, ESTABLISHED)
        _enter(side, ESTABLISHED)
    elif flags & (places.FIN | places.RST) == 0:
        if number == 1 and payload == 0 and other == SYN_SENT:
            return  # It may still answer with a SYN.
        _enter(side, ESTABLISHED if ack and other == ESTABLISHED else PARTIAL)
