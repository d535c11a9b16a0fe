"""What is known of hosts: one segment of words, written by the classifier only.

Regions, each beginning on a 64-byte line: HOSTS (control words), home networks, indices, hosts,
initiator parts, responder parts, pairs, kept rows, and scratch. A *group* is what has one window:
the cell that is open and the one before it, cell k in place k & 1. Small groups stand in their
part; each place of a large one has a region of its own, as have both filters: pages are taken when
they are first written, and most hosts never write most of this. Who the hosts are and their rows is
the segment; everything else lies behind it in the classifier's private memory.

Counts of buckets are 32 bits wide, two in a word: a cell is at most 150 s long.
"""

from engine.layouts.windows import layout as _layout
from engine.layouts.windows import line as _line
from engine.layouts.windows import lines as _lines
from engine.layouts.windows import word as _word
from engine.memory.layout import Field, Word

NEVER = -(1 << 62)  # A cell or pane before all others.


def _private(name: str, unit: str, doc: str) -> Word:
    return Word(name, unit, "private", doc)


HOSTS = _layout(
    "hosts",
    "Control words of the hosts' segment. Regions begin at the words named ..._at.",
    _line(
        _private("pane", "panes", "pane that is open"),
        _private("end_ns", "ns", "its end"),
        _private("host_count", "hosts", "hosts there are"),
        _private("external_count", "hosts", "of them external"),
        _private("host_fresh", "hosts", "places ever used"),
        _private("host_free", "host", "head of the list of free places; 0: none"),
        _private("touched_initiators", "hosts", "initiator parts touched in the pane"),
        _private("touched_responders", "hosts", "responder parts touched in the pane"),
    ),
    _line(
        _private("start_count", "starts", "starts of the pane"),
        _private("remainder_starts", "starts", "of them from remainders: they came first"),
        _private("pair_count", "pairs", "pairs there are"),
        _private("pair_fresh", "pairs", "places ever used"),
        _private("pair_free", "pair", "head of the list of free places; 0: none"),
        _private("initiator_rows", "rows", "rows of initiators made"),
        _private("responder_rows", "rows", "rows of responders made"),
        _private("initiator_gone", "panes", "newest pane of which such a row was given up"),
    ),
    _line(
        _private("responder_gone", "panes", "likewise, responders"),
        _private("source", "-", "source that is read, under --separate"),
        Word("key_low", "-", "fixed", "key of the indices' hash"),
        Word("key_high", "-", "fixed", "likewise; odd"),
        Word("max_hosts", "hosts", "fixed", "places for hosts"),
        Word("max_pairs", "pairs", "fixed", "places for pairs"),
        Word("rows", "rows", "fixed", "places for rows of each kind"),
    ),
    _line(
        Word("start_capacity", "starts", "fixed", "places for the starts of a pane"),
        Word("host_bits", "bits", "fixed", "the hosts' index has 2 to the power of it places"),
        Word("pair_bits", "bits", "fixed", "likewise, pairs"),
        Word("row_bits", "bits", "fixed", "likewise, each kind of rows"),
        Word("network_count", "networks", "fixed", "home networks"),
        Word("networks_at", "words", "fixed", "where they begin"),
        Word("host_index_at", "words", "fixed", "where the hosts' index begins"),
        Word("pair_index_at", "words", "fixed", "where the pairs' index begins"),
    ),
    _line(
        Word("initiator_index_at", "words", "fixed", "where the index of initiators' rows begins"),
        Word("responder_index_at", "words", "fixed", "where the index of responders' rows begins"),
        Word("hosts_at", "words", "fixed", "where the hosts begin"),
        Word("initiators_at", "words", "fixed", "where the initiator parts begin"),
        Word("filters_at", "words", "fixed", "where their first filters begin, then the second"),
        Word("responders_at", "words", "fixed", "where the responder parts begin"),
        Word("responder_10_at", "words", "fixed", "where their cells of 5 s begin, place by place"),
        Word("pairs_at", "words", "fixed", "where the pairs begin"),
    ),
    _line(
        Word("initiator_rows_at", "words", "fixed", "where the rows of initiators begin"),
        Word("responder_rows_at", "words", "fixed", "where the rows of responders begin"),
        Word("starts_at", "words", "fixed", "where the starts of the pane begin"),
        Word("touched_at", "words", "fixed", "where the touched initiators, responders stand"),
        Word("heap_at", "words", "fixed", "where forgetting has its scratch"),
        # On a line without words that change with the rest: it never goes back.
        _private("rows_version", "-", "odd while hosts and rows change"),
    ),
    _line(
        Word("starts_30_at", "words", "fixed", "where the starts of 15 s begin, place by place"),
        Word("starts_60_at", "words", "fixed", "likewise, 30 s"),
        Word("internals_at", "words", "fixed", "likewise, starts to internal peers"),
        Word("names_at", "words", "fixed", "likewise, DNS names"),
    ),
    _line(
        _private("initiator_fresh", "places", "initiator parts ever used"),
        _private("initiator_free", "place", "head of the list of free ones; 0: none"),
        _private("responder_fresh", "places", "likewise, responder parts"),
        _private("responder_free", "place", "likewise"),
        _private("internal_fresh", "places", "likewise, starts to internal peers"),
        _private("internal_free", "place", "likewise"),
        _private("names_fresh", "places", "likewise, DNS names"),
        _private("names_free", "place", "likewise"),
    ),
)

HOME_NETWORK = _layout(
    "home_network",
    "An address is in it if its version is and its masked words are.",
    _line(
        _word("network_version", "-", "4 or 6"),
        _word("mask_high", "-", "upper 64 bits of the mask; IPv4: 0"),
        _word("mask_low", "-", "lower bits"),
        _word("network_high", "-", "upper 64 bits of the address"),
        _word("network_low", "-", "lower bits"),
    ),
)

HOST = _layout(
    "host",
    "A host. The first three words are its address. Places: see hosts/pools.py; 0: none.",
    _line(
        _word("version", "-", "4 or 6; 0: a free place, whose next word is the next free one"),
        _word("high", "-", "address, upper 64 bits; IPv4: 0"),
        _word("low", "-", "address, lower bits"),
        _word("initiator_place", "-", "its initiator part"),
        _word("responder_place", "-", "its responder part"),
        _word("known_pane", "panes", "pane of the first packet"),
        _word("initiator_pane", "panes", "pane in which the initiator part was touched last"),
        _word("responder_pane", "panes", "likewise, responder part"),
    ),
    _line(
        _word("address_hash", "-", "fixed hash of the address"),
        _word("prefix_hash", "-", "fixed hash of the prefix"),
        _word("is_external", "-", "1: external"),
        _word("last_start", "ns", "time of the newest start"),
        _word("has_start", "-", "1: there was one"),
        _word("internal_place", "-", "its starts to internal peers"),
        _word("names_place", "-", "its DNS names"),
    ),
)

PAIR = _layout(
    "pair",
    "The newest starts of one initiator to one responder's port.",
    _line(
        _word("pair_version", "-", "4 or 6; 0: a free place, whose next word is the next free one"),
        _word("from_high", "-", "initiator's address"),
        _word("from_low", "-", "likewise"),
        _word("to_high", "-", "responder's address"),
        _word("to_low", "-", "likewise"),
        _word("to_port", "-", "protocol << 16 | port"),
        _word("pair_starts", "starts", "of the pair, in all"),
        _word("times", "ns", "the newest starts, start n in place n mod 9"),
    ),
    _line(Word("times_1", "ns", "record", "likewise", count=8)),
)
PAIR_TIMES = 9  # Newest starts that count.

START = _layout(
    "start",
    "A start of the pane.",
    _line(
        _word("start_time", "ns", "position of the flow's first packet"),
        _word("start_reference", "-", "likewise"),
        _word(
            "place",
            "-",
            "who",
            Field("host", 32, "place of the initiator"),
            Field("internal", 1, "the peer is internal"),
            Field("new", 1, "the peer or the pair is new"),
            Field("part", 24, "place of its initiator part"),
        ),
        _word("peer_hash", "-", "fixed hash of the peer"),
        _word("peer_high", "-", "responder's address"),
        _word("peer_low", "-", "likewise"),
        _word("peer_port", "-", "protocol << 16 | port"),
        _word("pair_hash", "-", "keyed hash of the pair"),
    ),
)

INITIATOR_FEATURES = 49  # Features 93 to 141; 99 is the pair's.
RESPONDER_FEATURES = 10  # Features 82 to 91.
HOST_ROW = _layout(
    "host_row",
    "A row of an initiator part. The first four words are its key.",
    _line(
        _word("row_version", "-", "4 or 6; 0: never used"),
        _word("row_high", "-", "address"),
        _word("row_low", "-", "likewise"),
        _word("row_pane", "panes", "of the row"),
        _word("row_valid", "-", "validity bits, feature 93 in the lowest"),
        Word("row_features", "float32", "record", "features 93 to 141, two in a word", count=3),
    ),
    *_lines("row_features_3", "float32", "likewise", 16),
    _line(
        Word("row_features_19", "float32", "record", "likewise", count=6),
        _word("row_known", "panes", "pane that the host is known since"),
    ),
)
RESPONDER_ROW = _layout(
    "responder_row",
    "A row of a responder part. The first four words are its key.",
    _line(
        _word("to_row_version", "-", "4 or 6; 0: never used"),
        _word("to_row_high", "-", "address"),
        _word("to_row_low", "-", "likewise"),
        _word("to_row_pane", "panes", "of the row"),
        _word("to_row_valid", "-", "validity bits, feature 82 in the lowest"),
        Word("to_row_features", "float32", "record", "features 82 to 91, two in a word", count=3),
    ),
    _line(
        Word("to_row_features_3", "float32", "record", "likewise", count=2),
        _word("to_row_known", "panes", "pane that the host is known since"),
    ),
)
