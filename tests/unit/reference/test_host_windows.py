"""Goal: windows, known since, cells, slices and the entries of 99 are those of "Hosts".

Method: the first and the last pane at which something counts; numbers written down by hand.
"""

from math import log, log2, log10, sqrt

import pytest

from engine.config import PANE_NS, SECOND_NS
from tests.unit.reference.host_scenes import (
    ANNA,
    BERT,
    CARL,
    FAR,
    GROUP,
    UDP,
    Scene,
    features,
    flow,
    key,
    near,
)

S = SECOND_NS
DAY_PANES = 24 * 3600 // 5


# Feature, first pane given to, last pane at which it counts: one before each window's next cell.
@pytest.mark.parametrize(
    ("first", "last", "number"),
    [
        (0, 5, 133),  # 30 s: cells of 3 panes.
        (2, 5, 133),
        (3, 8, 133),
        (-1, 2, 133),
        (-3, 2, 133),
        (-4, -1, 133),
        (0, 11, 110),  # 60 s: cells of 6.
        (11, 17, 110),
        (0, 59, 117),  # 300 s: cells of 30.
        (29, 59, 117),
        (30, 89, 117),
    ],
)
def test_window_is_the_cell_of_the_pane_and_the_one_before(first, last, number) -> None:
    for pane, expected in ((first, 1.0), (last, 1.0), (last + 1, 0.0)):
        scene = Scene()
        scene.delta(first, flow(ANNA, BERT))
        if pane != first:
            scene.query(pane, ANNA)
        assert scene.row(pane, ANNA)[number] == expected


@pytest.mark.parametrize(("first", "last"), [(0, 1), (1, 2), (-1, 0)])
def test_window_of_10_seconds_is_of_two_panes(first: int, last: int) -> None:
    for pane, expected in ((first, 1.0), (last, 1.0), (last + 1, 0.0)):
        scene = Scene()
        scene.delta(first, flow(ANNA, BERT, bwd_packets=1))
        if pane != first:
            scene.delta(pane, flow(ANNA, BERT, fwd_packets=1))
        share = scene.row(pane, GROUP, BERT)[83]
        assert share == {0: -1.0, 1: 0.0 if expected else 1.0}[pane != first]


def test_rate_divides_by_the_time_since_the_host_is_known(scene: Scene) -> None:
    scene.delta(-1, flow(ANNA, BERT))
    assert scene.row(-1, ANNA)[103] == near(1 / 5)
    scene.delta(4, flow(ANNA, BERT))
    assert scene.row(4, ANNA)[103] == near(2 / 30)


def test_rate_divides_by_the_time_since_the_earlier_cell(scene: Scene) -> None:
    scene.delta(0, flow(ANNA, BERT))
    scene.delta(6, flow(ANNA, BERT))
    scene.delta(13, flow(ANNA, BERT))
    assert scene.row(13, ANNA)[103] == near(2 / (70 - 30))


def test_host_is_known_since_the_pane_that_made_it_whichever_part(scene: Scene) -> None:
    scene.delta(0, flow(ANNA, BERT))
    scene.delta(3, flow(BERT, ANNA))
    assert scene.row(3, BERT)[103] == near(1 / 20)


@pytest.mark.parametrize(("pane", "is_valid"), [(0, False), (1, True)])
def test_90_is_valid_from_10_seconds(scene: Scene, pane: int, is_valid: bool) -> None:
    scene.query(0, BERT)
    scene.delta(pane, flow(ANNA, BERT))
    assert (scene.row(pane, GROUP, BERT)[90] is not None) == is_valid


@pytest.mark.parametrize(("pane", "is_valid"), [(4, False), (5, True)])
def test_100_is_valid_from_30_seconds(scene: Scene, pane: int, is_valid: bool) -> None:
    scene.query(0, ANNA)
    scene.delta(pane, flow(ANNA, BERT))
    assert scene.row(pane, ANNA)[100] == (0.0 if is_valid else None)  # As long known as covered.


def test_ended_mark_counts_in_the_pane_of_its_time(scene: Scene) -> None:
    scene.final(5 * S - 1, key(ANNA, BERT), 3 * S)  # No host yet.
    scene.delta(0, flow(ANNA, BERT))
    scene.final(150 * S - 1, key(ANNA, BERT), 2 * S)
    scene.query(59, ANNA)
    assert scene.row(59, ANNA)[139] == 2.0
    scene.query(60, ANNA)
    assert scene.row(60, ANNA)[139] is None


def test_90_has_two_windows(scene: Scene) -> None:
    for pane in (0, 5, 6):
        scene.delta(pane, flow(ANNA, BERT, fwd_packets=pane + 10))
    expected = log2(((15 + 16) / 10 + 1) / ((10 + 15 + 16) / 35 + 1))
    assert scene.row(6, GROUP, BERT)[90] == near(expected)
    scene.delta(12, flow(ANNA, BERT, fwd_packets=10))
    expected = log2((10 / 10 + 1) / (26 / 35 + 1))
    assert scene.row(12, GROUP, BERT)[90] == near(expected)


def test_gap_between_starts_crosses_panes_and_counts_in_the_later(scene: Scene) -> None:
    for pane in (0, 11, 12, 13):
        scene.delta(pane, flow(ANNA, BERT))
    # Starts at 0, 55, 60, 65 s; the window of 13 begins at 30 s: gaps of 55, 5 and 5 s.
    spread = sqrt(((55 - 65 / 3) ** 2 + 2 * (5 - 65 / 3) ** 2) / 2)
    assert scene.row(13, ANNA)[111] == near(spread / (65 / 3))


def test_gaps_above_2_to_the_48_count_as_that(scene: Scene) -> None:
    for pane in (0, 100_000, 100_001, 200_000):
        scene.delta(pane, flow(ANNA, BERT))
    for _ in range(2):
        scene.delta(200_000, flow(ANNA, BERT))
    gaps = (2**48 / 1e9, 0, 0)
    mean = sum(gaps) / 3
    spread = sqrt(sum((gap - mean) ** 2 for gap in gaps) / 2)
    assert gaps[0] < 99_999 * 5
    assert scene.row(200_000, ANNA)[111] == near(spread / mean)


def test_sum_of_durations_in_a_cell_stops_at_2_to_the_61(scene: Scene) -> None:
    scene.delta(0, flow(ANNA, BERT))
    for pane in (1, 31):
        for _ in range(8193):
            scene.final(pane * PANE_NS, key(ANNA, BERT, 53, UDP), 2**48 + 5)
        scene.query(pane, ANNA)
        cells = 1 + pane // 30
        assert scene.row(pane, ANNA)[139] == near(cells * 2**61 / (cells * 8193) / 1e9)


def _starts(scene: Scene, cells: dict[int, int], offset: int = 0) -> None:
    """Give as many starts to an internal peer, in a pane of each cell of 150 s, as are named."""
    for cell, count in cells.items():
        for _ in range(count):
            scene.delta(30 * cell + offset, flow(ANNA, BERT))


@pytest.mark.parametrize(("pane", "is_valid"), [(148, False), (149, True), (150, True)])
def test_120_needs_four_whole_cells_before_the_newest(scene, pane: int, is_valid: bool) -> None:
    _starts(scene, {0: 1, 1: 2, 2: 3, 3: 4, 4: 9})
    scene.query(pane, ANNA)
    expected = near((9 - 2.5) / (sqrt(5 / 3) + 1))
    assert scene.row(pane, ANNA)[120] == (expected if is_valid else None)


def test_120_leaves_out_the_cell_in_which_the_host_came(scene: Scene) -> None:
    _starts(scene, {0: 1, 1: 2, 2: 3, 3: 4, 4: 9}, offset=1)
    scene.query(149, ANNA)
    assert scene.row(149, ANNA)[120] is None
    scene.query(179, ANNA)
    assert scene.row(179, ANNA)[120] == near((0 - 4.5) / (sqrt(29 / 3) + 1))


def test_120_looks_at_eight_cells_before_the_newest(scene: Scene) -> None:
    _starts(scene, {0: 50, 1: 60, 2: 8, 10: 3})
    scene.delta(300, flow(ANNA, FAR))
    scene.query(329, ANNA)
    spread = sqrt((64 - 8) / 7)
    assert scene.row(329, ANNA)[120] == near((3 - 1) / (spread + 1))


def test_137_is_over_whole_slices_of_10_seconds() -> None:
    expected = {2: None, 3: None, 4: None, 5: sqrt(0.5) * 6, 6: sqrt(0.5) * 6, 7: sqrt(1 / 3) * 6}
    for pane, value in expected.items():
        scene = Scene()  # Known since 5 s; slices from 10 s on have 2, 1, 1 starts.
        scene.query(1, ANNA)
        for start in (2, 3, 5, 7):
            if start <= pane:
                scene.delta(start, flow(ANNA, FAR))
        if pane in (4, 6):
            scene.query(pane, ANNA)
        assert scene.row(pane, ANNA)[137] == (None if value is None else near(value))


def test_137_begins_with_the_window(scene: Scene) -> None:
    for pane in (0, 29, 30, 61):
        scene.delta(pane, flow(ANNA, FAR))
    # From 150 to 310 s: 16 slices, 2 of them with a start.
    assert scene.row(61, ANNA)[137] == near(sqrt((16 * 2 - 4) / (16 * 15)) * 6)


# Entries of feature 99.


def _beacon(scene: Scene, *times: int, port: int = 80) -> None:
    for time in times:
        pane, at = divmod(time, 5)
        scene.delta(pane, flow(ANNA, FAR, port), at=at * S)


def _regularity(scene: Scene, pane: int, **more: int) -> float | None:
    """Return feature 99 of a record in a pane."""
    return features(scene.early(pane * PANE_NS, key(ANNA, FAR, **more)))[99]


def test_99_is_valid_from_four_gaps_without_a_row(scene: Scene) -> None:
    _beacon(scene, 0, 10, 20, 30)
    assert _regularity(scene, 7) is None
    _beacon(scene, 40)
    assert _regularity(scene, 8) is None  # The pane of the last start is not over.
    assert _regularity(scene, 9) == 1.0
    assert _regularity(scene, 500) == 1.0


def test_99_is_one_less_the_variation_of_gaps(scene: Scene) -> None:
    _beacon(scene, 0, 10, 20, 30, 42)
    assert _regularity(scene, 9) == near(1 - 1 / 10.5)
    _beacon(scene, 1042)
    assert _regularity(scene, 210) == 0.0


def test_99_is_of_the_last_eight_gaps(scene: Scene) -> None:
    _beacon(scene, 0, 1000, *range(1010, 1080, 10))
    assert _regularity(scene, 215) == 0.0
    _beacon(scene, 1080)
    assert _regularity(scene, 217) == 1.0


def test_99_leaves_out_starts_more_than_a_day_old(scene: Scene) -> None:
    _beacon(scene, 0, 10, 20, 30, 40)
    assert _regularity(scene, DAY_PANES) == 1.0
    assert _regularity(scene, DAY_PANES + 1) is None


def test_99_takes_starts_by_position(scene: Scene) -> None:
    for at in (4, 0, 2, 1, 3):
        scene.delta(0, flow(ANNA, FAR), at=at * S)
    assert _regularity(scene, 1) == 1.0


def test_99_needs_a_mean_above_0(scene: Scene) -> None:
    _beacon(scene, *[3] * 6)
    assert _regularity(scene, 1) is None


def test_99_is_of_one_service_of_one_responder(scene: Scene) -> None:
    _beacon(scene, 0, 10, 20)
    _beacon(scene, 21, 22, port=81)
    _beacon(scene, 30, 40)
    assert _regularity(scene, 9, port=81) is None
    assert _regularity(scene, 9, protocol=UDP) is None
    assert features(scene.early(45 * S, key(FAR, ANNA)))[99] is None
    assert features(scene.early(45 * S, key(CARL, FAR)))[99] is None
    assert _regularity(scene, 9) == 1.0


def test_99_is_of_initiators_that_are_hosts(scene: Scene) -> None:
    for pane in range(9):
        scene.delta(pane, flow(GROUP, ANNA))
        scene.delta(pane, flow(ANNA, GROUP))
    assert features(scene.early(45 * S, key(GROUP, ANNA)))[99] is None
    assert features(scene.early(45 * S, key(ANNA, GROUP)))[99] == 1.0


def test_senders_of_a_window_are_those_of_both_panes(scene: Scene) -> None:
    scene.delta(0, flow(ANNA, BERT))
    scene.delta(1, flow(CARL, BERT))
    from_two = scene.row(1, GROUP, BERT)[84]
    assert from_two == near(log10(1 + 256 * log(256 / 254)))
