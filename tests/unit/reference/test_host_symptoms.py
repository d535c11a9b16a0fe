"""Goal: features 112 to 141 have the values that "Hosts" in SEMANTICS.rst gives them.

Method: deltas, facts and ended marks of a few panes; the numbers are written down by hand. Windows
are in test_host_windows.py, who is a host and what is forgotten in test_hosts.py.
"""

from math import log2, sqrt

import pytest

from engine.config import SECOND_NS
from tests.unit.reference.host_scenes import (
    ANNA,
    ANSWERED,
    BERT,
    CARL,
    EVER,
    FAR,
    GROUP,
    OTHERS,
    REFUSED,
    SYN,
    UDP,
    Scene,
    flow,
    key,
    near,
)

S = SECOND_NS


# Internal peers.


def test_112_113_count_starts_to_internal_peers(scene: Scene) -> None:
    scene.delta(0, flow(ANNA, BERT))
    for peer in (FAR, GROUP):
        scene.delta(0, flow(ANNA, peer))
    row = scene.row(0, ANNA)
    assert (row[112], row[113]) == (near(1 / 5), 0.0)
    for port in (80, 80, 81):
        scene.delta(1, flow(ANNA, BERT, port))
    row = scene.row(1, ANNA)
    assert (row[112], row[113]) == (near(4 / 10), near(2 / 4))


def test_114_is_of_service_classes_to_internal_peers(scene: Scene) -> None:
    scene.delta(0, flow(ANNA, BERT, 80))
    scene.delta(0, flow(ANNA, FAR, 22))
    assert scene.row(0, ANNA)[114] is None
    for port in (8080, 443, 443):
        scene.delta(1, flow(ANNA, BERT, port))
    assert scene.row(1, ANNA)[114] == near(1 / log2(12))


def test_115_is_the_variation_of_lengths_with_internal_peers(scene: Scene) -> None:
    scene.delta(0, flow(ANNA, BERT, fwd_packets=1, fwd_bytes=100, squares=100**2))
    scene.delta(0, flow(ANNA, FAR, fwd_packets=1, fwd_bytes=9, squares=81))
    assert scene.row(0, ANNA)[115] is None
    more = {"fwd_packets": 1, "fwd_bytes": 40, "bwd_packets": 1, "bwd_bytes": 70}
    scene.delta(0, flow(CARL, BERT, **more, squares=1600 + 4900))
    assert scene.row(0, CARL)[115] == near(sqrt(450) / 55)


def test_116_and_139_are_means_of_durations(scene: Scene) -> None:
    scene.delta(0, flow(ANNA, BERT))
    row = scene.row(0, ANNA)
    assert (row[116], row[139]) == (None, None)
    scene.final(6 * S, key(ANNA, BERT), 3 * S)
    scene.final(6 * S, key(ANNA, FAR, 53, UDP), 2 * S)
    scene.final(6 * S, key(ANNA, GROUP, 53, UDP), 1 * S)
    scene.delta(1, flow(ANNA, BERT))
    row = scene.row(1, ANNA)
    assert (row[116], row[139]) == (3.0, 2.0)


def test_117_118_121_are_of_internal_peers(scene: Scene) -> None:
    for port in (80, 81, 82, 82):
        scene.delta(0, flow(ANNA, BERT, port))
    for peer in (FAR, GROUP):
        for port in range(100, 110):
            scene.delta(0, flow(ANNA, peer, port))
    row = scene.row(0, ANNA)
    assert (row[117], row[118], row[121]) == (1.0, 3.0, 0.0)
    scene.delta(1, flow(ANNA, CARL, 80))
    row = scene.row(1, ANNA)
    assert (row[117], row[118]) == (2.0, 3.0)
    assert row[121] == near(-(0.8 * log2(0.8) + 0.2 * log2(0.2)) / 6)


def test_119_weighs_what_is_collected_against_what_leaves(scene: Scene) -> None:
    scene.delta(0, flow(ANNA, BERT, fwd_bytes=50, bwd_bytes=4095))
    scene.delta(0, flow(ANNA, FAR, fwd_bytes=15, bwd_bytes=70))
    scene.delta(0, flow(ANNA, GROUP, fwd_bytes=1000))
    row = scene.row(0, ANNA)
    assert row[119] == 8.0
    assert row[132] == near(log2(16 / 71))


# Single symptoms.


def test_122_is_the_entropy_of_characters_of_queries(scene: Scene) -> None:
    scene.answer(0, ANNA)
    assert scene.row(0, ANNA)[122] is None
    scene.query(1, ANNA)
    assert scene.row(1, ANNA)[122] == 0.0
    scene.query(2, ANNA, c0=2, c39=1)
    scene.query(2, ANNA, c38=1)
    assert scene.row(2, ANNA)[122] == 1.5


def test_123_is_the_most_peers_on_one_port(scene: Scene) -> None:
    for number in range(5):
        scene.delta(0, flow(ANNA, OTHERS[number], 445))
    scene.delta(0, flow(ANNA, OTHERS[0], 446))
    scene.delta(0, flow(ANNA, OTHERS[9], 445), ())
    assert scene.row(0, ANNA)[123] == 5.0


def test_124_125_are_of_queries_and_answers(scene: Scene) -> None:
    scene.query(0, ANNA)
    row = scene.row(0, ANNA)
    assert (row[124], row[125]) == (near(60 / 5), None)
    for code in (0, 3, 5):
        scene.answer(1, ANNA, code)
    row = scene.row(1, ANNA)
    assert (row[124], row[125]) == (near(60 / 10), near(2 / 3))


def test_126_is_of_hellos_that_can_be_judged(scene: Scene) -> None:
    scene.delta(0, flow(ANNA, BERT))
    assert scene.row(0, ANNA)[126] is None
    for mark in ("tls_named", "tls_named", "tls_nameless"):
        scene.delta(1, flow(ANNA, FAR, 443), (mark,))
    assert scene.row(1, ANNA)[126] == near(1 / 3)


def test_127_counts_http_on_unusual_ports(scene: Scene) -> None:
    for port in (80, 8000, 8008, 8080, 8888, 81, 443):
        scene.delta(0, flow(ANNA, BERT, port), ("http",))
    scene.delta(0, flow(ANNA, BERT, 99), EVER)
    assert scene.row(0, ANNA)[127] == 2.0


def test_128_counts_responders_that_refuse_a_log_in(scene: Scene) -> None:
    scene.delta(0, flow(ANNA, OTHERS[1], 22), REFUSED)
    scene.delta(0, flow(ANNA, OTHERS[2], 21), ("refused",))
    scene.delta(0, flow(ANNA, OTHERS[3], 80), REFUSED)
    scene.delta(0, flow(ANNA, OTHERS[4], 22, UDP), REFUSED)
    assert scene.row(0, ANNA)[128] == 2.0
    scene.final(5 * S, key(ANNA, OTHERS[5], 3389), 10 * S, first_end="backward")
    scene.final(5 * S, key(ANNA, OTHERS[6], 3389), 10 * S + 1, first_end="backward")
    scene.final(5 * S, key(ANNA, OTHERS[7], 3389), 1 * S, first_end="forward")
    scene.final(5 * S, key(ANNA, OTHERS[8], 3390), 1 * S, first_end="backward")
    scene.final(5 * S, key(ANNA, OTHERS[9], 3389, UDP), 1 * S, first_end="backward")
    scene.delta(1, flow(ANNA, BERT))
    assert scene.row(1, ANNA)[128] == 3.0


@pytest.mark.parametrize(
    ("port", "duration", "packets", "end", "expected"),
    [
        (5900, 10 * S, 19, "forward", 1.0),
        (5900, 10 * S, 20, "forward", 0.0),
        (5900, 10 * S + 1, 19, "forward", 0.0),
        (5900, 10 * S + 1, 19, "", 0.0),
        (5900, 99 * S, 19, "backward", 1.0),
        (5900, 99 * S, 20, "backward", 0.0),
        (5901, 1 * S, 0, "backward", 0.0),
    ],
)
def test_129_counts_short_sessions(scene, port, duration, packets, end, expected) -> None:
    scene.delta(0, flow(ANNA, BERT))
    how = {"data_packets": packets, "first_end": end}
    scene.final(5 * S, key(ANNA, FAR, port), duration, **how)
    scene.delta(1, flow(ANNA, BERT))
    assert scene.row(1, ANNA)[129] == expected


def test_130_counts_new_pairs_of_internal_peers(scene: Scene) -> None:
    for peer, port in ((BERT, 80), (BERT, 81), (CARL, 80), (FAR, 80), (BERT, 80)):
        scene.delta(0, flow(ANNA, peer, port))
    assert scene.row(0, ANNA)[130] == 3.0
    for port in (80, 82):
        scene.delta(9, flow(ANNA, BERT, port))
    assert scene.row(9, ANNA)[130] == 1.0


def test_131_is_the_share_of_pairs_that_did_not_answer(scene: Scene) -> None:
    for number in range(3):
        scene.delta(0, flow(ANNA, OTHERS[number]), SYN)
    scene.delta(0, flow(ANNA, OTHERS[0]), ANSWERED)
    assert scene.row(0, ANNA)[131] is None
    scene.delta(1, flow(ANNA, OTHERS[3]), ANSWERED)
    assert scene.row(1, ANNA)[131] == 0.75


def test_133_134_138_are_of_starts(scene: Scene) -> None:
    for peer, port in ((BERT, 80), (FAR, 443), (FAR, 9), (b"\x09\0\0\1", 443)):
        scene.delta(0, flow(ANNA, peer, port))
    scene.delta(0, flow(ANNA, b"\x09\0\0\2", 22), ())
    scene.delta(1, flow(ANNA, GROUP, 80))
    row = scene.row(1, ANNA)
    assert (row[133], row[134], row[138]) == (4.0, 2.0, near(3 / 12))


def test_135_counts_uploads_to_external_peers(scene: Scene) -> None:
    for peer in (FAR, BERT, FAR, GROUP):
        scene.delta(0, flow(ANNA, peer), ("upload",))
    assert scene.row(0, ANNA)[135] == 2.0


def test_136_counts_names_below_the_parent_queried_most(scene: Scene) -> None:
    scene.answer(0, ANNA)
    assert scene.row(0, ANNA)[136] == 0.0
    first, second = 3 << 60, 9 << 60
    for name in (1, 2, 3):
        scene.query(1, ANNA, name << 58, second)
    for name in (1, 1, 1):
        scene.query(1, ANNA, name << 58, first)
    assert scene.row(1, ANNA)[136] == 1.0  # As many queries; the lower bucket counts.
    scene.query(2, ANNA, 3 << 58, second)
    assert scene.row(2, ANNA)[136] == 3.0


def test_140_141_are_of_rsts_and_of_syns(scene: Scene) -> None:
    scene.delta(0, flow(ANNA, BERT, 9, UDP, fwd_packets=50))
    row = scene.row(0, ANNA)
    assert (row[140], row[141]) == (None, None)
    scene.delta(1, flow(ANNA, BERT, fwd_packets=3, bwd_packets=2, rsts=2), ANSWERED)
    scene.delta(1, flow(ANNA, BERT, fwd_packets=3), SYN)
    scene.delta(1, flow(ANNA, BERT, fwd_packets=2), EVER)
    row = scene.row(1, ANNA)
    assert (row[140], row[141]) == (near(2 / 10), near(1 / 2))
