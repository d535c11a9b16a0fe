"""What processes pass each other: packets, events, rows."""

from engine.memory.layout import RECORD_LINE_BYTES, Field, Layout, Line, Word

_VLAN = Field("vlan", 12, "outermost VLAN id that is not 0; 0: none")
_VERSION = Field("version6", 1, "1: IPv6")
PACKET = Layout(
    "packet",
    "One parsed packet, capture to worker. `lengths` 0 marks a control record.",
    (
        Line(
            "capture",
            (
                Word("time_ns", "ns", "record", "corrected clock"),
                Word("source_high", "-", "record", "source address, upper 64 bits; IPv4: 0"),
                Word("source_low", "-", "record", "source address, lower 64 (IPv4: 32) bits"),
                Word("destination_high", "-", "record", "destination address, likewise"),
                Word("destination_low", "-", "record", "destination address, likewise"),
                Word("reference", "-", "record", "source number << 48 | offset of the IP header"),
                Word(
                    "lengths",
                    "bytes",
                    "record",
                    "lengths and window",
                    (
                        Field("payload", 20, "payload length"),
                        Field("header", 12, "IP and transport headers"),
                        Field("captured", 16, "payload bytes in the capture"),
                        Field("window", 16, "TCP window, unscaled"),
                    ),
                ),
                Word(
                    "key",
                    "-",
                    "record",
                    "the rest of the key, and flags",
                    (
                        Field("source_port", 16, "or ICMP type"),
                        Field("destination_port", 16, "or ICMP counterpart or code"),
                        _VLAN,
                        _VERSION,
                        Field("fragment", 1, "a later fragment"),
                        Field("mark", 1, "ICMP: one-way type; TCP: flags or window not captured"),
                        Field("layer", 1, "an inner layer under packet.decapsulate = all"),
                        Field("protocol", 8, "IANA number; in control records CONTROL_KINDS"),
                        Field("flags", 8, "TCP flags, as in byte 13 of the header"),
                    ),
                ),
            ),
        ),
    ),
    RECORD_LINE_BYTES,
)
# Control records: time_ns and reference are a position. tick: nothing before it will follow. step:
# the clock of source `destination_low` got correction `source_high` (was `source_low`). source_end:
# the file is over (--separate). end: the run is over; its position is that of the last packet read.
# Both ends say how many packets had been read (`source_high`) and whether more was left (1 in
# `source_low`).
TICK, STEP, SOURCE_END, END = 1, 2, 3, 4
CONTROL_KINDS = {"tick": TICK, "step": STEP, "source_end": SOURCE_END, "end": END}

# Events: 128-byte slots. Kinds and their lengths in slots.
EVENT_SLOT_BYTES = 128
EVENT_SLOT_WORDS = EVENT_SLOT_BYTES // 8
DELTA, FACT, RECORD = 1, 2, 3
RECORD_SLOTS = 5
CLASS_DELTA, CLASS_PANE, CLASS_PACKET, CLASS_TIMER, CLASS_STOP = range(5)
RANK_FINAL, RANK_FACT, RANK_EARLY = range(3)
REASONS = ("early", "idle", "active", "end", "forced", "lack_of_resources")
IDLE, ACTIVE, ENDED, FORCED, EVICTED = 1, 2, 3, 4, 5  # IPFIX flowEndReason; 0 in early records.
MARKS = (
    "started",
    "syn",
    "answered",
    "handshake",
    "refused",
    "upload",
    "tls_named",
    "tls_nameless",
    "http",
)
_EVENT_HEAD = (
    Word(
        "head",
        "-",
        "record",
        "what the event is",
        (
            Field("kind", 4, "DELTA, FACT or RECORD"),
            Field("class", 4, "order class, SEMANTICS.rst"),
            Field("rank", 4, "order rank"),
            Field("reason", 4, "record: IPFIX flowEndReason, 0 early"),
            Field("marks", 16, "delta, record: marks first true, MARKS from the lowest bit"),
            Field("service", 8, "delta, record: service class"),
            Field("ended", 4, "final: 1 ended, 2 proper, 4 first FIN or RST forward, 8 backward"),
            Field("remainder", 1, "final: the remainder words count"),
            Field("continued", 1, "record: the part continues another"),
            Field("response", 1, "fact: QR bit"),
            Field("code", 4, "fact: response code"),
        ),
    ),
    Word("position_time", "ns", "record", "time of the position"),
    Word("position_reference", "-", "record", "frame reference of the position"),
)
_EVENT_KEY = (
    Word("initiator_high", "-", "record", "initiator address, upper 64 bits; IPv4: 0"),
    Word("initiator_low", "-", "record", "initiator address, lower bits"),
    Word("responder_high", "-", "record", "responder address, likewise"),
    Word("responder_low", "-", "record", "responder address, likewise"),
    Word(
        "key",
        "-",
        "record",
        "the rest of the key",
        (
            Field("initiator_port", 16, "or ICMP type"),
            Field("responder_port", 16, "or ICMP counterpart or code"),
            _VLAN,
            _VERSION,
            Field("mark", 1, "one-way ICMP"),
            Field("protocol", 8, "IANA number"),
        ),
    ),
)
_INCREASE = (
    Word("fwd_bytes", "bytes", "record", "packet lengths, forward"),
    Word("bwd_bytes", "bytes", "record", "packet lengths, backward"),
    Word("fwd_payload", "bytes", "record", "payload lengths, forward"),
    Word("bwd_payload", "bytes", "record", "payload lengths, backward"),
    Word("squares", "bytes^2", "record", "sum of squared packet lengths, both"),
    Word(
        "packets",
        "packets",
        "record",
        "both",
        (Field("fwd", 32, "forward"), Field("bwd", 32, "backward")),
    ),
    Word(
        "data_rst",
        "packets",
        "record",
        "two",
        (Field("fwd_data", 32, "forward, with payload"), Field("rst", 32, "RST, both")),
    ),
    Word(
        "impossible",
        "packets",
        "record",
        "impossible flags",
        (Field("fwd", 32, "forward"), Field("bwd", 32, "backward")),
    ),
)
DELTA_EVENT = Layout(
    "delta_event",
    "What a flow added in a pane, worker to classifier. Its time is the end of that pane.",
    (Line("worker", (*_EVENT_HEAD, *_EVENT_KEY, *_INCREASE)),),
)
FACT_EVENT = Layout(
    "fact_event",
    "One DNS message, worker to classifier. Its time is that of its position.",
    (
        Line(
            "worker",
            (
                *_EVENT_HEAD,
                Word("host_high", "-", "record", "sender of a query, receiver of an answer"),
                Word("host_low", "-", "record", "likewise, lower bits"),
                Word("name_hash", "-", "record", "fixed hash of the name"),
                Word("parent_hash", "-", "record", "fixed hash of its last two labels"),
                Word("version6", "-", "record", "1: the host's address is IPv6"),
                Word(
                    "classes", "bytes", "record", "40 counts of 8 bits by character class", count=5
                ),
            ),
        ),
    ),
)
# What Zeek's conn.log says of a connection, where flow.history asks for it; else zeros. A letter
# has 5 bits: HISTORY_LETTERS from 1, 16 more for the responder's; the oldest stands uppermost in
# its word, and a word that is not full has zeros above.
CONNECTION_STATES = ("OTH", "S0", "S1", "SF", "REJ", "S2", "S3")
CONNECTION_STATES += ("RSTO", "RSTR", "RSTOS0", "RSTRH", "SH", "SHR")
HISTORY_LETTERS = "SHADFRTWIQ^"
HISTORY_WORDS = 3
_CONNECTION = (
    Word(
        "history_0",
        "-",
        "record",
        "flow.history: letters, conn_state",
        (
            Field("letters", 60, "12 of 5 bits, HISTORY_LETTERS"),
            Field("state", 4, "CONNECTION_STATES from 1; 0: nothing is known"),
        ),
    ),
    Word("history_1", "-", "record", "12 more letters"),
    Word("history_2", "-", "record", "12 more letters"),
    Word("fwd_stream", "bytes", "record", "flow.history: what the initiator sent"),
    Word("bwd_stream", "bytes", "record", "flow.history: what the responder sent"),
    Word("lasting_ns", "ns", "record", "flow.history: duration as Zeek counts it"),
)
FLOW_FEATURES = 83  # Features 0 to 81 and 92, in this order in a record.
RECORD_EVENT = Layout(
    "record_event",
    "An early or final record, worker to classifier: five slots, the flow features as float32.",
    (
        Line(
            "worker",
            (
                *_EVENT_HEAD,
                *_EVENT_KEY,
                Word("time_ns", "ns", "record", "record time, corrected clock"),
                Word("first_ns", "ns", "record", "part's first packet, corrected clock"),
                Word("last_ns", "ns", "record", "part's last packet, corrected clock"),
                Word("start_ns", "ns", "record", "first packet, as stamped"),
                Word("end_ns", "ns", "record", "last packet, as stamped"),
                Word(
                    "first_reference", "-", "record", "frame reference of the part's first packet"
                ),
                Word("sequence", "-", "record", "records of the part before this one"),
                Word("valid_low", "-", "record", "validity bits of flow features 0 to 62"),
            ),
        ),
        Line(
            "worker",
            (
                Word("valid_high", "-", "record", "validity bits of flow features 63 to 82"),
                Word("fwd_packets", "packets", "record", "of the part"),
                Word("bwd_packets", "packets", "record", "of the part"),
                Word("fwd_total_bytes", "bytes", "record", "of the part"),
                Word("bwd_total_bytes", "bytes", "record", "of the part"),
                Word("fwd_data_packets", "packets", "record", "of the part"),
                Word("bwd_data_packets", "packets", "record", "of the part"),
                *_INCREASE,
            ),
        ),
        Line("worker", (Word("features_0", "float32", "record", "flow features", count=16),)),
        Line("worker", (Word("features_1", "float32", "record", "flow features", count=16),)),
        Line(
            "worker",
            (Word("features_2", "float32", "record", "flow features", count=10), *_CONNECTION),
        ),
    ),
)
assert RECORD_EVENT.size_bytes == RECORD_SLOTS * EVENT_SLOT_BYTES
assert DELTA_EVENT.size_bytes == FACT_EVENT.size_bytes == EVENT_SLOT_BYTES

FEATURES = 142
VALID_WORDS = 3  # 64 validity bits a word.
TOP_FEATURES = 5  # As many reasons as a person reads: each is 60 bytes of an alert.
TOP_WEIGHT_WORDS = -(-TOP_FEATURES // 2)
ROW = Layout(
    "row",
    "A merged, scored record, classifier to recorder.",
    (
        Line("classifier", RECORD_EVENT.lines[0].words),
        Line(
            "classifier",
            (
                *RECORD_EVENT.lines[1].words[1:7],
                Word("valid", "-", "record", "142 validity bits, low bit first", count=VALID_WORDS),
                Word("score_threshold", "float32", "record", "score, then threshold of the label"),
                Word(
                    "verdict",
                    "-",
                    "record",
                    "what the classifier decided",
                    (
                        Field("scored", 1, "the score counts"),
                        Field("alert", 1, "an alert"),
                        Field("label", 8, "number of the kind in the model card"),
                        Field("top_count", 8, "features named below"),
                        Field("alerted", 1, "the part has had its alert, here or before"),
                        Field("host", 1, "no record: what is known of a host (hosts/listing.py)"),
                    ),
                ),
                Word("top_features", "-", "record", "their indices, 8 bits each, most first"),
                Word(
                    "top_weights",
                    "float32",
                    "record",
                    "what each added to the margin of the kind",
                    count=TOP_WEIGHT_WORDS,
                ),
            ),
        ),
        *(
            Line("classifier", (Word(f"vector_{k}", "float32", "record", "features", count=16),))
            for k in range(4)
        ),
        Line("classifier", (Word("vector_4", "float32", "record", "features", count=7),)),
        Line("classifier", _CONNECTION),
    ),
)
