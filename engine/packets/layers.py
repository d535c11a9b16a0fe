"""Parse a frame: its link layer, its IP packet, and the layers inside (packet.decapsulate).

`parse_frame` changes nothing but the lines it is given: a caller that has no room for the result
can call it again. It returns a *result*, packed: the fate, the first line that is metered, how many
lines are metered, and how many layers inside could not be read.
"""

import numpy as np
from numba import njit

from engine.memory.addresses import words_at
from engine.memory.layout import Layout, Line, Word
from engine.memory.options import KERNEL
from engine.memory.pointers import shifted
from engine.packets.checksums import has_wrong_checksum
from engine.packets.fates import ACCEPTED, CHECKSUM, CUT, DEPTH, FRAGMENT_ORPHAN, NON_IP
from engine.packets.fragments import CACHE_WORDS, resolve
from engine.packets.ip import UDP, parse_ip, parse_transport
from engine.packets.lines import (
    CAPTURED_END,
    DEMANDED,
    FRAGMENT,
    INSIDE_AT,
    KEY,
    LATER_FRAGMENT,
    LAYER_SHIFT,
    LAYERS_MAX,
    LINE_WORDS,
    NO_FRAGMENT,
    PACKET_END,
    PROTOCOL,
    VLAN_OUTSIDE,
    VLAN_SHIFT,
)
from engine.packets.link import INNER_VLAN, VLAN_MASK, find_ip
from engine.packets.metering import (
    CAPTURED_WHOLE,
    INSIDE_READABLE,
    NO_LATER_FRAGMENTS,
    RIGHT_CHECKSUMS,
    SHORT_TRANSPORTS,
    settle,
)
from engine.packets.tunnels import FABRICPATH, NO_DATA, NO_TUNNEL, behind_fabric, find_inner

OUTER, INNER, _ALL, UDP_LAYERS = range(4)  # packet.decapsulate, in the order of its choices.

PARSER = Layout(
    "parser",
    "What parsing a frame needs beside the frame, in the memory of capture alone.",
    (
        Line(
            "capture",
            (
                Word("decapsulate", "-", "fixed", "OUTER, INNER, ALL or UDP_LAYERS"),
                Word("tunnels", "-", "fixed", "tunnels.KIND_BITS of the kinds that are opened"),
                Word("fragments", "address", "fixed", "the cache of first fragments"),
                Word("secrets", "address", "fixed", "the words of the keyed hash"),
                Word("time_ns", "ns", "private", "corrected time of the frame"),
                Word("metering", "-", "fixed", "what counts of a packet; metering.metering_word"),
                Word("demands", "-", "fixed", "what is refused; metering.demands_word"),
                Word("vlan", "bits", "fixed", "where a place has the VLAN in the key"),
            ),
        ),
    ),
    64,
)
DECAPSULATE = PARSER.index("decapsulate")
TUNNELS = PARSER.index("tunnels")
FRAGMENTS = PARSER.index("fragments")
SECRET_WORDS = PARSER.index("secrets")
FRAME_TIME = PARSER.index("time_ns")
METERING, DEMANDS, VLAN_AT = (PARSER.index(name) for name in ("metering", "demands", "vlan"))

SECRETS = 4  # Words of key.secret_words.
FIRST_SHIFT, COUNT_SHIFT, UNREADABLE_SHIFT = 8, 16, 24
RESULT_MASK = 0xFF  # Each part has 8 bits; the fate stands lowest.


@njit(**KERNEL)
def parse_frame(frame, link, wire, captured, lines, parser):
    """Parse `captured` bytes of a frame of `wire` bytes into `lines`; return the result."""
    result = _parse_layers(frame, link, wire, captured, lines, parser)
    if result & RESULT_MASK != ACCEPTED:
        return result
    if parser[METERING]:
        first = result >> FIRST_SHIFT & RESULT_MASK
        for k in range(first, first + (result >> COUNT_SHIFT & RESULT_MASK)):
            layer = _captured_of_layer(lines, k) if k else captured
            settle(shifted(lines, k * LINE_WORDS), parser[METERING], wire, captured, layer)
    if parser[DECAPSULATE] == UDP_LAYERS:
        return _without_carriers(lines, result)
    return result


@njit(**KERNEL)
def _captured_of_layer(lines, number):
    """Return how many captured bytes the tunnel around an inner layer carries."""
    outside = shifted(lines, (number - 1) * LINE_WORDS)
    return min(outside[PACKET_END], outside[CAPTURED_END]) - outside[INSIDE_AT]


@njit(**KERNEL)
def _without_carriers(lines, result):
    """Take out the layers that carry another, but not in UDP; return the result without them."""
    count = result >> COUNT_SHIFT & RESULT_MASK
    kept = 0
    for k in range(count):
        line = shifted(lines, k * LINE_WORDS)
        if k + 1 < count and line[PROTOCOL] != UDP:
            continue
        target = shifted(lines, kept * LINE_WORDS)
        for word in range(LINE_WORDS):
            target[word] = line[word]
        target[KEY] = (line[KEY] & ~(1 << LAYER_SHIFT)) | (1 << LAYER_SHIFT if kept else 0)
        kept += 1
    return (result & ~(RESULT_MASK << COUNT_SHIFT)) | kept << COUNT_SHIFT


@njit(**KERNEL)
def _parse_layers(frame, link, wire, captured, lines, parser):
    """Do what parse_frame does, but for settings that change what counts."""
    place = find_ip(frame, link, 0, wire, captured)
    if place == -NON_IP and parser[TUNNELS] & FABRICPATH:
        place = behind_fabric(frame, link, wire, captured)
    if place < 0:
        return -place
    lines[VLAN_OUTSIDE] = 0
    fate = _parse_layer(frame, place, wire, captured, lines, parser)
    if fate:
        return fate
    if parser[DECAPSULATE] == OUTER or lines[FRAGMENT] != NO_FRAGMENT:
        return np.int64(1 << COUNT_SHIFT)
    return _parse_inside(frame, captured, lines, parser)


@njit(**KERNEL)
def _parse_layer(frame, place, limit, captured, line, parser):
    """Parse one IP packet; a later fragment takes its ports from the cache. Return its fate."""
    vlan = place >> parser[VLAN_AT] & VLAN_MASK
    if vlan == 0 and parser[VLAN_AT] == INNER_VLAN:
        vlan = line[VLAN_OUTSIDE]
    line[DEMANDED] = parser[DEMANDS]
    fate = parse_ip(frame, place, vlan, limit, captured, line)
    if fate == ACCEPTED:
        fate = parse_transport(frame, parser[DEMANDS] & SHORT_TRANSPORTS, line)
    if parser[DEMANDS] and fate == ACCEPTED:
        fate = _judge(frame, line, parser[DEMANDS])
    if fate == ACCEPTED and line[FRAGMENT] == LATER_FRAGMENT:
        cache = words_at(parser[FRAGMENTS], CACHE_WORDS)
        secrets = words_at(parser[SECRET_WORDS], SECRETS)
        return resolve(cache, secrets, line, parser[FRAME_TIME])
    return fate


@njit(**KERNEL)
def _parse_inner(frame, line, place, captured, inner, parser):
    """Parse into `inner` what find_inner found in `line`, else with the swapped bytes of CAPWAP.

    Return 0 or the fate, by the last order in which data is carried; NO_DATA: in none.
    """
    end = line[PACKET_END]
    fate = -place if place < 0 else _parse_layer(frame, place, end, captured, inner, parser)
    if fate == ACCEPTED:
        return np.int64(ACCEPTED)
    place = find_inner(frame, line, parser[TUNNELS], True)
    swapped = -place if place < 0 else _parse_layer(frame, place, end, captured, inner, parser)
    return np.int64(fate if swapped == NO_DATA else swapped)


@njit(**KERNEL)
def _judge(frame, line, demands):
    """Return the fate of a layer that would be accepted, by what settings demand of it."""
    if demands & CAPTURED_WHOLE and line[PACKET_END] > line[CAPTURED_END]:
        return CUT
    if demands & RIGHT_CHECKSUMS and has_wrong_checksum(frame, line):
        return CHECKSUM
    if demands & NO_LATER_FRAGMENTS and line[FRAGMENT] == LATER_FRAGMENT:
        return FRAGMENT_ORPHAN
    return ACCEPTED


@njit(**KERNEL)
def _parse_inside(frame, captured, lines, parser):
    """Parse the layers inside the accepted packet in the first line; return the result."""
    layers = 1
    unreadable = 0
    every = parser[DECAPSULATE] != INNER
    while True:  # Ends: at most LAYERS_MAX layers.
        line = shifted(lines, (layers - 1) * LINE_WORDS)
        place = NO_TUNNEL
        if line[FRAGMENT] == NO_FRAGMENT:
            place = find_inner(frame, line, parser[TUNNELS], False)
        if place == NO_TUNNEL:
            break
        if layers == LAYERS_MAX:
            if not every:
                return np.int64(DEPTH)
            unreadable = 1
            break
        inner = shifted(lines, layers * LINE_WORDS)
        inner[VLAN_OUTSIDE] = line[KEY] >> VLAN_SHIFT & VLAN_MASK
        fate = _parse_inner(frame, line, place, captured, inner, parser)
        if fate:
            if not every and fate != NO_DATA and parser[DEMANDS] & INSIDE_READABLE:
                return np.int64(fate)
            unreadable = 1
            break
        if every:
            inner[KEY] |= 1 << LAYER_SHIFT
        layers += 1
    if every:
        return np.int64(layers << COUNT_SHIFT | unreadable << UNREADABLE_SHIFT)
    return np.int64((layers - 1) << FIRST_SHIFT | 1 << COUNT_SHIFT)
