"""Goal: limits of hosts and pairs, and what is new to a host, are as "Hosts" says.

Method: events made by hand; rows are seen through records, as everywhere. Values of features are in
test_host_rows.py, test_host_symptoms.py and test_host_windows.py.
"""

import pytest

from engine.config import PANE_NS, SECOND_NS
from engine.reference import hosts as reference_hosts
from engine.reference.events import Increase
from tests.unit.reference.host_scenes import (
    ANNA,
    BERT,
    CARL,
    FAR,
    GROUP,
    INSIDE,
    OUTSIDE,
    SIX_HOME,
    SYN,
    UDP,
    Scene,
    features,
    flow,
    has_rows,
    key,
)

S = SECOND_NS


# Limits.


def test_external_hosts_take_half_of_the_places() -> None:
    scene = Scene(max_hosts=16)
    for address in OUTSIDE[:9]:
        scene.query(0, address)
    assert scene.counters == {"hosts_made": 8, "host_refused": 1}
    for address in INSIDE[:9]:
        scene.query(0, address)
    assert scene.counters == {"hosts_made": 16, "host_refused": 2}
    scene.delta(0, flow(OUTSIDE[8], INSIDE[8]))
    scene.delta(0, flow(GROUP, INSIDE[0]))
    assert scene.counters == {"hosts_made": 16, "host_refused": 4}


def test_last_place_is_the_initiators() -> None:
    scene = Scene(max_hosts=16)
    for address in INSIDE[:15]:
        scene.query(0, address)
    scene.delta(0, flow(ANNA, BERT))
    assert has_rows(scene.row(0, ANNA, BERT)) == (True, False)
    assert scene.counters["host_refused"] == 1


def test_refused_start_enters_no_pair_and_no_filter() -> None:
    scene = Scene(max_hosts=16)
    for address in INSIDE[:16]:
        scene.query(0, address)
    for at in range(5):
        scene.delta(0, flow(ANNA, BERT), at=at * S)
    assert scene.counters["host_refused"] == 10
    assert features(scene.early(5 * S, key(ANNA, BERT)))[99] is None


def _still_known(scene: Scene, pane: int, addresses: list[bytes]) -> list[bytes]:
    """Return which hosts are known: an ended mark adds to these only."""
    for address in addresses:
        scene.final(pane * PANE_NS, key(address, GROUP, 53, UDP), 1 * S)
    for address in addresses:
        scene.query(pane, address)
    return [
        address
        for address in addresses
        if features(scene.early((pane + 1) * PANE_NS, key(address, GROUP)))[139] is not None
    ]


def test_external_hosts_are_forgotten_from_seven_eighths_to_three_quarters() -> None:
    scene = Scene(max_hosts=32)  # 16 external places: 14 may stay, 12 are left.
    for pane in range(13):
        scene.query(pane, OUTSIDE[12 - pane])
    scene.delta(13, flow(INSIDE[0], OUTSIDE[13]))
    scene.query(14, INSIDE[0])
    assert "hosts_forgotten" not in scene.counters
    scene.query(14, OUTSIDE[14])
    scene.query(14, OUTSIDE[12])  # The oldest is the newest now.
    scene.query(15, INSIDE[0])
    assert scene.counters["hosts_forgotten"] == 3
    gone = [OUTSIDE[11], OUTSIDE[10], OUTSIDE[9]]
    assert _still_known(scene, 16, [*OUTSIDE[8:15]]) == [
        address for address in OUTSIDE[8:15] if address not in gone
    ]


def test_all_hosts_are_forgotten_from_seven_eighths_to_three_quarters() -> None:
    scene = Scene(max_hosts=16)  # 14 may stay, 12 are left.
    for address in INSIDE[:14]:
        scene.query(0, address)
    scene.query(1, INSIDE[0])
    assert "hosts_forgotten" not in scene.counters
    scene.delta(1, flow(OUTSIDE[0], INSIDE[1]))
    scene.query(2, INSIDE[20])
    assert scene.counters["hosts_forgotten"] == 3
    kept = [INSIDE[0], INSIDE[1], *INSIDE[5:8]]
    assert _still_known(scene, 2, INSIDE[:8]) == kept  # Untouched since 0: lowest address first.


def test_version_4_is_forgotten_before_version_6_of_the_same_pane() -> None:
    scene = Scene(max_hosts=16)
    scene.query(0, SIX_HOME)
    for address in INSIDE[:14]:
        scene.query(0, address)
    scene.query(1, ANNA)
    assert scene.counters["hosts_forgotten"] == 3
    assert _still_known(scene, 1, [*INSIDE[:4], SIX_HOME]) == [INSIDE[3], SIX_HOME]


def test_host_made_again_begins_anew(scene: Scene) -> None:
    scene = Scene(max_hosts=16)
    scene.delta(0, flow(ANNA, GROUP))
    for address in INSIDE[:14]:
        scene.query(1, address)
    scene.delta(2, flow(ANNA, GROUP))
    scene.delta(2, flow(ANNA, GROUP))
    assert scene.counters["hosts_forgotten"] == 3
    row = scene.row(2, ANNA)
    assert (row[103], row[98]) == (pytest.approx(2 / 5), 1.0)
    assert features(scene.early(99 * S, key(ANNA, GROUP), 0))[103] is not None  # Its old row.


def test_gap_of_111_begins_anew_with_a_host() -> None:
    scene = Scene(max_hosts=16)
    scene.delta(0, flow(ANNA, GROUP))
    for address in INSIDE[:14]:
        scene.query(1, address)
    for at in (0, 1, 2):
        scene.delta(2, flow(ANNA, GROUP), at=at * S)
    assert scene.row(2, ANNA)[111] == 0.0  # Gaps of 1 s; none from pane 0.


def test_pairs_are_refused_and_forgotten() -> None:
    scene = Scene(max_pairs=16)
    for port in range(18):
        for at in range(5):
            scene.delta(0, flow(ANNA, BERT, port), at=at * S + port)
    for pane in (0, 1):
        scene.row(pane, ANNA)
    assert (scene.counters["pairs_refused"], scene.counters["pairs_forgotten"]) == (10, 4)
    there = [
        port
        for port in range(18)
        if features(scene.early(10 * S, key(ANNA, BERT, port)))[99] is not None
    ]
    assert there == list(range(4, 16))


def test_pair_with_the_oldest_newest_start_is_forgotten_first() -> None:
    scene = Scene(max_pairs=16)
    for pane in range(5):
        for port in range(14):
            scene.delta(pane, flow(ANNA, BERT, port))
    scene.delta(5, flow(ANNA, BERT, 0))
    scene.delta(5, flow(ANNA, BERT, 14))
    scene.query(6, ANNA)
    assert scene.counters["pairs_forgotten"] == 3
    there = [
        port
        for port in range(14)
        if features(scene.early(30 * S, key(ANNA, BERT, port)))[99] is not None
    ]
    assert there == [0, *range(4, 14)]


def test_pair_outlives_its_host() -> None:
    scene = Scene(max_hosts=16)
    for pane in range(5):
        scene.delta(pane, flow(ANNA, GROUP))
    for address in INSIDE[:15]:
        scene.query(5, address)
    scene.query(6, BERT)
    assert scene.counters["hosts_forgotten"] == 4
    assert features(scene.early(30 * S, key(ANNA, GROUP)))[99] == 1.0


def test_starts_of_remainders_beyond_a_limit_are_left_out(monkeypatch) -> None:
    monkeypatch.setattr(reference_hosts, "REMAINDER_STARTS_MAX", 2)
    scene = Scene()
    more = {"remainder": Increase(fwd_packets=1), "marks": SYN}
    for second, port in ((0, 80), (1, 81), (3, 82)):
        scene.final(second * S, key(ANNA, BERT, port), **more)
    scene.delta(0, flow(ANNA, BERT, 83), at=4 * S)
    row = scene.row(0, ANNA)
    assert scene.counters["starts_left_out"] == 1
    assert row[103] == pytest.approx(4 / 5)
    assert row[111] == pytest.approx(0.5**0.5 * 2 / 2)  # Gaps of 1 and 3 s.
    for port in (80, 81, 82, 83):
        scene.delta(9, flow(ANNA, BERT, port))
    assert scene.row(9, ANNA)[130] == 1.0  # Port 82 is new again.


# New.


def test_key_is_new_until_the_end_of_the_pane_that_entered_it(scene: Scene) -> None:
    scene.delta(0, flow(ANNA, BERT))
    scene.delta(0, flow(ANNA, BERT))
    assert scene.row(0, ANNA)[113] == 0.0
    scene.delta(60, flow(ANNA, BERT))
    assert scene.row(60, ANNA)[113] == 1.0


def test_key_of_a_remainder_is_new_in_its_pane_too(scene: Scene) -> None:
    remainder = Increase(fwd_packets=1)
    for second in (0, 1):
        scene.final(second * S, key(ANNA, BERT), remainder=remainder, marks=SYN)
    assert scene.row(0, ANNA)[113] == 0.0


def test_filters_are_of_a_host(scene: Scene) -> None:
    scene.delta(0, flow(ANNA, BERT))
    scene.delta(1, flow(CARL, BERT))
    assert scene.row(1, CARL)[113] == 0.0


def test_pair_of_an_external_peer_enters_no_filter(scene: Scene) -> None:
    filters = {}
    for peer in (FAR, BERT):
        scene = Scene()
        scene.delta(0, flow(ANNA, peer))
        scene.query(1, ANNA)
        filters[peer] = scene.hosts._hosts[ANNA].filters
    assert (len(filters[FAR].younger), len(filters[BERT].younger)) == (3, 6)
    assert filters[BERT].insertions == 1
    assert filters[BERT].began == 5 * S


def test_filters_roll_before_a_start_is_judged(scene: Scene) -> None:
    hour = 3600 // 5
    scene.delta(0, flow(ANNA, BERT))  # Begins at 5 s.
    scene.delta(hour, flow(ANNA, CARL, 81))  # At 3600 s: still the same filter.
    scene.delta(hour + 1, flow(ANNA, CARL, 82))  # An hour after: the next.
    scene.query(hour + 2, ANNA)
    filters = scene.hosts._hosts[ANNA].filters
    assert len(filters.older) == 12
    assert filters.began == (hour + 2) * PANE_NS
    scene.delta(2 * hour + 2, flow(ANNA, BERT))
    assert scene.row(2 * hour + 2, ANNA)[113] == 0.0
