"""Goal: features 82 to 111 of hosts have the values that "Hosts" in SEMANTICS.rst gives them.

Method: deltas, facts and ended marks of a few panes; the numbers are written down by hand. Windows
are in test_host_windows.py, who is a host and what is forgotten in test_hosts.py.
"""

from math import log, log2, log10, sqrt

import pytest

from engine.config import SECOND_NS
from engine.reference.events import Increase
from tests.unit.reference.host_scenes import (
    ANNA,
    ANSWERED,
    BERT,
    CARL,
    EVER,
    FAR,
    GROUP,
    ICMP,
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


# Responder hosts.


def test_82_is_the_share_of_syn_starts_without_handshake(scene: Scene) -> None:
    scene.delta(0, flow(ANNA, BERT), SYN)
    assert scene.row(0, GROUP, BERT)[82] == 1.0
    for marks in ((*SYN, "answered", "handshake"), ANSWERED, EVER, (*EVER, "handshake"), ("http",)):
        scene.delta(1, flow(CARL, BERT), marks)
    assert scene.row(1, GROUP, BERT)[82] == near(2 / 3)


def test_82_is_not_valid_without_a_syn_start(scene: Scene) -> None:
    scene.delta(0, flow(ANNA, BERT), EVER)
    assert scene.row(0, GROUP, BERT)[82] is None


def test_83_weighs_packets_to_the_host_against_those_from_it(scene: Scene) -> None:
    scene.delta(0, flow(ANNA, BERT, fwd_packets=5, bwd_packets=2, fwd_bytes=500))
    scene.delta(0, flow(CARL, BERT, bwd_packets=9))
    assert scene.row(0, GROUP, BERT)[83] == near((5 - 11) / 16)


def test_84_counts_peers_that_sent(scene: Scene) -> None:
    scene.delta(0, flow(ANNA, BERT), ())
    scene.delta(0, flow(CARL, BERT, bwd_packets=9), ())
    assert scene.row(0, GROUP, BERT)[84] == near(log10(1 + 256 * log(256 / 255)))
    scene.delta(1, flow(CARL, ANNA, bwd_packets=9))
    assert scene.row(1, GROUP, ANNA)[84] == 0.0


def test_85_is_of_tcp_packets_to_the_host(scene: Scene) -> None:
    scene.delta(0, flow(ANNA, BERT, fwd_packets=4, fwd_impossible=1, bwd_impossible=3))
    scene.delta(0, flow(ANNA, BERT, 9, UDP, fwd_packets=50))
    assert scene.row(0, GROUP, BERT)[85] == 0.25
    scene.delta(9, flow(ANNA, BERT, 9, UDP, fwd_packets=50))
    assert scene.row(9, GROUP, BERT)[85] is None


def test_86_bins_the_mean_length_of_each_delta(scene: Scene) -> None:
    scene.delta(0, flow(ANNA, BERT, fwd_packets=2, fwd_bytes=2 * 96 - 1))  # Bin 0.
    scene.delta(0, flow(ANNA, BERT, fwd_packets=2, fwd_bytes=2 * 96))  # Bin 1.
    scene.delta(0, flow(ANNA, BERT, fwd_packets=4, fwd_bytes=4 * 15 * 96))  # Bin 15.
    scene.delta(0, flow(ANNA, BERT, fwd_packets=8, fwd_bytes=8 * 60_000))  # Bin 15 too.
    entropy = -(2 * (2 / 16) * log2(2 / 16) + (12 / 16) * log2(12 / 16))
    assert scene.row(0, GROUP, BERT)[86] == near(entropy / 4)


def test_86_and_89_need_two_packets_to_the_host(scene: Scene) -> None:
    scene.delta(0, flow(ANNA, BERT, fwd_packets=1, bwd_packets=9, fwd_bytes=96))
    row = scene.row(0, GROUP, BERT)
    assert (row[86], row[89]) == (None, None)
    scene.delta(1, flow(ANNA, BERT, fwd_packets=1, fwd_bytes=96))
    row = scene.row(1, GROUP, BERT)
    assert (row[86], row[89]) == (0.0, 0.0)


def test_87_is_of_udp_bytes(scene: Scene) -> None:
    scene.delta(0, flow(ANNA, BERT, 53, UDP, fwd_packets=1, fwd_bytes=63, bwd_bytes=1023))
    scene.delta(0, flow(ANNA, BERT, fwd_packets=1, fwd_bytes=9999, bwd_bytes=1))
    assert scene.row(0, GROUP, BERT)[87] == -4.0
    scene.delta(9, flow(ANNA, BERT, 53, UDP, bwd_packets=1, bwd_bytes=1023))
    assert scene.row(9, GROUP, BERT)[87] == -10.0
    scene.delta(19, flow(ANNA, BERT))
    assert scene.row(19, GROUP, BERT)[87] is None


def test_88_is_of_tcp_flows_that_ended(scene: Scene) -> None:
    scene.delta(0, flow(ANNA, BERT))
    assert scene.row(0, GROUP, BERT)[88] is None
    for proper in (True, True, False):
        scene.final(5 * S + 1, key(ANNA, BERT), proper=proper)
    scene.final(5 * S + 1, key(ANNA, BERT, 53, UDP), proper=False)
    scene.delta(1, flow(ANNA, BERT))
    assert scene.row(1, GROUP, BERT)[88] == near(2 / 3)


def test_89_buckets_packets_by_the_prefix_of_the_sender(scene: Scene) -> None:
    for sender in (b"\x08\1\0\1", b"\x08\1\xff\2", b"\x09\1\0\1", b"\x09\1\0\1"):
        scene.delta(0, flow(sender, BERT, fwd_packets=2, fwd_bytes=100))
    assert scene.row(0, GROUP, BERT)[89] == near(1 / 6)


def test_90_compares_the_rates_of_10_and_60_seconds(scene: Scene) -> None:
    scene.delta(0, flow(ANNA, BERT, fwd_packets=20, bwd_packets=77))
    assert scene.row(0, GROUP, BERT)[90] is None  # Known for 5 s.
    scene.delta(4, flow(ANNA, BERT, fwd_packets=30, bwd_packets=77))
    assert scene.row(4, GROUP, BERT)[90] == near(log2((30 / 10 + 1) / (50 / 25 + 1)))


def test_91_is_the_rate_of_starts_to_the_host(scene: Scene) -> None:
    for marks in (SYN, EVER, ()):
        scene.delta(0, flow(ANNA, BERT), marks)
    assert scene.row(0, GROUP, BERT)[91] == near(log10(1 + 2 / 5))


# Ransomware.


def test_93_to_95_are_of_smb_over_tcp(scene: Scene) -> None:
    smb = {"fwd_packets": 9, "fwd_data_packets": 4, "fwd_payload": 40_000, "bwd_payload": 10_000}
    scene.delta(0, flow(ANNA, BERT, 445, **smb))
    scene.delta(0, flow(ANNA, CARL, 139, **smb))
    scene.delta(0, flow(ANNA, CARL, 445, UDP, **smb))
    scene.delta(0, flow(ANNA, CARL, 80, **smb))
    scene.delta(0, flow(BERT, ANNA, 445, **smb))
    row = scene.row(0, ANNA)
    assert row[93] == near(8 / 5)
    assert row[94] == near(log10(80_001))
    assert row[95] == near(1 - 60_000 / 100_000)


def test_93_needs_a_packet_of_the_host(scene: Scene) -> None:
    scene.delta(0, flow(ANNA, BERT, bwd_packets=3))
    row = scene.row(0, ANNA)
    assert (row[93], row[94]) == (None, 0.0)
    scene.delta(1, flow(ANNA, BERT))
    assert scene.row(1, ANNA)[93] == 0.0


@pytest.mark.parametrize(("written", "is_valid"), [(65_535, False), (65_536, True)])
def test_95_needs_65536_bytes_written(scene: Scene, written: int, is_valid: bool) -> None:
    scene.delta(0, flow(ANNA, BERT, 445, fwd_payload=written, bwd_payload=written))
    assert scene.row(0, ANNA)[95] == (1.0 if is_valid else None)


def test_96_counts_peers_of_starts_on_administration_ports(scene: Scene) -> None:
    for number, port in enumerate((22, 135, 139, 445, 3389, 5985, 5986, 5987, 23)):
        scene.delta(0, flow(ANNA, OTHERS[number], port))
    scene.delta(0, flow(ANNA, OTHERS[20], 445, UDP))
    scene.delta(0, flow(ANNA, OTHERS[21], 445), ())
    scene.delta(0, flow(ANNA, OTHERS[0], 445))
    assert scene.row(0, ANNA)[96] == 7.0


def test_97_is_payload_to_external_peers(scene: Scene) -> None:
    for peer in (FAR, BERT, GROUP):
        scene.delta(0, flow(ANNA, peer, fwd_payload=999, bwd_payload=5000))
    assert scene.row(0, ANNA)[97] == 3.0


def test_98_is_the_share_of_peers_that_are_new(scene: Scene) -> None:
    scene.delta(0, flow(ANNA, BERT))
    scene.delta(0, flow(ANNA, BERT))
    assert scene.row(0, ANNA)[98] == 1.0
    for peer in (BERT, GROUP, FAR):
        scene.delta(3, flow(ANNA, peer))
    scene.delta(3, flow(ANNA, CARL), ())
    assert scene.row(3, ANNA)[98] == 1.0  # The first pane is in the window.
    for peer in (BERT, GROUP, CARL):
        scene.delta(9, flow(ANNA, peer))
    assert scene.row(9, ANNA)[98] == near(1 / 3)


def test_98_needs_a_peer(scene: Scene) -> None:
    scene.delta(0, flow(ANNA, BERT), ())
    assert scene.row(0, ANNA)[98] is None


def test_100_compares_the_rates_of_30_and_300_seconds(scene: Scene) -> None:
    scene.delta(0, flow(ANNA, BERT))
    scene.delta(4, flow(ANNA, BERT))
    assert scene.row(4, ANNA)[100] is None  # Known for 25 s.
    for _ in range(5):
        scene.delta(6, flow(ANNA, BERT))
    thirty, long = 6 / (35 - 15), 7 / 35
    assert scene.row(6, ANNA)[100] == near(log2((thirty + 0.01) / (long + 0.01)))


def test_101_counts_starts_refused_or_unanswered_without_tcp(scene: Scene) -> None:
    scene.delta(0, flow(ANNA, BERT), REFUSED)
    scene.delta(0, flow(ANNA, BERT), SYN)
    scene.delta(0, flow(ANNA, BERT, 9, UDP), EVER)
    scene.delta(0, flow(ANNA, BERT, 9, UDP), (*EVER, "answered"))
    scene.delta(0, flow(ANNA, BERT, 0, ICMP), EVER)
    scene.delta(0, flow(ANNA, BERT), ("refused",))
    assert scene.row(0, ANNA)[101] == near(3 / 5)
    scene.delta(9, flow(ANNA, BERT), ())
    assert scene.row(9, ANNA)[101] is None


# Traffic.


def test_102_to_105_are_of_packets_both_ways(scene: Scene) -> None:
    scene.delta(0, flow(ANNA, BERT, fwd_packets=3, bwd_packets=1, fwd_bytes=200, bwd_bytes=50))
    scene.delta(0, flow(ANNA, BERT, 53, UDP, fwd_packets=1, bwd_packets=1, fwd_bytes=60), ())
    scene.delta(0, flow(ANNA, BERT, 0, ICMP, fwd_packets=4, fwd_bytes=400))
    row = scene.row(0, ANNA)
    assert row[102] == 2.0
    assert row[103] == near(2 / 5)
    assert row[104] == near(4 / 6)
    assert row[105] == near(710 / 10)


def test_104_and_105_need_packets(scene: Scene) -> None:
    scene.query(0, ANNA)
    row = scene.row(0, ANNA)
    assert (row[102], row[104], row[105]) == (0.0, None, None)


def test_106_to_110_are_of_ports_and_peers_of_starts(scene: Scene) -> None:
    scene.delta(0, flow(ANNA, BERT, 80))
    row = scene.row(0, ANNA)
    assert (row[106], row[108], row[109], row[110]) == (None, None, 1.0, 1.0)
    scene.delta(1, flow(ANNA, BERT, 443))
    scene.delta(1, flow(ANNA, BERT, 443, UDP))
    scene.delta(1, flow(ANNA, CARL, 443, UDP))
    scene.delta(1, flow(ANNA, FAR, 1), ())
    row = scene.row(1, ANNA)
    assert row[106] == near(1.5 / 6)
    assert row[108] == near(-(0.75 * log2(0.75) + 0.25 * log2(0.25)) / 6)
    assert row[109] == 0.75
    assert row[110] == 3.0


def test_107_is_the_deviation_of_durations(scene: Scene) -> None:
    scene.delta(0, flow(ANNA, BERT))
    scene.final(6 * S, key(ANNA, FAR), 1 * S)
    scene.delta(1, flow(ANNA, BERT))
    assert scene.row(1, ANNA)[107] is None
    scene.final(11 * S, key(ANNA, GROUP, 53, UDP), 4 * S)
    scene.delta(2, flow(ANNA, BERT))
    assert scene.row(2, ANNA)[107] == near(sqrt(4.5))


def test_111_is_the_variation_of_gaps_between_starts(scene: Scene) -> None:
    for at in (3 * S, 0, 1 * S):  # Position counts, not order of arrival.
        scene.delta(0, flow(ANNA, BERT), at=at)
    assert scene.row(0, ANNA)[111] == near(sqrt(0.5) / 1.5)
    scene.delta(1, flow(ANNA, FAR), at=1 * S)
    assert scene.row(1, ANNA)[111] == near(1 / 2)


def test_111_needs_three_starts_and_a_mean_above_0(scene: Scene) -> None:
    for _ in range(2):
        scene.delta(0, flow(ANNA, BERT))
    assert scene.row(0, ANNA)[111] is None
    scene.delta(1, flow(ANNA, BERT))
    assert scene.row(1, ANNA)[111] == near(sqrt(2))
    for _ in range(3):
        scene.delta(1, flow(CARL, BERT))
    assert scene.row(1, CARL)[111] is None


def test_remainder_counts_as_a_delta_does(scene: Scene) -> None:
    remainder = Increase(fwd_packets=2, fwd_bytes=80, bwd_packets=1, squares=6400)
    scene.final(1 * S, key(ANNA, BERT), remainder=remainder, marks=SYN)
    row = scene.row(0, ANNA, BERT)
    assert (row[83], row[105], row[103], row[141]) == (near(1 / 3), near(80 / 3), near(1 / 5), 1.0)
