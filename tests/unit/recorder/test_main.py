"""Goal: every row that comes through the ring is in every output, or counted as lost.

Method: a recorder runs over a real ring, fed by a test producer; disks that are full, folders that
vanish and readers that leave are real ones. How it stands beside the other stages is shown by the
tests of whole runs.
"""

import csv
import os
import select
import shutil
import subprocess

import msgspec
import multiprocess
import numpy as np
import pytest
import xxhash
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import ConfigError, OutputError
from engine.layouts import DONE, LEAVE
from engine.recorder import flows_parquet
from engine.recorder.columns import HEADER
from engine.recorder.host_lines import host_lines
from engine.recorder.hosts import HOSTS
from engine.recorder.outputs import FORMATS
from tests.unit.recorder.rows import LABELS, host_words, plan_of, records, row_words, shown, simple
from tests.unit.recorder.runs import record

MANY = 3000
EVERY = tuple(FORMATS)


def alternating(count: int) -> np.ndarray:
    """Return rows of which every third is early and every fifth an alert."""
    return row_words(
        [
            simple(
                reason=k % 3, alert=k % 5 == 0, sequence=k, first_offset=k, label=k % len(LABELS)
            )
            for k in range(count)
        ]
    )


def csv_rows(path) -> list[dict]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def events(path) -> list[dict]:
    return [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(
    st.lists(records(), max_size=20),
    st.sampled_from(["finals", "all"]),
    st.lists(st.sampled_from(EVERY), unique=True),
    st.sampled_from([2, 8]),
    st.integers(0, 5),
)
def test_every_row_is_in_every_output_in_order(
    tmp_path_factory, wanted, kept, formats, capacity, hosts
):
    folder = tmp_path_factory.mktemp("out")
    words = np.concatenate([row_words(wanted[:7]), host_words(hosts), row_words(wanted[7:])])
    outcome = record(plan_of(folder, formats, kept), words, capacity)
    assert outcome.error is None
    assert outcome.state == DONE
    expected = [r for r in wanted if kept == "all" or r["reason"]]
    alerts = [r for r in wanted if r["alert"]]
    values = outcome.counters
    assert values["rows"] == len(wanted) + hosts
    assert values["hosts_written"] == hosts
    assert [host.address for host in host_lines(folder / HOSTS)] == [
        f"10.0.0.{1 + number}" for number in range(hosts)
    ]
    assert values["rows_lost"] == 0
    assert values["alerts_written"] == len(alerts)
    assert values["flows_written"] == (len(expected) if formats else 0)
    names = {"eve.json", HOSTS} | {FORMATS[name] for name in formats}
    assert {path.name for path in folder.iterdir()} == names
    assert values["bytes_written"] <= sum(path.stat().st_size for path in folder.iterdir())
    uids = [shown(r)["uid"] for r in expected]
    if "csv" in formats:
        assert [row["uid"] for row in csv_rows(folder / "flows.csv")] == uids
    if "parquet" in formats:
        import pyarrow.parquet

        table = pyarrow.parquet.read_table(folder / "flows.parquet")
        assert table["uid"].to_pylist() == uids
    logged = events(folder / "eve.json")
    assert [e["event_type"] for e in logged].count("stats") == 1
    assert logged[-1]["event_type"] == "stats"
    flows = [e["ml"]["uid"] for e in logged if e["event_type"] == "flow"]
    assert flows == (uids if "jsonl" in formats else [])
    alerted = [e["ml"]["uid"] for e in logged if e["event_type"] == "alert"]
    assert alerted == [shown(r)["uid"] for r in alerts]


def test_summary_names_each_file_with_its_size_and_digest(tmp_path):
    outcome = record(plan_of(tmp_path, EVERY, "all"), alternating(100))
    assert outcome.kinds == ["ready", "finished"]
    assert {output["name"] for output in outcome.outputs} == {*FORMATS.values(), HOSTS}
    for output in outcome.outputs:
        content = (tmp_path / output["name"]).read_bytes()
        assert output["bytes"] == len(content)
        assert output["xxh3"] == xxhash.xxh3_128_hexdigest(content)
        held = 0 if output["name"] == HOSTS else 100
        assert output["rows"] == held
        assert output["flows"] == held
    assert outcome.counters["bytes_written"] == sum(o["bytes"] for o in outcome.outputs)


def test_finals_only_leaves_early_records_out_but_not_their_alerts(tmp_path):
    outcome = record(plan_of(tmp_path, ["csv"], "finals"), alternating(30))
    assert {row["record"] for row in csv_rows(tmp_path / "flows.csv")} == {"final"}
    assert outcome.counters["flows_written"] == 20
    assert outcome.counters["alerts_written"] == 6


def test_parquet_has_the_same_values_as_csv(tmp_path):
    import pyarrow
    import pyarrow.parquet

    rng = np.random.default_rng(5)
    wanted = [
        simple(
            score=float(np.float32(rng.random())),
            scored=bool(k % 4),
            features={int(f): float(np.float32(rng.random())) for f in rng.integers(0, 142, 9)},
            version6=bool(k % 2),
            initiator=int(rng.integers(0, 2**32)),
            reason=k % 6,
        )
        for k in range(400)
    ]
    record(plan_of(tmp_path, ["csv", "parquet"], "all"), row_words(wanted), 64)
    table = pyarrow.parquet.read_table(tmp_path / "flows.parquet")
    assert tuple(table.column_names) == HEADER
    assert table.schema.field("start").type == pyarrow.timestamp("ns", "UTC")
    assert table.schema.field("duration_us").type == pyarrow.float32()
    assert table.schema.metadata[b"feature_digest"]
    lines = csv_rows(tmp_path / "flows.csv")
    for name in HEADER:
        column = table[name]
        if name in ("start", "end"):
            column = column.cast(pyarrow.int64())
            assert column.equals(table[f"{name}_ns"])
            continue
        for value, line in zip(column.to_pylist(), lines, strict=True):
            text = line[name]
            if value is None:
                assert text == ""
            elif isinstance(value, bool):
                assert text == str(int(value))
            elif isinstance(value, float):
                assert float(np.float32(text)) == value
            else:
                assert text == str(value)


def test_parquet_groups_of_rows_lose_none(tmp_path, monkeypatch):
    import pyarrow.parquet

    monkeypatch.setattr(flows_parquet, "GROUP_ROWS", 7)
    record(plan_of(tmp_path, ["parquet"], "all"), alternating(50), 64)
    table = pyarrow.parquet.read_table(tmp_path / "flows.parquet")
    assert table["sequence"].to_pylist() == list(range(50))


def test_leaving_at_once_keeps_partial_files_only(tmp_path):
    outcome = record(plan_of(tmp_path, EVERY, "all"), alternating(40), 64, stop=LEAVE)
    assert outcome.error is None
    assert "finished" not in outcome.kinds
    assert {path.suffix for path in tmp_path.iterdir()} == {".partial"}


def test_missing_folder_is_an_output_error_before_the_recorder_is_ready(tmp_path):
    outcome = record(plan_of(tmp_path / "none"), alternating(1))
    assert isinstance(outcome.error, OutputError)
    assert outcome.error.exit_code == 1
    assert "none" in str(outcome.error) and "No such file" in str(outcome.error)
    assert outcome.kinds == []


@pytest.mark.parametrize("formats", [[], ["csv"], ["jsonl", "parquet"]])
def test_folder_that_vanishes_loses_every_row(tmp_path, formats):
    folder = tmp_path / "out"
    folder.mkdir()
    plan = plan_of(folder, formats, "all")
    outcome = record(plan, alternating(10), 16, at_end=lambda: shutil.rmtree(folder))
    assert isinstance(outcome.error, OutputError)
    assert "eve.json" in str(outcome.error)
    assert "of 10 rows 0 were written, 10 lost" in str(outcome.error)
    assert outcome.counters["rows_lost"] == 10
    assert outcome.counters["alerts_written"] == outcome.counters["flows_written"] == 0


def test_name_that_is_taken_by_a_folder_leaves_all_rows_in_partial_files(tmp_path):
    plan = plan_of(tmp_path, ["csv"], "all")
    blocked = tmp_path / "eve.json" / "inside"
    outcome = record(plan, alternating(10), 16, at_end=lambda: blocked.mkdir(parents=True))
    assert isinstance(outcome.error, OutputError)
    assert outcome.counters["rows_lost"] == 0
    assert len(csv_rows(tmp_path / "flows.csv.partial")) == 10


def test_unknown_format_or_format_without_folder_is_a_config_error(tmp_path):
    for plan in (
        plan_of(tmp_path, ["xml"], "finals"),
        plan_of(None, ["csv"], "finals"),
        plan_of(tmp_path, ["csv"], "alerts"),
    ):
        outcome = record(plan, alternating(1))
        assert isinstance(outcome.error, ConfigError)
        assert outcome.error.exit_code == 2


def test_parquet_without_pyarrow_is_a_config_error_that_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(flows_parquet.importlib.util, "find_spec", lambda name: None)
    outcome = record(plan_of(tmp_path, ["parquet"], "finals"), alternating(1))
    assert isinstance(outcome.error, ConfigError)
    assert "lake" in str(outcome.error)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def small_disk(tmp_path):
    """Return a folder with 256 KiB of room."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small file system")
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this machine does not let us mount a file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("formats", [["csv"], ["jsonl"], ["jsonl", "csv"], ["csv", "parquet"]])
def test_full_disk_loses_rows_that_are_counted_and_cuts_none(small_disk, formats):
    outcome = record(plan_of(small_disk, formats, "all"), alternating(MANY), 64)
    assert isinstance(outcome.error, OutputError)
    assert "No space left" in str(outcome.error)
    values = outcome.counters
    lost, written = values["rows_lost"], values["rows"] - values["rows_lost"]
    assert 0 < lost <= values["rows"]
    assert f"of {values['rows']} rows {written} were written, {lost} lost" in str(outcome.error)
    assert {path.suffix for path in small_disk.iterdir()} == {".partial"}
    logged = events(small_disk / "eve.json.partial")  # Every line is whole.
    assert [e["event_type"] for e in logged].count("alert") == values["alerts_written"]
    flows = [e for e in logged if e["event_type"] == "flow"]
    kept = [len(flows)] if "jsonl" in formats else []
    if "csv" in formats:
        assert (small_disk / "flows.csv.partial").read_bytes().endswith(b"\n")
        kept.append(len(csv_rows(small_disk / "flows.csv.partial")))
    if "parquet" in formats:
        kept.append(0)
    assert min(kept) == values["flows_written"] == written


def test_unwritable_folder_is_an_output_error(small_disk):
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    outcome = record(plan_of(small_disk), alternating(1))
    assert isinstance(outcome.error, OutputError)
    assert "Read-only" in str(outcome.error)


def with_standard_output(descriptor: int, count: int, channel) -> None:
    """Run a recorder without a folder whose standard output is `descriptor`."""
    os.dup2(descriptor, 1)
    os.close(descriptor)
    outcome = record(plan_of(None, (), "alerts"), alternating(count), 64)
    channel.send((outcome.counters, str(outcome.error) if outcome.error else None))


def started(count: int, reader: int, writer: int):
    """Fork a recorder that writes into a pipe; return (process, its answer's channel)."""
    context = multiprocess.get_context("fork")
    here, there = context.Pipe(duplex=False)

    def run():
        os.close(reader)
        with_standard_output(writer, count, there)

    process = context.Process(target=run)
    process.start()
    os.close(writer)
    return process, here


def answer(process, channel) -> tuple[dict, str | None]:
    assert channel.poll(60), "the recorder does not end"
    found = channel.recv()
    process.join(60)
    assert process.exitcode == 0
    return found


def test_alerts_go_to_standard_output_a_line_each():
    reader, writer = os.pipe()
    process, channel = started(MANY, reader, writer)
    with os.fdopen(reader) as lines:
        text = lines.read()
    values, error = answer(process, channel)
    assert error is None
    assert text.count("\n") == MANY // 5 == values["alerts_written"]
    assert values["bytes_written"] == len(text)
    assert values["rows_lost"] == 0


def test_standard_output_closed_by_its_reader_is_told_with_counts():
    reader, writer = os.pipe()
    process, channel = started(MANY, reader, writer)
    select.select([reader], [], [], 60)
    seen = os.read(reader, 1000)
    os.close(reader)
    values, error = answer(process, channel)
    assert seen.startswith(b"2023-11-14")
    assert "standard output was closed" in error
    written = values["rows"] - values["rows_lost"]
    assert f"of {values['rows']} rows {written} were written" in error
    assert values["alerts_written"] <= MANY // 5
    assert values["rows_lost"] > 0
