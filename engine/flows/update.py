"""One packet: find or begin its flow part, count it, note what it shows, make what it causes.

The order is that of SEMANTICS.rst, "Flows", steps 1 to 6. Nothing is touched before it is certain
that whatever the packet may cause has room in the event ring and in the journal; so a packet is
taken whole or not at all.
"""

import numpy as np
from numba import njit

from engine.events import counter_index
from engine.features.totals import direction_line, high_half, read_totals
from engine.flows.clock import NEXT_DUE, advance
from engine.flows.conn_state import CONNECTIONS_AT
from engine.flows.connection import begin_connection, note_connection, split_connection
from engine.flows.count import (
    begin_flow_line,
    count_in_direction,
    count_in_flow,
    read_packet,
)
from engine.flows.deadlines import LINGER_NS, file_deadline, idle_deadline, row_to_evict
from engine.flows.emit import emit_record, has_room
from engine.flows.finish import end_part
from engine.flows.keep import keep_line, keep_row, keep_side_line, keep_words
from engine.flows.panes import enter_pane, note_totals
from engine.flows.payload import note_payload
from engine.flows.pools import (
    clear_row,
    give_cold_blocks,
    mark_changing,
    mark_settled,
    spills_of,
    take_row,
)
from engine.flows.pressure import must_end
from engine.flows.shard import AGE_MASK, addresses_at, row_at
from engine.flows.slots import find_row, insert_slot
from engine.layouts import RECORD_SLOTS, places
from engine.layouts.records import ACTIVE, CLASS_PACKET, ENDED, EVICTED
from engine.layouts.table import TABLE
from engine.memory.options import HOT, KERNEL
from engine.memory.wide import unsigned_less, wrapped_difference
from engine.packets.key import DESTINATION_HIGH, SOURCE_HIGH

ACTIVE_NS = TABLE.index("active_ns")
TCP_END = TABLE.index("tcp_end")
SYNACK_TURNS = TABLE.index("synack_turns")
PACKET_SLOTS_MAX = 2 * RECORD_SLOTS + 1  # A final, a fact, an early record.
SYN_ACK = places.SYN | places.ACK
_FLOWS = counter_index("worker", "flows")
_PARTS = counter_index("worker", "parts")
_EVICTED_ROW = counter_index("worker", "evicted_row")
_EVICTED_COLD = counter_index("worker", "evicted_cold")
CONTINUES = 0  # The packet belongs to the part it found.
_KEPT_BY_SPLIT = (
    places.INITIATOR_B | places.BOTH_FIN | 3 << places.HANDSHAKE_SHIFT | places.BEGUN_BY_SYN
)
_STATE_KEPT = (1 << places.SEQUENCE_SHIFT) - 1


@njit(**HOT)
def is_syn(packet):
    """Return whether a packet is a SYN without ACK."""
    return packet.tcp and packet.flags & SYN_ACK == places.SYN


@njit(**HOT)
def _fate_of_part(table, line, packet):
    """Return the reason for which the packet ends the part it found, or CONTINUES."""
    age = wrapped_difference(packet.time, line[places.START])  # Below 0: 2**63 and more.
    if line[places.FLOW_KEY] & places.ENDED:
        if is_syn(packet) or age < 0:
            return ENDED
        if age > table[AGE_MASK] and table[AGE_MASK] == places.OFFSET_MASK:
            return ENDED
    elif unsigned_less(table[ACTIVE_NS], age):
        return ACTIVE
    return EVICTED if must_end(table, line, packet) else CONTINUES


@njit(**KERNEL)
def _equal_endpoints(words, at, rest):
    """Return whether a packet's two endpoints are the same."""
    same_port = rest & places.MASK16 == (rest >> 16) & places.MASK16
    same_high = words[at + SOURCE_HIGH] == words[at + DESTINATION_HIGH]
    return same_port & same_high & (words[at + SOURCE_HIGH + 1] == words[at + DESTINATION_HIGH + 1])


@njit(**KERNEL)
def _new_key(table, words, at, rest, packet):
    """Return the key word of a new flow: initiator, first sender, whether a SYN begins it."""
    initiator = packet.side
    turned = packet.tcp and packet.flags & SYN_ACK == SYN_ACK and table[SYNACK_TURNS] != 0
    if turned and not _equal_endpoints(words, at, rest):
        initiator = 1 - initiator
    key = rest
    if initiator:
        key |= places.INITIATOR_B
    if packet.side:
        key |= places.FIRST_B
    if is_syn(packet):
        key |= places.BEGUN_BY_SYN
    return key


@njit(**KERNEL)
def _continued_key(line, packet):
    """Return the key word of the part that continues the one in a row."""
    key = line[places.FLOW_KEY]
    rest = key & ((1 << 54) - 1)
    return rest | key & _KEPT_BY_SPLIT | places.CONTINUED | (places.FIRST_B if packet.side else 0)


@njit(**KERNEL)
def _kept_state(table, line):
    """Return the state word that a continuing part begins with."""
    key, state = line[places.FLOW_KEY], line[places.STATE]
    responder = np.int64(key & places.INITIATOR_B == 0)
    spill, _ = spills_of(table, line, responder)
    payload = high_half(direction_line(line, responder)[places.BYTES])
    if payload + spill[places.SPILL_PAYLOAD]:
        state |= places.ANSWERED_PAYLOAD
    return state & _STATE_KEPT


@njit(**KERNEL)
def _split(shard, row, reason, key, packet):
    """End the part in a row for the packet's sake and begin the next one there."""
    table = shard.table
    line = row_at(table, row)
    keep_row(table, row)
    order = (packet.time, packet.time, packet.reference)
    emit_record(shard, row, reason, CLASS_PACKET, order)
    state = np.int64(0)
    nibbles = (np.int64(0), np.int64(0), np.int64(0))
    if reason == ACTIVE:
        state = _kept_state(table, line)
        if table[CONNECTIONS_AT]:
            split_connection(table, row)
        kept = places.NIBBLES
        nibbles = (line[kept], line[kept + 1], line[kept + 2])
    give_cold_blocks(table, line)
    _begin_row(table, row, key, packet)
    if reason != ACTIVE and table[CONNECTIONS_AT]:
        begin_connection(table, row, line, packet)
    line[places.STATE] = state
    line[places.NIBBLES], line[places.NIBBLES + 1], line[places.NIBBLES + 2] = nibbles


@njit(**KERNEL)
def _begin_row(table, row, key, packet):
    """Set a row for a part's first packet, which is yet to be counted in its direction."""
    line = row_at(table, row)
    mark_changing(line)
    clear_row(line)
    line[places.FLOW_KEY] = key
    begin_flow_line(line, packet)
    file_deadline(table, row, idle_deadline(table, key, packet.time))


@njit(**KERNEL)
def _begin_flow(shard, words, at, key, packet):
    """Give a new flow a row, if need be that of another; return it; 0: there is none yet."""
    table = shard.table
    addresses, rest, tag = key
    row = take_row(table)
    if row == 0:
        evicted = row_to_evict(table)
        if evicted == 0:
            return row
        order = (packet.time, packet.time, packet.reference)
        shard.counters[_EVICTED_ROW] += 1
        end_part(shard, evicted, EVICTED, CLASS_PACKET, order)
        row = take_row(table)
    line = row_at(table, row)
    _begin_row(table, row, _new_key(table, words, at, rest, packet), packet)
    line[places.ADDRESSES] = addresses
    if rest & places.VERSION6:
        kept = addresses_at(table, row)
        keep_words(table, kept, 0, places.ADDRESS_WORDS)
        a = at + (DESTINATION_HIGH if packet.side else SOURCE_HIGH)
        b = at + (SOURCE_HIGH if packet.side else DESTINATION_HIGH)
        kept[0], kept[1], kept[2], kept[3] = words[a], words[a + 1], words[b], words[b + 1]
    insert_slot(table, tag, row)
    if table[CONNECTIONS_AT]:
        begin_connection(table, row, line, packet)
    shard.counters[_FLOWS] += 1
    return row


@njit(**KERNEL)
def _enter_pane(table, row, line, packet, first):
    """Note a part's first packet in the pane, before it is counted in its direction."""
    if not first:
        spill_a, flags_a = spills_of(table, line, 0)
        spill_b, flags_b = spills_of(table, line, 1)
        totals = read_totals(line, spill_a, spill_b, table[AGE_MASK])
        note_totals(table, line, totals, (spill_a, flags_a, spill_b, flags_b))
    enter_pane(table, row, packet.time, packet.reference, first)
    line[places.FLOW_KEY] |= places.IN_PANE


@njit(**HOT)
def _note_tcp(table, row, line, packet):
    """Carry the TCP facts of a flow on: handshake, FIN, RST, the end."""
    key, flags = line[places.FLOW_KEY], packet.flags
    forward = np.int64(key & places.INITIATOR_B != 0) == packet.side
    stage = (key >> places.HANDSHAKE_SHIFT) & 3
    if stage == 0:
        step = forward and flags & SYN_ACK == places.SYN
    elif stage == 1:
        step = not forward and flags & SYN_ACK == SYN_ACK
    else:
        step = stage == 2 and forward and flags & places.ACK != 0
    if step:
        key += places.HANDSHAKE_ONE
    if flags & (places.FIN | places.RST):
        if flags & places.FIN:
            key |= places.FIN_B if packet.side else places.FIN_A
        state = line[places.STATE]
        if (state >> places.FIRST_END_SHIFT) & 3 == 0:
            keep_side_line(table, line)
            line[places.STATE] = state | (1 + packet.side) << places.FIRST_END_SHIFT
        over = flags & places.RST != 0 or key & places.BOTH_FIN == places.BOTH_FIN
        if over and table[TCP_END] and key & places.ENDED == 0:
            key |= places.ENDED
            file_deadline(table, row, packet.time + table[LINGER_NS])
    line[places.FLOW_KEY] = key


@njit(**HOT)
def take_packet(shard, words, at, key, side):
    """Apply the packet at record word `at` to its flow; False when there is no room yet.

    `key`: the two key words and the tag. Payload, if any is to be read, lies where shard.sources
    says.
    """
    table = shard.table
    packet = read_packet(words, at, side)
    if packet.time >= table[NEXT_DUE] and not advance(shard, packet.time):
        return False
    if not has_room(shard, PACKET_SLOTS_MAX):
        return False
    row = find_row(table, key, words, at, side)
    early, first = False, True
    if row:
        line = row_at(table, row)
        keep_line(table, line, 0)
        keep_line(table, direction_line(line, side), 0)
        mark_changing(line)
        fate = _fate_of_part(table, line, packet)
        if fate == CONTINUES:
            first = False
            if line[places.FLOW_KEY] & places.IN_PANE == 0:
                _enter_pane(table, row, line, packet, False)
            early = count_in_flow(table, line, packet)
        elif fate == ACTIVE:
            _split(shard, row, fate, _continued_key(line, packet), packet)
        else:
            _split(shard, row, fate, _new_key(table, words, at, key[1], packet), packet)
            shard.counters[_EVICTED_COLD] += fate == EVICTED
            shard.counters[_FLOWS] += 1
    else:
        row = _begin_flow(shard, words, at, key, packet)
        if row == 0:
            return False
        line = row_at(table, row)
    if first:
        _enter_pane(table, row, line, packet, True)
        shard.counters[_PARTS] += 1
    count_in_direction(table, line, packet)
    note_payload(shard, line, packet, words, at)
    if packet.tcp and packet.flags:
        _note_tcp(table, row, line, packet)
    if packet.tcp and table[CONNECTIONS_AT]:
        note_connection(shard, row, line, packet, at)
    mark_settled(line)
    if early:
        emit_record(shard, row, 0, CLASS_PACKET, (packet.time, packet.time, packet.reference))
    return True
