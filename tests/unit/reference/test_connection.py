"""Goal: the twin says of a connection what "Connection state" says, which is what Zeek would.

Method: captures of a few segments; conn_state, letters, streams and duration written down by hand
from the page. The engine is compared with the twin in tests/property, and with Zeek's own logs in
tests/conformance.
"""

import pytest

from engine.reference.events import Connection
from tests.property import frames as f
from tests.unit.reference.scenes import S, datagram, finals, run_of, segment

MS = 1_000_000
SYN, ACK, FIN, RST = f.SYN, f.ACK, f.FIN, f.RST
SYN_ACK, FIN_ACK = SYN | ACK, FIN | ACK
HANDSHAKE = ((SYN, 0, 100, 0), (SYN_ACK, 0, 300, 101, True), (ACK, 0, 101, 301))


def _segment(flags: int, size: int, sequence: int, acknowledgment: int, back: bool = False):
    numbers = {"sequence": sequence, "acknowledgment": acknowledgment}
    return segment(flags, bytes(size), back, **numbers)


def _said(*steps: tuple, **changed: object) -> list[Connection]:
    """Return what finals say of (flags, payload, sequence, acknowledgment[, back]) each ms."""
    packets = [(k * MS, _segment(*step)) for k, step in enumerate(steps)]
    return [final.connection for final in finals(run_of(*packets, flow_history=True, **changed))]


def _state(*steps: tuple) -> str:
    (said,) = _said(*steps)
    return f"{said.state} {said.letters}"


def test_records_say_nothing_without_the_setting() -> None:
    assert [final.connection for final in finals(run_of((0, segment(SYN))))] == [None]


def test_whole_connection_is_sf_with_both_streams_from_sequence_numbers() -> None:
    steps = (
        *HANDSHAKE,
        (ACK, 40, 101, 301),
        (ACK, 1000, 301, 141, True),
        (FIN_ACK, 0, 141, 1301),
        (FIN_ACK, 0, 1301, 142, True),
        (ACK, 0, 142, 1302),
    )
    assert _said(*steps) == [Connection("SF", "ShADdFf", 40, 1000, 6 * MS)]


STATES = {
    "S0 S": [(SYN, 0, 100, 0)],
    "S1 ShA": HANDSHAKE,
    "REJ Sr": [(SYN, 0, 100, 0), (RST | ACK, 0, 0, 101, True)],
    "OTH D": [(ACK, 5, 100, 0)],
    "OTH DdA": [(ACK, 5, 100, 7), (ACK, 5, 7, 105, True), (ACK, 0, 105, 12)],
    "OTH R": [(RST, 0, 100, 0)],
    "RSTOS0 SR": [(SYN, 0, 100, 0), (RST, 0, 101, 0)],
    "SH SADF": [(SYN, 0, 100, 0), (ACK, 0, 101, 9), (ACK, 9, 101, 9), (FIN_ACK, 0, 110, 9)],
    "SHR ^hadf": [
        (SYN_ACK, 0, 300, 101, True),
        (ACK, 0, 301, 110, True),
        (ACK, 9, 301, 110, True),
        (FIN_ACK, 0, 310, 110, True),
    ],
    "S2 ShAF": [*HANDSHAKE, (FIN_ACK, 0, 101, 301)],
    "S3 ShAf": [*HANDSHAKE, (FIN_ACK, 0, 301, 101, True)],
    "RSTO ShADR": [*HANDSHAKE, (ACK, 9, 101, 301), (RST, 0, 110, 0)],
    "RSTR ShAdr": [*HANDSHAKE, (ACK, 9, 301, 101, True), (RST, 0, 310, 0, True)],
    "RSTRH ^hr": [(SYN_ACK, 0, 300, 101, True), (RST, 0, 301, 0, True)],
    "RSTO ShAQ": [*HANDSHAKE, (SYN | RST, 0, 101, 0)],
    "SH Q": [(SYN | FIN, 0, 100, 0)],
    "OTH I": [(FIN | RST, 0, 100, 0)],
}


@pytest.mark.parametrize("expected", list(STATES))
def test_state_and_letters_are_those_of_the_page(expected: str) -> None:
    assert _state(*STATES[expected]) == expected


def test_closed_window_is_told() -> None:
    packets = [(k * MS, _segment(*step)) for k, step in enumerate(HANDSHAKE)]
    closed = segment(ACK, b"", sequence=101, acknowledgment=301, window=0)
    (final,) = finals(run_of(*packets, (3 * MS, closed), flow_history=True))
    assert (final.connection.state, final.connection.letters) == ("S1", "ShAW")


def test_repeated_data_is_told_at_the_first_and_the_tenth_time() -> None:
    def repeated(times: int) -> str:
        return _state(*HANDSHAKE, *[(ACK, 9, 101, 301)] * (1 + times))

    assert repeated(1) == "S1 ShADT"
    assert repeated(9) == "S1 ShADT"
    assert repeated(10) == "S1 ShADTT"


def test_syn_that_is_sent_again_is_told_once_and_another_after_the_end_again() -> None:
    assert _state((SYN, 0, 100, 0), (SYN, 0, 100, 0), (SYN, 0, 900, 0)) == "S0 S"
    closed = [*HANDSHAKE, (FIN_ACK, 0, 101, 301), (SYN_ACK, 0, 900, 301)]
    assert _state(*closed) == "S2 ShAFH"


def test_stream_that_was_not_captured_is_what_was_acknowledged() -> None:
    (said,) = _said(*HANDSHAKE, (ACK, 0, 101, 1301))
    assert (said.fwd_stream, said.bwd_stream) == (0, 1000)


def test_stream_goes_over_the_end_of_sequence_numbers() -> None:
    near = (1 << 32) - 10
    steps = [(SYN, 0, near - 1, 0), (ACK, 30, near, 0), (ACK, 5, 20, 0)]
    (said,) = _said(*steps)
    assert (said.letters, said.fwd_stream) == ("SD", 35)


def test_duration_leaves_out_what_comes_after_both_have_closed() -> None:
    steps = [*HANDSHAKE, (FIN_ACK, 0, 101, 301), (FIN_ACK, 0, 301, 102, True)]
    (said,) = _said(*steps, (ACK, 0, 102, 302), (ACK, 0, 102, 302))
    assert said.lasting_ns == 4 * MS


def test_at_most_36_letters_are_kept() -> None:
    steps = [(RST, 0, 100 + k, 0) for k in range(50)]
    (said,) = _said(*steps, flow_tcp_end=False)
    assert said.letters == "R" * 36


def test_part_that_continues_tells_its_own_letters_and_streams() -> None:
    steps = [(k * MS, _segment(*step)) for k, step in enumerate(HANDSHAKE)]
    steps += [(10 * MS, _segment(ACK, 40, 101, 301)), (6 * S, _segment(ACK, 7, 141, 301))]
    steps += [(7 * S, _segment(FIN_ACK, 0, 148, 301))]
    first, second = finals(run_of(*steps, flow_history=True, flow_active_timeout="5 s"))
    assert first.connection == Connection("S1", "ShAD", 40, 0, 10 * MS)
    assert second.connection == Connection("S2", "DF", 7, 0, S)


def test_header_that_is_cut_says_nothing() -> None:
    later = f.ipv4(b"\0" * 20, f.TCP, (b"\x0a\0\0\1", b"\x0a\0\0\2"), fragment=3)
    first = f.ipv4(
        f.tcp((4000, 80), SYN), f.TCP, (b"\x0a\0\0\1", b"\x0a\0\0\2"), fragment=f.MORE_FRAGMENTS
    )
    (final,) = finals(run_of((0, first), (MS, later), flow_history=True))
    assert final.connection == Connection("S0", "S", 0, 0, MS)


@pytest.mark.parametrize(
    ("backs", "expected"),
    [
        ((False,), "S0 D"),
        ((False, True), "SF Dd"),
        ((False, True, False), "SF Dd"),
    ],
)
def test_datagrams_are_told_by_who_sent(backs: tuple[bool, ...], expected: str) -> None:
    packets = [(k * MS, datagram(b"abc", back)) for k, back in enumerate(backs)]
    (final,) = finals(run_of(*packets, flow_history=True))
    said = final.connection
    assert f"{said.state} {said.letters}" == expected
    assert (said.fwd_stream, said.bwd_stream) == (3 * backs.count(False), 3 * backs.count(True))
    assert said.lasting_ns == (len(backs) - 1) * MS
