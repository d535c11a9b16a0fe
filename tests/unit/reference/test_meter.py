"""Goal: flows begin, split and end as the section "Flows" says, to the nanosecond.

Method: captures of a few packets at exact times; reasons, times, directions and counts written down
by hand. Order and deltas are in test_order.py.
"""

import pytest

from engine.reference import run_bytes
from engine.reference.events import ACTIVE, ENDED, FORCED, IDLE
from tests.property import frames as f
from tests.unit.reference.scenes import (
    A,
    B,
    S,
    capture,
    datagram,
    feature,
    finals,
    run_of,
    segment,
    settings,
)

SYN, SYN_ACK, ACK, FIN, RST = f.SYN, f.SYN | f.ACK, f.ACK, f.FIN | f.ACK, f.RST
PACKETS = 1  # Feature 1: packets of the part.


def _ends(*packets: tuple[int, bytes], **changed: object) -> list[tuple[int, int, int]]:
    """Return (reason, time, packets) of each final."""
    return [
        (final.reason, final.time, final.counts.fwd_packets + final.counts.bwd_packets)
        for final in finals(run_of(*packets, **changed))
    ]


def test_packet_at_the_deadline_still_joins() -> None:
    assert _ends((0, datagram()), (120 * S, datagram())) == [(FORCED, 125 * S, 2)]


def test_packet_behind_the_deadline_finds_the_flow_ended() -> None:
    assert _ends((0, datagram()), (120 * S + 1, datagram())) == [
        (IDLE, 120 * S, 1),
        (FORCED, 125 * S, 1),
    ]


def test_every_packet_moves_the_deadline() -> None:
    times = (0, 100 * S, 200 * S, 320 * S + 1)
    assert _ends(*[(time, datagram()) for time in times])[0] == (IDLE, 320 * S, 3)


def test_deadline_fires_for_flows_that_see_no_packet() -> None:
    packets = [(0, datagram()), (130 * S, datagram(port=10))]
    assert _ends(*packets) == [(IDLE, 120 * S, 1), (FORCED, 135 * S, 1)]


def test_age_of_exactly_the_active_timeout_does_not_split() -> None:
    packets = [(time * S, datagram()) for time in range(0, 1801, 100)]
    assert _ends(*packets) == [(FORCED, 1805 * S, 19)]


def test_age_above_the_active_timeout_splits_before_the_packet() -> None:
    packets = [(time * S, datagram()) for time in range(0, 1801, 100)] + [
        (1800 * S + 1, datagram())
    ]
    assert _ends(*packets) == [(ACTIVE, 1800 * S + 1, 19), (FORCED, 1805 * S, 1)]


def test_part_that_continues_counts_anew_and_keeps_its_direction() -> None:
    packets = [
        (0, datagram()),
        (4 * S, datagram()),
        (6 * S, datagram(back=True)),
        (7 * S, datagram()),
    ]
    first, second = finals(run_of(*packets, flow_active_timeout="5 s"))
    assert (first.continued, second.continued) == (False, True)
    assert (second.key, second.counts.fwd_packets, second.counts.bwd_packets) == (first.key, 1, 1)
    assert second.first[0] == 6 * S
    assert (first.sequence, second.sequence) == (1, 1)  # Behind an early record at a pane's end.


def test_active_timeout_can_be_off() -> None:
    packets = [(time * 100 * S, datagram()) for time in range(30)]
    assert _ends(*packets, flow_active_timeout="off") == [(FORCED, 2905 * S, 30)]


def test_idle_timeout_can_be_off() -> None:
    packets = [(0, datagram()), (1000 * S, datagram())]
    assert _ends(*packets, flow_idle_timeout="off") == [(FORCED, 1005 * S, 2)]


def test_reset_shortens_the_timeout_to_the_linger() -> None:
    packets = [(0, segment(SYN)), (1 * S, segment(RST, back=True)), (6 * S + 1, datagram())]
    assert _ends(*packets)[0] == (ENDED, 6 * S, 2)


def test_packets_in_the_linger_count_and_move_the_deadline() -> None:
    packets = [
        (0, segment(RST)),
        (5 * S, segment(ACK)),
        (9 * S, segment(ACK, back=True)),
        (20 * S, datagram()),
    ]
    assert _ends(*packets)[0] == (ENDED, 14 * S, 3)


def test_one_fin_does_not_end_a_flow() -> None:
    packets = [(0, segment(FIN)), (1 * S, segment(FIN)), (60 * S, segment(ACK, back=True))]
    assert _ends(*packets) == [(FORCED, 65 * S, 3)]


def test_fin_of_both_sides_ends_a_flow() -> None:
    packets = [(0, segment(FIN)), (1 * S, segment(FIN, back=True)), (7 * S, datagram())]
    assert _ends(*packets)[0] == (ENDED, 6 * S, 2)


def test_tcp_end_can_be_off() -> None:
    packets = [(0, segment(RST)), (1 * S, segment(SYN)), (60 * S, segment(ACK))]
    assert _ends(*packets, flow_tcp_end=False) == [(FORCED, 65 * S, 3)]


def test_syn_after_the_end_begins_a_new_flow() -> None:
    packets = [
        (0, segment(SYN)),
        (1 * S, segment(RST, back=True)),
        (2 * S, segment(SYN)),
        (2 * S, segment(ACK)),
    ]
    run = run_of(*packets)
    first, second = finals(run)
    assert (first.reason, first.time, first.continued) == (ENDED, 2 * S, False)
    assert (second.continued, second.counts.fwd_packets) == (False, 2)
    assert run.counters["flows"] == 2


def test_syn_without_an_end_stays_in_the_flow() -> None:
    packets = [(0, segment(SYN)), (1 * S, segment(SYN)), (2 * S, segment(SYN))]
    assert _ends(*packets) == [(FORCED, 5 * S, 3)]


def test_syn_ack_after_the_end_stays_in_the_flow() -> None:
    assert _ends((0, segment(RST)), (1 * S, segment(SYN_ACK, back=True))) == [(FORCED, 5 * S, 2)]


def test_flow_that_ended_is_not_split_by_age() -> None:
    packets = [(0, segment(RST)), (4 * S, segment(ACK)), (6 * S, segment(ACK))]
    assert _ends(*packets, flow_active_timeout="5 s") == [(FORCED, 10 * S, 3)]


def _lingering(age: int, **changed: object) -> list[int]:
    """Return the reasons of a flow that ended at once and whose last packet has this age."""
    times = [*range(0, age, 1000 * S), age]
    packets = [(time, segment(ACK if time else RST)) for time in times]
    ends = _ends(*packets, flow_tcp_linger="1000 s", **changed)
    assert sum(count for _, _, count in ends) == len(times)
    return [reason for reason, _, _ in ends]


def test_ended_flow_begins_anew_at_the_age_that_narrow_rows_do_not_hold() -> None:
    assert _lingering((1 << 44) - 1) == [FORCED]
    assert _lingering(1 << 44) == [ENDED, FORCED]


def test_ended_flow_with_wide_fields_has_no_such_age() -> None:
    assert _lingering(1 << 44, flow_active_timeout="off") == [FORCED]


def test_sender_of_the_first_packet_is_the_initiator() -> None:
    (final,) = finals(run_of((0, datagram(back=True)), (1, datagram())))
    assert (final.key.initiator, final.key.initiator_port) == (B, 9)
    assert (final.counts.fwd_packets, final.counts.bwd_packets) == (1, 1)


def test_syn_ack_first_makes_its_receiver_the_initiator() -> None:
    (final,) = finals(run_of((0, segment(SYN_ACK, back=True)), (1, segment(ACK))))
    assert (final.key.initiator, final.key.responder_port) == (A, 80)
    assert (final.counts.fwd_packets, final.counts.bwd_packets) == (1, 1)


def test_direction_is_judged_anew_after_an_end() -> None:
    run = run_of((0, datagram()), (121 * S, datagram(back=True)))
    assert [final.key.initiator for final in finals(run)] == [A, B]


def test_equal_endpoints_send_forward_only() -> None:
    itself = f.ip(f.udp((7, 7)), f.UDP, (A, A))
    (final,) = finals(run_of((0, itself), (1, itself)))
    assert (final.counts.fwd_packets, final.counts.bwd_packets) == (2, 0)


def test_one_way_types_make_one_flow_for_each_direction() -> None:
    there = f.ip(f.icmp(3, 1), f.ICMP, (A, B))
    back = f.ip(f.icmp(3, 1), f.ICMP, (B, A))
    assert [final.counts.bwd_packets for final in finals(run_of((0, there), (1, back)))] == [0, 0]


def test_echo_and_its_answer_are_one_flow() -> None:
    echo, answer = (
        f.ip(f.icmp(kind, 0), f.ICMP, ends) for kind, ends in ((8, (A, B)), (0, (B, A)))
    )
    (final,) = finals(run_of((0, echo), (1, answer)))
    assert (final.counts.fwd_packets, final.counts.bwd_packets) == (1, 1)


def test_vlan_and_version_tell_flows_apart() -> None:
    tagged = [f.ethernet(datagram(), tags) for tags in ((), (0x8100 << 16 | 5,), (0x8100 << 16,))]
    mapped = f.ethernet(
        f.ip(f.udp((4000, 9)), f.UDP, tuple(bytes(10) + b"\xff\xff" + a for a in (A, B)))
    )
    file = capture(*[(k, frame) for k, frame in enumerate((*tagged, mapped))], link_type=1)
    counts = [final.counts.fwd_packets for final in finals(run_bytes([("one", file)]))]
    assert counts == [2, 1, 1]


def test_stop_comes_at_the_end_of_the_last_pane() -> None:
    assert _ends((7 * S, datagram())) == [(FORCED, 10 * S, 1)]
    assert _ends((10 * S, datagram())) == [(FORCED, 15 * S, 1)]


def test_deadline_before_the_stop_fires_and_one_at_it_does_not() -> None:
    packets = [(5 * S - 1, datagram()), (5 * S, datagram(port=10)), (9 * S, datagram(port=11))]
    ends = _ends(*packets, flow_idle_timeout="5 s")
    assert ends == [(IDLE, 10 * S - 1, 1), (FORCED, 10 * S, 1), (FORCED, 10 * S, 1)]


def test_refused_packet_sets_the_time_of_the_stop() -> None:
    assert _ends((0, datagram()), (1000 * S, b"\x55"))[0] == (IDLE, 120 * S, 1)
    assert _ends((0, datagram()), (100 * S, b"\x55")) == [(FORCED, 105 * S, 1)]


def test_packet_without_time_does_not_set_the_stop() -> None:
    assert _ends((0, datagram()), (1 << 63, datagram())) == [(FORCED, 5 * S, 1)]


def test_times_before_1970_have_panes_too() -> None:
    assert _ends((-7 * S, datagram())) == [(FORCED, -5 * S, 1)]


def _two(separate: bool) -> list:
    contents = [
        ("b", capture((0, datagram()), (3 * S, datagram()))),
        ("a", capture((1 * S, datagram()), (200 * S, datagram()))),
    ]
    return finals(run_bytes(contents, settings(separate)))


def test_sources_are_merged_by_time() -> None:
    assert [(x.reason, x.time, feature(x, PACKETS)) for x in _two(False)] == [
        (IDLE, 123 * S, 3.0),
        (FORCED, 205 * S, 1.0),
    ]


def test_separate_sources_follow_one_another_by_name() -> None:
    assert [(x.source, x.reason, x.time, feature(x, PACKETS)) for x in _two(True)] == [
        (0, IDLE, 121 * S, 1.0),
        (0, FORCED, 205 * S, 1.0),
        (1, FORCED, 5 * S, 2.0),
    ]


def test_frame_reference_names_source_and_offset() -> None:
    contents = [("b", capture((0, datagram()))), ("a", capture((1, datagram(port=10))))]
    references = {x.key.responder_port: x.first[1] for x in finals(run_bytes(contents))}
    for number, port in ((1, 9), (0, 10)):
        source, offset = divmod(references[port], 1 << 48)
        assert source == number
        assert contents[1 - number][1][offset : offset + 28] == datagram(port=port)


@pytest.mark.parametrize("source_count", [1, 2, 3])
def test_packets_of_one_nanosecond_go_by_source_then_offset(source_count: int) -> None:
    contents = [
        (str(k), capture((0, datagram(port=100 + k)), (0, datagram(port=200 + k))))
        for k in range(source_count)
    ]
    ports = [final.key.responder_port for final in finals(run_bytes(contents))]
    assert ports == [port + k for k in range(source_count) for port in (100, 200)]
