"""Goal: the twin's tallies give the features that the definitions give over the list of packets.

Method: drawn parts; every feature computed a second time from the whole list, with plain lists,
exact sums and one rounding as "Numbers" says, and nothing carried from packet to packet. It does
not show that a part has the right packets: the meter's tests do.
"""

import math
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.config import SECOND_NS
from engine.reference.features import feature_vector
from engine.reference.internet import Layer
from engine.reference.tallies import Tally


class Packet(NamedTuple):
    """What the features of a part see of a packet."""

    time: int
    forward: bool
    header: int
    payload: int
    flags: int
    window: int


def _us(value: float | None) -> float | None:
    return None if value is None else value / 1000.0


def _mean(values: list[int]) -> float | None:
    return float(sum(values)) / float(len(values)) if values else None


def _variance(values: list[int]) -> float | None:
    n = len(values)
    if n < 2:
        return None
    numerator = n * sum(value * value for value in values) - sum(values) ** 2
    return float(numerator) / float(n * (n - 1))


def _deviation(values: list[int]) -> float | None:
    variance = _variance(values)
    return None if variance is None else math.sqrt(variance)


def _rate(count: int, duration_ns: int) -> float | None:
    return float(count) / (float(duration_ns) / 1e9) if duration_ns else None


def _times(values: list[int], wide: bool) -> list[float | None]:
    if not values:
        return [None] * 4
    spread = None if wide else _deviation(values)
    return [_us(_mean(values)), _us(spread), max(values) / 1000.0, min(values) / 1000.0]


def _gaps(packets: list[Packet]) -> list[int]:
    return [after.time - before.time for before, after in pairwise(packets)]


def _pieces(packets: list[Packet], limit_ns: int) -> list[list[Packet]]:
    """Return the packets in pieces that end where a gap exceeds the limit."""
    pieces = [[packets[0]]]
    for before, after in pairwise(packets):
        if after.time - before.time > limit_ns:
            pieces.append([])
        pieces[-1].append(after)
    return pieces


def _bulks(packets: list[Packet], forward: bool) -> list[float | None]:
    runs: list[list[Packet]] = []
    before = None
    for packet in (packet for packet in packets if packet.payload > 0):
        joins = before is not None and before.forward == packet.forward
        if not joins or packet.time - before.time > SECOND_NS:
            runs.append([])
        runs[-1].append(packet)
        before = packet
    bulks = [run for run in runs if len(run) >= 4 and run[0].forward == forward]
    if not bulks:
        return [None] * 3
    payload = sum(packet.payload for run in bulks for packet in run)
    duration_ns = sum(run[-1].time - run[0].time for run in bulks)
    packet_count = sum(map(len, bulks))
    means = [float(total) / float(len(bulks)) for total in (payload, packet_count)]
    return [*means, _rate(payload, duration_ns)]


def _lengths(packets: list[Packet]) -> list[int]:
    return [packet.header + packet.payload for packet in packets]


def _counts_and_lengths(everything: list[Packet], sides: list[list[Packet]]) -> list[float | None]:
    total = [sum(_lengths(side)) for side in sides]
    payloads = [[packet.payload for packet in side] for side in sides]
    headers = [[packet.header for packet in side] for side in sides]
    counts = [
        len(everything),
        *map(len, sides),
        sum(total),
        *total,
        *map(sum, payloads),
        *(sum(payload > 0 for payload in side) for side in payloads),
        *map(sum, headers),
    ]
    lengths = _lengths(everything)
    values = [
        _us(everything[-1].time - everything[0].time),
        *map(float, counts),
        math.log2(float(total[1] + 1) / float(total[0] + 1)),
        *(float(min(lengths)), float(max(lengths)), _mean(lengths)),
        *(_deviation(lengths), _variance(lengths)),
    ]
    for side in map(_lengths, sides):
        extremes = [float(min(side)), float(max(side))] if side else [None, None]
        values += [*extremes, _mean(side), _deviation(side)]
    return [*values, *map(_mean, payloads), float(min(headers[0])) if headers[0] else None]


def _rates_and_gaps(
    everything: list[Packet], sides: list[list[Packet]], wide: bool
) -> list[float | None]:
    duration_ns = everything[-1].time - everything[0].time
    total = [sum(_lengths(side)) for side in sides]
    counts = [sum(total), len(everything), *map(len, sides), *total]
    values = [_rate(count, duration_ns) for count in counts]
    values += _times(_gaps(everything), wide)
    for side in sides:
        gaps = _gaps(side)
        values += [sum(gaps) / 1000.0 if gaps else None, *_times(gaps, wide)]
    return values


def _flags(everything: list[Packet], sides: list[list[Packet]], tcp: bool) -> list[float | None]:
    if not tcp:
        return [None] * 14

    def having(packets: list[Packet], bit: int) -> float:
        return float(sum(packet.flags >> bit & 1 for packet in packets))

    values: list[float | None] = [having(everything, bit) for bit in (0, 1, 2, 3, 4, 5, 7, 6)]
    values += [having(side, bit) for bit in (3, 5) for side in sides]
    return values + [float(side[0].window) if side else None for side in sides]


def _periods(everything: list[Packet], sides: list[list[Packet]], wide: bool) -> list[float | None]:
    pieces = _pieces(everything, 5 * SECOND_NS)
    active = [piece[-1].time - piece[0].time for piece in pieces]
    idle = [gap for gap in _gaps(everything) if gap > 5 * SECOND_NS]
    subflows = len(_pieces(everything, SECOND_NS))
    totals = [total for side in sides for total in (len(side), sum(_lengths(side)))]
    means = [float(total) / float(subflows) for total in totals]
    return [*_times(active, wide), *_times(idle, wide), *means]


def by_definition(packets: list[Packet], tcp: bool, wide: bool) -> list[float | None]:
    """Return features 0 to 81 of a part, None where one is not valid."""
    sides = [[packet for packet in packets if packet.forward == way] for way in (True, False)]
    return [
        *_counts_and_lengths(packets, sides),
        *_rates_and_gaps(packets, sides, wide),
        *_flags(packets, sides, tcp),
        *_periods(packets, sides, wide),
        *_bulks(packets, True),
        *_bulks(packets, False),
    ]


LIMITS_NS = (
    0,
    1,
    1000,
    SECOND_NS,
    SECOND_NS + 1,
    5 * SECOND_NS,
    5 * SECOND_NS + 1,
    120 * SECOND_NS,
)
SHORT_NS = (1000, 0, 1, SECOND_NS, SECOND_NS + 1)
any_gap = st.one_of(st.sampled_from(LIMITS_NS), st.integers(0, 1800 * SECOND_NS))


@st.composite
def parts(draw) -> list[Packet]:
    """Draw the packets of a part: at any time, or as bulks have them."""
    bulky = draw(st.booleans())
    sides = st.sampled_from((True,) * 7 + (False,)) if bulky else st.booleans()
    rows = draw(
        st.lists(
            st.tuples(
                st.sampled_from(SHORT_NS) if bulky else any_gap,
                sides,
                st.integers(20, 4095),
                st.one_of(st.just(0), st.integers(1, 1 << 20), st.integers(1, 1 << 20)),
                st.integers(0, 255),
                st.integers(0, 65_535),
            ),
            min_size=draw(st.sampled_from((1, 6, 12, 24))),
            max_size=40,
        )
    )
    time, packets = draw(st.sampled_from((0, -(10**18), 1_700_000_000 * SECOND_NS))), []
    for gap, forward, header, payload, flags, window in rows:
        time += gap
        packets.append(Packet(time, forward, header, payload, flags, window))
    return packets


def _tally(packets: list[Packet], protocol: int) -> Tally:
    tally = Tally(packets[0].time)
    for packet in packets:
        layer = Layer(4, b"\0" * 4, b"\1" * 4, 0, 0, 0, 0, protocol)
        layer.header_length, layer.payload_length = packet.header, packet.payload
        if protocol == 6:
            layer.flags, layer.window = packet.flags, packet.window
        tally.count(packet.time, layer, packet.forward)
    return tally


@settings(deadline=None, max_examples=500)
@given(parts(), st.sampled_from((6, 17)), st.booleans())
def test_tallies_give_what_the_whole_list_gives(
    packets: list[Packet], protocol: int, wide: bool
) -> None:
    features, valid = feature_vector(_tally(packets, protocol), protocol, [0] * 16, wide)
    found = np.frombuffer(features, "<f4")[:82]
    expected = by_definition(packets, protocol == 6, wide)
    assert len(expected) == 82
    assert [valid >> k & 1 for k in range(82)] == [value is not None for value in expected]
    rounded = np.array([value or 0.0 for value in expected]).astype(np.float32)
    assert found.tobytes() == (rounded + np.float32(0)).tobytes()
