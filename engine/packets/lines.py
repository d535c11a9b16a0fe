"""What a parser writes for each IP layer of a frame: the packet record, then what it learned.

The first eight words are layouts.PACKET; the rest stays in capture. A frame has at most
LAYERS_MAX lines, outermost first.
"""

from engine.layouts import PACKET
from engine.memory.layout import Field, Layout, Line, Word

LAYERS_MAX = 5  # The outer packet and four inside.
IP_HEADERS_MAX = 4095  # The record's header length has 12 bits.
PACKET_LENGTH_MAX = 1 << 20

LINE = Layout(
    "parse_line",
    "A parsed IP layer, in the memory of capture alone.",
    (
        Line("capture", PACKET.lines[0].words),
        Line(
            "capture",
            (
                Word("header_at", "bytes", "private", "offset of the IP header in the frame"),
                Word("transport_at", "bytes", "private", "offset behind the IP headers"),
                Word("packet_end", "bytes", "private", "offset of the packet's end"),
                Word("captured_end", "bytes", "private", "offset of the capture's end"),
                Word("fragment", "-", "private", "NO_FRAGMENT, FIRST_FRAGMENT, LATER_FRAGMENT"),
                Word(
                    "fragment_key",
                    "-",
                    "private",
                    "what tells its fragments from others of the same addresses",
                    (
                        Field("identification", 32, "of the IPv4 or fragment header"),
                        Field("protocol", 8, "of the IPv4 or fragment header"),
                        Field("version6", 1, "1: IPv6"),
                        Field("vlan", 12, "of the layer"),
                    ),
                ),
                Word("protocol", "-", "private", "IANA number behind all IP headers"),
                Word("tcp_header_cut", "-", "private", "1: TCP flags or window not captured"),
            ),
        ),
        Line(
            "capture",
            (
                Word("payload_at", "bytes", "private", "offset of the payload"),
                Word("inside_at", "bytes", "private", "a tunnel: where what it carries begins"),
                Word("demands", "-", "private", "metering.demands_word"),
                Word("vlan_outside", "-", "private", "VLAN of the layer outside; 0: none"),
            ),
        ),
    ),
    64,
)
LINE_WORDS = LINE.words
assert LINE_WORDS == 24

TIME = LINE.index("time_ns")
SOURCE_HIGH, SOURCE_LOW = LINE.index("source_high"), LINE.index("source_low")
DESTINATION_HIGH, DESTINATION_LOW = LINE.index("destination_high"), LINE.index("destination_low")
REFERENCE = LINE.index("reference")
LENGTHS = LINE.index("lengths")
KEY = LINE.index("key")
HEADER_AT = LINE.index("header_at")
TRANSPORT_AT = LINE.index("transport_at")
PACKET_END = LINE.index("packet_end")
CAPTURED_END = LINE.index("captured_end")
FRAGMENT = LINE.index("fragment")
FRAGMENT_KEY = LINE.index("fragment_key")
PROTOCOL = LINE.index("protocol")
TCP_HEADER_CUT = LINE.index("tcp_header_cut")
PAYLOAD_AT, INSIDE_AT = LINE.index("payload_at"), LINE.index("inside_at")
DEMANDED, VLAN_OUTSIDE = LINE.index("demands"), LINE.index("vlan_outside")
OVERLONG_KEPT = 16  # A bit of `demands` (metering.py).
NO_FRAGMENT, FIRST_FRAGMENT, LATER_FRAGMENT = range(3)

HEADER_SHIFT = PACKET.shift("lengths", "header")
CAPTURED_SHIFT = PACKET.shift("lengths", "captured")
WINDOW_SHIFT = PACKET.shift("lengths", "window")
HEADER_MASK = PACKET.mask("lengths", "header")
CAPTURED_MASK = PACKET.mask("lengths", "captured")
PAYLOAD_MASK = PACKET.mask("lengths", "payload")
DESTINATION_PORT_SHIFT = PACKET.shift("key", "destination_port")
PORT_MASK = PACKET.mask("key", "source_port")
VLAN_SHIFT = PACKET.shift("key", "vlan")
VERSION6_SHIFT = PACKET.shift("key", "version6")
FRAGMENT_SHIFT = PACKET.shift("key", "fragment")
MARK_SHIFT = PACKET.shift("key", "mark")
LAYER_SHIFT = PACKET.shift("key", "layer")
PROTOCOL_SHIFT = PACKET.shift("key", "protocol")
FLAGS_SHIFT = PACKET.shift("key", "flags")
FRAGMENT_PROTOCOL_SHIFT = LINE.shift("fragment_key", "protocol")
FRAGMENT_VERSION_SHIFT = LINE.shift("fragment_key", "version6")
FRAGMENT_VLAN_SHIFT = LINE.shift("fragment_key", "vlan")
# The two top fields of a record's words; a value is made signed before it is shifted there, so that
# Python's integers stay within 64 bits too.
assert WINDOW_SHIFT == 48 and FLAGS_SHIFT == 56
