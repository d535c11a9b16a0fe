"""A worker's flow table: one segment of words, written by that worker only.

Regions, in this order, each beginning on a 64-byte line: TABLE (control words), flag constants,
idle timeouts by protocol, clock steps, deadline counts, due list, deadline bytes, slots, rows,
addresses, cold blocks (blocks.py), pane list, connections, journal. A packet touches one slot and
two lines of its row: the flow line and the line of its own direction. What few flows need lies in
cold blocks of 64 bytes, taken from one pool on first use.

Times in a row are offsets from the part's first packet: 44 bits with 20 bits of a sum of squares
above them, or all 64 bits when the configuration is wide (SEMANTICS.rst). Counters that could run
over are spilled, exactly, into a cold block when their top bit rises. Minima and maxima of gaps are
kept as the float32 they will be in the vector: rounding keeps order.
"""

from engine.events import WORKER
from engine.memory.layout import RECORD_LINE_BYTES, Field, Layout, Line, Word

_RECORD = "record"


def _line(*words: Word) -> Line:
    return Line("worker", words)


def _word(name: str, unit: str, doc: str, *fields: Field) -> Word:
    return Word(name, unit, _RECORD, doc, fields)


def _private(name: str, unit: str, doc: str) -> Word:
    return Word(name, unit, "private", doc)


WORKER_COUNTERS_MAX = 24
assert len(WORKER) <= WORKER_COUNTERS_MAX
PENDING = ("nothing", "open_pane", "list_rows", "drop_entries")
NO_REWRITE, OPEN_PANE, LIST_ROWS, DROP_ENTRIES = range(len(PENDING))
TABLE = Layout(
    "table",
    "Control words of a worker's flow table.",
    (
        _line(
            _private("next_due_ns", "ns", "nothing is due for packets with an earlier time"),
            _private("clock_ns", "ns", "time of the last packet or tick"),
            _private("clock_reference", "-", "its frame reference"),
            _private("pane", "panes", "pane whose due list is open: floor(clock / 5 s)"),
            _private("due_head", "rows", "due list: next to fire"),
            _private("due_count", "rows", "due list: entries"),
            _private("pane_count", "flows", "pane list: flows with a packet in the pane"),
            _private("pane_cursor", "flows", "pane list: next to send, while the pane ends"),
        ),
        _line(
            _private("pane_phase", "-", "0 open, 1 sending deltas, 2 sending early records"),
            _private("tail", "sequence", "event slots written, not all published"),
            _private("live", "flows", "rows in use"),
            _private("row_free", "row", "head of the list of free rows; 0: none"),
            _private("row_fresh", "rows", "rows ever used; those above are zero"),
            _private("cold_free", "block", "head of the list of free cold blocks"),
            _private("cold_fresh", "blocks", "cold blocks ever used"),
            _private("cold_left", "blocks", "cold blocks not in use"),
        ),
        _line(
            Word("timeouts_at", "words", "fixed", "where idle timeouts by protocol begin; 0: off"),
            Word("active_ns", "ns", "fixed", "active timeout; the largest int64: off"),
            Word("linger_ns", "ns", "fixed", "timeout after a TCP end"),
            Word("tcp_end", "-", "fixed", "whether TCP ends flows"),
            Word("age_mask", "-", "fixed", "44 ones, or 64 when wide"),
            Word("facts", "-", "fixed", "whether facts are made"),
            Word("separate", "-", "fixed", "whether sources come one after the other"),
            Word("rows", "rows", "fixed", "row capacity; row 0 stays empty"),
        ),
        _line(
            Word("slots", "slots", "fixed", "slot capacity, one and a half times the rows"),
            Word("blocks", "blocks", "fixed", "cold block capacity; block 0 stays zero"),
            Word("counts_at", "words", "fixed", "where the deadline counts begin"),
            Word("due_at", "words", "fixed", "where the due list begins"),
            Word("bytes_at", "words", "fixed", "where the deadline bytes begin"),
            Word("slots_at", "words", "fixed", "where the slots begin"),
            Word("rows_at", "words", "fixed", "where the rows begin"),
            Word("addresses_at", "words", "fixed", "where the IPv6 addresses begin"),
        ),
        _line(
            Word("cold_at", "words", "fixed", "where the cold blocks begin"),
            Word("panes_at", "words", "fixed", "where the pane list begins"),
            Word("steps_at", "words", "fixed", "where the clock steps begin"),
            _private("step_count", "steps", "clock steps seen of this run (source)"),
            _private("stop_cursor", "rows", "stop: next row to end"),
            _private("stop_count", "rows", "stop: rows to end; -1: not stopping"),
            _private("stop_ns", "ns", "stop: end of the last pane"),
            _private("hand", "rows", "eviction: row block to look at first"),
        ),
        _line(
            Word("secrets", "-", "fixed", "key of the keyed hash", count=4),
            Word("constants_at", "words", "fixed", "where the flag counts begin"),
            _private("blocks_counted", "-", "whether names are counted by row blocks too"),
            Word("connections_at", "words", "fixed", "where CONNECTION begins; 0: no flow.history"),
            Word("synack_turns", "-", "fixed", "whether who gets a first SYN-ACK is the initiator"),
        ),
        _line(
            _private("reclaimed", "rows", "rows asked for their pane block since the pane began"),
            Word("journal_at", "words", "fixed", "where the journal begins; 0: there is none"),
            _private("packet_head", "sequence", "packet slots applied, not all released"),
            _private("pending", "-", "what is to be rewritten before the next batch: PENDING"),
            _private("pane_wanted", "panes", "the pane to open, while that is pending"),
            _private("pane_rows", "rows", "which were named after it when it became pending"),
            _private("dropped", "-", "pane list: kept << 32 | looked at, while dropping"),
        ),
        *(
            _line(
                Word(f"counters_{k}", "-", "private", "events.WORKER as of the last batch", count=8)
            )
            for k in range(WORKER_COUNTERS_MAX // 8)
        ),
    ),
    RECORD_LINE_BYTES,
)

_EXTREMES = (Field("min", 32, "float32 us"), Field("max", 32, "float32 us"))
_LAST = (
    Field("offset", 44, "ns from the part's first packet; wide: all 64 bits"),
    Field("squares_high", 20, "upper bits of the sum of squared gaps"),
)


def _direction(side: str) -> Line:
    return _line(
        _word(
            f"packets_{side}",
            "packets",
            f"packets of {side.upper()}",
            Field("all", 32, "all"),
            Field("data", 32, "with payload"),
        ),
        _word(
            f"bytes_{side}",
            "bytes",
            f"bytes of {side.upper()}",
            Field("all", 32, "packet lengths"),
            Field("payload", 32, "payload lengths"),
        ),
        _word(f"squares_{side}", "bytes^2", "sum of squared packet lengths"),
        _word(
            f"lengths_{side}",
            "bytes",
            "extremes of lengths",
            Field("min", 21, "smallest packet length"),
            Field("max", 21, "largest packet length"),
            Field("header_min", 12, "smallest header length"),
            Field("impossible", 10, "packets with impossible flags"),
        ),
        _word(f"last_{side}", "ns", f"last packet of {side.upper()}", *_LAST),
        _word(f"gap_squares_{side}", "ns^2", "sum of squared gaps, lower 64 bits"),
        _word(f"gaps_{side}", "us", "extremes of gaps", *_EXTREMES),
        _word(
            f"flags_{side}",
            "packets",
            f"TCP flags of {side.upper()}",
            Field("fin", 4, "FIN"),
            Field("syn", 4, "SYN"),
            Field("rst", 4, "RST"),
            Field("urg", 4, "URG"),
            Field("cwr", 4, "CWR"),
            Field("ece", 4, "ECE"),
            Field("psh", 10, "PSH"),
            Field("ack", 14, "ACK"),
            Field("window", 16, "window of the first packet, bytes"),
        ),
    )


FLOW_ROW = Layout(
    "flow_row",
    "One live flow part: flow line, a line for each direction, side line.",
    (
        _line(
            _word("addresses", "-", "IPv4: address A << 32 | address B; IPv6: keyed hash of both"),
            _word(
                "key",
                "-",
                "rest of the key, and state",
                Field("port_a", 16, "port of A"),
                Field("port_b", 16, "port of B"),
                Field("vlan", 12, "VLAN id"),
                Field("version6", 1, "1: IPv6"),
                Field("mark", 1, "one-way ICMP"),
                Field("protocol", 8, "IANA number"),
                Field("initiator_b", 1, "B is the initiator"),
                Field("first_b", 1, "B sent the part's first packet"),
                Field("fin_a", 1, "A sent FIN"),
                Field("fin_b", 1, "B sent FIN"),
                Field("ended", 1, "TCP has ended"),
                Field("in_pane", 1, "in the pane list"),
                Field("handshake", 2, "1 SYN, 2 SYN-ACK, 3 done"),
                Field("syn", 1, "the flow was begun by SYN"),
                Field("continued", 1, "the part continues another"),
            ),
            _word("start_ns", "ns", "part's first packet, corrected clock"),
            _word("last", "ns", "last packet", *_LAST),
            _word("gap_squares", "ns^2", "sum of squared gaps, lower 64 bits"),
            _word("gaps", "us", "extremes of gaps", *_EXTREMES),
            _word(
                "run",
                "-",
                "data packets in a row, of one side, no gap above 1 s: its first 4",
                Field("duration", 32, "ns from its first to its last"),
                Field("payload", 22, "payload of its first 3"),
                Field("packets", 3, "packets, at most 4"),
                Field("side", 1, "1: of B"),
            ),
            _word(
                "pace",
                "-",
                "what changes with each packet; written first and last",
                Field("since_data", 31, "ns from the last data packet to the last packet, at most"),
                Field("to_early", 21, "packets to the next early record by count, at most"),
                Field("version", 12, "odd while the row is being changed"),
            ),
        ),
        _direction("a"),
        _direction("b"),
        _line(
            _word("first_reference", "-", "frame reference of the part's first packet"),
            _word("second_ns", "ns", "offset of the first packet of the side that answered"),
            _word(
                "cold_flow",
                "block",
                "cold blocks; 0: none",
                Field("activity", 21, "ACTIVITY_BLOCK"),
                Field("bulk", 21, "BULK_BLOCK"),
                Field("pane", 21, "PANE_BLOCK"),
            ),
            _word(
                "cold_side",
                "block",
                "cold blocks; 0: none",
                Field("spill_a", 21, "SPILL_BLOCK of A"),
                Field("spill_b", 21, "SPILL_BLOCK of B"),
            ),
            _word(
                "state",
                "-",
                "payload facts, marks, records",
                Field("payload_packets", 4, "data packets looked at, at most 8"),
                Field("payload_bytes", 12, "payload bytes counted"),
                Field("sent", 9, "marks sent, MARKS from the lowest bit"),
                Field("found", 3, "tls_named, tls_nameless, http"),
                Field("first_end", 2, "1: A, 2: B sent the first FIN or RST"),
                Field("answered_payload", 1, "the responder sent payload in an earlier part"),
                Field("sequence", 28, "records of the part so far"),
            ),
            Word(
                "nibbles",
                "bytes",
                _RECORD,
                "payload bytes by high nibble: 5 bins of 12 bits a word; bin 15 is the rest",
                count=3,
            ),
        ),
    ),
    RECORD_LINE_BYTES,
)

ADDRESSES = Layout(
    "addresses",
    "The addresses of an IPv6 flow, in the place of its row's number.",
    (
        _line(
            _word("a_high", "-", "address A, upper 64 bits"),
            _word("a_low", "-", "address A, lower 64 bits"),
            _word("b_high", "-", "address B, upper 64 bits"),
            _word("b_low", "-", "address B, lower 64 bits"),
        ),
    ),
    32,
)
PANE_ENTRY = Layout(
    "pane_entry",
    "A flow with a packet in the pane; in order of that packet. Two words.",
    (
        _line(
            _word("reference", "-", "frame reference of its first packet in the pane"),
            _word(
                "place",
                "-",
                "where, when",
                Field("row", 21, "row"),
                Field("offset", 33, "ns from the start of the pane"),
                Field("began", 1, "the part began with that packet"),
            ),
        ),
    ),
    16,
)
STEP_ENTRY = Layout(
    "step_entry",
    "A step of a source's clock. Four words; the newest STEPS_MAX are kept, in a ring.",
    (
        _line(
            _word("time_ns", "ns", "corrected time of the packet that made it"),
            _word("source", "-", "source number"),
            _word("before", "ns", "correction before"),
            _word("after", "ns", "correction after"),
        ),
    ),
    32,
)
