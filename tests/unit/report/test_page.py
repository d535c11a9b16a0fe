"""Goal: the page says the run's own numbers, whatever the folder holds, and what it has not.

Method: folders written by a real recorder, with counters made to fit, spoilt one fault each; the
page is parsed by the standard library. What it cannot show: how it looks.
"""

import os
import re
import shutil
from pathlib import Path

import msgspec
import pytest

from engine.classifier.model import DEFAULT_PATH as MODEL
from engine.classifier.model_file import read_members
from engine.config import Config, flatten
from engine.errors import ConfigError, OutputError
from engine.events import COUNTERS, REFUSED
from engine.recorder.escape import shown_text
from engine.recorder.folder import prepare_folder
from engine.report import write_report
from engine.report.identity import LIMITS
from engine.report.page import page
from tests.unit.recorder.whole_runs import ordered, write_run
from tests.unit.report.pages import Page, check_alone

RECORDS = 240
HOSTILE = "</script><img src=x onerror=alert(1)>\"'&\u202e\x1b[31m\u2028"


def with_reasons(records):
    """Return the records with scores below the threshold, but for alerts, which name features."""
    tops = [(1, 0.75), (36, -0.25), (5, 0.125)]
    return [
        r | {"top": tops, "label": 1, "score": 0.75} if r["alert"] else r | {"score": 0.25}
        for r in records
    ]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Return folders of runs by (formats, rows), each written once."""
    home = tmp_path_factory.mktemp("runs")
    made = {}

    def get(*formats: str, rows: str = "finals", count: int = RECORDS) -> Path:
        key = (*formats, rows, count)
        if key not in made:
            folder = home / "-".join(map(str, key))
            rows = rows if formats else "alerts"
            made[key] = write_run(folder, with_reasons(ordered(count)), formats, rows).folder
        return made[key]

    return get


@pytest.fixture
def spoilt(written, tmp_path):
    """Return a function that copies a run's folder and changes its run.json."""

    def spoil(change=lambda record: None, formats=("csv",)) -> Path:
        folder = Path(shutil.copytree(written(*formats), tmp_path / "run"))
        record = run_of(folder)
        change(record)
        (folder / "run.json").write_bytes(msgspec.json.encode(record))
        return folder

    return spoil


def run_of(folder: Path) -> dict:
    return msgspec.json.decode((folder / "run.json").read_bytes())


def read(folder: Path) -> Page:
    """Return the page of a folder, which must be whole and load nothing."""
    content = page(str(folder))
    found = Page(content)
    check_alone(found, content)
    assert content.isprintable() or not set(content) & {"\x00", "\x1b", "\u202e", "\u2028"}
    return found


@pytest.mark.parametrize("formats", [(), ("csv",), ("jsonl",), ("parquet",)])
def test_numbers_are_those_of_run_json(written, formats):
    folder = written(*formats)
    counters = run_of(folder)["counters"]
    shown = read(folder).text("accounting")
    capture, worker, classifier = (counters[n] for n in ("capture", "worker", "classifier"))
    refused = sum(capture[name] for name in REFUSED)
    assert f"{capture['read']:,} read = {worker['accepted']:,} accepted + {refused:,}" in shown
    assert f"{classifier['final_packets']:,} in final records = {worker['accepted']:,}" in shown
    assert f"{worker['parts']:,} parts begun = " in shown
    for name in ("finals_idle", "finals_active", "finals_end", "finals_forced"):
        assert f"{worker[name]:,} " in shown, name
    made = classifier["finals"] + classifier["early"]
    assert f"{made:,} records = {classifier['alerts']:,} alerts + " in shown
    assert "≠" not in shown


def test_wrong_sum_is_shown_as_wrong(spoilt):
    def lose(record):
        record["counters"]["worker"]["accepted"] -= 3

    shown = read(spoilt(lose)).text("accounting")
    assert "≠" in shown
    assert "off by 3" in shown
    assert "wrong" in shown


def test_formats_give_the_same_page(written):
    pages = [read(written(name)) for name in ("csv", "jsonl", "parquet")]
    for section in ("over-time", "hosts-and-services", "alerts"):
        texts = {page.text(section) for page in pages}
        assert len(texts) == 1, section


def test_alerts_are_counted_by_kind_and_shown_with_reasons(written):
    folder = written("csv")
    alerts = run_of(folder)["counters"]["classifier"]["alerts"]
    shown = read(folder).text("alerts")
    assert f"{alerts} alerts" in shown
    for name in ("packet_count", "byte_count", "+0.75", "-0.25"):
        assert name in shown
    assert "no range" not in shown


def test_ranges_are_of_flows_without_an_alert(written):
    ordinary = [sum(r["packets"]) for r in ordered(RECORDS) if r["reason"] and not r["alert"]]
    ordinary.sort()
    shown = read(written("csv")).text("alerts")
    low, high = ordinary[round(0.05 * (len(ordinary) - 1))], ordinary[-1]
    assert f"{low} to {high}" in shown


def test_run_without_flow_records_says_what_would_show_them(written):
    shown = read(written())
    assert "--flows parquet" in shown.text("over-time")
    assert "--flows parquet" in shown.text("hosts-and-services")
    assert "no range" in shown.text("alerts")


def test_run_without_alerts_says_so(tmp_path):
    records = [r | {"alert": False} for r in ordered(60)]
    shown = read(write_run(tmp_path / "run", records, ("csv",), "finals").folder)
    assert "The run made no alert." in shown.text("alerts")


def test_run_without_scores_says_so(tmp_path):
    records = [r | {"scored": False, "alert": False} for r in ordered(60)]
    shown = read(write_run(tmp_path / "run", records, ("csv",), "all", score=False).folder)
    assert "--no-score" in shown.text("alerts")
    assert "--no-score" in shown.text("run")


@pytest.mark.parametrize("formats", [(), ("csv",), ("parquet",)])
def test_empty_run_has_a_page(tmp_path, formats):
    shown = read(write_run(tmp_path / "run", [], formats, "finals" if formats else "alerts").folder)
    assert "The run made no alert." in shown.text("alerts")
    assert "9 read = 0 accepted + 9 refused" in shown.text("accounting")


def test_damage_is_told_with_its_place(written):
    shown = read(written("csv")).text("damage")
    assert "1 source damaged" in shown
    assert "1.pcap 24 cut" in shown


def test_limits_that_were_met_are_told_with_what_to_change(spoilt):
    def evict(record):
        record["counters"]["worker"]["finals_evicted"] = 4321

    shown = read(spoilt(evict)).text("damage")
    assert "4,321" in shown
    assert "flow.max_flows" in shown


def test_only_settings_that_differ_are_listed(spoilt):
    def change(record):
        record["config"]["flow.idle_timeout"] = 7 * 10**9

    shown = read(spoilt(change)).text("run")
    assert "flow.idle_timeout 7 s (default 120 s)" in shown
    assert "flow.active_timeout" not in shown


def test_names_from_outside_stay_text(spoilt):
    def name(record):
        record["sources"][0]["path"] = record["run"] = record["filter"] = HOSTILE
        record["command"] = ["engine", HOSTILE]
        record["model"] = {HOSTILE: HOSTILE, "other": [HOSTILE]}
        record["config"][HOSTILE] = HOSTILE
        record["host"]["name"] = HOSTILE
        record["damage"] = [{"source": 0, "offset": 0, "reason": HOSTILE}]
        record["processes"][HOSTILE] = record["processes"].pop("capture")
        record["link_types"] = {HOSTILE: 3}

    shown = read(spoilt(name))
    assert "img" not in shown.tags
    assert shown_text(HOSTILE) in shown.text("run")


def test_names_in_events_stay_text(spoilt):
    folder = spoilt()
    lines = (folder / "eve.json").read_bytes().splitlines()
    for at, line in enumerate(lines):
        event = msgspec.json.decode(line)
        if event["event_type"] == "alert":
            event["src_ip"] = event["pcap_filename"] = event["community_id"] = HOSTILE
            event["proto"] = event["ml"]["label"] = event["ml"]["service"] = HOSTILE
            event["ml"]["top_features"].append({"name": HOSTILE, "value": 1e308, "weight": 1e308})
            event["ml"]["top_features"].append({"name": "syn_count", "value": -1e308, "weight": -1})
        lines[at] = msgspec.json.encode(event)
    (folder / "eve.json").write_bytes(b"\n".join(lines) + b"\n")
    shown = read(folder)
    assert "img" not in shown.tags
    assert shown_text(HOSTILE) in shown.text("alerts")


def test_cut_events_are_read_as_far_as_they_are_whole(spoilt):
    folder = spoilt()
    content = (folder / "eve.json").read_bytes()
    (folder / "eve.json").write_bytes(content[: len(content) // 2])
    shown = read(folder)
    assert "Alerts were read in part" in shown.text("")
    assert "were read: what follows is of these" in shown.text("alerts")


@pytest.mark.parametrize("name", ["eve.json", "flows.csv"])
def test_missing_file_is_told(spoilt, name):
    folder = spoilt()
    (folder / name).unlink()
    assert name in read(folder).text("")


@pytest.mark.parametrize("name", ["flows.csv", "flows.parquet"])
def test_broken_flow_records_are_told(spoilt, name):
    folder = spoilt(formats=(name.removeprefix("flows."),))
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])
    assert "Flow records were read in part" in read(folder).text("")


def test_unfinished_file_is_told(spoilt):
    folder = spoilt()
    (folder / "flows.csv").rename(folder / "flows.csv.partial")
    assert "Not written to the end: flows.csv.partial" in read(folder).text("damage")


def test_counter_of_another_engine_is_told_not_made_up(spoilt):
    def forget(record):
        del record["counters"]["capture"]["fragment_evicted"]

    assert "not counted there: capture.fragment_evicted" in read(spoilt(forget)).text("")


def test_page_stays_small_with_many_alerts(tmp_path, written):
    folder = Path(shutil.copytree(written(), tmp_path / "run"))
    lines = (folder / "eve.json").read_bytes().splitlines(keepends=True)
    line = next(line for line in lines if b'"event_type":"alert"' in line)
    event = msgspec.json.decode(line)
    made = 12_000
    with (folder / "eve.json").open("wb") as file:
        for number in range(made):
            event["src_ip"] = f"198.18.{number >> 8 & 255}.{number & 255}"
            event["dest_ip"] = f"10.0.{number % 5_000 >> 8}.{number & 255}"
            event["ml"]["label"] = f"kind {number % 40}"
            file.write(msgspec.json.encode(event) + b"\n")
    shown = page(str(folder))
    assert len(shown) < 1_000_000
    text = Page(shown).text("alerts")
    assert f"{made:,} were read" in text
    assert "of further kinds left out" in text


def test_measures_of_the_runs_model_are_shown(spoilt):
    card = msgspec.json.decode(read_members(MODEL)[0])
    kind = card["kinds"][0]
    lines = []

    def of_the_package(record):
        record["model"] = {"path": str(MODEL), "name": card["name"], "version": card["version"]}

    folder = spoilt(of_the_package)
    for line in (folder / "eve.json").read_bytes().splitlines():
        event = msgspec.json.decode(line)
        if event["event_type"] == "alert":
            event["ml"]["label"] = kind["label"]
        lines.append(msgspec.json.encode(event))
    (folder / "eve.json").write_bytes(b"\n".join(lines) + b"\n")
    shown = read(folder).text("alerts")
    captures = kind["validation"]["captures"]
    assert f"found {captures['found']} of {captures['all']} captures" in shown
    assert " ".join(card["limits"][0].split()) in shown


@pytest.mark.parametrize("kind", ["none", "folder", "fifo", "text", "other"])
def test_model_that_is_not_the_runs_has_no_measures(spoilt, tmp_path, kind):
    place = MODEL if kind == "other" else tmp_path / "model"
    if kind == "folder":
        place.mkdir()
    elif kind == "fifo":
        os.mkfifo(place)
    elif kind == "text":
        place.write_text("no model")

    def elsewhere(record):
        record["model"] = {"path": str(place), "name": "another", "version": "1"}

    shown = read(spoilt(elsewhere)).text("alerts")
    assert "On laboratories" not in shown
    assert "cannot find" not in shown


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b'{"schema": 1}', b"[" * 100_000])
def test_broken_run_json_is_a_fault_of_use(spoilt, content):
    folder = spoilt()
    (folder / "run.json").write_bytes(content)
    with pytest.raises(ConfigError, match=r"run\.json"):
        page(str(folder))


@pytest.mark.parametrize(
    "change",
    [
        lambda record: record.update(schema=999),
        lambda record: record["counters"].pop("worker"),
        lambda record: record["counters"]["capture"].update(read=-1),
        lambda record: record["counters"]["capture"].update(read=1 << 63),
        lambda record: record["counters"]["capture"].update(read="many"),
    ],
)
def test_run_json_that_no_run_writes_is_a_fault_of_use(spoilt, change):
    with pytest.raises(ConfigError, match=r"run\.json"):
        page(str(spoilt(change)))


@pytest.mark.parametrize("name", ["nowhere", "file"])
def test_folder_that_is_none_is_a_fault_of_use(tmp_path, name):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(ConfigError, match="is not a folder"):
        write_report(str(tmp_path / name))


def test_page_is_written_into_the_folder_and_goes_with_the_run(spoilt):
    folder = spoilt()
    path = write_report(str(folder))
    assert path == folder / "report.html"
    assert path.read_text(encoding="utf-8") == page(str(folder))
    prepare_folder(str(folder), overwrite=True)
    assert not path.exists()


def test_page_never_replaces_a_file_of_the_run(spoilt):
    folder = spoilt()
    before = (folder / "run.json").read_bytes()
    with pytest.raises(ConfigError, match="file of the run"):
        write_report(str(folder), str(folder / "run.json"))
    assert (folder / "run.json").read_bytes() == before


@pytest.mark.parametrize("place", ["no/such/folder.html", "."])
def test_page_that_cannot_be_written_is_told(spoilt, tmp_path, place):
    with pytest.raises(OutputError):
        write_report(str(spoilt()), str(tmp_path / place))


def test_limits_and_settings_that_are_named_exist():
    settings = flatten(Config())
    for stage, name, advice in LIMITS:
        assert name in {counter.name for counter in COUNTERS[stage]}, name
        for setting in re.findall(r"\b[a-z]+\.[a-z_]+\b", advice):
            assert setting in settings, setting
