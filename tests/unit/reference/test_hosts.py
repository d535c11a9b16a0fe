"""Goal: who is a host, what it is given and which rows records take is as "Hosts" says.

Method: events made by hand; rows are seen through records, as everywhere. Values of features are in
test_host_rows.py, test_host_symptoms.py and test_host_windows.py, limits in test_host_limits.py.
"""

from ipaddress import ip_address
from struct import unpack

import pytest

from engine.config import PANE_NS, SECOND_NS
from engine.reference.events import Increase
from engine.reference.homes import Homes
from tests.unit.reference.host_scenes import (
    ANNA,
    BERT,
    CARL,
    FAR,
    GROUP,
    SIX_FAR,
    SIX_HOME,
    SYN,
    Scene,
    features,
    flow,
    has_rows,
    hosts_of,
    key,
)

S = SECOND_NS


# Who.


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("10.0.0.0", "internal"),
        ("10.255.255.255", "internal"),
        ("11.0.0.0", "external"),
        ("172.15.255.255", "external"),
        ("172.16.0.0", "internal"),
        ("172.31.255.255", "internal"),
        ("172.32.0.0", "external"),
        ("192.168.9.9", "internal"),
        ("169.254.1.1", "internal"),
        ("127.0.0.1", "internal"),
        ("223.255.255.255", "external"),
        ("224.0.0.0", ""),
        ("239.255.255.255", ""),
        ("240.0.0.0", "external"),
        ("255.255.255.254", "external"),
        ("255.255.255.255", ""),
        ("0.0.0.0", ""),
        ("0.0.0.1", "external"),
        ("::", ""),
        ("::1", "internal"),
        ("::2", "external"),
        ("fe80::1", "internal"),
        ("fec0::1", "external"),
        ("fc00::", "internal"),
        ("fdff::", "internal"),
        ("fe00::", "external"),
        ("feff::", "external"),
        ("ff02::1", ""),
        ("::ffff:10.0.0.1", "external"),
    ],
)
def test_kind_of_an_address(address: str, kind: str) -> None:
    homes = Homes(hosts_of()._settings.home_networks)
    assert homes.kind(ip_address(address).packed) == kind


def test_home_networks_make_hosts_internal_but_no_group_a_host() -> None:
    homes = Homes(("0.0.0.0/0",))
    assert [homes.kind(address) for address in (FAR, GROUP, SIX_HOME)] == [
        "internal",
        "",
        "external",
    ]
    assert Homes(()).kind(ANNA) == "external"


def test_address_that_is_no_host_has_no_row(scene: Scene) -> None:
    scene.delta(0, flow(GROUP, ANNA))
    scene.delta(0, flow(ANNA, GROUP))
    scene.query(0, GROUP)
    assert has_rows(scene.row(0, GROUP, ANNA)) == (False, True)
    assert has_rows(scene.row(0, ANNA, GROUP)) == (True, False)
    assert scene.counters["hosts_made"] == 1
    assert (scene.counters["host_rows_joined"], scene.counters["host_rows_none"]) == (2, 2)


def test_version_is_of_the_host(scene: Scene) -> None:
    scene.delta(0, flow(SIX_HOME, SIX_FAR))
    assert has_rows(scene.row(0, SIX_HOME, SIX_FAR)) == (True, True)


# Parts.


def test_delta_adds_to_one_part_of_each_host(scene: Scene) -> None:
    scene.delta(0, flow(ANNA, BERT))
    assert has_rows(scene.row(0, ANNA, BERT)) == (True, True)
    assert has_rows(scene.row(0, BERT, ANNA)) == (False, False)


def test_host_that_talks_to_itself_has_both_parts(scene: Scene) -> None:
    scene.delta(0, flow(ANNA, ANNA))
    assert has_rows(scene.row(0, ANNA, ANNA)) == (True, True)
    assert scene.counters["hosts_made"] == 1


def test_fact_touches_the_initiator_part(scene: Scene) -> None:
    scene.query(0, ANNA)
    assert has_rows(scene.row(0, ANNA, ANNA)) == (True, False)


def test_ended_mark_makes_and_touches_nothing(scene: Scene) -> None:
    scene.final(1 * S, key(ANNA, BERT))
    assert "hosts_made" not in scene.counters
    scene.delta(0, flow(ANNA, BERT))
    scene.final(6 * S, key(ANNA, BERT), 2 * S, proper=True)
    assert has_rows(scene.row(1, ANNA, BERT)) == (False, False)
    scene.delta(2, flow(ANNA, CARL))
    scene.delta(2, flow(CARL, BERT))
    row = scene.row(2, ANNA, BERT)
    assert (row[139], row[88]) == (2.0, 1.0)


def test_ended_mark_adds_to_a_part_that_was_never_touched(scene: Scene) -> None:
    scene.delta(0, flow(BERT, ANNA))
    scene.final(6 * S, key(ANNA, FAR), 2 * S)
    scene.delta(1, flow(ANNA, BERT))
    assert scene.row(1, ANNA)[139] == 2.0


def test_remainder_makes_the_hosts_before_its_final_ends(scene: Scene) -> None:
    scene.final(1 * S, key(ANNA, BERT), 1 * S, remainder=Increase(fwd_packets=1), marks=SYN)
    row = scene.row(0, ANNA, BERT)
    assert (row[139], row[103], row[88]) == (1.0, pytest.approx(1 / 5), 0.0)


def test_remainder_without_packets_adds_nothing(scene: Scene) -> None:
    scene.final(1 * S, key(ANNA, BERT), 1 * S, remainder=Increase())
    assert "hosts_made" not in scene.counters
    assert has_rows(scene.row(0, ANNA, BERT)) == (False, False)


def test_remainder_at_a_boundary_is_of_the_pane_that_begins(scene: Scene) -> None:
    scene.delta(0, flow(ANNA, BERT))
    scene.final(5 * S, key(BERT, ANNA), remainder=Increase(fwd_packets=1), marks=SYN)
    assert has_rows(scene.row(0, BERT, ANNA)) == (False, False)
    assert has_rows(scene.row(1, BERT, ANNA)) == (True, True)


# Rows.


@pytest.mark.parametrize(
    ("time", "last", "pane"),
    [
        (10 * S, 10 * S, 1),
        (10 * S - 1, 9 * S, 0),
        (500 * S, 10 * S - 1, 1),
        (500 * S, 10 * S, 2),
        (500 * S, 5 * S - 1, 0),
        (5 * S, 5 * S, 0),
    ],
)
def test_record_takes_the_row_of_its_last_packets_pane_or_the_one_before_its_own(
    time: int, last: int, pane: int
) -> None:
    scene, ends = Scene(), key(ANNA, BERT)
    for number in range(min(time // PANE_NS, 4)):
        for _ in range(number + 1):
            scene.delta(number, flow(ANNA, BERT))
    assert features(scene.early(time, ends, last))[133] == pane + 1


def test_row_is_of_what_was_given_by_the_end_of_its_pane(scene: Scene) -> None:
    scene.delta(0, flow(ANNA, BERT))
    scene.query(1, ANNA)
    scene.query(2, ANNA)
    assert features(scene.early(99 * S, key(ANNA, BERT), 4 * S))[124] == 0.0
    assert features(scene.early(99 * S, key(ANNA, BERT), 9 * S))[124] == 6.0


def test_counters_account_for_both_parts_of_every_record() -> None:
    scene = Scene(rows=16)
    for pane in range(40):
        scene.delta(pane, flow(ANNA, BERT))
        scene.row(pane - pane % 7, ANNA, BERT if pane % 5 else GROUP)
    counters = scene.counters
    fates = [counters[f"host_rows_{fate}"] for fate in ("joined", "none")]
    assert sum(fates) == 2 * 40
    assert counters["host_rows"] == 2 * 39  # The last pane is not over.


def test_oldest_rows_are_given_up() -> None:
    scene = Scene(rows=16)
    for pane in range(16):
        scene.delta(pane, flow(ANNA, BERT))
    late, whose = 99 * S, key(ANNA, BERT)
    assert has_rows(features(scene.early(late, whose, 0))) == (True, True)
    scene.delta(30, flow(ANNA, GROUP))
    late = 199 * S
    assert has_rows(features(scene.early(late, whose, 0))) == (False, True)
    assert scene.counters["host_rows_gone"] == 1
    assert has_rows(features(scene.early(late, whose, 5 * S))) == (True, True)
    scene.early(late, key(CARL, GROUP), 0)
    assert (scene.counters["host_rows_gone"], scene.counters["host_rows_none"]) == (2, 1)
    scene.early(late, key(CARL, GROUP), 5 * S)
    assert (scene.counters["host_rows_gone"], scene.counters["host_rows_none"]) == (2, 3)


def test_rows_of_a_pane_are_given_up_in_order_of_first_touch() -> None:
    scene = Scene(rows=16)
    for host in (BERT, ANNA, CARL, BERT):
        scene.query(0, host)
    for pane in range(1, 16):
        scene.query(pane, FAR)
    there = [has_rows(scene.row(15, FAR))[0]]
    there += [
        has_rows(features(scene.early(99 * S, key(host, GROUP), 0)))[0]
        for host in (ANNA, BERT, CARL)
    ]
    assert there == [True, False, False, True]


def test_features_stand_in_order() -> None:
    scene = Scene()
    scene.delta(0, flow(ANNA, BERT), SYN)
    record = scene.early(5 * S, key(ANNA, BERT))
    values = unpack("<59f", record.host_features)
    assert values[0] == features(record)[82] == 1.0
    assert values[10 + 103 - 93] == features(record)[103] == pytest.approx(1 / 5)
    assert record.host_valid >> 92 & 1 == 0
