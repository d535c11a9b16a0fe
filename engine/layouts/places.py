"""Where the words and fields of a flow row and its cold blocks are: constants for kernels.

Direction lines are addressed from their own first word, so that one kernel serves both.
"""

from engine.layouts.blocks import ACTIVITY_BLOCK, BULK_BLOCK, PANE_BLOCK, SPILL_BLOCK
from engine.layouts.table import ADDRESSES as ADDRESS_LAYOUT
from engine.layouts.table import FLOW_ROW

ROW_WORDS = FLOW_ROW.words
BLOCK_WORDS = ACTIVITY_BLOCK.words
LINE_WORDS = 8
ADDRESS_WORDS = ADDRESS_LAYOUT.words
SIDE_A = FLOW_ROW.index("packets_a")  # Direction line of A; that of B follows.
REFERENCE_MASK = 0x1FFFFF  # A row or cold block number: 21 bits.

TIME_MAX = (1 << 63) - 1
MASK16, MASK32 = (1 << 16) - 1, (1 << 32) - 1

# Flow line.
ADDRESSES = FLOW_ROW.index("addresses")
FLOW_KEY = FLOW_ROW.index("key")
START = FLOW_ROW.index("start_ns")
LAST = FLOW_ROW.index("last")
GAPS = FLOW_ROW.index("gaps")
RUN = FLOW_ROW.index("run")
PACE = FLOW_ROW.index("pace")

OFFSET_BITS = 44
OFFSET_MASK = (1 << OFFSET_BITS) - 1
SQUARES_HIGH_MASK = (1 << 20) - 1


def _bit(field: str) -> int:
    return 1 << FLOW_ROW.shift("key", field)


VERSION6 = _bit("version6")
VERSION6_SHIFT = FLOW_ROW.shift("key", "version6")
MARK = _bit("mark")
MARK_SHIFT = FLOW_ROW.shift("key", "mark")
VLAN_SHIFT = FLOW_ROW.shift("key", "vlan")
VLAN_MASK = FLOW_ROW.mask("key", "vlan")
PROTOCOL_SHIFT = FLOW_ROW.shift("key", "protocol")
PROTOCOL_MASK = FLOW_ROW.mask("key", "protocol")
INITIATOR_B = _bit("initiator_b")
FIRST_B = _bit("first_b")
FIN_A, FIN_B = _bit("fin_a"), _bit("fin_b")
BOTH_FIN = FIN_A | FIN_B
ENDED = _bit("ended")
IN_PANE = _bit("in_pane")
HANDSHAKE_SHIFT = FLOW_ROW.shift("key", "handshake")
HANDSHAKE_ONE = _bit("handshake")
BEGUN_BY_SYN = _bit("syn")
# The lowest bit of the last field is the sign of the word.
CONTINUED = -(1 << 63)
assert FLOW_ROW.shift("key", "continued") == 63

RUN_DURATION_MASK = MASK32
RUN_PAYLOAD_SHIFT = FLOW_ROW.shift("run", "payload")
RUN_PAYLOAD_MASK = FLOW_ROW.mask("run", "payload")
RUN_PACKETS_SHIFT = FLOW_ROW.shift("run", "packets")
RUN_SIDE_SHIFT = FLOW_ROW.shift("run", "side")
SINCE_MASK = FLOW_ROW.mask("pace", "since_data")
TO_EARLY_SHIFT = FLOW_ROW.shift("pace", "to_early")
TO_EARLY_MASK = FLOW_ROW.mask("pace", "to_early")
VERSION_SHIFT = FLOW_ROW.shift("pace", "version")
VERSION_BITS = -(1 << VERSION_SHIFT)  # The uppermost field.
VERSION_ONE = 1 << VERSION_SHIFT
assert VERSION_SHIFT + FLOW_ROW._field("pace", "version")[1].bits == 64

# Direction line.
PACKETS = FLOW_ROW.index("packets_a") - SIDE_A
BYTES = FLOW_ROW.index("bytes_a") - SIDE_A
SQUARES = FLOW_ROW.index("squares_a") - SIDE_A
LENGTHS = FLOW_ROW.index("lengths_a") - SIDE_A
SIDE_LAST = FLOW_ROW.index("last_a") - SIDE_A
SIDE_GAPS = FLOW_ROW.index("gaps_a") - SIDE_A
FLAGS = FLOW_ROW.index("flags_a") - SIDE_A
LENGTH_MASK = FLOW_ROW.mask("lengths_a", "min")
LENGTH_MAX_SHIFT = FLOW_ROW.shift("lengths_a", "max")
HEADER_MIN_SHIFT = FLOW_ROW.shift("lengths_a", "header_min")
HEADER_MIN_MASK = FLOW_ROW.mask("lengths_a", "header_min")
IMPOSSIBLE_SHIFT = FLOW_ROW.shift("lengths_a", "impossible")
IMPOSSIBLE_MASK = FLOW_ROW.mask("lengths_a", "impossible")
IMPOSSIBLE_BITS = -(1 << IMPOSSIBLE_SHIFT)  # The uppermost field.
assert IMPOSSIBLE_SHIFT + FLOW_ROW._field("lengths_a", "impossible")[1].bits == 64
WINDOW_SHIFT = FLOW_ROW.shift("flags_a", "window")

# Side line.
FIRST_REFERENCE = FLOW_ROW.index("first_reference")
SECOND = FLOW_ROW.index("second_ns")
COLD_FLOW = FLOW_ROW.index("cold_flow")
COLD_SIDE = FLOW_ROW.index("cold_side")
STATE = FLOW_ROW.index("state")
NIBBLES = FLOW_ROW.index("nibbles")
ACTIVITY_SHIFT = FLOW_ROW.shift("cold_flow", "activity")
BULK_SHIFT = FLOW_ROW.shift("cold_flow", "bulk")
PANE_SHIFT = FLOW_ROW.shift("cold_flow", "pane")
SPILL_SHIFT = FLOW_ROW.shift("cold_side", "spill_a")  # That of B is 21 bits further up.
PAYLOAD_PACKETS_MASK = FLOW_ROW.mask("state", "payload_packets")
PAYLOAD_BYTES_SHIFT = FLOW_ROW.shift("state", "payload_bytes")
PAYLOAD_BYTES_MASK = FLOW_ROW.mask("state", "payload_bytes")
SENT_SHIFT = FLOW_ROW.shift("state", "sent")
SENT_MASK = FLOW_ROW.mask("state", "sent")
FOUND_SHIFT = FLOW_ROW.shift("state", "found")
FOUND_MASK = FLOW_ROW.mask("state", "found")
FIRST_END_SHIFT = FLOW_ROW.shift("state", "first_end")
ANSWERED_PAYLOAD = 1 << FLOW_ROW.shift("state", "answered_payload")
SEQUENCE_SHIFT = FLOW_ROW.shift("state", "sequence")
SEQUENCE_MASK = FLOW_ROW.mask("state", "sequence")

# Cold blocks.
ACTIVE_START = ACTIVITY_BLOCK.index("active_start")
ACTIVITY_COUNTS = ACTIVITY_BLOCK.index("counts")
IDLE_TOTAL = ACTIVITY_BLOCK.index("idle_total")
IDLE_SQUARES = ACTIVITY_BLOCK.index("idle_squares")
ACTIVE_SQUARES = ACTIVITY_BLOCK.index("active_squares")
IDLE_EXTREMES = ACTIVITY_BLOCK.index("idle_extremes")
ACTIVE_EXTREMES = ACTIVITY_BLOCK.index("active_extremes")
BULK_SIDE_WORDS = BULK_BLOCK.index("bulks_b")
BULKS, BULK_PACKETS, BULK_PAYLOAD, BULK_DURATION = (
    BULK_BLOCK.index(f"{what}_a") for what in ("bulks", "packets", "payload", "duration")
)
PANE_PACKETS = PANE_BLOCK.index("packets")
PANE_BYTES = PANE_BLOCK.index("bytes_a")
PANE_PAYLOAD = PANE_BLOCK.index("payload_a")
PANE_SQUARES = PANE_BLOCK.index("squares")
PANE_DATA_RST = PANE_BLOCK.index("data_rst")
PANE_IMPOSSIBLE = PANE_BLOCK.index("impossible")
SPILL_MORE = SPILL_BLOCK.index("more")
SPILL_PACKETS = SPILL_BLOCK.index("packets")
SPILL_DATA = SPILL_BLOCK.index("data")
SPILL_BYTES = SPILL_BLOCK.index("bytes")
SPILL_PAYLOAD = SPILL_BLOCK.index("payload")
SPILL_PSH = SPILL_BLOCK.index("psh")
SPILL_IMPOSSIBLE = SPILL_BLOCK.index("impossible")

# TCP flags as in the header, RFC 9293 section 3.1.
FIN, SYN, RST, PSH, ACK, URG, ECE, CWR = 1, 2, 4, 8, 16, 32, 64, 128
