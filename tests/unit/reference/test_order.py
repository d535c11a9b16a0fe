"""Goal: deltas, facts and records come in the order and with the content that the sections say.

Method: captures of a few packets around pane boundaries; every event of a run in a short notation,
written down by hand.
"""

from engine.reference import Run, run_bytes
from engine.reference.events import Delta, Fact, Increase, Record
from engine.reference.hashes import fixed_hash, name_words
from tests.property import frames as f
from tests.property.capture_files import FORMATS, Frame
from tests.unit.reference.scenes import (
    RAW,
    A,
    B,
    S,
    datagram,
    deltas,
    earlies,
    facts,
    finals,
    run_of,
    segment,
)

SYN, SYN_ACK, ACK, FIN, RST = f.SYN, f.SYN | f.ACK, f.ACK, f.FIN | f.ACK, f.RST
QUERY = b"\0\1\1\0\0\1\0\0\0\0\0\0\3WWW\7example\3com\0\0\1\0\1"
TURNED = ((0, 1), (1, 2), (5 * S, 2), (6 * S, 1))  # Times and ports.
ANSWER = b"\0\1\x81\x83" + QUERY[4:]


def _told(run: Run) -> list[str]:
    """Return each event as "time kind port", times in seconds."""
    lines = []
    for event in run.events:
        if isinstance(event, Record):
            kind = "final" if event.final else "early"
            port = event.key.responder_port
        else:
            kind = "delta" if isinstance(event, Delta) else "fact"
            port = event.key.responder_port if isinstance(event, Delta) else 53
        lines.append(f"{event.time / S:g} {kind} {port}")
    return lines


def test_pane_end_comes_before_packets_of_its_time() -> None:
    packets = [(0, datagram()), (5 * S, datagram(QUERY, port=53))]
    assert _told(run_of(*packets)) == [
        "5 delta 9",
        "5 early 9",
        "5 fact 53",
        "10 delta 53",
        "10 early 53",
        "10 final 9",
        "10 final 53",
    ]


def test_packet_just_before_a_boundary_belongs_to_the_pane() -> None:
    assert [
        delta.time for delta in deltas(run_of((5 * S - 1, datagram()), (5 * S, datagram())))
    ] == [
        5 * S,
        10 * S,
    ]


def test_deadline_comes_after_packets_of_its_time() -> None:
    packets = [(0, datagram()), (5 * S, datagram(QUERY, port=53)), (5 * S + 1, datagram(port=10))]
    told = _told(run_of(*packets, flow_idle_timeout="5 s"))
    assert told[:4] == ["5 delta 9", "5 early 9", "5 fact 53", "5 final 9"]


def test_pane_end_comes_before_deadlines_of_its_time() -> None:
    packets = [(5 * S, datagram()), (9 * S, datagram(port=10)), (30 * S, datagram(port=11))]
    told = _told(run_of(*packets, flow_idle_timeout="5 s"))
    assert told[:5] == ["10 delta 9", "10 delta 10", "10 early 9", "10 early 10", "10 final 9"]


def test_panes_without_packets_have_no_end() -> None:
    assert [
        delta.time // S for delta in deltas(run_of((1 * S, datagram()), (99 * S, datagram())))
    ] == [
        5,
        100,
    ]


def test_deltas_go_by_the_first_packet_in_the_pane() -> None:
    packets = [
        (0, datagram(port=1)),
        (1, datagram(port=2)),
        (5 * S, datagram(port=2)),
        (6 * S, datagram(port=1)),
    ]
    run = run_of(*packets)
    assert [delta.key.responder_port for delta in deltas(run)] == [1, 2, 2, 1]
    assert [delta.position[0] for delta in deltas(run)] == [0, 1, 5 * S, 6 * S]


def test_early_records_go_by_the_part_and_come_once() -> None:
    packets = [
        (0, datagram(port=1)),
        (1, datagram(port=2)),
        (5 * S, datagram(port=2)),
        (6 * S, datagram(port=1)),
    ]
    run = run_of(*packets)
    assert [(early.time, early.key.responder_port) for early in earlies(run)] == [
        (5 * S, 1),
        (5 * S, 2),
    ]


def test_flow_that_ended_in_its_first_pane_has_no_early_record() -> None:
    run = run_of((0, segment(RST)), (1, segment(SYN)))
    assert [(record.final, record.first[0]) for record in run.records] == [
        (True, 0),
        (False, 1),
        (True, 1),
    ]


def test_early_records_come_at_powers_of_eight_packets() -> None:
    run = run_of(*[(k, datagram()) for k in range(70)])
    times = [early.time for early in earlies(run)]
    assert times == [7, 63, 5 * S]
    assert [early.counts.fwd_packets for early in earlies(run)] == [8, 64, 70]


def test_early_records_come_with_each_new_minute_of_age() -> None:
    times = [0, 60 * S - 1, 60 * S, 61 * S, 119 * S, 180 * S, 181 * S]
    run = run_of(*[(time, datagram()) for time in times])
    assert [early.time // S for early in earlies(run)] == [5, 60, 180]


def test_causes_that_coincide_make_one_early_record() -> None:
    run = run_of(*[(k, datagram()) for k in range(7)], (60 * S, datagram()))
    assert [early.time // S for early in earlies(run)] == [5, 60]


def test_sequence_counts_the_records_of_a_part() -> None:
    run = run_of(*[(k, datagram()) for k in range(9)])
    assert [(record.sequence, record.reason) for record in run.records] == [(0, 0), (1, 0), (2, 4)]


def test_final_fact_and_early_of_one_packet_come_in_this_order() -> None:
    packets = [(k * S, datagram(QUERY, port=53)) for k in range(10)]
    run = run_of(*packets, flow_active_timeout="5 s")
    at_split = [event for event in run.events if event.time == 6 * S]
    assert [(type(event).__name__, event.rank) for event in at_split] == [
        ("Record", 0),
        ("Fact", 1),
    ]


def test_finals_at_the_stop_go_by_the_first_packet() -> None:
    packets = [(k, datagram(port=9 - k)) for k in range(3)]
    assert [final.key.responder_port for final in finals(run_of(*packets))] == [9, 8, 7]


def test_delta_holds_what_was_added_in_the_pane() -> None:
    packets = [
        (0, segment(ACK, b"abc")),
        (1, segment(RST, back=True)),
        (6 * S, segment(0)),
        (7 * S, segment(ACK, b"abcd", back=True)),
    ]
    first, second = (delta.increase for delta in deltas(run_of(*packets, flow_tcp_end=False)))
    assert first == Increase(
        fwd_packets=1,
        bwd_packets=1,
        fwd_bytes=43,
        bwd_bytes=40,
        fwd_payload=3,
        fwd_data_packets=1,
        squares=43 * 43 + 40 * 40,
        rsts=1,
    )
    assert second == Increase(
        fwd_packets=1,
        bwd_packets=1,
        fwd_bytes=40,
        bwd_bytes=44,
        bwd_payload=4,
        squares=40 * 40 + 44 * 44,
        fwd_impossible=1,
    )


def test_impossible_flags_are_those_that_no_stack_sends() -> None:
    impossible = [0, f.SYN | f.FIN, f.SYN | f.RST, f.FIN, f.FIN | f.PSH | f.URG, f.FIN | 0xC0]
    possible = [f.SYN, SYN_ACK, ACK, FIN, RST, RST | f.ACK, f.PSH, f.URG, 0x40, 0x80]
    for flags in range(0x40):
        expected = flags in impossible or flags & 3 == 3 or flags & 6 == 6 or flags & 0x11 == 1
        assert _impossible(flags) == expected
    assert [_impossible(flags) for flags in impossible] == [1] * len(impossible)
    assert [_impossible(flags) for flags in possible] == [0] * len(possible)


def _impossible(flags: int) -> int:
    (delta,) = deltas(run_of((0, segment(flags))))
    return delta.increase.fwd_impossible + delta.increase.bwd_impossible  # SYN-ACK turns the flow.


def test_later_fragments_and_flags_not_captured_are_not_impossible() -> None:
    first = f.ipv4(f.tcp((1, 2), ACK, bytes(4)), f.TCP, (A, B), fragment=f.MORE_FRAGMENTS)
    later = f.ipv4(bytes(24), f.TCP, (A, B), fragment=3)
    (delta,) = deltas(run_of((0, first), (1, later)))
    assert (delta.increase.fwd_packets, delta.increase.fwd_impossible) == (2, 0)


def test_flags_are_not_impossible_without_the_window() -> None:
    packet = segment(f.SYN | f.FIN)
    for captured, expected in ((34, 0), (35, 0), (36, 1)):
        frame = Frame(0, RAW, packet[:captured], len(packet))
        (delta,) = deltas(run_bytes([("cut", FORMATS["pcapng"]([frame]))]))
        assert (delta.increase.fwd_packets, delta.increase.fwd_impossible) == (1, expected)


def test_remainder_of_a_split_is_what_no_delta_told() -> None:
    packets = [(0, datagram(b"abc")), (6 * S, datagram(b"abcd")), (7 * S, datagram(b"x"))]
    first, second = finals(run_of(*packets, flow_active_timeout="5 s"))
    assert (first.remainder, first.ended) == (Increase(), None)
    assert second.remainder is None
    packets = [(0, datagram(b"abc")), (5 * S, datagram(b"abcd")), (5 * S + 1, datagram(b"x"))]
    first, _ = finals(run_of(*packets, flow_active_timeout="5 s"))
    assert (first.remainder.fwd_packets, first.remainder.fwd_payload) == (1, 4)


def test_deltas_and_remainders_tell_every_packet_once() -> None:
    packets = [(k * S, datagram()) for k in range(40)]
    run = run_of(*packets, flow_active_timeout="7 s")
    told = sum(delta.increase.fwd_packets for delta in deltas(run))
    told += sum(final.remainder.fwd_packets for final in finals(run) if final.remainder)
    assert told == 40


def _marks(*packets: tuple[int, bytes], **changed: object) -> list[tuple[str, ...]]:
    run = run_of(*packets, **changed)
    return [
        e.marks for e in run.events if isinstance(e, Delta) or (e.rank == 0 and e.order_class == 2)
    ]


def test_marks_are_sent_once_when_first_true() -> None:
    packets = [
        (0, segment(SYN)),
        (5 * S, segment(SYN_ACK, back=True)),
        (10 * S, segment(ACK)),
        (15 * S, segment(ACK, b"GET / HTTP/1.1\r\n")),
        (20 * S, segment(ACK, b"GET / HTTP/1.1\r\n")),
    ]
    expected = [("started", "syn"), ("answered",), ("handshake",), ("http",), ()]
    assert _marks(*packets) == expected


def test_part_that_continues_is_not_started() -> None:
    packets = [(0, datagram()), (6 * S, datagram()), (11 * S, datagram())]
    assert _marks(*packets, flow_active_timeout="5 s") == [("started",), (), (), ()]


def test_marks_come_with_the_remainder_if_no_delta_took_them() -> None:
    packets = [(0, segment(SYN)), (1, segment(RST, back=True)), (2, segment(SYN))]
    assert _marks(*packets) == [("started", "syn", "answered", "refused"), ("started", "syn")]


def test_reset_behind_payload_of_the_responder_is_no_refusal() -> None:
    refused = [(0, segment(SYN)), (1, segment(RST, back=True))]
    answer = (1, segment(ACK, b"x", back=True))
    assert "refused" in _marks(*refused)[0]
    assert "refused" not in _marks(refused[0], answer, refused[1])[0]
    assert "refused" not in _marks((0, segment(SYN)), (1, segment(RST)))[0]


def test_handshake_needs_its_three_steps_in_order() -> None:
    steps = [segment(SYN), segment(SYN_ACK, back=True), segment(ACK)]
    for order in ((0, 2, 1), (1, 0, 2), (2, 0, 1), (0, 1)):
        packets = [(k, steps[step]) for k, step in enumerate(order)]
        assert "handshake" not in _marks(*packets)[0]
    packets = [(0, steps[0]), (1, steps[1]), (2, segment(ACK, back=True))]
    assert "handshake" not in _marks(*packets)[0]
    assert "handshake" in _marks(*[(k, step) for k, step in enumerate(steps)])[0]


def test_upload_is_a_mebibyte_of_the_part() -> None:
    big = f.ipv4(f.udp((4000, 9), bytes(65_507)), f.UDP, (A, B))  # 65,535 bytes.
    sixteen = [(k, big) for k in range(16)]
    assert "upload" not in _marks(*sixteen)[0]
    assert "upload" in _marks(*sixteen, (99, datagram()))[0]


def test_ended_tells_how() -> None:
    run = run_of((0, segment(FIN)), (1, segment(FIN, back=True)), (2, datagram()))
    ended = {final.key.protocol: final.ended for final in finals(run)}
    assert (ended[6].proper, ended[6].first_end) == (True, "forward")
    assert (ended[17].proper, ended[17].first_end) == (False, "")
    (final,) = finals(run_of((0, segment(ACK)), (1, segment(RST, back=True)), (2, segment(FIN))))
    assert (final.ended.proper, final.ended.first_end) == (False, "backward")


def test_fact_names_the_host_that_asks() -> None:
    run = run_of((0, datagram(QUERY, port=53)), (1, datagram(ANSWER, back=True, port=53)))
    query, answer = facts(run)
    assert (query.host, query.response, query.code) == (A, False, 0)
    assert (answer.host, answer.response, answer.code) == (A, True, 3)
    assert query.name_hash == fixed_hash(name_words(b"www.example.com"))
    assert query.parent_hash == fixed_hash(name_words(b"example.com"))
    assert query.classes[ord("e") - ord("a")] == 2
    assert (query.classes[38], sum(query.classes)) == (2, 15)


def test_only_udp_with_port_53_makes_facts() -> None:
    assert facts(run_of((0, datagram(QUERY, port=54)))) == []
    tcp = f.ip(f.tcp((4000, 53), ACK, QUERY), f.TCP, (A, B))
    assert facts(run_of((0, tcp))) == []


def test_later_fragments_make_no_facts() -> None:
    first = f.ipv4(f.udp((4000, 53), QUERY[:32]), f.UDP, (A, B), fragment=f.MORE_FRAGMENTS)
    later = f.ipv4(QUERY, f.UDP, (A, B), fragment=5)
    run = run_of((0, first), (1, later))
    assert (run.counters["accepted"], facts(run)) == (2, [])


def test_every_packet_of_a_flow_makes_its_fact() -> None:
    run = run_of(*[(k, datagram(QUERY, port=53)) for k in range(20)])
    assert [fact.time for fact in facts(run)] == list(range(20))


def test_fact_position_is_that_of_its_packet() -> None:
    run = run_of((3, datagram(QUERY, port=53)))
    (fact,) = facts(run)
    assert isinstance(fact, Fact)
    assert fact.position == finals(run)[0].first
    assert (fact.host, finals(run)[0].key.responder) == (A, B)
