"""Goal: settings for comparison do to the twin's flows what their section says.

Method: captures of a few packets; keys, counts, reasons and times written down by hand. What single
packets make of each setting is in tests/unit/packets/test_metering.py, whose kernels the twin
equals (tests/property).
"""

import pytest

from engine.reference.events import ENDED, FORCED, IDLE
from engine.reference.internet import vlan_of
from tests.property import frames as f
from tests.unit.reference.scenes import A, B, S, datagram, fate, finals, run_of, segment

SYN_ACK = f.SYN | f.ACK
ECHO, ANSWER = (f.ipv4(f.icmp(kind, 0), f.ICMP, ends) for kind, ends in ((8, (A, B)), (0, (B, A))))
CLASSES = {
    "tcp": segment(f.ACK),
    "udp": datagram(),
    "icmp": ECHO,
    "other": f.ipv4(b"", 50, (A, B)),
}


def _ends(*packets, **changed) -> list[tuple[int, int, int]]:
    """Return (reason, time, packets) of each final."""
    return [
        (final.reason, final.time, final.counts.fwd_packets + final.counts.bwd_packets)
        for final in finals(run_of(*packets, **changed))
    ]


def test_first_syn_ack_is_turned_or_not() -> None:
    packets = (0, segment(SYN_ACK, back=True)), (1, segment(f.ACK))
    (turned,) = finals(run_of(*packets))
    (kept,) = finals(run_of(*packets, flow_initiator="first"))
    assert (turned.key.initiator, kept.key.initiator) == (A, B)
    assert (kept.counts.fwd_packets, kept.counts.bwd_packets) == (1, 1)


@pytest.mark.parametrize("name", CLASSES)
def test_each_class_of_protocols_has_a_timeout_of_its_own(name) -> None:
    packet = CLASSES[name]
    packets = (0, packet), (9 * S, packet)
    for other in CLASSES:
        changed = {f"flow_idle_timeout_{other}": "5 s"}
        ends = _ends(*packets, **changed)
        split = [(IDLE, 5 * S, 1), (FORCED, 10 * S, 1)]
        assert ends == (split if other == name else [(FORCED, 10 * S, 2)])


def test_a_timeout_that_is_the_same_follows_the_general_one() -> None:
    packets = (0, datagram()), (9 * S, datagram())
    changed = {"flow_idle_timeout": "5 s", "flow_idle_timeout_udp": "same"}
    assert _ends(*packets, **changed)[0] == (IDLE, 5 * S, 1)


def test_one_class_can_be_without_timeout_beside_a_linger() -> None:
    changed = {"flow_idle_timeout": "5 s", "flow_idle_timeout_tcp": "off"}
    packets = (0, segment(f.ACK)), (7000 * S, segment(f.RST)), (7005 * S + 1, datagram())
    changed |= {"flow_active_timeout": "off"}
    assert _ends(*packets, **changed)[0] == (ENDED, 7005 * S, 2)


def test_echo_and_answer_are_one_flow_without_ports() -> None:
    (final,) = finals(run_of((0, ECHO), (1, ANSWER), flow_icmp="zero"))
    assert (final.key.initiator_port, final.key.responder_port) == (0, 0)
    unreachable = [f.ipv4(f.icmp(3, 1), f.ICMP, ends) for ends in ((A, B), (B, A))]
    both = (0, unreachable[0]), (1, unreachable[1])
    assert len(finals(run_of(*both))) == 2
    assert len(finals(run_of(*both, flow_icmp="zero"))) == 1


def test_protocol_that_is_not_named_has_one_flow_for_all_ports() -> None:
    packets = (0, datagram(port=9)), (1, datagram(port=10))
    assert len(finals(run_of(*packets))) == 2
    (final,) = finals(run_of(*packets, flow_port_protocols="tcp sctp"))
    assert (final.key.initiator_port, final.counts.fwd_packets) == (0, 2)


def test_bytes_are_what_length_says() -> None:
    packet = datagram(b"abc")
    for length, octets in (("ip", 31), ("frame", 31), ("captured", 31), ("payload", 3)):
        (final,) = finals(run_of((0, packet), flow_length=length))
        assert final.counts.fwd_bytes == octets


@pytest.mark.parametrize(
    ("tags", "outer", "inner", "together"),
    [
        ((), 0, 0, 0),
        ((5,), 5, 5, 5),
        ((1, 2), 1, 2, 1 << 5 ^ 2),
        ((0x800, 1), 0x800, 1, 1 << 4 ^ 1),
    ],
)
def test_vlan_is_the_first_the_last_or_all(tags, outer, inner, together) -> None:
    found = [vlan_of(tags, choice) for choice in ("outer", "inner", "all", "off")]
    assert found == [outer, inner, together, 0]


def test_what_settings_refuse_has_its_fate() -> None:
    packet = f.checked(datagram(b"abc"))
    assert fate(packet, packet_checksums="verify") == "accepted"
    assert fate(datagram(b"abc"), packet_checksums="verify") == "malformed_checksum"
    assert fate(packet[:-1], wire_length=31, packet_cut="skip") == "malformed_cut"
    later = f.ipv4(bytes(8), f.UDP, (A, B), fragment=1)
    assert fate(later, packet_fragments="skip") == "fragment_orphan"
