"""The synthetic captures are what they say: right on the wire, known in kind, the same each time.

Method: a reader of its own (struct only, no code of the engine) takes each file apart packet by
packet, verifies every checksum by RFC 1071, and follows every TCP connection by its sequence
numbers. What it cannot show: whether real offices look like this.
"""

import collections
import ipaddress
import itertools
import struct
from dataclasses import dataclass

import pytest

from engine.capture import synthetic

TCP, UDP = 6, 17
FIN, SYN, RST, ACK = 1, 2, 4, 16
SOME_PACKETS = 4_000


@dataclass
class Packet:
    time_us: int
    wire_bytes: int
    source: tuple
    destination: tuple
    protocol: int
    transport: bytes

    @property
    def flags(self):
        return self.transport[13]

    @property
    def payload(self):
        return self.transport[8:] if self.protocol == UDP else self.transport[self.offset :]

    @property
    def offset(self):
        return self.transport[12] >> 4 << 2


def sum16(content):
    """Return the one's complement sum of 16-bit words by definition: carries come round."""
    words = struct.unpack(f">{len(content) // 2}H", content) if len(content) % 2 == 0 else ()
    total = sum(words) if words else sum16(content + b"\0")
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def frames(path):
    """Yield (time in us, frame) of a pcap file, whole to its last byte."""
    content = path.read_bytes()
    assert struct.unpack_from("<IHHiIII", content)[:3] == (0xA1B2C3D4, 2, 4)
    at = 24
    while at < len(content):
        seconds, fraction, captured, original = struct.unpack_from("<IIII", content, at)
        assert captured == original
        assert fraction < 1_000_000
        yield seconds * 1_000_000 + fraction, content[at + 16 : at + 16 + captured]
        at += 16 + captured
    assert at == len(content)


def packet_of(time_us, frame):
    """Return the IP packet of a frame, its checksums verified; None for ARP."""
    (ethertype,) = struct.unpack_from(">H", frame, 12)
    if ethertype == 0x0806:
        return None
    ip = frame[14:]
    if ethertype == 0x0800:
        assert ip[0] == 0x45
        (size,) = struct.unpack_from(">H", ip, 2)
        assert sum16(ip[:20]) == 0xFFFF
        protocol, ends, transport = ip[9], (ip[12:16], ip[16:20]), ip[20:size]
    else:
        assert ethertype == 0x86DD
        (size,) = struct.unpack_from(">H", ip, 4)
        size += 40
        protocol, ends, transport = ip[6], (ip[8:24], ip[24:40]), ip[40:size]
    assert size <= len(ip)
    assert not any(ip[size:]), "what follows the packet is padding"
    pseudo = ends[0] + ends[1] + struct.pack(">HH", protocol, len(transport))
    assert sum16(pseudo + transport) == 0xFFFF
    ports = struct.unpack_from(">HH", transport)
    names = [str(ipaddress.ip_address(end)) for end in ends]
    source, destination = zip(names, ports, strict=True)
    return Packet(time_us, len(frame), source, destination, protocol, transport)


def packets_of(path):
    return [packet for frame in frames(path) if (packet := packet_of(*frame)) is not None]


def flows_of(packets):
    """Return {(protocol, initiator, responder): packets}; the first sender initiates."""
    flows = {}
    for packet in packets:
        back = (packet.protocol, packet.destination, packet.source)
        key = (packet.protocol, packet.source, packet.destination)
        flows.setdefault(back if back in flows else key, []).append(packet)
    return flows


@pytest.fixture(scope="module")
def demo_packets(tmp_path_factory):
    path = tmp_path_factory.mktemp("demo") / "demo.pcap"
    assert synthetic.demo(path) == sum(1 for _ in frames(path))
    return packets_of(path)


@pytest.fixture(scope="module")
def demo_flows(demo_packets):
    return flows_of(demo_packets)


def test_demo_is_in_order_of_time_and_lasts_a_minute_and_a_half(demo_packets):
    times = [packet.time_us for packet in demo_packets]
    assert times == sorted(times)
    assert 90e6 < times[-1] - times[0] < 95e6


def test_demo_is_the_same_each_time(tmp_path):
    synthetic.demo(tmp_path / "a")
    synthetic.demo(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_every_flow_of_the_demo_has_a_known_kind(demo_flows):
    kinds = collections.Counter()
    for _, (initiator, _), (responder, port) in demo_flows:
        truth = synthetic.kind_of(initiator, responder, port)
        assert truth is not None, (initiator, responder, port)
        kinds[truth.kind] += 1
    assert set(kinds) == {truth.kind for truth in synthetic.DEMO_TRUTH}
    assert kinds["web"] > 200
    assert kinds["brute force"] >= 50
    assert kinds["flood"] > 10_000
    assert kinds["beacon"] >= 18
    assert kinds["exfiltration"] == kinds["call"] == 1
    assert kinds["collection"] == 6
    assert kinds["clock"] > 80


def test_attacks_and_ordinary_flows_never_share_a_truth(demo_flows):
    attackers = {truth.kind for truth in synthetic.DEMO_TRUTH if truth.attack}
    ordinary = {truth.kind for truth in synthetic.DEMO_TRUTH if not truth.attack}
    assert attackers == {"scan", "brute force", "flood", "beacon", "collection", "exfiltration"}
    assert ordinary == {"web", "dns", "smb", "mail", "clock", "reports", "backup", "call"}


def test_kind_of_a_flow_that_is_not_the_demos_is_none():
    assert synthetic.kind_of("8.8.8.8", "10.20.0.80", 80) is None
    assert synthetic.kind_of("2001:db8::1", "10.20.0.80", 80) is None


def test_scan_is_horizontal_and_vertical(demo_flows):
    probed = collections.defaultdict(set)
    for _, (initiator, _), (responder, port) in demo_flows:
        if synthetic.kind_of(initiator, responder, port).kind == "scan":
            probed[responder].add(port)
    assert len(probed) > 400
    assert max(len(ports) for ports in probed.values()) >= 700


def of_kind(flows, *kinds):
    """Return [(initiator, responder, packets)] of the flows of these kinds, by their begin."""
    found = [
        (initiator, responder, packets)
        for (_, initiator, responder), packets in flows.items()
        if synthetic.kind_of(initiator[0], *responder).kind in kinds
    ]
    return sorted(found, key=lambda flow: flow[2][0].time_us)


def payload_bytes(packets, sender):
    return sum(len(packet.payload) for packet in packets if packet.source == sender)


def test_beacon_calls_one_server_at_one_interval(demo_flows):
    flows = of_kind(demo_flows, "beacon")
    assert len({(initiator[0], responder) for initiator, responder, _ in flows}) == 1
    begins = [packets[0].time_us for _, _, packets in flows]
    gaps = [later - begin for begin, later in itertools.pairwise(begins)]
    assert len(gaps) >= 8
    assert all(4.9e6 < gap < 5.1e6 for gap in gaps)


@pytest.mark.parametrize("kind, gap_s", [("clock", 16), ("reports", 10)])
def test_ordinary_machines_are_as_regular_as_the_beacon(demo_flows, kind, gap_s):
    begins = collections.defaultdict(list)
    for initiator, _, packets in of_kind(demo_flows, kind):
        begins[initiator[0]].append(packets[0].time_us)
    assert len(begins) >= 8
    for times in begins.values():
        gaps = [later - begin for begin, later in itertools.pairwise(times)]
        assert len(gaps) >= 4
        assert all(0.97e6 * gap_s < gap < 1.03e6 * gap_s for gap in gaps)


def test_what_is_sent_away_was_collected_inside_before(demo_flows):
    ((thief, _, sent),) = of_kind(demo_flows, "exfiltration")
    collected = of_kind(demo_flows, "collection")
    assert {initiator[0] for initiator, _, _ in collected} == {thief[0]}
    assert all(responder[0].startswith("10.20.") for _, responder, _ in collected)
    assert max(packets[-1].time_us for _, _, packets in collected) < sent[0].time_us
    got = sum(payload_bytes(packets, responder) for _, responder, packets in collected)
    assert 0.9 < got / payload_bytes(sent, thief) < 1.1


def test_backup_sends_as_much_as_the_exfiltration_and_collects_nothing(demo_flows):
    ((thief, _, stolen),) = of_kind(demo_flows, "exfiltration")
    saved = of_kind(demo_flows, "backup")
    amounts = [payload_bytes(packets, initiator) for initiator, _, packets in saved]
    assert all(amount > 1 << 20 for amount in amounts)
    assert sum(amounts) > payload_bytes(stolen, thief)
    (keeper,) = {initiator[0] for initiator, _, _ in saved}
    inside = of_kind(demo_flows, "smb", "collection")
    read = [payload_bytes(p, end) for begun, end, p in inside if begun[0] == keeper]
    assert sum(read) < sum(amounts) / 5


def test_call_sends_alike_both_ways(demo_flows):
    ((caller, relay, packets),) = of_kind(demo_flows, "call")
    assert 0.8 < payload_bytes(packets, caller) / payload_bytes(packets, relay) < 1.25
    assert packets[-1].time_us - packets[0].time_us > 35e6


def test_exfiltration_sends_much_more_than_it_gets(demo_flows):
    for (_, initiator, responder), packets in demo_flows.items():
        if synthetic.kind_of(initiator[0], *responder).kind == "exfiltration":
            sent = [len(packet.payload) for packet in packets if packet.source == initiator]
            got = [len(packet.payload) for packet in packets if packet.source == responder]
            assert sum(sent) > 9_000_000 > 100 * sum(got)


def follow(packets):
    """Assert that a TCP connection is possible: nothing is acknowledged before it passed by."""
    ends = {}
    for packet in packets:
        sequence, acknowledged = struct.unpack_from(">II", packet.transport, 4)
        if packet.flags & SYN:
            ends[packet.source] = sequence
        assert packet.source in ends or packet.flags & RST, "spoke before its SYN"
        if packet.flags & ACK:
            assert packet.destination in ends
            assert (ends[packet.destination] - acknowledged) % (1 << 32) < 1 << 31
        if packet.source in ends:
            assert sequence == ends[packet.source], "a gap, or bytes twice"
            counted = len(packet.payload) + bool(packet.flags & (SYN | FIN))
            ends[packet.source] = (sequence + counted) % (1 << 32)


def test_ordinary_connections_of_the_demo_are_possible(demo_flows):
    followed = 0
    for (protocol, initiator, responder), packets in demo_flows.items():
        kind = synthetic.kind_of(initiator[0], *responder).kind
        if protocol == TCP and kind not in ("scan", "flood"):
            follow(packets)
            followed += 1
    assert followed > 500


def test_web_hellos_name_their_server_and_those_of_the_beacon_do_not(demo_flows):
    named = collections.defaultdict(list)
    for (protocol, initiator, responder), packets in demo_flows.items():
        if protocol != TCP or responder[1] != 443:
            continue
        kind = synthetic.kind_of(initiator[0], *responder).kind
        hello = next((p.payload for p in packets if p.payload), b"")
        if hello:
            assert hello[:3] == b"\x16\x03\x01"
            assert struct.unpack_from(">H", hello, 3)[0] == len(hello) - 5
            assert int.from_bytes(hello[6:9], "big") == len(hello) - 9
            named[kind].append(b".example" in hello)
    assert all(named["web"])
    assert not any(named["beacon"])
    assert len(named["beacon"]) >= 18


@pytest.mark.parametrize("write", [synthetic.many_flows, synthetic.big_flows])
def test_workload_has_the_packets_asked_for_in_order_of_time(tmp_path, write):
    assert write(tmp_path / "w.pcap", SOME_PACKETS) == SOME_PACKETS
    packets = packets_of(tmp_path / "w.pcap")
    assert len(packets) == SOME_PACKETS
    times = [packet.time_us for packet in packets]
    assert times == sorted(times)


def key_exchange_of(payload):
    """Return the name lists of an SSH packet that begins a key exchange (RFC 4253, 6 and 7.1)."""
    size, padding = struct.unpack_from(">IB", payload)
    assert len(payload) == 4 + size and len(payload) % 8 == 0 and padding >= 4
    body = payload[5 : len(payload) - padding]
    assert body[0] == 20
    at, lists = 17, []  # Behind a cookie of 16 bytes.
    for _ in range(10):
        (length,) = struct.unpack_from(">I", body, at)
        lists.append(body[at + 4 : at + 4 + length].decode("ascii"))
        at += 4 + length
    assert body[at:] == bytes(5)
    return lists


def test_guessers_and_server_begin_a_key_exchange_in_words(demo_flows):
    talks = 0
    for (_, initiator, responder), packets in demo_flows.items():
        if synthetic.kind_of(initiator[0], *responder).kind == "brute force":
            begun = [packet for packet in packets if packet.payload][2:4]  # After two greetings.
            assert [packet.source for packet in begun] == [initiator, responder]
            for packet in begun:
                lists = key_exchange_of(packet.payload)
                assert "curve25519-sha256" in lists[0].split(",")
                assert all(lists[:8]) and lists[8:] == ["", ""]  # No languages.
            talks += 1
    assert talks >= 50


@pytest.mark.parametrize("write", [synthetic.many_flows, synthetic.big_flows])
def test_workload_is_the_same_for_the_same_seed_only(tmp_path, write):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write(tmp_path / name, SOME_PACKETS, seed)
    contents = [(tmp_path / name).read_bytes() for name in "abc"]
    assert contents[0] == contents[1]
    assert contents[0] != contents[2]


def test_many_flows_are_a_quarter_of_the_packets_at_64_bytes(tmp_path):
    synthetic.many_flows(tmp_path / "w.pcap", SOME_PACKETS)
    packets = packets_of(tmp_path / "w.pcap")
    assert {packet.wire_bytes for packet in packets} == {64}
    flows = flows_of(packets)
    assert len(flows) == SOME_PACKETS // 4
    sizes = collections.Counter((key[0], len(found)) for key, found in flows.items())
    tenth = len(flows) // 10
    assert sizes == {(TCP, 2): 6 * tenth, (TCP, 8): 2 * tenth, (UDP, 6): 2 * tenth}


def test_short_tcp_flows_of_the_workload_are_possible(tmp_path):
    synthetic.many_flows(tmp_path / "w.pcap", SOME_PACKETS)
    for (protocol, _, _), packets in flows_of(packets_of(tmp_path / "w.pcap")).items():
        if protocol == TCP and len(packets) == 8:
            follow(packets)


def test_big_flows_are_200_of_1400_bytes(tmp_path):
    synthetic.big_flows(tmp_path / "w.pcap", SOME_PACKETS)
    packets = packets_of(tmp_path / "w.pcap")
    assert {packet.wire_bytes for packet in packets} == {1400}
    flows = flows_of(packets)
    assert collections.Counter(key[0] for key in flows) == {TCP: 160, UDP: 40}
    for (protocol, _, _), found in flows.items():
        if protocol == TCP:
            ends = {}
            for packet in found:
                (sequence,) = struct.unpack_from(">I", packet.transport, 4)
                assert ends.setdefault(packet.source, sequence) == sequence
                ends[packet.source] = (sequence + len(packet.payload)) % (1 << 32)
