"""Our own columns: what a flow record is in CSV and Parquet, and how it is read out of a row.

`record` early or final, `reason`, key, times, identifiers, exact counts, verdict; then the 142
features by name. The first columns say which record it is and where it stands in the run's order
(SEMANTICS.rst); start and end are as stamped in the capture.
"""

from dataclasses import dataclass

from engine.features.catalogue import NAMES
from engine.features.services import SERVICES
from engine.layouts import FEATURES, REASONS, ROW

OFFSET_BITS = 48  # Of a frame reference: the offset; above it the source number.
VALID_AT = ROW.index("valid")
VECTOR_AT = ROW.index("vector_0")

# How a column's value lies in a row.
INT, SWITCH, TEXT, FLOAT, RENDERED, TIME = "int", "switch", "text", "float", "rendered", "time"


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `word`, `shift` and `mask` say where; `choices` the texts of a small number."""

    name: str
    kind: str
    word: int = 0
    shift: int = 0
    mask: int = 0  # 0: the whole word.
    choices: tuple[str, ...] = ()
    base: int = 0  # An INT is base + step·field.
    step: int = 1
    scored: bool = False  # Empty in a record that was not scored.


def _whole(name: str, word: str, kind: str = INT) -> Column:
    return Column(name, kind, ROW.index(word))


def _field(name: str, word: str, field: str, kind: str = INT, choices=(), **rest) -> Column:
    place = ROW.index(word), ROW.shift(word, field), ROW.mask(word, field)
    return Column(name, kind, *place, choices, **rest)


RECORDS = ("early", *["final"] * (len(REASONS) - 1))  # By reason.
SCORE_AT = ROW.index("score_threshold")

COLUMNS = (
    _field("record", "head", "reason", TEXT, RECORDS),
    _field("reason", "head", "reason", TEXT, REASONS),
    _whole("sequence", "sequence"),
    _whole("record_time_ns", "time_ns"),
    _field("order_class", "head", "class"),
    _field("order_rank", "head", "rank"),
    _whole("position_ns", "position_time"),
    _whole("position_reference", "position_reference"),
    _whole("start_ns", "start_ns"),
    _whole("end_ns", "end_ns"),
    _whole("start", "start_ns", TIME),
    _whole("end", "end_ns", TIME),
    Column("source_number", INT, ROW.index("first_reference"), OFFSET_BITS, (1 << 15) - 1),
    Column("source", TEXT, ROW.index("first_reference"), OFFSET_BITS, (1 << 15) - 1),
    Column("first_offset", INT, ROW.index("first_reference"), 0, (1 << OFFSET_BITS) - 1),
    _field("version", "key", "version6", base=4, step=2),
    _field("protocol", "key", "protocol"),
    Column("initiator", RENDERED),
    _field("initiator_port", "key", "initiator_port"),
    Column("responder", RENDERED),
    _field("responder_port", "key", "responder_port"),
    _field("vlan", "key", "vlan"),
    _field("one_way", "key", "mark", SWITCH),
    _field("service", "head", "service", TEXT, SERVICES),
    _field("continued", "head", "continued", SWITCH),
    Column("flow_id", RENDERED),
    Column("uid", RENDERED),
    Column("community_id", RENDERED),
    _whole("fwd_packets", "fwd_packets"),
    _whole("bwd_packets", "bwd_packets"),
    _whole("fwd_bytes", "fwd_total_bytes"),
    _whole("bwd_bytes", "bwd_total_bytes"),
    Column("score", FLOAT, SCORE_AT, 0, scored=True),
    Column("threshold", FLOAT, SCORE_AT, 32, scored=True),
    _field("label", "verdict", "label", TEXT, scored=True),
    _field("alert", "verdict", "alert", SWITCH),
)
COLUMN_NAMES = tuple(column.name for column in COLUMNS)
HEADER = (*COLUMN_NAMES, *NAMES)
assert len(NAMES) == FEATURES
assert len(set(HEADER)) == len(HEADER), "a feature has the name of a column"
