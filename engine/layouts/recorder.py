"""What the recorder has written, as a replacement of it must know: the segment "recorder".

Regions, in this order: RECORDER, a JOURNAL and its entries, the tables of addresses that alerts
named (recorder/found.py), rows that wait for a Parquet group.
"""

from engine.memory.layout import CONTROL_LINE_BYTES, WORD_BYTES, Layout, Line, Word

OUTPUTS_MAX = 8
KINDS_MAX = 256  # Labels: 8 bits of a row's verdict.
_LINE_WORDS = CONTROL_LINE_BYTES // WORD_BYTES


def _words(*words: tuple[str, str, str], count: int = 1) -> Line:
    return Line("recorder", tuple(Word(*word[:2], "private", word[2], (), count) for word in words))


RECORDER = Layout(
    "recorder",
    "What the recorder has committed. Outputs have the numbers of recorder/outputs.py.",
    (
        _words(
            ("phase", "-", "RECORDER_PHASES"),
            ("rows", "rows", "taken: the head of the row ring"),
            ("alerts", "alerts", "among them"),
            ("flows", "records", "among them: flow records"),
            ("hosts", "hosts", "among them"),
            ("pending_first", "rows", "Parquet: where those begin that wait for their group"),
            ("pending", "rows", "Parquet: how many wait"),
            ("initiator_entries", "addresses", "found: entries in use"),
            ("initiator_table", "-", "found: which of two tables"),
            ("initiator_dropped", "-", "found: 1: some were dropped"),
            ("responder_entries", "addresses", "found: entries in use"),
            ("responder_table", "-", "found: which of two tables"),
            ("responder_dropped", "-", "found: 1: some were dropped"),
        ),
        _words(
            ("output_bytes", "bytes", "of each output: its length"),
            ("output_rows", "rows", "of each output: that it holds"),
            count=OUTPUTS_MAX,
        ),
        _words(
            ("output_alerts", "alerts", "of each output: that it holds"),
            ("output_flows", "records", "of each output: flow records that it holds"),
            count=OUTPUTS_MAX,
        ),
        *(
            _words((f"kinds_{k}", "alerts", "by label"), count=_LINE_WORDS)
            for k in range(KINDS_MAX // _LINE_WORDS)
        ),
        _words(
            ("key_0", "-", "of the hash of addresses; set by who made the segment"),
            ("key_1", "-", "likewise"),
            (
                "stream_bytes",
                "bytes",
                "taken by standard output's reader; may be ahead of a commit",
            ),
        ),
    ),
)
RECORDER_PHASES = ("new", "taking", "written")
NEW, TAKING, WRITTEN = range(3)
