"""Goal: what stands in a CSV line, an EVE event, a Parquet row or an alert for people is what the
row says, field by field, whatever the row says.

Method: Hypothesis draws records; rows.py says in plain Python what must be shown. EVE's keys and
types are held against a table written from Suricata's documentation and schema; that a consumer of
another make swallows our lines is not shown.
"""

import csv
import io
import itertools
import re

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.events import COUNTERS
from engine.features.catalogue import NAMES, digest, index
from engine.layouts import ROW
from engine.recorder.columns import COLUMN_NAMES, HEADER
from engine.recorder.escape import cell_text
from engine.recorder.eve import ALERT_EVENT, FLOW_EVENT, eve_fields, signature_id, stats_event
from engine.recorder.fields import PROTOCOL_NAMES
from engine.recorder.flows_csv import CSV_RECORD, csv_fields, csv_header
from engine.recorder.people import PEOPLE_ALERT, people_fields
from engine.recorder.template import Renderer
from tests.unit.recorder.rows import (
    LABELS,
    SOURCES,
    iso_text,
    plan_of,
    records,
    row_words,
    shown,
    simple,
)

ROWS_MAX = 8
PLAN = plan_of()
PORTED, ICMP = (6, 17, 33, 132, 136), (1, 58)
SOME = st.lists(records(), min_size=1, max_size=ROWS_MAX)

_renderers: dict[str, Renderer] = {}


def rendered(name: str, wanted: list[dict]) -> list[bytes]:
    """Return each record's line; renderers are made once."""
    made = {
        "csv": lambda: Renderer(CSV_RECORD, csv_fields(PLAN), ROWS_MAX),
        "alert": lambda: Renderer(ALERT_EVENT, eve_fields(PLAN), ROWS_MAX),
        "flow": lambda: Renderer(FLOW_EVENT, eve_fields(PLAN), ROWS_MAX),
        "people": lambda: Renderer(PEOPLE_ALERT, people_fields(PLAN), ROWS_MAX),
    }
    if name not in _renderers:
        _renderers[name] = made[name]()
    lines = _renderers[name].render(row_words(wanted))
    ends = [int(end) for end in lines.ends]
    return [bytes(lines.content[a:b]) for a, b in itertools.pairwise(ends)]


def csv_value(text: str, like: object) -> object:
    if text == "":
        return None
    if isinstance(like, bool):
        return {"0": False, "1": True}[text]
    if isinstance(like, int):
        return int(text)
    return float(np.float32(text)) if isinstance(like, float) else text


@given(SOME)
def test_csv_line_has_every_column(wanted):
    for line, record in zip(rendered("csv", wanted), wanted, strict=True):
        assert line.endswith(b"\n") and line.count(b"\n") == 1
        (cells,) = csv.reader(io.StringIO(line.decode(), newline=""))
        cells = dict(zip(HEADER, cells, strict=True))
        expected = shown(record)
        assert cells.pop("source") == cell_text(SOURCES[record["source_number"]])
        for name, value in expected.items():
            assert csv_value(cells.pop(name), value) == value, name
        features = {index(name): text for name, text in cells.items() if text}
        assert features.keys() == record["features"].keys()
        for feature, text in features.items():
            assert float(np.float32(text)) == record["features"][feature], NAMES[feature]


def test_csv_header_is_columns_then_features_in_vector_order():
    assert csv_header().decode().rstrip("\n").split(",") == [*COLUMN_NAMES, *NAMES]


@given(SOME)
def test_no_csv_cell_begins_like_a_formula(wanted):
    for line in rendered("csv", wanted):
        for cell in next(csv.reader([line.decode().rstrip("\n")])):
            number = re.fullmatch(r"-?[0-9.e+-]+", cell)
            assert cell == "-" or number or not cell.startswith(("=", "+", "-", "@", "\t", "\r"))


# Suricata's EVE keys that we write, and their types (docs.suricata.io, "Eve JSON Format" and its
# JSON schema). A key of ours outside `ml` that is not here is wrong.
TEXT, WHOLE, SWITCH = str, int, bool
SHARED = {
    "timestamp": TEXT,
    "flow_id": WHOLE,
    "event_type": TEXT,
    "src_ip": TEXT,
    "src_port": WHOLE,
    "dest_ip": TEXT,
    "dest_port": WHOLE,
    "proto": TEXT,
    "ip_v": WHOLE,
    "icmp_type": WHOLE,
    "icmp_code": WHOLE,
    "response_icmp_type": WHOLE,
    "vlan": [WHOLE],
    "community_id": TEXT,
    "pcap_filename": TEXT,
}
COUNTS = {
    "pkts_toserver": WHOLE,
    "pkts_toclient": WHOLE,
    "bytes_toserver": WHOLE,
    "bytes_toclient": WHOLE,
    "start": TEXT,
}
ALERT = SHARED | {
    "alert": {
        "action": TEXT,
        "gid": WHOLE,
        "signature_id": WHOLE,
        "rev": WHOLE,
        "signature": TEXT,
        "category": TEXT,
        "severity": WHOLE,
        "metadata": {"tag": [TEXT]},
    },
    "direction": TEXT,
    "flow": COUNTS,
}
FLOW = SHARED | {
    "flow": COUNTS | {"end": TEXT, "age": WHOLE, "state": TEXT, "reason": TEXT, "alerted": SWITCH},
    "tcp": {"tcp_flags": TEXT}
    | dict.fromkeys(("syn", "fin", "rst", "psh", "ack", "urg", "ecn", "cwr"), SWITCH),
}
STATS = {
    "timestamp": TEXT,
    "event_type": TEXT,
    "stats": {
        "uptime": WHOLE,
        "capture": dict.fromkeys(("kernel_packets", "kernel_drops", "errors"), WHOLE),
        "decoder": dict.fromkeys(("pkts", "bytes", "invalid"), WHOLE),
        "flow": dict.fromkeys(("total", "active"), WHOLE),
        "detect": {"alert": WHOLE},
    },
}
ALERT_OURS = {"record", "sequence", "uid", "service", "one_way", "continued", "start_ns", "end_ns"}
ALERT_OURS |= {"first_offset", "model", "version", "score", "threshold", "label", "top_features"}
OPTIONAL = {"src_port", "dest_port", "icmp_type", "icmp_code", "response_icmp_type", "vlan"}
OPTIONAL |= {"tcp", "reason", "syn", "fin", "rst", "psh", "ack", "urg", "ecn", "cwr"}
TIMESTAMP = re.compile(r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}\+0000$")


def assert_schema(value, schema, path="") -> None:
    """Fail when a key is unknown, missing though required, or of another type."""
    if isinstance(schema, dict):
        assert isinstance(value, dict), path
        unknown = value.keys() - schema.keys()
        assert not unknown, f"{path}: {unknown}"
        missing = schema.keys() - value.keys() - OPTIONAL
        assert not missing, f"{path}: {missing}"
        for key, part in value.items():
            assert_schema(part, schema[key], f"{path}.{key}")
    elif isinstance(schema, list):
        assert isinstance(value, list) and value, path
        for part in value:
            assert_schema(part, schema[0], path)
    else:
        assert type(value) is schema, f"{path}: {value!r}"


def event_of(line: bytes, schema: dict) -> tuple[dict, dict]:
    """Return (event without ml, ml) of a line that obeys the schema."""
    assert line.endswith(b"\n") and line.count(b"\n") == 1
    event = msgspec.json.decode(line)
    ours = event.pop("ml")
    assert_schema(event, schema)
    assert TIMESTAMP.match(event["timestamp"])
    return event, ours


def assert_common(event: dict, ours: dict, record: dict) -> None:
    expected = shown(record)
    kind = record["protocol"]
    assert event["src_ip"] == expected["initiator"]
    assert event["dest_ip"] == expected["responder"]
    assert event.get("src_port") == (record["initiator_port"] if kind in PORTED else None)
    assert event.get("dest_port") == (record["responder_port"] if kind in PORTED else None)
    assert event.get("icmp_type") == (record["initiator_port"] if kind in ICMP else None)
    one_way = kind in ICMP and record["one_way"]
    assert event.get("icmp_code") == (record["responder_port"] if one_way else None)
    answered = kind in ICMP and not record["one_way"] and record["packets"][1]
    assert event.get("response_icmp_type") == (record["responder_port"] if answered else None)
    assert event.get("vlan") == ([record["vlan"]] if record["vlan"] else None)
    assert event["proto"] == PROTOCOL_NAMES[kind]
    for key, name in (("ip_v", "version"), ("flow_id",) * 2, ("community_id",) * 2):
        assert event[key] == expected[name]
    assert event["flow"]["pkts_toserver"] == record["packets"][0]
    assert event["flow"]["bytes_toclient"] == record["bytes"][1]
    assert event["flow"]["start"] == iso_text(record["start_ns"])[:-4] + "+0000"
    path = SOURCES[record["source_number"]].encode("utf-8", "surrogateescape")
    assert event["pcap_filename"] == path.decode("utf-8", "backslashreplace")
    for name in (ours.keys() & expected.keys()) - {"version"}:  # Of the model, there.
        assert ours[name] == expected[name], name
    assert len(ours.get("top_features", [])) == len(record["top"])
    for shown_top, (feature, weight) in zip(
        ours.get("top_features", []), record["top"], strict=True
    ):
        value = record["features"].get(feature, 0.0)
        assert shown_top == {
            "name": NAMES[feature],
            "value": value,
            "weight": three_decimals(weight),
        }


def three_decimals(weight: float) -> float:
    """Return a contribution as it is written."""
    return round(weight * 1000.0) / 1000.0 if abs(weight) < 1e9 else weight


def with_float32(ours: dict) -> dict:
    """Return `ml` with its numbers rounded to float32, as they are read."""
    for top in ours.get("top_features", []):
        top["value"] = float(np.float32(top["value"]))
        if abs(top["weight"]) >= 1e9:
            top["weight"] = float(np.float32(top["weight"]))
    for name in ("score", "threshold"):
        if name in ours:
            ours[name] = float(np.float32(ours[name]))
    return ours


@given(SOME)
def test_alert_event_obeys_suricatas_schema_and_says_what_the_row_says(wanted):
    wanted = [record | {"scored": True} for record in wanted]  # An alert is.
    for line, record in zip(rendered("alert", wanted), wanted, strict=True):
        event, ours = event_of(line, ALERT)
        assert_common(event, with_float32(ours), record)
        assert event["event_type"] == "alert"
        label = LABELS[record["label"]]
        assert ours.keys() == ALERT_OURS
        assert event["alert"]["signature_id"] == signature_id(label)
        assert event["alert"]["category"] == label


@given(SOME)
def test_flow_event_obeys_suricatas_schema_and_says_what_the_row_says(wanted):
    for line, record in zip(rendered("flow", wanted), wanted, strict=True):
        event, ours = event_of(line, FLOW)
        features = ours.pop("features")
        assert_common(event, with_float32(ours), record)
        assert event["event_type"] == "flow"
        assert ours["feature_digest"] == digest()
        assert ("score" in ours) == record["scored"]
        assert {NAMES[f]: v for f, v in record["features"].items()} == {
            name: float(np.float32(value)) for name, value in features.items()
        }
        assert event["flow"]["age"] == (record["end_ns"] - record["start_ns"]) // 10**9
        assert ("tcp" in event) == (record["protocol"] == 6)
        assert ("reason" in event["flow"]) == (record["reason"] != 0)
        needed = set(shown(record)) - {"start", "end", "version", "initiator", "responder"}
        needed -= {"vlan", "flow_id", "community_id", "fwd_packets", "bwd_packets"}
        needed -= {"fwd_bytes", "bwd_bytes", "score", "threshold", "label"}
        assert needed <= ours.keys(), "a column cannot be read back"


def test_flow_states_and_reasons_are_suricatas():
    cases = [
        (simple(reason=3), "closed", "timeout"),
        (simple(reason=1), "established", "timeout"),
        (simple(reason=1, packets=(1, 0)), "new", "timeout"),
        (simple(reason=4), "established", "shutdown"),
        (simple(reason=5), "established", "forced"),
    ]
    for line, (_, state, reason) in zip(
        rendered("flow", [record for record, _, _ in cases]), cases, strict=True
    ):
        flow = msgspec.json.decode(line)["flow"]
        assert (flow["state"], flow["reason"]) == (state, reason)


@pytest.mark.parametrize(
    ("start_ns", "end_ns"),
    [(-(1 << 62), 1 << 62), (-(1 << 63), (1 << 63) - 1), (-1, 10**9 - 2), (-1, 10**9 - 1), (5, 5)],
)
def test_age_is_exact_where_times_lie_at_both_ends_of_the_clock(start_ns, end_ns):
    (line,) = rendered("flow", [simple(start_ns=start_ns, end_ns=end_ns)])
    assert msgspec.json.decode(line)["flow"]["age"] == (end_ns - start_ns) // 10**9


def test_flow_says_whether_its_part_has_had_an_alert():
    for wanted in (False, True):
        (line,) = rendered("flow", [simple(alerted=wanted)])
        assert msgspec.json.decode(line)["flow"]["alerted"] is wanted


def test_tcp_flags_are_those_with_a_count():
    flags = {index("syn_count"): 1.0, index("ack_count"): 3.0, index("ece_count"): 0.0}
    (line,) = rendered("flow", [simple(features=flags)])
    assert msgspec.json.decode(line)["tcp"] == {"tcp_flags": "12", "syn": True, "ack": True}


@pytest.mark.parametrize(("score", "expected"), [(0.55, 3), (0.7, 2), (0.9, 1), (1.0, 1)])
def test_severity_is_the_third_of_the_room_above_the_threshold(score, expected):
    record = simple(score=float(np.float32(score)), threshold=0.5, alert=True)
    assert msgspec.json.decode(rendered("alert", [record])[0])["alert"]["severity"] == expected


def test_numbers_without_a_name_are_unknown_and_stay_inside_their_texts():
    rows = row_words([simple(alert=True)])
    rows[:] = -1  # Every bit: label 255, service 255, source 32767, 255 top features.
    for word in ("score_threshold", "top_weights"):
        at = ROW.index(word)
        rows[:, at : at + (4 if word == "top_weights" else 1)] = 0  # But finite floats.
    rows[:, ROW.index("vector_0") :] = 0
    for name in ("csv", "alert", "flow", "people"):
        rendered(name, [simple()])
        line = bytes(_renderers[name].render(rows).content)
        assert b"unknown" in line, name


@given(SOME)
def test_only_alerts_have_a_line_for_people_and_it_is_harmless(wanted):
    for line, record in zip(rendered("people", wanted), wanted, strict=True):
        assert bool(line) == record["alert"]
        text = line.decode()
        assert text.rstrip("\n").isprintable()
        if line:
            assert LABELS[record["label"]] in text
            assert shown(record)["community_id"] in text
            assert text.count("\n") == 1


def test_alert_for_people_reads_like_a_sentence():
    record = simple(alert=True, label=2, score=0.75, top=[(51, 1.5)], vlan=7)
    (line,) = rendered("people", [record])
    assert line.decode() == (
        "2023-11-14 22:15:20.000000 UTC  flood  score 0.75 (threshold 0.5)  "
        "TCP 192.0.2.1:40000 > 198.51.100.1:80 vlan 7  web  3/2 packets  "
        "because syn_count=2.0 (1.500)  1:GGycyNhF8VEj+qro9vCcvkUK/x8=  a.pcap@54\n"
    )


def test_signature_numbers_stay_apart_and_in_the_local_range():
    kinds = ("scan", "flood", "brute force", "dns tunnel", "remote control", "exfiltration")
    numbers = {signature_id(kind) for kind in kinds}
    assert len(numbers) == len(kinds)
    assert all(1_000_000 <= number < 2_000_000 for number in numbers)


def test_stats_event_obeys_suricatas_schema():
    totals = {stage: {c.name: 2 for c in counters} for stage, counters in COUNTERS.items()}
    line = stats_event(totals, 10**18, 10**18 + 5 * 10**9 + 1_234_000)
    event, ours = event_of(line, STATS)
    assert event["stats"]["uptime"] == 5
    assert event["timestamp"] == "2001-09-09T01:46:45.001234+0000"
    assert event["stats"]["decoder"]["invalid"] == 16  # 8 reasons of malformed packets, 2 of each.
    assert ours["counters"] == totals
