"""Goal: `engine diff` finds what differs between two runs in any formats, and nothing else.

Method: Hypothesis draws two lists of records out of one; a dictionary comparison of a few lines is
the reference for the counts. That memory stays bounded is shown with small blocks.
"""

import itertools
import tempfile
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.diff import diff_folders
from engine.errors import ConfigError
from engine.recorder import read_back
from engine.recorder.outputs import FOREIGN, FORMATS
from tests.unit.recorder.rows import plan_of, row_words
from tests.unit.recorder.runs import record
from tests.unit.recorder.whole_runs import ordered, write_run

EVERY = tuple(FORMATS)


def written(folder: Path, records: list[dict], name: str) -> str:
    """Write records as flow records into a folder and return it."""
    folder.mkdir()
    outcome = record(plan_of(folder, [name], "all"), row_words(records), 64)
    assert outcome.error is None
    return str(folder)


@pytest.fixture(scope="module")
def same(tmp_path_factory):
    """Return folders of the same records in every format."""
    home = tmp_path_factory.mktemp("same")
    return {name: written(home / name, ordered(50), name) for name in EVERY}


@pytest.mark.parametrize(("a", "b"), [*itertools.combinations_with_replacement(EVERY, 2)])
def test_same_records_are_equal_in_every_pair_of_formats(same, a, b):
    found = diff_folders(same[a], same[b])
    assert found.exit_code == 0, found.text()
    assert found.equal == 50
    assert found.first == []


EDITS = st.dictionaries(
    st.integers(0, 29), st.sampled_from(["drop A", "drop B", "edit"]), max_size=8
)


def edited(record_: dict) -> dict:
    return record_ | {"packets": (record_["packets"][0] + 1, 0)}


@settings(max_examples=25)
@given(EDITS, st.sampled_from(EVERY), st.sampled_from(EVERY), st.sampled_from([1, 3, 4096]))
def test_counts_are_those_of_a_comparison_by_hand(edits, a, b, block):
    records = ordered(30)
    ours = [r for k, r in enumerate(records) if edits.get(k) != "drop A"]
    theirs = [
        edited(r) if edits.get(k) == "edit" else r
        for k, r in enumerate(records)
        if edits.get(k) != "drop B"
    ]
    with tempfile.TemporaryDirectory() as home, pytest.MonkeyPatch.context() as patch:
        patch.setattr(read_back, "BLOCK_ROWS", block)
        found = diff_folders(
            written(Path(home) / "a", ours, a), written(Path(home) / "b", theirs, b)
        )
    kinds = list(edits.values())
    assert found.differing == kinds.count("edit")
    assert found.only_a == kinds.count("drop B")
    assert found.only_b == kinds.count("drop A")
    assert found.equal == 30 - len(edits)
    assert found.exit_code == (1 if edits else 0)
    if edits:
        assert f"record {min(edits)}:" in found.text()


def test_first_difference_is_told_field_by_field(tmp_path):
    records = ordered(10)
    changed = list(records)
    changed[4] = records[4] | {
        "bytes": (records[4]["bytes"][0] + 5, records[4]["bytes"][1]),
        "label": 1,
        "features": records[4]["features"] | {36: 7.5, 40: 1.0},
    }
    a, b = written(tmp_path / "a", records, "csv"), written(tmp_path / "b", changed, "parquet")
    text = diff_folders(a, b).text()
    assert "record 4: final (forced), protocol 6, 10.0.0.4 port 40000" in text
    assert "    fwd_bytes: A 500, B 505\n" in text
    assert "    label: A scan, B brute force\n" in text
    assert "    iat_mean_us: A 0.4, B 7.5\n" in text
    assert "    fwd_iat_total_us: A not valid, B 1.0\n" in text
    assert "9 records are equal, 1 differ, 0 are only in A, 0 only in B" in text


def test_feature_that_is_not_valid_differs_from_zero(tmp_path):
    records = ordered(3)
    changed = [r | {"features": r["features"] | {50: 0.0}} for r in records]
    a, b = written(tmp_path / "a", records, "csv"), written(tmp_path / "b", changed, "csv")
    assert diff_folders(a, b).differing == 3


def test_unscored_records_are_equal_to_themselves_only(tmp_path):
    records = ordered(3)
    bare = [r | {"scored": False, "alert": False} for r in records]
    a, b = written(tmp_path / "a", bare, "parquet"), written(tmp_path / "b", bare, "csv")
    c = written(tmp_path / "c", records, "csv")
    assert diff_folders(a, b).exit_code == 0
    assert diff_folders(a, c).differing == 3


def test_empty_run_misses_everything(tmp_path):
    a, b = written(tmp_path / "a", [], "csv"), written(tmp_path / "b", ordered(5), "csv")
    found = diff_folders(a, b)
    assert (found.only_a, found.only_b, found.equal) == (0, 5, 0)
    assert diff_folders(a, a).exit_code == 0


@pytest.mark.parametrize("name", FOREIGN)
def test_other_programs_columns_alone_cannot_be_compared(tmp_path, same, name):
    (tmp_path / "a").mkdir()
    record(plan_of(tmp_path / "a", [name], "finals"), row_words(ordered(5)), 8)
    with pytest.raises(ConfigError, match=f"columns alone .{FOREIGN[name]}"):
        diff_folders(str(tmp_path / "a"), same["csv"])


def test_folder_without_flow_records_is_a_config_error(tmp_path, same):
    (tmp_path / "a").mkdir()
    record(plan_of(tmp_path / "a", [], "alerts"), row_words([]), 8)
    for folder, reason in (("a", "no flow records"), ("none", "not a folder")):
        with pytest.raises(ConfigError, match=reason):
            diff_folders(str(tmp_path / folder), same["csv"])


def test_broken_file_is_told_with_its_record(tmp_path, same):
    for name, place in (("csv", "record 3"), ("jsonl", "line 5")):
        folder = tmp_path / name
        written(folder, ordered(8), name)
        path = folder / FORMATS[name]
        lines = path.read_bytes().splitlines(keepends=True)
        number = next(k for k, line in enumerate(lines) if b"10.0.0.3" in line)
        lines[number] = lines[number].replace(
            b"1700000003000000000", b'"x"' if name == "jsonl" else b"x"
        )
        path.write_bytes(b"".join(lines))
        with pytest.raises(read_back.BrokenOutputError, match=place):
            diff_folders(str(folder), same["csv"])


def test_runs_of_other_definitions_are_not_compared(tmp_path):
    runs = [write_run(tmp_path / name, ordered(4), ("csv",), "all") for name in "ab"]
    path = runs[1].folder / "run.json"
    changed = msgspec.json.decode(path.read_bytes()) | {"feature_digest": "other"}
    path.write_bytes(msgspec.json.encode(changed))
    with pytest.raises(ConfigError, match="feature_digest"):
        diff_folders(str(runs[0].folder), str(runs[1].folder))
