"""Goal: `engine check` proves a sound run and finds every planted fault, in each format.

Method: run folders written by a real recorder, with counters made to fit; then one fault each, once
found by the digest of the file and once, with run.json mended to hide it, by what the records say.
Whole runs of the engine are checked where processes are tested.
"""

import shutil
from pathlib import Path

import msgspec
import pytest
import xxhash

from engine.check import (
    OPEN,
    PROVED,
    WRONG,
    check_folder,
    check_sources,
    is_wrong,
    report,
)
from engine.equations import EQUATIONS
from engine.errors import ConfigError
from engine.events import COUNTERS
from engine.recorder.outputs import FOREIGN, FORMATS
from tests.unit.recorder.whole_runs import ordered, write_run

RECORDS = 120
TEXTS = ("csv", "jsonl")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Return folders of runs by (format, rows), each written once."""
    home = tmp_path_factory.mktemp("runs")
    made = {}

    def get(name: str, rows: str = "all") -> Path:
        if (name, rows) not in made:
            formats = (name,) if name else ()
            made[name, rows] = write_run(home / f"{name}-{rows}", ordered(RECORDS), formats, rows)
        return made[name, rows].folder

    return get


@pytest.fixture
def copied(written, tmp_path):
    """Return a function that copies a run's folder to be spoilt."""

    def copy(name: str, rows: str = "all") -> Path:
        return Path(shutil.copytree(written(name, rows), tmp_path / f"{name}-{rows}"))

    return copy


def wrong(folder: Path) -> list[str]:
    return [finding.text for finding in check_folder(str(folder)) if finding.verdict == WRONG]


def mend(folder: Path, change=lambda record: None) -> None:
    """Rewrite run.json to fit the files as they are now, and `change` it: faults are covered up."""
    record = msgspec.json.decode((folder / "run.json").read_bytes())
    for output in record["outputs"]:
        path = folder / output["name"]
        if path.exists():
            content = path.read_bytes()
            output["bytes"] = len(content)
            output["xxh3"] = xxhash.xxh3_128_hexdigest(content)
    change(record)
    (folder / "run.json").write_bytes(msgspec.json.encode(record))


def flow_lines(folder: Path, name: str) -> tuple[Path, list[bytes], list[int]]:
    """Return the file, its lines, and which of them are flow records."""
    path = folder / FORMATS[name]
    lines = path.read_bytes().splitlines(keepends=True)
    kept = [k for k, line in enumerate(lines) if name == "csv" or b'"event_type":"flow"' in line]
    return path, lines, kept[1:] if name == "csv" else kept


@pytest.mark.parametrize("name", ["", *FORMATS])
@pytest.mark.parametrize("rows", ["finals", "all"])
def test_sound_run_is_proved(written, name, rows):
    findings = check_folder(str(written(name, rows)))
    assert not is_wrong(findings), report(findings)
    assert sum(f.verdict == PROVED for f in findings) >= 19


@pytest.mark.parametrize("name", FOREIGN)
def test_sums_of_other_programs_columns_are_proved_and_the_rest_is_said_to_be_open(written, name):
    findings = check_folder(str(written(name, "finals")))
    assert not is_wrong(findings), report(findings)
    texts = {
        verdict: [f.text for f in findings if f.verdict == verdict] for verdict in (PROVED, OPEN)
    }
    assert sum(text.startswith(FOREIGN[name]) for text in texts[PROVED]) >= 3
    assert any("cannot be proved" in text for text in texts[OPEN])


@pytest.mark.parametrize("name", FOREIGN)
def test_lost_record_is_found_in_other_programs_columns(copied, name):
    folder = copied(name, "finals")
    path = folder / FOREIGN[name]
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-2] + lines[-1:]))
    assert wrong(folder)
    mend(folder)
    assert any("records = finals" in text for text in wrong(folder))


def test_run_of_all_records_proves_its_digest(written):
    for name in FORMATS:
        proved = [f.text for f in check_folder(str(written(name))) if f.verdict == PROVED]
        assert any("digest, made again" in text for text in proved), name


def test_run_without_scores_proves_its_digest(tmp_path):
    records = [r | {"scored": False, "alert": False} for r in ordered(40)]
    run = write_run(tmp_path / "run", records, ("csv",), "all", score=False)
    findings = check_folder(str(run.folder))
    assert not is_wrong(findings), report(findings)
    assert any("digest, made again" in f.text for f in findings)


def test_what_cannot_be_proved_is_said(written):
    texts = {
        ("", "alerts"): "no flow records were written",
        ("csv", "finals"): "early records too",
    }
    for place, expected in texts.items():
        opened = [f.text for f in check_folder(str(written(*place))) if f.verdict == OPEN]
        assert any(expected in text for text in opened)


@pytest.mark.parametrize("name", TEXTS)
def test_edited_byte_is_found_by_the_files_digest(copied, name):
    folder = copied(name)
    path, lines, kept = flow_lines(folder, name)
    lines[kept[3]] = lines[kept[3]].replace(b"10.0.0.3", b"10.0.0.4")
    path.write_bytes(b"".join(lines))
    assert any("not those that were written" in text for text in wrong(folder))


@pytest.mark.parametrize("name", TEXTS)
def test_edited_field_is_found_by_the_runs_digest_when_run_json_was_mended(copied, name):
    folder = copied(name)
    path, lines, kept = flow_lines(folder, name)
    lines[kept[3]] = lines[kept[3]].replace(b"10.0.0.3", b"10.0.0.4")
    path.write_bytes(b"".join(lines))
    mend(folder)
    assert wrong(folder) == [f"{FORMATS[name]}: not the run's digest, made again from the records"]


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("rows", ["finals", "all"])
def test_missing_record_is_found_when_run_json_was_mended(copied, name, rows):
    folder = copied(name, rows)
    path, lines, kept = flow_lines(folder, name)
    del lines[kept[7]]
    path.write_bytes(b"".join(lines))
    mend(folder)
    texts = wrong(folder)
    assert any("final records = finals" in text and "1 apart" in text for text in texts), texts
    assert any("packets of finals" in text for text in texts)


@pytest.mark.parametrize("name", TEXTS)
def test_doubled_record_is_found_with_its_number(copied, name):
    folder = copied(name, "finals")
    path, lines, kept = flow_lines(folder, name)
    lines.insert(kept[7], lines[kept[7]])
    path.write_bytes(b"".join(lines))
    mend(folder)
    assert any("record 8 is not behind the record before it" in text for text in wrong(folder))


@pytest.mark.parametrize("name", TEXTS)
def test_moved_record_is_found(copied, name):
    folder = copied(name, "finals")
    path, lines, kept = flow_lines(folder, name)
    one, other = kept[7], kept[20]
    lines[one], lines[other] = lines[other], lines[one]
    path.write_bytes(b"".join(lines))
    mend(folder)
    assert any("is not behind the record before it" in text for text in wrong(folder))


def test_one_record_in_place_of_another_is_found_by_its_sums(copied):
    folder = copied("csv", "finals")
    path, lines, kept = flow_lines(folder, "csv")
    cells = lines[kept[7]].split(b",")
    lines[kept[7]] = lines[kept[7]].replace(b",idle,", b",forced,").replace(b",end,", b",idle,")
    assert lines[kept[7]].split(b",") != cells
    path.write_bytes(b"".join(lines))
    mend(folder)
    assert any("finals of reason" in text for text in wrong(folder))


def test_count_that_differs_from_its_feature_is_found(copied):
    folder = copied("csv", "finals")
    path, lines, kept = flow_lines(folder, "csv")
    header = lines[0].decode().split(",")
    cells = lines[kept[2]].split(b",")
    cells[header.index("fwd_packet_count")] = b"77"
    lines[kept[2]] = b",".join(cells)
    path.write_bytes(b"".join(lines))
    mend(folder)
    assert any("record 2 has another fwd_packet_count" in text for text in wrong(folder))


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("keep", [0.5, 0.99])
def test_cut_file_is_found_even_when_run_json_was_mended(copied, name, keep):
    folder = copied(name, "finals")
    path = folder / FORMATS[name]
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    assert any("were written" in text for text in wrong(folder))
    mend(folder)
    assert wrong(folder)


def test_missing_file_and_partial_file_are_found(copied):
    folder = copied("csv", "finals")
    (folder / "flows.csv").rename(folder / "flows.csv.partial")
    texts = wrong(folder)
    assert "flows.csv: is missing" in texts
    assert "flows.csv.partial: was not written to its end" in texts


def test_missing_alert_is_found(copied):
    folder = copied("csv", "finals")
    path = folder / "eve.json"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[1:]))
    mend(folder)
    assert any("alerts in eve.json" in text for text in wrong(folder))


def test_parquet_of_other_records_is_found(copied, written):
    import pyarrow.parquet

    folder = copied("parquet", "finals")
    path = folder / "flows.parquet"
    table = pyarrow.parquet.read_table(path)
    pyarrow.parquet.write_table(table.slice(1), path)
    mend(folder)
    assert any("final records = finals" in text for text in wrong(folder))


COUNTED = [
    (stage, counter.name)
    for stage, counters in COUNTERS.items()
    for counter in counters
    if any(f"{stage}.{counter.name}" in e.left + e.right for e in EQUATIONS)
]


@pytest.mark.parametrize(("stage", "name"), COUNTED)
def test_each_counter_of_an_equation_is_missed_when_it_is_wrong(copied, stage, name):
    folder = copied("csv", "all" if name == "early" else "finals")

    def change(record: dict) -> None:
        record["counters"][stage][name] += 1
        process = "worker.0" if stage == "worker" else stage
        record["processes"][process]["counters"][name] += 1

    mend(folder, change)
    assert wrong(folder), f"{stage}.{name} may be anything"


def test_processes_that_do_not_add_up_to_their_stage_are_found(copied):
    folder = copied("")
    mend(folder, lambda r: r["processes"]["worker.0"]["counters"].update(flows=10**6))
    assert any("add up to those of their stages" in text for text in wrong(folder))


def test_sources_that_do_not_add_up_are_found(copied):
    folder = copied("")
    mend(folder, lambda r: r["sources"][0].update(packets=3))
    assert any("packets of all sources" in text for text in wrong(folder))
    mend(folder, lambda r: r["damage"].clear())
    assert any("sources with damage" in text for text in wrong(folder))


def test_more_packets_in_flows_than_were_read_of_their_source_are_found(tmp_path):
    records = [r | {"source_number": 1} for r in ordered(20)]
    run = write_run(tmp_path / "run", records, ("csv",), "finals", separate=True)
    assert any("not so for source 1" in text for text in wrong(run.folder))


def test_run_that_did_not_end_well_is_not_proved(copied):
    folder = copied("")
    mend(folder, lambda r: r.update(exit_code=4))
    assert any("exit code 4" in text for text in wrong(folder))


BROKEN_JSON = [b"", b"{", b"[]", b'{"schema":1}', b"\xff\xfe", b'{"schema":"\xff"}']


@pytest.mark.parametrize("content", BROKEN_JSON)
def test_broken_run_json_is_a_finding(copied, content):
    folder = copied("")
    (folder / "run.json").write_bytes(content)
    assert any("run.json is not what a run writes" in text for text in wrong(folder))
    assert is_wrong(check_sources(str(folder)))


def test_unknown_schema_and_missing_counter_are_findings(copied):
    folder = copied("")
    mend(folder, lambda r: r.update(schema=2))
    assert any("schema 2" in text for text in wrong(folder))
    folder = copied("", "finals")

    def forget(record: dict) -> None:
        for place in (record["counters"]["worker"], record["processes"]["worker.0"]["counters"]):
            del place["accepted"]

    mend(folder, forget)
    assert any("no counter" in text for text in wrong(folder))


def test_folder_that_is_none_is_a_config_error(tmp_path):
    with pytest.raises(ConfigError):
        check_folder(str(tmp_path / "none"))
    assert any("cannot be read" in text for text in wrong(tmp_path))


def test_changed_capture_is_found(tmp_path):
    run = write_run(tmp_path / "run", ordered(5))
    assert not is_wrong(check_sources(str(run.folder)))
    Path(run.plan.sources[0]).write_bytes(b"something else")
    Path(run.plan.sources[1]).unlink()
    findings = check_sources(str(run.folder))
    assert [f.verdict for f in findings] == [WRONG, OPEN]
