"""Hosts that stand out are those with most of each telling feature, among all hosts of the file."""

import json

from hypothesis import given
from hypothesis import strategies as st

from engine.features.catalogue import NAMES
from engine.report.hosts import HOSTS, NAMED, TELLING, read_hosts, standing_out
from tests.unit.report.pages import Page

NAME = "internal_peer_count"
HOSTILE = "</td><script>\u202e"


def write(folder, hosts):
    lines = [json.dumps({"address": a, "internal": True, "features": f}) + "\n" for a, f in hosts]
    (folder / HOSTS).write_text("".join(lines), encoding="utf-8")


def test_telling_features_exist():
    assert set(TELLING) <= set(NAMES)


@given(st.lists(st.integers(-5, 50), min_size=1, max_size=60))
def test_largest_are_named_most_first(tmp_path_factory, values):
    folder = tmp_path_factory.mktemp("hosts")
    write(folder, [(f"10.0.0.{k:03}", {NAME: float(v)}) for k, v in enumerate(values)])
    found = read_hosts(folder)
    expected = sorted((-v, f"10.0.0.{k:03}") for k, v in enumerate(values))[:NAMED]
    assert [(-value, address) for value, address in found.largest[NAME]] == expected
    assert found.count == len(values)
    text = Page(standing_out(found)).text("standing-out")
    assert (expected[0][1] in text) is (max(values) > 0)


def test_range_is_of_all_hosts_that_have_the_feature(tmp_path):
    write(tmp_path, [(f"10.0.{k}.1", {NAME: float(k)} if k % 2 else {}) for k in range(3000)])
    found = read_hosts(tmp_path)
    known = found.sample.ranges()[NAME]
    assert known.count == 1500
    assert (known.low, known.high) == (151.0, 2849.0)


def test_what_is_sent_outside_counts_for_hosts_inside(tmp_path):
    lines = [
        {"address": "198.51.100.7", "internal": False, "features": {"large_upload_count": 9.0}},
        {"address": "10.0.0.7", "internal": True, "features": {"large_upload_count": 2.0}},
    ]
    (tmp_path / HOSTS).write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert read_hosts(tmp_path).largest["large_upload_count"] == [(2.0, "10.0.0.7")]


def test_run_without_hosts_has_no_section(tmp_path):
    assert standing_out(read_hosts(tmp_path)) == ""


def test_cut_file_is_read_as_far_as_it_is_whole(tmp_path):
    write(tmp_path, [(f"10.0.0.{k}", {NAME: 1.0 + k}) for k in range(9)])
    content = (tmp_path / HOSTS).read_bytes()
    (tmp_path / HOSTS).write_bytes(content[:-10])
    found = read_hosts(tmp_path)
    assert found.count == 8
    assert f"{HOSTS}, line 9" in Page(standing_out(found)).text()


def test_odd_hosts_stay_text(tmp_path):
    odd = {NAME: 1e308, HOSTILE: 1.0, "large_upload_count": -1e308}
    write(tmp_path, [(HOSTILE, odd), ("10.0.0.1", {})])
    page = Page(standing_out(read_hosts(tmp_path)))
    assert "script" not in page.tags
    assert "10.0.0.1" not in page.text()
