"""What a packet's captured payload shows: nibble counts, TLS and HTTP greetings, DNS facts."""

from numba import njit

from engine.events import counter_index
from engine.features.payload import BYTES_MAX, PACKETS_MAX, add_bytes
from engine.features.services import UDP_PROTOCOL
from engine.flows.emit import (
    CLASS_SHIFT,
    HEAD,
    POSITION_REFERENCE,
    POSITION_TIME,
    RANK_SHIFT,
    next_slot,
)
from engine.flows.keep import keep_side_line
from engine.flows.marks import protocol_of
from engine.flows.shard import ARENA_ADDRESS, ARENA_MASK, IN_ARENA, SOURCES_AT
from engine.layouts import places
from engine.layouts.records import CLASS_PACKET, FACT, FACT_EVENT, RANK_FACT
from engine.layouts.table import TABLE
from engine.memory.options import KERNEL
from engine.memory.pointers import bytes_at, load_u16_be, shifted
from engine.packets import dns
from engine.packets.greetings import HTTP, client_hello, is_http_request
from engine.packets.key import DESTINATION_HIGH, KEY, SOURCE_HIGH, VERSION_SHIFT

FACTS = TABLE.index("facts")
_HOST = FACT_EVENT.index("host_high")
_NAME_HASH = FACT_EVENT.index("name_hash")
_PARENT_HASH = FACT_EVENT.index("parent_hash")
_VERSION6 = FACT_EVENT.index("version6")
_CLASSES = FACT_EVENT.index("classes")
_RESPONSE = 1 << FACT_EVENT.shift("head", "response")
_CODE_SHIFT = FACT_EVENT.shift("head", "code")
_FACTS_MADE = counter_index("worker", "facts")
_OFFSET_MASK = (1 << 48) - 1


@njit(**KERNEL)
def payload_address(sources, arena, reference, slot, header):
    """Return the address of the payload behind an IP header, in a mapped source or the arena."""
    base = sources[SOURCES_AT + (reference >> 48)]
    if base == IN_ARENA:
        return sources[ARENA_ADDRESS] + (arena[slot] & sources[ARENA_MASK]) + header
    return base + (reference & _OFFSET_MASK) + header


@njit(**KERNEL)
def _is_dns(line):
    """Return whether a row's flow is UDP with port 53 on either side."""
    key = line[places.FLOW_KEY]
    port_a, port_b = key & places.MASK16, (key >> 16) & places.MASK16
    return protocol_of(key) == UDP_PROTOCOL and (port_a == dns.PORT or port_b == dns.PORT)


@njit(**KERNEL)
def _emit_fact(shard, octets, packet, words, at):
    """Send a DNS fact if the payload parses. There is room."""
    length, parent = dns.read_question(octets, packet.captured, shard.name)
    if length < 0:
        return
    flags = load_u16_be(octets, 2)
    response = flags >> 15
    host = at + (DESTINATION_HIGH if response else SOURCE_HIGH)
    event = next_slot(shard)
    head = FACT | CLASS_PACKET << CLASS_SHIFT | RANK_FACT << RANK_SHIFT
    event[HEAD] = head | (_RESPONSE if response else 0) | (flags & 15) << _CODE_SHIFT
    event[POSITION_TIME] = packet.time
    event[POSITION_REFERENCE] = packet.reference
    event[_HOST] = words[host]
    event[_HOST + 1] = words[host + 1]
    event[_NAME_HASH] = dns.hash_text(shard.name, 0, length)
    event[_PARENT_HASH] = dns.hash_text(shard.name, parent, length)
    event[_VERSION6] = (words[at + KEY] >> VERSION_SHIFT) & 1
    dns.count_classes(shard.name, length, shifted(event, _CLASSES))
    shard.counters[_FACTS_MADE] += 1


@njit(**KERNEL)
def _greet(line, octets, count):
    """Note what a TCP payload begins with."""
    found = client_hello(octets, count)
    if is_http_request(octets, count):
        found = HTTP
    line[places.STATE] |= found << places.FOUND_SHIFT


@njit(**KERNEL)
def note_payload(shard, line, packet, words, at):
    """Look at a packet's captured payload, where it is among those that are looked at."""
    if packet.payload == 0:
        return
    looked_at = line[places.STATE] & places.PAYLOAD_PACKETS_MASK
    fact = shard.table[FACTS] != 0 and not packet.fragment and _is_dns(line)
    if looked_at == PACKETS_MAX and not fact:
        return
    if looked_at < PACKETS_MAX:
        keep_side_line(shard.table, line)
        line[places.STATE] += 1
    if packet.captured == 0:
        return
    address = payload_address(shard.sources, shard.arena, packet.reference, at >> 3, packet.header)
    octets = bytes_at(address, packet.captured)
    if looked_at < PACKETS_MAX:
        count = min(packet.captured, BYTES_MAX)
        add_bytes(line, octets, count)
        if packet.tcp:
            _greet(line, octets, count)
    if fact:
        _emit_fact(shard, octets, packet, words, at)
