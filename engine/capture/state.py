"""The words of capture's own memory: one line of words a source, a ring and a link type, and the
reader's.

Nothing of it is shared with another process. Kernels take pointers to it; what stands in a word
between two calls of a kernel is all that a reader knows, so a call may stop anywhere.

A packet is *found* (its words below `stamp` are set), then *sent*, then *passed*: only passing
moves the cursor, the clock and the counters. Until then all may be done again with the same result,
which is what happens when a ring is full.
"""

from engine.memory.layout import Layout, Line, Word
from engine.packets.layers import PARSER
from engine.packets.lines import LAYERS_MAX, LINE_WORDS
from engine.packets.link import OFFSET_MASK


def _word(name: str, unit: str, meaning: str, count: int = 1) -> Word:
    return Word(name, unit, "private", meaning, count=count)


SOURCE = Layout(
    "source",
    "A source that is being read.",
    (
        Line(
            "capture",
            (
                _word("kind", "-", "UNKNOWN until its header is read, PCAP, PCAPNG"),
                _word("base", "address", "where byte 0 of the stream is, or would be"),
                _word("end", "offset", "end of the bytes that are there"),
                _word("final", "-", "1: nothing follows `end`"),
                _word("wanted", "offset", "end of the bytes needed to go on"),
                _word("copied", "-", "1: packets are copied into the frame arena"),
                _word("cursor", "offset", "where the next record begins"),
                _word("damage", "-", "DAMAGES; 0: none"),
                _word("swapped", "-", "1: its byte order is not little endian"),
                _word("fraction_ns", "ns", "pcap: what a unit of the fraction is worth"),
                _word("header_bytes", "bytes", "pcap: size of a record header"),
                _word("lengths", "-", "pcap: LENGTHS_PLAIN, LENGTHS_TURNED, LENGTHS_JUDGED"),
                _word("interfaces", "address", "pcapng: INTERFACE of the section's interfaces"),
                _word("interface_count", "-", "pcapng: how many"),
                _word("links", "address", "LINK of the link types met"),
                _word("link_count", "-", "how many"),
            ),
        ),
        Line(
            "capture",
            (
                _word("number", "-", "source number"),
                _word("has_latest", "-", "1 once a packet had a time"),
                _word("latest_ns", "ns", "its clock: time of its latest packet"),
                _word("latest_stamp", "ns", "the stamp that maps to `latest_ns`"),
                _word("last_stamp", "ns", "stamp of the packet before, 0 at first"),
                _word("last_stamp_bad", "-", "1: that stamp was outside int64"),
                _word("packets", "packets", "read from it"),
                _word("bytes", "bytes", "captured bytes of these"),
            ),
        ),
        Line(
            "capture",
            (
                _word("stamp", "ns", "of the packet found"),
                _word("stamp_bad", "-", "1: it is outside int64"),
                _word("time_ns", "ns", "corrected time of the packet found"),
                _word("move", "-", "what it does to the clock: NO_MOVE, REGRESSION, STEPPED"),
                _word("next_stamp", "ns", "the stamp that maps to `time_ns` behind it"),
                _word("frame", "offset", "its first captured byte"),
                _word("captured", "bytes", "captured length"),
                _word("wire", "bytes", "length on the wire, at least `captured`"),
                _word("next", "offset", "where the record behind it begins"),
                _word("link", "-", "which of `links` it has"),
                _word("link_type", "-", "its link type"),
            ),
        ),
    ),
)
SOURCE_WORDS = SOURCE.words
KIND, BASE, END, FINAL, WANTED = (
    SOURCE.index(name) for name in ("kind", "base", "end", "final", "wanted")
)
COPIED, CURSOR, DAMAGE, SWAPPED = (
    SOURCE.index(name) for name in ("copied", "cursor", "damage", "swapped")
)
FRACTION, HEADER_BYTES, LENGTHS_ORDER = (
    SOURCE.index(name) for name in ("fraction_ns", "header_bytes", "lengths")
)
INTERFACES, INTERFACE_COUNT, LINKS, LINK_COUNT = (
    SOURCE.index(name) for name in ("interfaces", "interface_count", "links", "link_count")
)
NUMBER, HAS_LATEST, LATEST = (SOURCE.index(name) for name in ("number", "has_latest", "latest_ns"))
LATEST_STAMP, LAST_STAMP, LAST_STAMP_BAD = (
    SOURCE.index(name) for name in ("latest_stamp", "last_stamp", "last_stamp_bad")
)
PACKETS, BYTES = SOURCE.index("packets"), SOURCE.index("bytes")
STAMP, STAMP_BAD, PACKET_TIME, MOVE, NEXT_STAMP = (
    SOURCE.index(name) for name in ("stamp", "stamp_bad", "time_ns", "move", "next_stamp")
)
FRAME, CAPTURED, WIRE, NEXT, LINK, PACKET_LINK = (
    SOURCE.index(name) for name in ("frame", "captured", "wire", "next", "link", "link_type")
)
UNKNOWN, PCAP, PCAPNG = range(3)
LENGTHS_PLAIN, LENGTHS_TURNED, LENGTHS_JUDGED = range(3)
NO_MOVE, REGRESSION, STEPPED = range(3)

INTERFACE = Layout(
    "interface",
    "An interface of a pcapng section.",
    (
        Line(
            "capture",
            (
                _word("link_type", "-", "link type"),
                _word("snap_bytes", "bytes", "snap length; 0: none"),
                _word("resolution", "-", "if_tsresol"),
                _word("offset_s", "s", "if_tsoffset"),
                _word("link_at", "-", "which of the source's links it has"),
            ),
        ),
    ),
    64,
)
INTERFACE_WORDS = INTERFACE.words
INTERFACES_MAX = 1024
LINK_TYPE, SNAP_BYTES, RESOLUTION, OFFSET_S, LINK_AT = (
    INTERFACE.index(name)
    for name in ("link_type", "snap_bytes", "resolution", "offset_s", "link_at")
)

LINK_ROW = Layout(
    "link",
    "A link type that occurs in a source. The last row of a full table holds all further types.",
    (
        Line(
            "capture",
            (
                _word("type", "-", "link type; OTHER_LINKS: several"),
                _word("packets", "packets", "read with it"),
                _word("unsupported", "packets", "refused because of it"),
                _word("program", "address", "the filter for this type; 0: not compiled yet"),
                _word("program_size", "instructions", "0: it matches nothing"),
            ),
        ),
    ),
    64,
)
LINK_WORDS = LINK_ROW.words
LINKS_MAX = 64
OTHER_LINKS = -1
ROW_TYPE, ROW_PACKETS, ROW_UNSUPPORTED, ROW_PROGRAM, ROW_PROGRAM_SIZE = (
    LINK_ROW.index(name) for name in ("type", "packets", "unsupported", "program", "program_size")
)

RING_ROW = Layout(
    "ring_row",
    "A worker's packet ring, as capture writes it.",
    (
        Line(
            "capture",
            (
                _word("header", "address", "words of layouts.RING"),
                _word("slots", "address", "its slots"),
                _word("places", "address", "arena position of each slot; 0: no arena"),
                _word("capacity", "slots", "a power of two"),
                _word("written", "sequence", "slots written; its tail may be behind"),
            ),
        ),
        Line(
            "capture",
            (
                _word("had_source", "-", "resume.py: what it had of a capture that died: source,"),
                _word("had_time", "ns", "time"),
                _word("had_reference", "-", "and frame reference up to which it lacks nothing"),
                _word("left_out", "records", "packet records that it had and were not sent again"),
                _word("unmet", "-", "1: the last record it had was not come to yet"),
            ),
        ),
    ),
    64,
)
RING_WORDS = RING_ROW.words
RING_HEADER, RING_SLOTS, RING_PLACES, RING_CAPACITY, WRITTEN = (
    RING_ROW.index(name) for name in ("header", "slots", "places", "capacity", "written")
)
HAD_SOURCE, HAD_TIME, HAD_REFERENCE, LEFT_OUT, UNMET = (
    RING_ROW.index(name)
    for name in ("had_source", "had_time", "had_reference", "left_out", "unmet")
)

READER = Layout(
    "reader",
    "What reading needs beside the sources. It begins as a PARSER.",
    (
        *PARSER.lines,
        Line(
            "capture",
            (
                _word("workers", "-", "how many rings"),
                _word("batch", "records", "published at once, at most"),
                _word("counters", "address", "words of events.CAPTURE"),
                _word("packets_left", "packets", "how many may still be read"),
                _word("budget", "packets", "how many may still be read in this call"),
                _word("filtered", "-", "1: the run has a filter"),
                _word("heap_count", "-", "sources in the heap"),
                _word("source", "-", "what the call ended for: the source's row"),
            ),
        ),
        Line(
            "capture",
            (
                _word(
                    "sent", "records", "of the packet found, sent already; of an end: workers told"
                ),
                _word("newest_time", "ns", "newest position that workers may be told"),
                _word("newest_reference", "-", "its frame reference"),
                _word("has_newest", "-", "1 once there is one"),
                _word("arena", "address", "the frame arena"),
                _word("arena_bytes", "bytes", "its size, a power of two"),
                _word("arena_position", "bytes", "next position to write; never masked"),
                _word("arena_free", "bytes", "everything before it may be overwritten"),
            ),
        ),
        Line(
            "capture",
            (
                _word("steps", "address", "STEP_WORDS words of each step not reported yet"),
                _word("step_count", "-", "how many; further ones are not kept"),
                _word("separate", "-", "1: sources one after the other, each with its own clock"),
                _word("tcp_headers", "-", "1: flow.history: workers read numbers of TCP headers"),
                _word("holds", "-", "1: no older packet steps a clock"),
                _word("catching_up", "-", "1: some ring has had what comes next (resume.py)"),
                _word("stopped", "-", "1: reading ended before the sources did"),
            ),
        ),
        *(
            Line("capture", (_word(f"line_{k}_{part}", "-", "lines.LINE", 8),))
            for k in range(LAYERS_MAX)
            for part in range(LINE_WORDS // 8)
        ),
    ),
    64,
)
assert READER.words == 4 * 8 + LAYERS_MAX * LINE_WORDS
READER_WORDS = READER.words
LINES_AT = READER.index("line_0_0")
WORKERS, BATCH, COUNTERS, PACKETS_LEFT, BUDGET, FILTERED, HEAP_COUNT, FOUND_SOURCE = (
    READER.index(name)
    for name in (
        *("workers", "batch", "counters", "packets_left", "budget", "filtered", "heap_count"),
        "source",
    )
)
SENT, NEWEST_TIME, NEWEST_REFERENCE, HAS_NEWEST = (
    READER.index(name) for name in ("sent", "newest_time", "newest_reference", "has_newest")
)
ARENA, ARENA_BYTES, ARENA_POSITION, ARENA_FREE = (
    READER.index(name) for name in ("arena", "arena_bytes", "arena_position", "arena_free")
)

STEPS, STEP_COUNT, SEPARATE, TCP_HEADERS, HOLDS = (
    READER.index(name) for name in ("steps", "step_count", "separate", "tcp_headers", "holds")
)
CATCHING_UP, STOPPED = READER.index("catching_up"), READER.index("stopped")
STEPS_KEPT = 100
STEP_WORDS = 4  # Source number, offset of the frame, correction before, correction behind.

# What a call of a reading kernel ends with. FOUND stays inside.
(
    FOUND,
    SPENT,
    BEHIND,
    ENDED,
    DAMAGED,
    NEED_BYTES,
    NEED_HEADER,
    NEED_FILTER,
    LIMIT,
    RING_FULL,
    ARENA_FULL,
) = range(11)

DAMAGES = (
    "",
    "no_capture",
    "cut",
    "version",
    "record_length",
    "block_length",
    "block_trailer",
    "block_content",
    "interface",
    "compression",
    "trailing",
)
(
    _,
    NO_CAPTURE,
    CUT_SHORT,
    VERSION,
    RECORD_LENGTH,
    BLOCK_LENGTH,
    BLOCK_TRAILER,
    BLOCK_CONTENT,
    INTERFACE_DAMAGE,
    COMPRESSION,
    TRAILING,
) = range(len(DAMAGES))
REFERENCE_SHIFT = 48  # A frame reference is source number << 48 | offset.
CAPTURED_MAX = 262_144  # Of a record, as in libpcap and wiretap.
assert 2 * CAPTURED_MAX < OFFSET_MASK  # A place holds an offset in a frame.
BLOCK_BYTES_MAX = 1 << 24
STREAM_BYTES_MAX = 1 << REFERENCE_SHIFT
