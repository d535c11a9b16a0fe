"""Goal: each group of flow features has the values that its definitions give.

Method: one flow of five packets, all 83 features written down by hand; then the cases it lacks, one
claim each. Equality with the definitions over drawn packets is in tests/property/test_features.py.
"""

from math import log2, sqrt

import numpy as np
import pytest

from tests.property import frames as f
from tests.unit.reference.scenes import (
    A,
    B,
    S,
    datagram,
    earlies,
    feature,
    finals,
    run_of,
    segment,
)

SYN, SYN_ACK, ACK, PSH, FIN = f.SYN, f.SYN | f.ACK, f.ACK, f.PSH | f.ACK, f.FIN | f.ACK
MS = S // 1000
# Times 0, 1, 3 ms, 6.003 s, 8.003 s: a gap of 6 s (idle, subflow), one of 2 s (subflow).
FIVE = [
    (0, segment(SYN, window=100)),
    (1 * MS, segment(SYN_ACK, back=True, window=200)),
    (3 * MS, segment(PSH, b"a" * 10, window=300)),
    (6003 * MS, segment(PSH | f.URG, b"b" * 90, back=True)),
    (8003 * MS, segment(FIN)),
]
LENGTHS, FORWARD, BACKWARD = (40, 40, 50, 130, 40), (40, 50, 40), (40, 130)
GAPS_NS = (1 * MS, 2 * MS, 6000 * MS, 2000 * MS)


def _deviation(values: tuple[int, ...]) -> float:
    mean = sum(values) / len(values)
    return sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))


def _check(record, first: int, *expected: float | None) -> None:
    for index, value in enumerate(expected, first):
        found = feature(record, index)
        if value is None or value == 0:
            assert found == value, f"feature {index}"
        else:
            assert found == pytest.approx(value, rel=1e-6), f"feature {index}"


@pytest.fixture(scope="module")
def five():
    return finals(run_of(*FIVE))[0]


def test_volume_adds_up_packets_bytes_and_headers(five) -> None:
    _check(five, 0, 8_003_000.0, 5, 3, 2, 300, 130, 170, 10, 90, 1, 1, 120, 80, log2(171 / 131))


def test_lengths_are_those_of_ip_packets(five) -> None:
    _check(five, 14, 40, 130, 60, _deviation(LENGTHS), _deviation(LENGTHS) ** 2)
    _check(five, 19, 40, 50, 130 / 3, _deviation(FORWARD))
    _check(five, 23, 40, 130, 85, _deviation(BACKWARD))
    _check(five, 27, 10 / 3, 45, 40)


def test_rates_divide_by_the_duration_of_the_flow(five) -> None:
    _check(five, 30, *(count / 8.003 for count in (300, 5, 3, 2, 130, 170)))


def test_gaps_are_of_the_flow_and_of_each_side(five) -> None:
    us = tuple(gap / 1000 for gap in GAPS_NS)
    _check(five, 36, sum(us) / 4, _deviation(us), 6_000_000, 1000)
    _check(five, 40, 8_003_000, 4_001_500, _deviation((3000, 8_000_000)), 8_000_000, 3000)
    _check(five, 45, 6_002_000, 6_002_000, None, 6_002_000, 6_002_000)


def test_flags_count_packets_that_have_them(five) -> None:
    _check(five, 50, 1, 2, 0, 2, 4, 1, 0, 0, 1, 1, 0, 1)


def test_windows_are_those_of_the_first_packets(five) -> None:
    _check(five, 62, 100, 200)


def test_activity_ends_where_a_gap_exceeds_five_seconds(five) -> None:
    _check(five, 64, 1_001_500, _deviation((3000, 2_000_000)), 2_000_000, 3000)
    _check(five, 68, 6_000_000, None, 6_000_000, 6_000_000)


def test_subflows_end_where_a_gap_exceeds_one_second(five) -> None:
    _check(five, 72, 1, 130 / 3, 2 / 3, 170 / 3)


def test_flow_without_a_bulk_has_no_bulk_features(five) -> None:
    _check(five, 76, None, None, None, None, None, None)


def test_payload_entropy_is_over_upper_halves_of_bytes(five) -> None:
    _check(five, 82, 0.0)  # "a" and "b" share theirs.


def test_one_packet_has_no_gap_rate_or_deviation() -> None:
    (final,) = finals(run_of((7, datagram(b"x"))))
    _check(final, 0, 0, 1, 1, 0, 29, 29, 0, 1, 0, 1, 0, 28, 0, log2(1 / 30))
    _check(final, 14, 29, 29, 29, None, None, 29, 29, 29, None, None, None, None, None, 1, None, 28)
    _check(final, 30, *[None] * 34)
    _check(final, 64, 0, None, 0, 0, None, None, None, None, 1, 29, 0, 0)


def test_gap_of_exactly_a_timeout_does_not_exceed_it() -> None:
    (final,) = finals(run_of((0, datagram()), (5 * S, datagram()), (6 * S, datagram())))
    assert (feature(final, 68), feature(final, 72)) == (None, 1.5)
    (final,) = finals(run_of((0, datagram()), (5 * S + 1, datagram()), (6 * S + 2, datagram())))
    assert (feature(final, 68), feature(final, 72)) == (np.float32(5_000_000.001), 1.0)


def _bulk(*packets: tuple[int, bool, int]):
    """Return the final of a flow of (time, back, payload bytes)."""
    segments = [(time, segment(ACK, b"x" * size, back=back)) for time, back, size in packets]
    return finals(run_of(*segments, (100 * S, datagram(port=1))))[0]


def test_four_data_packets_without_a_long_gap_are_a_bulk() -> None:
    final = _bulk(*[(k * S, False, 100 + k) for k in range(4)])
    _check(final, 76, 406, 4, 406 / 3, None, None, None)


def test_bulk_begins_with_its_first_data_packet() -> None:
    final = _bulk((0, False, 0), *[(S // 2 + k, False, 10) for k in range(4)])
    _check(final, 76, 40, 4, 40 / 3e-9)


def test_three_data_packets_are_no_bulk() -> None:
    assert feature(_bulk(*[(k, False, 9) for k in range(3)]), 76) is None


def test_bulk_ends_with_a_gap_above_one_second() -> None:
    times = [0, 1, 2, 3, S + 4, S + 5, S + 6, S + 7]
    final = _bulk(*[(time, False, 10) for time in times])
    _check(final, 76, 40, 4, 80 / 6e-9)
    assert feature(_bulk(*[(time, False, 10) for time in (0, 1, 2, S + 3)]), 76) is None


def test_bulk_ends_with_data_of_the_peer_only() -> None:
    empty = [(k, k == 2, 0 if k == 2 else 10) for k in range(5)]
    assert feature(_bulk(*empty), 76) == 40.0
    answered = [(k, k == 2, 10) for k in range(5)]
    assert feature(_bulk(*answered), 76) is None


def test_bulk_of_no_duration_has_no_rate() -> None:
    final = _bulk(*[(0, True, 25)] * 4)
    assert finals(run_of((0, segment(ACK))))[0]
    _check(final, 76, 100, 4, None)  # The first packet's sender is the initiator.


def test_bulk_in_progress_counts_in_early_records() -> None:
    run = run_of(*[(k * MS, segment(ACK, b"x" * 10)) for k in range(8)])
    assert feature(earlies(run)[0], 77) == 8.0


def test_early_record_has_the_active_period_so_far() -> None:
    run = run_of(*[(k * MS, datagram()) for k in range(8)])
    _check(earlies(run)[0], 64, 7000, None, 7000, 7000)


def test_flag_features_are_for_tcp_alone() -> None:
    _check(finals(run_of((0, datagram())))[0], 50, *[None] * 14)
    _check(finals(run_of((0, segment(0))))[0], 50, *[0] * 12)


def test_window_is_not_valid_for_a_side_without_packets() -> None:
    _check(finals(run_of((0, segment(SYN, window=7))))[0], 62, 7, None)


def test_window_of_a_part_that_continues_is_its_own() -> None:
    packets = [(0, segment(ACK, window=1)), (3 * S, segment(ACK)), (6 * S, segment(ACK, window=2))]
    finals_of_both = finals(run_of(*packets, flow_active_timeout="5 s"))
    assert [feature(final, 62) for final in finals_of_both] == [1.0, 2.0]


def test_deviations_of_times_are_not_valid_with_wide_fields() -> None:
    packets = [(k * 6 * S + k * k, segment(ACK, back=k % 2 == 1)) for k in range(8)]
    (narrow,) = finals(run_of(*packets))
    (wide,) = finals(run_of(*packets, flow_active_timeout="off"))
    differ = [k for k in range(83) if feature(narrow, k) != feature(wide, k)]
    assert differ == [37, 42, 47, 65, 69]
    assert [feature(wide, index) for index in differ] == [None] * 5


def test_squares_of_long_gaps_lose_no_digit() -> None:
    gaps = [119 * S + k for k in (0, 3, 1)]
    times = [sum(gaps[:k]) for k in range(4)]
    (final,) = finals(run_of(*[(time, datagram()) for time in times]))
    expected = np.float32(_deviation((0, 3, 1)) / 1000)
    assert feature(final, 37) == expected


def test_payload_entropy_needs_64_bytes_of_the_first_eight_data_packets() -> None:
    every = bytes(range(0, 256, 16))  # Each upper half once.
    (final,) = finals(run_of((0, datagram(every * 3 + every[:15]))))
    assert feature(final, 82) is None
    (final,) = finals(
        run_of((0, datagram(every * 3)), (1, datagram(b"")), (2, datagram(every, back=True)))
    )
    assert feature(final, 82) == 1.0


def test_payload_entropy_takes_256_bytes_of_eight_packets() -> None:
    packets = [(k, datagram(b"\0" * 256 + b"\xff" * 99)) for k in range(8)]
    (final,) = finals(run_of(*packets, (9, datagram(b"\xff" * 99))))
    assert feature(final, 82) == 0.0


def test_payload_facts_outlive_a_split() -> None:
    packets = [(0, datagram(b"\0" * 64)), (3 * S, datagram()), (6 * S, datagram())]
    first, second = finals(run_of(*packets, flow_active_timeout="5 s"))
    assert [feature(record, 82) for record in (first, second)] == [0.0, 0.0]


def test_later_fragments_are_data_without_flags() -> None:
    first = f.ipv4(f.tcp((1, 2), PSH, bytes(4)), f.TCP, (A, B), fragment=f.MORE_FRAGMENTS)
    later = f.ipv4(bytes(24), f.TCP, (A, B), fragment=3)
    (final,) = finals(run_of((0, first), (1, later)))
    _check(final, 7, 28, 0, 2, 0, 60, 0)
    assert feature(final, 53) == 1.0
