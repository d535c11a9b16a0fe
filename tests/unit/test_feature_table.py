"""Goal: `engine features summary` says of every feature what the written records say of it.

Method: Hypothesis draws the records; sorting their plain values is the reference. Files come from
the recorder itself, in every format; blocks are small, so that passes cross them.
"""

import statistics
import tempfile
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import ConfigError
from engine.feature_table import feature_table, report
from engine.features.catalogue import NAMES
from engine.recorder import read_back
from engine.recorder.outputs import FORMATS
from tests.unit.recorder.rows import NUMBERS, plan_of, row_words, simple
from tests.unit.recorder.runs import record

VECTORS = st.dictionaries(st.sampled_from([0, 41, 92, 141]), NUMBERS | st.just(-1.5), max_size=4)


def written(folder: Path, vectors: list[dict], name: str) -> str:
    """Write a final record for each vector and return the folder."""
    folder.mkdir()
    rows = row_words([simple(features=vector) for vector in vectors])
    assert record(plan_of(folder, [name], "all"), rows, 64).error is None
    return str(folder)


@settings(max_examples=40)
@given(st.lists(VECTORS, max_size=30), st.sampled_from(tuple(FORMATS)), st.sampled_from([2, 4096]))
def test_share_minimum_median_and_maximum_are_those_of_the_sorted_values(vectors, name, block):
    before, read_back.BLOCK_ROWS = read_back.BLOCK_ROWS, block
    try:
        with tempfile.TemporaryDirectory() as home:
            table = feature_table(written(Path(home) / "run", vectors, name))
    finally:
        read_back.BLOCK_ROWS = before
    assert table.records == len(vectors)
    for at, found in enumerate(table.features):
        values = [vector[at] for vector in vectors if at in vector]
        assert found.name == NAMES[at]
        assert found.valid == len(values)
        if values:
            wanted = min(values), statistics.median_low(values), max(values)
            assert (found.minimum, found.median, found.maximum) == wanted
            assert found.valid_share == len(values) / len(vectors)
        assert (found.name in table.constant) == (len(set(values)) < 2)


def test_text_names_each_feature_and_marks_those_that_are_constant(tmp_path):
    folder = written(tmp_path / "run", [{0: 1.0, 5: 7.0}, {0: 2.0, 5: 7.0}], "csv")
    lines = report(feature_table(folder)).splitlines()
    assert [line.split()[1] for line in lines[1:143]] == list(NAMES)
    assert lines[1].split()[-4:] == ["%", "1", "1", "2"]
    assert lines[6].split()[-5:] == ["%", "7", "7", "7", "constant"]
    assert lines[2].split()[-4:] == ["-", "-", "-", "constant"]
    assert lines[-1] == "2 records of flows.csv: 1 features vary"
    said = msgspec.json.decode(report(feature_table(folder), json=True))
    assert len(said["constant"]) == 141
    assert said["features"][0]["median"] == 1.0


def test_a_folder_without_flow_records_is_refused_with_what_to_do(tmp_path):
    with pytest.raises(ConfigError, match="--flows parquet"):
        feature_table(str(tmp_path))
