"""What a host did in the cells of its windows (SEMANTICS.rst, "Hosts").

A *group* is what has one window: the cell that is open and the one before it, cell k in place
k & 1.

Counts of buckets are 32 bits wide, two in a word: a cell is at most 150 s long.
"""

from engine.memory.layout import RECORD_LINE_BYTES, Field, Layout, Line, Word

_WORDS = RECORD_LINE_BYTES // 8


def word(name: str, unit: str, doc: str, *fields: Field) -> Word:
    """Return a plain word."""
    return Word(name, unit, "record", doc, fields)


def line(*words: Word) -> Line:
    """Return a line of the classifier."""
    return Line("classifier", words)


def lines(name: str, unit: str, doc: str, words: int) -> tuple[Line, ...]:
    """Return the lines of an array of whole lines; `name` is its first word."""
    return tuple(
        line(Word(name if at == 0 else f"{name}_{at}", unit, "record", doc, count=_WORDS))
        for at in range(0, words, _WORDS)
    )


def layout(name: str, doc: str, *all_lines: Line) -> Layout:
    """Return a layout of 64-byte lines."""
    return Layout(name, doc, all_lines, RECORD_LINE_BYTES)


INITIATOR_30 = layout(
    "initiator_30",
    "Packets of the flows a host began, a cell of 15 s.",
    line(
        word("fwd_packets_30", "packets", "sent"),
        word("tcp_packets_30", "packets", "TCP, both ways"),
        word("rst_30", "packets", "RST, both ways"),
        word("smb_data_30", "packets", "with payload, to SMB servers"),
        word("smb_written_30", "bytes", "payload to SMB servers"),
        word("smb_read_30", "bytes", "payload from SMB servers"),
        word("upload_30", "bytes", "payload to external peers"),
    ),
)
INITIATOR_60 = layout(
    "initiator_60",
    "Packets and ended flows, a cell of 30 s.",
    line(
        word("packets_60", "packets", "both ways"),
        word("bytes_60", "bytes", "both ways"),
        word("tcp_packets_60", "packets", "TCP, both ways"),
        word("udp_packets_60", "packets", "UDP, both ways"),
        word("ended_60", "flows", "ended"),
        word("duration_60", "ns", "sum of their durations"),
        word("squares_low_60", "ns^2", "sum of their squares, lower word"),
        word("squares_high_60", "ns^2", "upper word"),
    ),
)
INITIATOR_300 = layout(
    "initiator_300",
    "Packets, ended flows and greetings, a cell of 150 s.",
    line(
        word("internal_packets", "packets", "with internal peers, both ways"),
        word("internal_bytes", "bytes", "likewise"),
        word("internal_squares_low", "bytes^2", "sum of squared lengths, lower word"),
        word("internal_squares_high", "bytes^2", "upper word"),
        word("internal_bwd_bytes", "bytes", "from internal peers"),
        word("external_fwd_bytes", "bytes", "to external peers"),
        word("external_bwd_bytes", "bytes", "from external peers"),
        word("uploads", "flows", "to external peers that crossed 1 MiB"),
    ),
    line(
        word("ended_300", "flows", "ended"),
        word("duration_300", "ns", "sum of their durations"),
        word("internal_ended", "flows", "ended, of internal peers"),
        word("internal_duration", "ns", "sum of their durations"),
        word("short_sessions", "flows", "short log-ins"),
        word("tls_named", "flows", "TLS hellos with a name"),
        word("tls_nameless", "flows", "TLS hellos without"),
        word("http_unusual", "flows", "HTTP on an unusual port"),
    ),
    line(
        Word("refusing", "-", "record", "bitmap: peers that refused a log-in", count=4),
    ),
)
STARTS_30 = layout(
    "starts_30",
    "Flow starts, a cell of 15 s.",
    line(
        word("starts_30", "flows", "started"),
        word("failed", "flows", "refused, or not TCP and not answered"),
        word("syn", "flows", "begun by SYN"),
        word("syn_unanswered", "flows", "of them not answered"),
        word("services", "-", "a bit for each service class"),
        word("burst", "flows", "most starts in a pane"),
        word("burst_pane", "panes", "newest pane with a start"),
        word("burst_count", "flows", "starts in it"),
    ),
    line(
        Word("peers", "-", "record", "bitmap: peers", count=4),
        Word("new_peers", "-", "record", "bitmap: new peers", count=4),
    ),
    line(
        Word("admin_peers", "-", "record", "bitmap: peers on administrators' ports", count=4),
        Word("external_peers", "-", "record", "bitmap: external peers", count=4),
    ),
    line(
        Word("tried", "-", "record", "bitmap: pairs", count=4),
        Word("unanswered", "-", "record", "bitmap: pairs not answered", count=4),
    ),
    line(
        Word("new_pairs", "-", "record", "bitmap: new pairs of internal peers", count=4),
    ),
    *lines("peers_of_port", "-", "16 bitmaps of peers by port", 64),
)
STARTS_60 = layout(
    "starts_60",
    "Flow starts, a cell of 30 s.",
    line(
        word("starts_60", "flows", "started"),
        word("gaps", "-", "gaps between starts"),
        word("gap_sum", "ns", "their sum"),
        word("gap_squares_low", "ns^2", "sum of their squares, lower word"),
        word("gap_squares_high", "ns^2", "upper word"),
    ),
    line(Word("ports_60", "-", "record", "bitmap: ports", count=4)),
    *lines("port_buckets", "flows", "64 counts by port", 32),
    *lines("peer_buckets", "flows", "64 counts by peer", 32),
)
STARTS_300 = layout(
    "starts_300",
    "Flow starts, a cell of 150 s.",
    line(
        word("starts_300", "flows", "started"),
    ),
    *lines("slices", "flows", "15 counts by slice of 10 s", 8),
)
SERVICE_CLASSES = 12
CELLS_150 = 10  # The open cell and nine whole ones.
FILTER_WORDS = 64  # A generation: 4,096 bits.
INTERNAL_300 = layout(
    "internal_300",
    "Flow starts to internal peers, a cell of 150 s.",
    line(
        word("internal_starts", "flows", "started"),
        word("internal_known", "flows", "of them with a pair that is not new"),
        Word("internal_peers", "-", "record", "bitmap: internal peers", count=4),
    ),
    *lines("classes", "flows", "12 counts by service class", 8),
    *lines("internal_buckets", "flows", "64 counts by peer", 32),
    *lines("ports_of_peer", "-", "64 bitmaps of 64 bits: ports by peer", 64),
)
NAMES_300 = layout(
    "names_300",
    "DNS messages, a cell of 150 s.",
    line(
        word("queries", "messages", "sent"),
        word("answers", "messages", "received"),
        word("failures", "messages", "of them with a code other than 0"),
    ),
    *lines("letters", "characters", "40 counts by class", 24),
    *lines("parents", "messages", "16 counts of queries by parent", 8),
    *lines("names", "-", "16 bitmaps of 64 bits: names by parent", 16),
)
RESPONDER_10 = layout(
    "responder_10",
    "Flows to a host, a cell of 5 s.",
    line(
        word("to_packets", "packets", "to the host"),
        word("from_packets", "packets", "from it"),
        word("to_tcp", "packets", "TCP, to it"),
        word("to_impossible", "packets", "of them with impossible flags"),
        word("to_udp_bytes", "bytes", "UDP, to it"),
        word("from_udp_bytes", "bytes", "UDP, from it"),
        word("udp_packets", "packets", "UDP, both ways"),
        word("to_starts", "flows", "started"),
    ),
    line(
        word("to_syn", "flows", "begun by SYN"),
        word("to_syn_open", "flows", "of them without handshake"),
        word("to_ended", "flows", "TCP, ended"),
        word("to_proper", "flows", "of them properly"),
    ),
    *lines("length_bins", "packets", "16 counts by mean length", 8),
    *lines("prefix_buckets", "packets", "64 counts by prefix", 32),
    *lines("registers", "-", "HyperLogLog: 256 registers of 8 bits", 32),
)
RESPONDER_60 = layout(
    "responder_60",
    "Flows to a host, a cell of 30 s.",
    line(word("to_packets_60", "packets", "to the host")),
)

PART = layout(
    "part",
    "What begins an initiator part: which cells the places of each group hold, the filters' state.",
    line(
        Word("cells_30", "cells", "record", "packets, 15 s", count=2),
        Word("cells_60", "cells", "record", "packets, 30 s", count=2),
        Word("cells_300", "cells", "record", "packets, 150 s", count=2),
        Word("cells_names", "cells", "record", "DNS messages, 150 s", count=2),
    ),
    line(
        Word("cells_starts_30", "cells", "record", "starts, 15 s", count=2),
        Word("cells_starts_60", "cells", "record", "starts, 30 s", count=2),
        Word("cells_starts_300", "cells", "record", "starts, 150 s", count=2),
        Word("cells_internal", "cells", "record", "starts to internal peers, 150 s", count=2),
    ),
    line(
        word("younger", "-", "which filter is the younger"),
        word("insertions", "starts", "in the younger filter"),
        word("began_ns", "ns", "end of the pane that began it"),
        word("is_begun", "-", "1: the younger filter holds keys"),
        word("has_older", "-", "1: the older filter holds keys"),
        word("cell_150", "cells", "newest cell of internal starts, 150 s"),
        Word("cells_150", "flows", "record", "internal starts, cell k in place k mod 10", count=2),
    ),
    *lines("cells_150_2", "flows", "likewise", 8),
)
RESPONDER_PART = layout(
    "responder_part",
    "What begins a responder part: which cells the places of each group hold.",
    line(
        Word("cells_10", "cells", "record", "5 s", count=2),
        Word("cells_to_60", "cells", "record", "30 s", count=2),
    ),
)
