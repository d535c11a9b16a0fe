"""Cold blocks: what few flows need, 64 bytes each, from one pool of a worker's table."""

from engine.memory.layout import RECORD_LINE_BYTES, Field, Layout, Line, Word

_RECORD = "record"


def _line(*words: Word) -> Line:
    return Line("worker", words)


def _word(name: str, unit: str, doc: str, *fields: Field) -> Word:
    return Word(name, unit, _RECORD, doc, fields)


_EXTREMES = (Field("min", 32, "float32 us"), Field("max", 32, "float32 us"))

ACTIVITY_BLOCK = Layout(
    "activity_block",
    "A part with a gap above 1 s: subflows, and active and idle periods.",
    (
        _line(
            _word(
                "active_start",
                "ns",
                "where the active period in progress began",
                Field("offset", 44, "ns from the part's first packet; wide: all 64 bits"),
                Field("squares_high", 20, "upper bits of the sum of squared idle periods"),
            ),
            _word(
                "counts",
                "-",
                "two counts",
                Field("idle", 32, "idle periods: gaps above 5 s"),
                Field("subflow", 32, "gaps above 1 s"),
            ),
            _word(
                "idle_total",
                "ns",
                "sum of the idle periods",
                Field("sum", 44, "ns; wide: all 64 bits"),
                Field("squares_high", 20, "upper bits of the sum of squared active periods"),
            ),
            _word("idle_squares", "ns^2", "sum of squared idle periods, lower 64 bits"),
            _word("active_squares", "ns^2", "sum of squared finished active periods, lower bits"),
            _word("idle_extremes", "us", "extremes of idle periods", *_EXTREMES),
            _word("active_extremes", "us", "extremes of finished active periods", *_EXTREMES),
        ),
    ),
    RECORD_LINE_BYTES,
)
BULK_BLOCK = Layout(
    "bulk_block",
    "A part with a run of 4 data packets. The sums of a run in progress lack what came before it.",
    (
        _line(
            *(
                _word(f"{what}_{side}", unit, f"{meaning} of {side.upper()}")
                for side in "ab"
                for what, unit, meaning in (
                    ("bulks", "bulks", "bulks"),
                    ("packets", "packets", "packets in bulks"),
                    ("payload", "bytes", "payload in bulks"),
                    ("duration", "ns", "duration of bulks"),
                )
            )
        ),
    ),
    RECORD_LINE_BYTES,
)
_LOW32 = "totals modulo 2^32"
PANE_BLOCK = Layout(
    "pane_block",
    "Totals of a part at its first packet in the pane, where that is not the part's first.",
    (
        _line(
            _word("packets", "packets", _LOW32, Field("a", 32, "of A"), Field("b", 32, "of B")),
            _word("bytes_a", "bytes", "of A"),
            _word("bytes_b", "bytes", "of B"),
            _word("payload_a", "bytes", "of A"),
            _word("payload_b", "bytes", "of B"),
            _word("squares", "bytes^2", "of both"),
            _word(
                "data_rst",
                "packets",
                _LOW32,
                Field("data", 32, "with payload, of the initiator"),
                Field("rst", 32, "RST of both"),
            ),
            _word("impossible", "packets", _LOW32, Field("a", 32, "of A"), Field("b", 32, "of B")),
        ),
    ),
    RECORD_LINE_BYTES,
)
SPILL_BLOCK = Layout(
    "spill_block",
    "What a direction's narrow counters have given up.",
    (
        _line(
            _word("more", "block", "SPILL_FLAGS_BLOCK; 0: none"),
            _word("packets", "packets", "all"),
            _word("data", "packets", "with payload"),
            _word("bytes", "bytes", "packet lengths"),
            _word("payload", "bytes", "payload lengths"),
            _word("psh", "packets", "PSH"),
            _word("ack", "packets", "ACK"),
            _word("impossible", "packets", "impossible flags"),
        ),
    ),
    RECORD_LINE_BYTES,
)
SPILL_FLAGS_BLOCK = Layout(
    "spill_flags_block",
    "What a direction's rarer flag counters have given up.",
    (
        _line(
            *(
                _word(flag, "packets", flag.upper())
                for flag in ("fin", "syn", "rst", "urg", "cwr", "ece")
            )
        ),
    ),
    RECORD_LINE_BYTES,
)
