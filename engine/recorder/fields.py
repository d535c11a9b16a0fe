"""What a place in a template stands for: every column of columns.py, and what only some outputs
show. An output gives the encoder that makes text fit for it.
"""

from collections.abc import Callable

from engine.features.catalogue import NAMES, index
from engine.features.services import TCP_PROTOCOL
from engine.layouts import ENDED, HISTORY_LETTERS, HISTORY_WORDS, ROW, TOP_FEATURES
from engine.recorder import columns, instructions
from engine.recorder.columns import COLUMNS, Column
from engine.recorder.community_id import COMMUNITY_ID_BYTES
from engine.recorder.escape import cell_text, json_text, shown_text
from engine.recorder.shortest import FLOAT_BYTES_MAX
from engine.recorder.template import Field
from engine.recorder.text import (
    ADDRESS_BYTES_MAX,
    CLOCK_TIME,
    DECIMAL_BYTES_MAX,
    EVE_TIME,
    INT_BYTES_MAX,
    ISO_TIME,
    PEOPLE_TIME,
    TIME_BYTES_MAX,
    UID_BYTES,
)

Encoder = Callable[[str], bytes]
WHOLE = -1  # Mask of a whole word.
TCP_FLAGS = ("syn", "fin", "rst", "psh", "ack", "urg", "ece", "cwr")
MICROSECOND_NS, MILLISECOND_NS = 1000, 10**6
# The letter of each number in a row's history: the initiator's, then the responder's.
LETTER_TEXTS = tuple(
    letter.encode()
    for letters in (HISTORY_LETTERS, HISTORY_LETTERS.lower())
    for letter in ("", *letters, *[""] * (15 - len(HISTORY_LETTERS)))
)
UNKNOWN = "unknown"  # A number that has no text.

# IANA protocol numbers by the names that Suricata uses; what is not here is three digits there too.
PROTOCOLS = {
    0: "HOPOPT",
    1: "ICMP",
    2: "IGMP",
    4: "IP-in-IP",
    6: "TCP",
    8: "EGP",
    17: "UDP",
    27: "RDP",
    33: "DCCP",
    41: "IPv6",
    43: "IPv6-Route",
    44: "IPv6-Frag",
    46: "RSVP",
    47: "GRE",
    50: "ESP",
    51: "AH",
    58: "IPv6-ICMP",
    59: "IPv6-NoNxt",
    60: "IPv6-Opts",
    88: "EIGRP",
    89: "OSPF",
    94: "OS",
    97: "ETHERIP",
    98: "ENCAP",
    103: "PIM",
    108: "IPComp",
    112: "VRRP",
    113: "PGM",
    115: "L2TP",
    124: "IS-IS",
    132: "SCTP",
    133: "FC",
    135: "Mobility",
    136: "UDPLite",
    137: "MPLS-in-IP",
    139: "HIP",
}
PROTOCOL_NAMES = tuple(PROTOCOLS.get(number, f"{number:03}") for number in range(256))


def json_content(text: str) -> bytes:
    """Return `text` as it stands between the quotes of a JSON string."""
    return json_text(text)[1:-1]


def csv_cell(text: str) -> bytes:
    """Return a path or name as a CSV cell."""
    cell = cell_text(text)
    quoted = any(character in cell for character in ',"') or cell != cell.strip()
    return ('"' + cell.replace('"', '""') + '"' if quoted else cell).encode()


def people_text(text: str) -> bytes:
    """Return `text` for a terminal."""
    return shown_text(text).encode()


def choice(column: Column, texts: tuple[str, ...], encode: Encoder) -> Field:
    """Return the field that shows a small number as one of `texts`."""
    encoded = tuple(encode(text) for text in (*texts, UNKNOWN))
    longest = max(map(len, encoded))
    place = (column.word, column.shift, column.mask, len(texts))
    return Field(instructions.TEXT, place, longest, encoded)


def _field(column: Column, encode: Encoder) -> Field:
    if column.kind == columns.TEXT:
        return choice(column, column.choices, encode)
    if column.kind == columns.FLOAT:
        return Field(instructions.FLOAT, (column.word, column.shift, 1), FLOAT_BYTES_MAX)
    if column.kind == columns.TIME:
        place = (column.word, ISO_TIME, column.word, column.word)
        return Field(instructions.TIME, place, TIME_BYTES_MAX)
    assert column.kind in (columns.INT, columns.SWITCH)
    place = (column.word, column.shift, column.mask or WHOLE, column.base, column.step)
    return Field(instructions.INT, place, INT_BYTES_MAX)


def _condition(name: str, field: str | None = None, value: int | None = None) -> Field:
    """Return the condition that a word, or a field of one, is `value`; None: is not 0."""
    mask = ROW.mask(name, field) if field else WHOLE
    shift = ROW.shift(name, field) if field else 0
    place = (int(value is None), instructions.EQUAL, ROW.index(name), shift, mask, value or 0)
    return Field(instructions.WHEN, place)


def _class_condition(wanted: int) -> Field:
    return Field(instructions.WHEN, (0, instructions.CLASS, 0, 0, 0, wanted))


def _flag_condition(flag: str) -> Field:
    """Return the condition that the part had a packet with this TCP flag: the count is not 0.0."""
    at = index(f"{flag}_count")
    word, shift = columns.VECTOR_AT + (at >> 1), 32 * (at & 1)
    return Field(instructions.WHEN, (1, instructions.EQUAL, word, shift, (1 << 32) - 1, 0))


def _time(style: int, *words: str) -> Field:
    at = [ROW.index(word) for word in words]
    place = (at[0], style, at[1], at[2])
    return Field(instructions.TIME, place, TIME_BYTES_MAX)


def _derived(seed: int) -> dict[str, Field]:
    record_time = ("time_ns", "last_ns", "end_ns")  # As stamped: its last packet's correction.
    start, end = ("start_ns",) * 3, ("end_ns",) * 3
    address = instructions.ADDRESS
    return {
        "initiator": Field(address, (ROW.index("initiator_high"),), ADDRESS_BYTES_MAX),
        "responder": Field(address, (ROW.index("responder_high"),), ADDRESS_BYTES_MAX),
        "flow_id": Field(instructions.FLOW_ID, (), INT_BYTES_MAX),
        "uid": Field(instructions.UID, (), UID_BYTES),
        "community_id": Field(instructions.COMMUNITY_ID, (seed,), COMMUNITY_ID_BYTES),
        "severity": Field(instructions.SEVERITY, (), 1),
        "tcp_flags": Field(instructions.TCP_FLAGS, (), 2),
        "age": Field(instructions.AGE, (ROW.index("end_ns"), ROW.index("start_ns")), INT_BYTES_MAX),
        "eve.time": _time(EVE_TIME, *record_time),
        "eve.start": _time(EVE_TIME, *start),
        "eve.end": _time(EVE_TIME, *end),
        "people.time": _time(PEOPLE_TIME, *record_time),
    } | _of_others()


def _of_others() -> dict[str, Field]:
    """Return what only the schemas of other programs show."""
    at = ROW.index
    shown = {
        "clock.start": _time(CLOCK_TIME, *("start_ns",) * 3),
        "seconds.start": Field(instructions.DECIMAL, (at("start_ns"),), DECIMAL_BYTES_MAX),
        "seconds.lasting": Field(instructions.DECIMAL, (at("lasting_ns"),), DECIMAL_BYTES_MAX),
        "us.duration": _span("last_ns", "first_ns", MICROSECOND_NS),
        "ms.start": _span("start_ns", None, MILLISECOND_NS),
        "ms.end": _span("end_ns", None, MILLISECOND_NS),
        "ms.duration": _span("end_ns", "start_ns", MILLISECOND_NS),
        "packets": _sum("fwd_packets", "bwd_packets"),
        "bytes": _sum("fwd_total_bytes", "bwd_total_bytes"),
        "fwd_stream": Field(instructions.INT, (at("fwd_stream"), 0, WHOLE, 0, 1), INT_BYTES_MAX),
        "bwd_stream": Field(instructions.INT, (at("bwd_stream"), 0, WHOLE, 0, 1), INT_BYTES_MAX),
        "letters": Field(instructions.HISTORY, (), 12 * HISTORY_WORDS, LETTER_TEXTS),
    }
    for number, name in enumerate(NAMES):
        place = (columns.VECTOR_AT + (number >> 1), 32 * (number & 1))
        shown[f"feature.{name}"] = Field(instructions.FLOAT, (*place, 0), FLOAT_BYTES_MAX)
        shown[f"thousandth.{name}"] = Field(instructions.SCALED, (*place, 1000), FLOAT_BYTES_MAX)
    return shown


def _span(end: str, start: str | None, unit_ns: int) -> Field:
    begin = -1 if start is None else ROW.index(start)
    return Field(instructions.SPAN, (ROW.index(end), begin, unit_ns), INT_BYTES_MAX)


def _sum(one: str, other: str) -> Field:
    return Field(instructions.SUM, (ROW.index(one), ROW.index(other)), INT_BYTES_MAX)


def conditions() -> dict[str, Field]:
    """Return what can be asked of a row: <?name> in a template."""
    asked = {
        "is.tcp": _condition("key", "protocol", TCP_PROTOCOL),
        "is.ended": _condition("head", "reason", ENDED),
        "is.alert": _condition("verdict", "alert"),
        "is.alerted": _condition("verdict", "alerted"),
        "is.scored": _condition("verdict", "scored"),
        "is.explained": _condition("verdict", "top_count"),
        "is.final": _condition("head", "reason"),
        "is.continued": _condition("head", "continued"),
        "is.vlan": _condition("key", "vlan"),
        "is.version6": _condition("key", "version6"),
        "is.one_way": _condition("key", "mark"),
        "is.answered": _condition("bwd_packets"),
        "is.lasting": _condition("lasting_ns"),
        "is.told": _condition("history_0", "state"),
        "is.lettered": _condition("history_0", "letters"),
        "is.ported": _class_condition(instructions.PORTED),
        "is.icmp": _class_condition(instructions.ICMP),
    }
    return asked | {f"is.{flag}": _flag_condition(flag) for flag in TCP_FLAGS}


def fields(
    sources: tuple[str, ...], labels: tuple[str, ...], encode: Encoder, seed: int = 0
) -> dict[str, Field]:
    """Return the fields and conditions by name. Paths and kinds are those of the run.

    `seed`: of Community IDs.
    """
    named = {
        column.name: _field(column, encode) for column in COLUMNS if column.kind != columns.RENDERED
    }
    place = {column.name: column for column in COLUMNS}
    named["source"] = choice(place["source"], sources, encode)
    named["label"] = choice(place["label"], labels, encode)
    named["proto"] = choice(place["protocol"], PROTOCOL_NAMES, encode)
    return named | _derived(seed) | conditions()


def top(
    prefixes: tuple[bytes, ...], marks: tuple[bytes, bytes, bytes], count: int = TOP_FEATURES
) -> Field:
    """Return the field that lists the `count` features which moved the score most.

    `marks` stand between value and weight, behind the weight, and between features.
    """
    longest = max(map(len, prefixes)) + len(b"".join(marks)) + 2 * FLOAT_BYTES_MAX
    return Field(instructions.TOP, (count,), count * longest, (*prefixes, *marks))


def features(prefixes: tuple[bytes, ...], every: bool, point: bool) -> Field:
    """Return the field that lists the vector, comma separated: `every` feature or the valid."""
    longest = sum(map(len, prefixes)) + len(NAMES) * (FLOAT_BYTES_MAX + 1)
    return Field(instructions.FEATURES, (int(every), int(point)), longest, (*prefixes, b","))
