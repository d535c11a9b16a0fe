"""The 83 flow features of a part (SEMANTICS.rst, "Numbers"; features/CATALOGUE.rst)."""

import math
from struct import pack

from engine.reference.internet import TCP
from engine.reference.tallies import Bulks, Series, Side, Tally

FLOW_FEATURES = 83
NIBBLE_BYTES_MIN = 64
Value = float | None  # None: not valid.


def feature_vector(
    tally: Tally, protocol: int, nibbles: list[int], wide: bool
) -> tuple[bytes, int]:
    """Return features 0 to 81 and 92 as float32, little endian, and their validity bits."""
    forward, backward = tally.forward, tally.backward
    values = [
        *_volume(tally),
        *_lengths(forward, backward),
        *_rates(tally),
        *_gaps(tally, wide),
        *_flags(forward, backward, protocol == TCP),
        *_activity(tally, wide),
        *_subflows(tally),
        *_bulks(tally.bulks_so_far(forward)),
        *_bulks(tally.bulks_so_far(backward)),
        _payload_entropy(nibbles),
    ]
    valid = sum([1 << number for number, value in enumerate(values) if value is not None])
    return pack("<83f", *[value or 0.0 for value in values]), valid  # No None, no -0.0.


def mean(total: int, count: int) -> Value:
    """Return the mean of `count` values with this sum."""
    return float(total) / float(count) if count else None


def variance(count: int, total: int, squares: int) -> Value:
    """Return the variance of a sample, rounded once."""
    if count < 2:
        return None
    return float(count * squares - total * total) / float(count * (count - 1))


def deviation(count: int, total: int, squares: int) -> Value:
    """Return the standard deviation of a sample."""
    return math.sqrt(variance(count, total, squares)) if count >= 2 else None


def _microseconds(value: Value) -> Value:
    return None if value is None else value / 1000.0


def _volume(tally: Tally) -> list[Value]:
    forward, backward = tally.forward, tally.backward
    fwd_bytes, bwd_bytes = forward.lengths.total, backward.lengths.total
    counts = [
        tally.packets,
        forward.lengths.count,
        backward.lengths.count,
        fwd_bytes + bwd_bytes,
        fwd_bytes,
        bwd_bytes,
        forward.payload_bytes,
        backward.payload_bytes,
        forward.data_packets,
        backward.data_packets,
        forward.headers.total,
        backward.headers.total,
    ]
    ratio = math.log2(float(bwd_bytes + 1) / float(fwd_bytes + 1))
    return [float(tally.last - tally.first) / 1000.0, *map(float, counts), ratio]


def _lengths(forward: Side, backward: Side) -> list[Value]:
    there = [side.lengths for side in (forward, backward) if side.lengths.count]
    count, total = sum(s.count for s in there), sum(s.total for s in there)
    squares = sum(s.squares for s in there)
    return [
        float(min(s.low for s in there)),
        float(max(s.high for s in there)),
        mean(total, count),
        deviation(count, total, squares),
        variance(count, total, squares),
        *_side_lengths(forward.lengths),
        *_side_lengths(backward.lengths),
        mean(forward.payload_bytes, forward.lengths.count),
        mean(backward.payload_bytes, backward.lengths.count),
        float(forward.headers.low) if forward.headers.count else None,
    ]


def _side_lengths(lengths: Series) -> list[Value]:
    count, total = lengths.count, lengths.total
    if count == 0:
        return [None] * 4
    return [
        float(lengths.low),
        float(lengths.high),
        mean(total, count),
        deviation(count, total, lengths.squares),
    ]


def _rate(count: int, duration_ns: int) -> float:
    return float(count) / (float(duration_ns) / 1e9)


def _rates(tally: Tally) -> list[Value]:
    duration_ns = tally.last - tally.first
    if duration_ns == 0:
        return [None] * 6
    forward, backward = tally.forward.lengths, tally.backward.lengths
    return [
        _rate(forward.total + backward.total, duration_ns),
        _rate(tally.packets, duration_ns),
        _rate(forward.count, duration_ns),
        _rate(backward.count, duration_ns),
        _rate(forward.total, duration_ns),
        _rate(backward.total, duration_ns),
    ]


def _periods(series: Series, wide: bool) -> list[Value]:
    """Return mean, deviation, largest and smallest of a series of times, in us."""
    if series.count == 0:
        return [None] * 4
    spread = None if wide else deviation(series.count, series.total, series.squares)
    return [
        _microseconds(mean(series.total, series.count)),
        _microseconds(spread),
        float(series.high) / 1000.0,
        float(series.low) / 1000.0,
    ]


def _gaps(tally: Tally, wide: bool) -> list[Value]:
    values = _periods(tally.gaps, wide)
    for side in (tally.forward, tally.backward):
        gaps = side.gaps
        values.append(float(gaps.total) / 1000.0 if gaps.count else None)
        values += _periods(gaps, wide)
    return values


def _flags(forward: Side, backward: Side, tcp: bool) -> list[Value]:
    if not tcp:
        return [None] * 14
    fin, syn, rst, psh, ack, urg, ece, cwr = (
        float(here + there) for here, there in zip(forward.flags, backward.flags, strict=True)
    )
    return [
        *(fin, syn, rst, psh, ack, urg, cwr, ece),
        *(float(forward.flags[3]), float(backward.flags[3])),
        *(float(forward.flags[5]), float(backward.flags[5])),
        float(forward.window) if forward.lengths.count else None,
        float(backward.window) if backward.lengths.count else None,
    ]


def _activity(tally: Tally, wide: bool) -> list[Value]:
    return [*_periods(tally.actives_so_far, wide), *_periods(tally.idles, wide)]


def _subflows(tally: Tally) -> list[Value]:
    forward, backward, count = tally.forward.lengths, tally.backward.lengths, tally.subflows
    totals = forward.count, forward.total, backward.count, backward.total
    return [mean(total, count) for total in totals]


def _bulks(bulks: Bulks) -> list[Value]:
    if bulks.count == 0:
        return [None] * 3
    rate = _rate(bulks.payload, bulks.duration) if bulks.duration else None
    return [mean(bulks.payload, bulks.count), mean(bulks.packets, bulks.count), rate]


def _payload_entropy(nibbles: list[int]) -> Value:
    total = sum(nibbles)
    if total < NIBBLE_BYTES_MIN:
        return None
    entropy = 0.0
    for count in nibbles:
        if count:
            p = float(count) / float(total)
            entropy -= p * math.log2(p)
    return min(max(entropy / 4.0, 0.0), 1.0)
