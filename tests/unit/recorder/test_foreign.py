"""Goal: what stands in conn.log, conn.json, cicflowmeter.csv and nfstream.csv is what the row says,
in that program's columns; what is added up of them again is right, and what is broken is named.

Method: Hypothesis draws records; lines are read by parsers written from the formats' own headers
(zeek-cut's way), by json, and by pandas where it is installed. The names and order of columns are
held against those programs. That Zeek's or NFStream's own readers take them is not shown.
"""

import csv
import io
import itertools
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.config import Config
from engine.errors import ConfigError
from engine.features.catalogue import NAMES, index
from engine.layouts import REASONS
from engine.recorder import flows_cicflowmeter, flows_nfstream, schemas
from engine.recorder.outputs import FOREIGN, LINES, check_outputs
from engine.recorder.read_back import BrokenOutputError
from engine.recorder.read_foreign import sums_of
from engine.recorder.template import Renderer
from engine.recorder.zeek import zeek_footer, zeek_header
from tests.unit.recorder.rows import plan_of, records, row_words, shown, simple
from tests.unit.recorder.runs import record

ROWS_MAX = 8
PLAN = plan_of()
SOME = st.lists(records(), min_size=1, max_size=ROWS_MAX)
NOON = 1_700_000_000 * 10**9  # 2023-11-14 22:13:20 UTC.

_renderers: dict[str, Renderer] = {}


def rendered(name: str, wanted: list[dict]) -> list[str]:
    """Return each record's line; renderers are made once."""
    if name not in _renderers:
        lines = LINES[name]
        _renderers[name] = Renderer(lines.record, lines.fields(PLAN), ROWS_MAX)
    lines = _renderers[name].render(row_words(wanted))
    ends = [int(end) for end in lines.ends]
    return [bytes(lines.content[a:b]).decode() for a, b in itertools.pairwise(ends)]


def zeek_cut(text: str) -> list[dict[str, str | None]]:
    """Return the records of a Zeek log by what its header says, as zeek-cut reads it."""
    said: dict[str, list[str]] = {}
    found = []
    separator = "\t"
    for line in text.splitlines():
        if line.startswith("#separator "):
            separator = line.split(" ", 1)[1].encode().decode("unicode_escape")
        elif line.startswith("#"):
            word, *cells = line[1:].split(separator)
            said[word] = cells
        else:
            cells = line.split(separator)
            unset = said["unset_field"][0]
            named = zip(said["fields"], cells, strict=True)
            found.append({name: None if cell == unset else cell for name, cell in named})
    assert len(said["fields"]) == len(said["types"])
    assert said["path"] == ["conn"] and "open" in said and "close" in said
    return found


def decimal(ns: int) -> str:
    """Return ns as seconds with six decimals, cut off downwards."""
    micros = ns // 1000
    sign, micros = ("-", -micros) if micros < 0 else ("", micros)
    return f"{sign}{micros // 10**6}.{micros % 10**6:06}"


def zeek_values(wanted: dict) -> dict[str, object]:
    """Return what conn.log says of a record; None: unset."""
    said = shown(wanted)
    lasting = wanted["lasting_ns"] != 0
    protocols = {6: "tcp", 17: "udp", 1: "icmp", 58: "icmp"}
    return {
        "ts": decimal(wanted["start_ns"]),
        "uid": said["uid"],
        "id.orig_h": said["initiator"],
        "id.orig_p": said["initiator_port"],
        "id.resp_h": said["responder"],
        "id.resp_p": said["responder_port"],
        "proto": protocols.get(wanted["protocol"], "unknown_transport"),
        "service": None,
        "duration": decimal(wanted["lasting_ns"]) if lasting else None,
        "orig_bytes": wanted["streams"][0] if lasting else None,
        "resp_bytes": wanted["streams"][1] if lasting else None,
        "conn_state": wanted["conn_state"] or None,
        "local_orig": None,
        "local_resp": None,
        "missed_bytes": None,
        "history": wanted["history"] or None,
        "orig_pkts": wanted["packets"][0],
        "orig_ip_bytes": wanted["bytes"][0],
        "resp_pkts": wanted["packets"][1],
        "resp_ip_bytes": wanted["bytes"][1],
        "tunnel_parents": None,
        "ip_proto": wanted["protocol"],
        "community_id": said["community_id"],
    }


# Zeek 7, base/protocols/conn with policy/protocols/conn/community-id-logging.
TYPES = [
    *("time", "string", "addr", "port", "addr", "port", "enum", "string", "interval"),
    *("count", "count", "string", "bool", "bool", "count", "string"),
    *("count", "count", "count", "count", "set[string]", "count", "string"),
]


@given(SOME)
def test_conn_log_is_read_by_its_own_header(wanted):
    text = zeek_header(NOON).decode() + "".join(rendered("zeek", wanted))
    found = zeek_cut(text + zeek_footer(NOON).decode())
    for cells, made in zip(found, wanted, strict=True):
        expected = zeek_values(made)
        texts = {k: None if value is None else str(value) for k, value in expected.items()}
        assert cells == texts
        assert list(cells) == list(expected)


def test_header_of_conn_log_has_zeeks_types_and_times():
    lines = zeek_header(NOON).decode().splitlines()
    assert lines[0] == "#separator \\x09"
    assert lines[5] == "#open\t2023-11-14-22-13-20"
    assert lines[7].split("\t") == ["#types", *TYPES]
    assert zeek_footer(NOON) == b"#close\t2023-11-14-22-13-20\n"


@given(SOME)
def test_conn_json_has_the_fields_that_are_set(wanted):
    for line, made in zip(rendered("zeek-json", wanted), wanted, strict=True):
        expected = {name: value for name, value in zeek_values(made).items() if value is not None}
        found = json.loads(line, parse_float=str)
        assert found == expected
        assert line.endswith("}\n") and line.count("\n") == 1


def _value(wanted: dict, name: str) -> float:
    return wanted["features"].get(index(name), 0.0)


def _same(text: str, value: float) -> bool:
    return np.float32(text) == np.float32(value)


@given(SOME)
def test_cicflowmeter_columns_hold_key_counts_and_features(wanted):
    for line, made in zip(rendered("cicflowmeter", wanted), wanted, strict=True):
        (cells,) = csv.reader(io.StringIO(line))
        row = dict(zip(flows_cicflowmeter.NAMES, cells, strict=True))
        said = shown(made)
        ends = said["initiator"], said["responder"], made["initiator_port"], made["responder_port"]
        assert row["Flow ID"] == "-".join(map(str, (*ends, made["protocol"])))
        assert (row["Src IP"], row["Dst IP"], row["Src Port"], row["Dst Port"]) == tuple(
            map(str, ends)
        )
        assert row["Flow Duration"] == str(made["end_ns"] // 1000 - made["first_ns"] // 1000)
        assert row["Total Fwd Packet"] == str(made["packets"][0])
        assert row["Label"] == "NeedManualLabel"
        for cell in flows_cicflowmeter.CELLS:
            if cell.ours in NAMES:
                assert _same(row[cell.name], _value(made, cell.ours)), cell


def test_time_of_cicflowmeter_has_twelve_hours():
    hours = ((0, "12:13:20 AM"), (1, "01:13:20 AM"), (12, "12:13:20 PM"), (22, "10:13:20 PM"))
    for hour, expected in hours:
        made = simple(start_ns=NOON + (hour - 22) * 3600 * 10**9)
        (line,) = rendered("cicflowmeter", [made])
        assert line.split(",")[6] == f"14/11/2023 {expected}"


@given(SOME)
def test_nfstream_columns_hold_key_counts_and_features_in_ms(wanted):
    for line, made in zip(rendered("nfstream", wanted), wanted, strict=True):
        (cells,) = csv.reader(io.StringIO(line))
        row = dict(zip(flows_nfstream.NAMES, cells, strict=True))
        said = shown(made)
        assert row["id"] == str(said["flow_id"])
        assert row["expiration_id"] == str(int(REASONS[made["reason"]] == "active"))
        assert (row["src_ip"], row["dst_ip"]) == (said["initiator"], said["responder"])
        first, last = made["start_ns"] // 10**6, made["end_ns"] // 10**6
        assert row["bidirectional_first_seen_ms"] == str(first)
        assert row["bidirectional_last_seen_ms"] == str(last)
        assert row["bidirectional_duration_ms"] == str(last - first)
        assert row["bidirectional_packets"] == str(sum(made["packets"]))
        assert row["src2dst_bytes"] == str(made["bytes"][0])
        for cell in flows_nfstream.CELLS:
            if cell.ours == schemas.UNKNOWN:
                assert row[cell.name] == ""
            elif cell.ours in NAMES:
                assert _same(row[cell.name], _value(made, cell.ours)), cell
            elif cell.ours.endswith(" / 1000"):
                value = _value(made, cell.ours.removesuffix(" / 1000"))
                assert _same(row[cell.name], value / 1000), cell


# As NFStream 6.6.0 and CICFlowMeter 4 write their first line; how many columns, and some of them.
def test_columns_of_other_programs_are_all_there_in_their_order():
    names = flows_nfstream.NAMES
    assert len(names) == 77
    assert names[:4] == ("id", "expiration_id", "src_ip", "src_mac")
    assert names[13:16] == (
        "tunnel_id",
        "bidirectional_first_seen_ms",
        "bidirectional_last_seen_ms",
    )
    assert names[29] == "bidirectional_min_ps" and names[41] == "bidirectional_min_piat_ms"
    assert names[-1] == "dst2src_fin_packets"
    names = flows_cicflowmeter.NAMES
    assert len(names) == len(set(names)) == 84
    assert names[:2] == ("Flow ID", "Src IP") and names[-2:] == ("Idle Min", "Label")
    assert all(name == name.strip() and name for name in names)


def test_page_of_schemas_says_of_every_column_what_is_ours():
    page = schemas.rst({"nfstream": flows_nfstream.CELLS})
    for cell in flows_nfstream.CELLS:
        assert f"   * - {cell.name}\n     - {cell.ours}\n     -" in page


def written(tmp_path, wanted: list[dict], formats=tuple(FOREIGN)) -> None:
    """Record rows into a folder in these formats."""
    plan = plan_of(tmp_path, formats, rows="finals")
    outcome = record(plan, row_words(wanted))
    assert outcome.error is None


FINALS = [simple(reason=1 + k % 5, initiator=0x0A000000 + k, packets=(k, 1)) for k in range(600)]


def test_files_of_other_programs_add_up_again(tmp_path):
    written(tmp_path, [*FINALS, simple(reason=0)])
    for name in FOREIGN:
        sums = sums_of(tmp_path / FOREIGN[name])
        assert sums.records == len(FINALS), name
        assert sums.packets == sum(sum(made["packets"]) for made in FINALS), name
        octets = sum(sum(made["bytes"]) for made in FINALS)
        assert sums.bytes == (None if name == "cicflowmeter" else octets), name


@pytest.mark.parametrize("name", tuple(FOREIGN))
def test_cut_file_is_named(tmp_path, name):
    written(tmp_path, FINALS[:3], (name,))
    path = tmp_path / FOREIGN[name]
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(BrokenOutputError, match=f"{FOREIGN[name]}, line|no end"):
        sums_of(path)


@pytest.mark.parametrize("name", tuple(FOREIGN))
def test_file_of_something_else_is_named(tmp_path, name):
    path = tmp_path / FOREIGN[name]
    for content in (b"a,b\n1,2\n", b"#fields\ta\tb\n1\t2\n#close\tx\n", b"\xff\xfe\n"):
        path.write_bytes(content)
        with pytest.raises(BrokenOutputError):
            sums_of(path)


def test_conn_log_without_its_last_line_is_cut(tmp_path):
    written(tmp_path, FINALS[:3], ("zeek",))
    path = tmp_path / "conn.log"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]))
    with pytest.raises(BrokenOutputError, match="#close"):
        sums_of(path)


@pytest.mark.parametrize("name", tuple(FOREIGN))
def test_early_records_are_refused_where_nothing_tells_them(tmp_path, name):
    with pytest.raises(ConfigError, match="--early"):
        check_outputs(plan_of(tmp_path, (name,), rows="all"))


def test_conn_log_without_history_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"needs flow\.history"):
        check_outputs(replace(plan_of(tmp_path, ("zeek",), rows="finals"), config=Config()))


@pytest.mark.parametrize("name", ("cicflowmeter", "nfstream"))
def test_pandas_reads_the_columns_as_numbers(tmp_path, name):
    pandas = pytest.importorskip("pandas", reason="pandas is optional: it reads back the CSV")
    written(tmp_path, FINALS, (name,))
    frame = pandas.read_csv(tmp_path / FOREIGN[name])
    module = {"cicflowmeter": flows_cicflowmeter, "nfstream": flows_nfstream}[name]
    assert tuple(frame.columns) == module.NAMES
    assert len(frame) == len(FINALS)
    for cell in module.CELLS:
        if cell.ours in NAMES:
            assert frame[cell.name].dtype.kind in "if", cell.name
            assert math.isclose(frame[cell.name][0], _value(FINALS[0], cell.ours), rel_tol=1e-6)
        elif cell.ours == schemas.UNKNOWN:
            assert frame[cell.name].isna().all()
    counts = frame["Total Fwd Packet" if name == "cicflowmeter" else "src2dst_packets"]
    assert counts.tolist() == [made["packets"][0] for made in FINALS]


def test_pandas_reads_conn_log_and_conn_json_alike(tmp_path):
    pandas = pytest.importorskip("pandas", reason="pandas is optional: it reads back the logs")
    written(tmp_path, FINALS)
    names = zeek_cut((tmp_path / "conn.log").read_text())[0]
    log = pandas.read_csv(
        tmp_path / "conn.log", sep="\t", comment="#", names=list(names), na_values="-"
    )
    objects = pandas.read_json(tmp_path / "conn.json", lines=True, dtype=False)
    for name in ("uid", "orig_pkts", "history", "conn_state", "id.orig_h", "duration"):
        assert log[name].tolist() == objects[name].tolist(), name
