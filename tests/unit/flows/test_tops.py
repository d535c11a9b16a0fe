"""Goal: counters at their tops lose nothing: they spill, or their part ends.

Method: rows are given counts that no test can wait for, near the tops of their fields, then a few
packets more; finals must say what was given plus what was sent. Reaching tops by packets alone,
against the twin, is tests/property/directed.py. What it cannot show: sums of squares of gaps, which
cannot be given a value that fits the other words; the twin's runs have those.
"""

import pytest

from engine.config import PANE_NS, SECOND_NS
from engine.features import catalogue
from engine.features.flags import MASKS, SHIFTS
from engine.features.services import TCP_PROTOCOL
from engine.flows.check import check
from engine.layouts import END, EVICTED, FORCED, places
from tests.unit.flows.driving import Shard, control, packet, packets_in

START = 1_700_000_000 * SECOND_NS
LENGTH = 140  # Of the packets sent: 40 bytes of headers, 100 of payload.
FLAGS = ("fin", "syn", "rst", "urg", "cwr", "ece", "psh", "ack")
IN_ALL = 0xFF
NAMES = [feature.name for feature in catalogue.FEATURES]
SIDES = {"forward": (False, places.SIDE_A), "backward": (True, places.SIDE_A + 8)}


def live_row(shard: Shard):
    """Return the words of row 1."""
    begin = shard.word("rows_at") + places.ROW_WORDS
    return shard.table[begin : begin + places.ROW_WORDS]


def given(**settings: object) -> Shard:
    """Return a shard with one flow of two packets, one each way, that has no flags but ACK."""
    shard = Shard(flow_tcp_end=False, **settings)
    for at, back in enumerate((False, True)):
        shard.send(packet(START + at, 1, back, payload=100, flags=0x10))
    return shard


def finish(shard: Shard, now: int) -> list[dict]:
    """End the run; return the finals."""
    return [event for event in shard.send(control(END, now)) if event.get("reason")]


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("flag", range(len(FLAGS)))
def test_flag_counters_spill_exactly(side, flag):
    shard = given()
    back, at = SIDES[side]
    row = live_row(shard)
    top = (MASKS[flag] + 1) >> 1
    row[at + places.FLAGS] &= ~(MASKS[flag] << SHIFTS[flag])
    row[at + places.FLAGS] |= (top - 1) << SHIFTS[flag]  # At `top` it is spilled.
    sent = 2 * top + 3
    times = range(START + 10, START + 10 + sent)
    shard.send(*(packet(time, 1, back, payload=100, flags=IN_ALL) for time in times))
    (final,) = finish(shard, START + 10)
    own = top - 1 + sent
    both = own + (FLAGS[flag] == "ack")
    assert final["features"][NAMES.index(f"{FLAGS[flag]}_count")] == both
    if FLAGS[flag] in ("psh", "urg"):
        name = f"{'bwd' if back else 'fwd'}_{FLAGS[flag]}_count"
        assert final["features"][NAMES.index(name)] == own


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("word", ("packets", "bytes"))
@pytest.mark.parametrize("half", (0, 32))
def test_halves_of_32_bits_spill_exactly(side, word, half):
    shard = given()
    back, at = SIDES[side]
    place = at + (places.PACKETS if word == "packets" else places.BYTES)
    more = (1 << 31) - 1 - 2 * LENGTH
    live_row(shard)[place] += more << half
    live_row(shard)[at + places.SQUARES] += 1 << 61  # As much as such bytes have.
    now = START + PANE_NS  # The pane's own count begins with what is there.
    count = 5 * LENGTH if word == "packets" else 10
    shard.send(*(packet(now + number, 1, back, payload=100) for number in range(count)))
    (final,) = finish(shard, now)
    way = "bwd" if back else "fwd"
    name = {
        ("packets", 0): f"{way}_packets",
        ("packets", 32): f"{way}_data_packets",
        ("bytes", 0): f"{way}_total_bytes",
    }.get((word, half))
    sent = count + 1
    if name:
        assert final[name] == more + sent * (1 if word == "packets" else LENGTH)
    else:
        payload = final["features"][NAMES.index(f"{way}_payload_byte_count")]
        assert payload == pytest.approx(more + sent * 100, rel=1e-6)
    assert shard.counter("finals_evicted") == 0


@pytest.mark.parametrize("side", SIDES)
def test_part_with_2_31_packets_in_a_pane_ends_itself(side):
    shard = given()
    back, at = SIDES[side]
    more = (1 << 31) - 10
    live_row(shard)[at + places.PACKETS] += more
    events = []
    for number in range(20):
        events += shard.send(packet(START + 10 + number, 1, back))
    assert shard.counter("evicted_cold") == 1
    events += finish(shard, START + 40)
    assert packets_in(events) == more + 22
    reasons = [event["reason"] for event in events if event.get("reason")]
    assert reasons == [EVICTED, FORCED]


@pytest.mark.parametrize("side", SIDES)
def test_part_whose_squares_leave_their_range_ends_itself(side):
    shard = given()
    back, at = SIDES[side]
    row = live_row(shard)
    row[at + places.SQUARES] = (1 << 62) - (1 << 40)
    events = shard.send(packet(START + 10, 1, back))
    assert [event for event in events if event.get("reason")] == []
    events = shard.send(packet(START + 11, 1, back))
    (final,) = [event for event in events if event.get("reason")]
    assert final["reason"] == EVICTED
    assert packets_in([final]) == 3
    (last,) = finish(shard, START + 12)
    assert packets_in([last]) == 1
    assert not last["continued"], "what an eviction ends, a new flow follows"


@pytest.mark.parametrize("flows", (20, 64))
def test_want_of_cold_blocks_ends_parts_and_loses_nothing(flows):
    shard = Shard(64)
    sent, events = 0, []
    for round_number in range(5):
        now = START + round_number * PANE_NS + round_number
        for flow in range(flows):
            for back in (False, True):
                sent += 1
                events += shard.send(packet(now + flow, flow, back, payload=100, flags=0x18))
        assert shard.held + packets_in(events) == sent
    assert (shard.counter("evicted_cold") > 0) == (flows == 64)
    assert shard.word("cold_left") >= 0
    events += finish(shard, START + 5 * PANE_NS)
    assert packets_in(events) == sent
    assert shard.counter("evicted_row") == 0
    check(shard.table)


def test_flags_are_those_of_tcp_packets_alone():
    shard = Shard()
    shard.send(packet(START, 1, flags=IN_ALL, protocol=17), packet(START, 2, flags=IN_ALL))
    udp, tcp = finish(shard, START)
    assert (udp["protocol"], tcp["protocol"]) == (17, TCP_PROTOCOL)
    at = NAMES.index("fin_count")
    assert (udp["features"][at], tcp["features"][at]) == (0, 1)
    assert (udp["valid"] >> at & 1, tcp["valid"] >> at & 1) == (0, 1)
