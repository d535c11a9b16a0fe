"""The catalogue is the contract's table, and says so to people and programs.

Method: every row is compared with features.tsv of the contract where that stands beside the test
data; what holds of any catalogue (unique names, unit in the name, order) is checked on its own.
"""

import csv
import hashlib
import json
import re
from pathlib import Path

import pytest

from engine import layouts
from engine.errors import ConfigError
from engine.features import catalogue


@pytest.fixture
def contract_rows(test_data):
    table = test_data.parent / "contract" / "features.tsv"
    if not table.is_file():
        pytest.skip(f"the contract's table is not at {table}")
    with table.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


def test_catalogue_is_the_contracts_table(contract_rows):
    listed = json.loads(catalogue.listing(json=True))["features"]
    assert [{key: str(text) for key, text in row.items()} for row in listed] == contract_rows


def test_digest_is_sha256_of_the_contracts_seven_columns(contract_rows):
    seven = ("index", "name", "group", "scope", "unit", "definition", "valid_when")
    lines = "".join("\t".join(row[key] for key in seven) + "\n" for row in contract_rows)
    assert catalogue.digest() == hashlib.sha256(lines.encode()).hexdigest()


def test_vector_has_142_features_of_distinct_names():
    assert len(catalogue.FEATURES) == layouts.FEATURES
    assert len(set(catalogue.NAMES)) == layouts.FEATURES


def test_flow_features_are_0_to_81_and_92():
    assert (*range(82), 92) == catalogue.FLOW_INDICES
    assert len(catalogue.FLOW_INDICES) == layouts.FLOW_FEATURES


def test_flow_and_host_features_together_are_all():
    together = sorted(catalogue.FLOW_INDICES + catalogue.HOST_INDICES)
    assert together == list(range(layouts.FEATURES))


def test_each_group_is_one_run_of_the_vector():
    runs = [
        feature.group
        for before, feature in zip((None, *catalogue.FEATURES), catalogue.FEATURES, strict=False)
        if before is None or before.group != feature.group
    ]
    assert runs == list(catalogue.GROUPS)


def test_names_say_their_time_unit():
    for feature in catalogue.FEATURES:
        if feature.unit in ("us", "s"):
            assert feature.name.endswith("_" + feature.unit), feature.name
        assert re.fullmatch(r"[a-z][a-z0-9_]*[a-z0-9]", feature.name)


def test_no_row_holds_a_tab_or_newline():
    for row in json.loads(catalogue.listing(json=True))["features"]:
        assert not re.search(r"[\t\r\n]", "".join(str(text) for text in row.values()))


def test_index_finds_every_name():
    assert [catalogue.index(name) for name in catalogue.NAMES] == list(range(layouts.FEATURES))


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("iat_mean", "iat_mean_us"),
        ("fwd_packets", "fwd_packet_count"),
        ("Flow IAT Mean", "iat_mean_us"),
        ("bidirectional_packets", "packet_count"),
        ("SYN", "syn_count"),
    ],
)
def test_wrong_name_suggests_the_one_meant(wrong, meant):
    with pytest.raises(ConfigError, match=re.escape(meant)):
        catalogue.index(wrong)


@pytest.mark.parametrize("wrong", ["", " ", "xyzzy", "x" * 10_000])
def test_hopeless_name_is_an_error_without_suggestion(wrong):
    with pytest.raises(ConfigError, match="engine features list"):
        catalogue.show(wrong)


def test_alias_with_its_difference_names_one_feature():
    for program in catalogue.PROGRAMS:
        meant = {(column, remark) for column, _, remark in catalogue.columns(program)}
        assert len(meant) == len(catalogue.columns(program))


def test_alias_is_split_from_its_difference():
    columns = catalogue.columns("cicflowmeter")
    assert ("Packet Length Mean", 16, "") in columns
    assert ("Average Packet Size", 16, "") in columns
    assert ("Fwd Header Length", 11, "CICFlowMeter: transport header only") in columns


def test_show_prints_formula_unit_validity_and_aliases():
    shown = catalogue.show("iat_mean_us")
    for text in (
        "mean gap between consecutive packets of the flow",
        "us",
        "packet_count >= 2",
        "Flow IAT Mean",
        "bidirectional_mean_piat_ms (x1000)",
    ):
        assert text in shown
    assert json.loads(catalogue.show("iat_mean_us", json=True))["index"] == 36


def test_listing_prints_every_definition():
    listing = catalogue.listing()
    for feature in catalogue.FEATURES:
        assert feature.name in listing
        assert feature.definition in listing
    assert catalogue.digest() in listing


def test_catalogue_page_is_up_to_date():
    page = Path(catalogue.__file__).with_name("CATALOGUE.rst")
    assert page.read_text(encoding="utf-8") == catalogue.rst()
