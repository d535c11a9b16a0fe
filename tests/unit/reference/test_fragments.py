"""Goal: later fragments join the flow of the first, as long as it is remembered.

Method: first and later fragments at chosen times, keys that differ in one part, and a full cache.
"""

from engine.reference import run_bytes
from engine.reference.fragments import ENTRIES_MAX
from tests.property import frames as f
from tests.unit.reference.scenes import A, B, S, capture, finals, run_of, settings

ENDS = (A, B)


def _piece(units: int, identification: int = 7, protocol: int = f.UDP, ends=ENDS) -> bytes:
    more = f.MORE_FRAGMENTS if units == 0 else 0
    payload = f.udp((11, 22), bytes(8)) if units == 0 else bytes(16)
    fields = {"fragment": units | more, "identification": identification}
    return f.ipv4(payload, protocol, ends, **fields)


def _orphans(*packets: tuple[int, bytes]) -> int:
    return run_of(*packets).counters["refused_fragment_orphan"]


def test_later_fragment_counts_to_the_flow_of_the_first() -> None:
    (final,) = finals(run_of((0, _piece(0)), (1, _piece(2))))
    assert (final.key.initiator_port, final.key.responder_port) == (11, 22)
    assert (final.counts.fwd_packets, final.counts.fwd_bytes) == (2, 36 + 36)


def test_later_fragment_before_the_first_is_an_orphan() -> None:
    assert _orphans((0, _piece(2)), (1, _piece(0))) == 1


def test_first_fragment_is_remembered_for_half_a_minute() -> None:
    assert _orphans((0, _piece(0)), (30 * S, _piece(2))) == 0
    assert _orphans((0, _piece(0)), (30 * S + 1, _piece(2))) == 1


def test_new_first_fragment_begins_its_half_minute_anew() -> None:
    assert _orphans((0, _piece(0)), (20 * S, _piece(0)), (45 * S, _piece(2))) == 0


def test_every_part_of_the_key_tells_datagrams_apart() -> None:
    others = (
        _piece(2, identification=8),
        _piece(2, protocol=f.TCP),
        _piece(2, ends=(B, A)),
        _piece(2, ends=(A, A)),
    )
    for other in others:
        assert _orphans((0, _piece(0)), (1, other)) == 1


def test_malformed_first_fragment_is_not_remembered() -> None:
    short = f.ipv4(b"\0\1\0", f.UDP, ENDS, fragment=f.MORE_FRAGMENTS, identification=7)
    assert _orphans((0, short), (1, _piece(2))) == 1


def test_icmp_fragments_keep_the_one_way_mark() -> None:
    first = f.ipv4(f.icmp(3, 1, bytes(8)), f.ICMP, ENDS, fragment=f.MORE_FRAGMENTS)
    later = f.ipv4(bytes(8), f.ICMP, ENDS, fragment=2)
    (final,) = finals(run_of((0, first), (1, later)))
    assert (final.key.one_way, final.counts.fwd_packets) == (True, 2)


def test_ipv6_fragments_go_by_the_fragment_header() -> None:
    six = (A * 4, B * 4)
    hop = (0, b"\0" + bytes(6))
    first = f.extended(f.udp((11, 22), bytes(8)), f.UDP, six, [hop, f.fragment_header(9, 0, True)])
    later = f.extended(bytes(8), f.UDP, six, [f.fragment_header(9, 2, False)])
    assert _orphans((0, first), (1, later)) == 0


def test_oldest_entry_leaves_a_full_cache() -> None:
    firsts = [(k, _piece(0, identification=k)) for k in range(ENTRIES_MAX + 1)]
    run = run_of(*firsts, (9999, _piece(2, identification=0)), (9999, _piece(2, identification=1)))
    assert run.counters["fragment_evicted"] == 1
    assert run.counters["refused_fragment_orphan"] == 1


def test_entry_that_is_half_a_minute_old_leaves_uncounted() -> None:
    firsts = [(0, _piece(0, identification=k)) for k in range(ENTRIES_MAX)]
    run = run_of(*firsts, (30 * S, _piece(0, identification=ENTRIES_MAX)))
    assert run.counters["fragment_evicted"] == 0


def test_replaced_entry_is_the_newest() -> None:
    numbers = [*range(ENTRIES_MAX), 1, ENTRIES_MAX, ENTRIES_MAX + 1]  # 0 and 2 must leave.
    firsts = [(time, _piece(0, identification=number)) for time, number in enumerate(numbers)]
    assert run_of(*firsts).counters["fragment_evicted"] == 2
    for number, orphans in ((0, 1), (1, 0), (2, 1), (3, 0)):
        assert _orphans(*firsts, (9999, _piece(2, identification=number))) == orphans


def test_separate_sources_know_nothing_of_each_other() -> None:
    contents = [("a", capture((0, _piece(0)))), ("b", capture((1, _piece(2))))]
    assert run_bytes(contents, settings()).counters["refused_fragment_orphan"] == 0
    assert run_bytes(contents, settings(True)).counters["refused_fragment_orphan"] == 1
