"""The clock of a source never goes back, and says when it was corrected.

Goal: SEMANTICS.rst, "Clock", cases 1 to 5 at their exact limits, with stamps over all of int64.
Method: captures of a few packets, their times and step records expected by hand; the kernel against
the definition in exact integers, drawn.
"""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numba import njit

from engine.capture import state
from engine.capture.clock import judge_stamp
from engine.layouts import PACKET, STEP
from engine.memory.options import KERNEL
from engine.memory.pointers import pointer
from engine.memory.wide import wrapped_difference
from tests.property import frames as f
from tests.unit.capture.files import RAW, SECOND, datagram, pcap, read, times

ETHERNET = 1
LIMIT = (1 << 63) - (1 << 60)
LOWEST, HIGHEST = -(1 << 63), (1 << 63) - 1


@pytest.fixture(params=(ETHERNET, RAW))
def timed(request, tmp_path):
    """Return what gives packets these stamps: ordinary frames, or such as go the long way round."""

    def make(*stamps: int, **options):
        wrap = f.ethernet if request.param == ETHERNET else bytes
        packets = ((stamp, wrap(datagram(k))) for k, stamp in enumerate(stamps))
        return read(tmp_path, pcap(*packets, form="pcapng", link=request.param), **options)

    return make


def steps(made) -> list[tuple[int, int, int]]:
    """Return (time, correction before, correction behind) of the step records of worker 0."""
    rows = made.records[0]
    kinds = rows[:, PACKET.index("key")] >> PACKET.shift("key", "protocol")
    control = rows[:, PACKET.index("lengths")] == 0
    return [(row[0], row[2], row[1]) for row in rows[control & (kinds == STEP)].tolist()]


def test_times_that_grow_are_taken_as_they_are(timed):
    made = timed(-7, 5, 5, 90)
    assert times(made) == [-7, 5, 5, 90]
    assert (made.counters["time_regressions"], made.counters["time_steps"]) == (0, 0)


def test_packet_up_to_1_s_older_takes_the_latest_time(timed):
    made = timed(10 * SECOND, 9 * SECOND, 10 * SECOND - 1, 11 * SECOND)
    assert times(made) == [10 * SECOND, 10 * SECOND, 10 * SECOND, 11 * SECOND]
    assert made.counters["time_regressions"] == 2
    assert steps(made) == []


def test_packet_older_by_more_steps_the_clock_of_its_source(timed):
    made = timed(10 * SECOND, 9 * SECOND - 1, 9 * SECOND + 5, 3 * SECOND)
    expected = [10 * SECOND, 10 * SECOND, 10 * SECOND + 6, 10 * SECOND + 6]
    assert times(made) == expected
    first, second = SECOND + 1, 7 * SECOND + 6
    assert steps(made) == [(10 * SECOND, 0, first), (10 * SECOND + 6, first, second)]
    told = made.told("step")
    assert [(step["before_ns"], step["after_ns"]) for step in told] == [(0, first), (first, second)]


def test_step_stands_before_its_packet_and_behind_those_before_it(timed):
    rows = timed(10 * SECOND, 5 * SECOND).records[0]
    positions = [(row[0], row[5]) for row in rows.tolist()]
    assert positions == sorted(set(positions[:-1])) + positions[-1:]
    assert [row[PACKET.index("lengths")] == 0 for row in rows.tolist()] == [
        False,
        True,
        False,
        True,
    ]


def test_time_above_the_limit_lowers_the_correction(timed):
    made = timed(5, LIMIT, LIMIT + 1, LIMIT + 3, HIGHEST)
    assert times(made) == [5, LIMIT, LIMIT, LIMIT, LIMIT]
    assert made.counters["time_steps"] == 3
    assert steps(made)[0] == (LIMIT, 0, -1)


def test_first_packet_above_the_limit_has_no_time_and_leaves_no_latest(timed):
    made = timed(LIMIT + 1, 5, 3)
    assert made.counters["refused_malformed_time"] == 1
    assert times(made) == [5, 5]
    assert (made.counters["time_regressions"], made.counters["time_steps"]) == (1, 0)


def test_refused_and_filtered_packets_move_the_clock(tmp_path):
    packets = ((10 * SECOND, b"\0"), (9 * SECOND + 7, datagram()))
    made = read(tmp_path, pcap(*packets, form="pcapng"))
    assert times(made) == [10 * SECOND]
    assert made.counters["refused_malformed_ip_version"] == 1


def test_each_source_has_its_own_clock(tmp_path):
    early = pcap((1 * SECOND, datagram(1)), (4 * SECOND, datagram(2)), form="pcapng")
    late = pcap((3 * SECOND, datagram(3)), (2 * SECOND, datagram(4)), form="pcapng")
    made = read(tmp_path, early, late)
    assert times(made) == [SECOND, 3 * SECOND, 3 * SECOND, 4 * SECOND]
    assert made.counters["time_regressions"] == 1


@pytest.mark.parametrize("count", (0, 1, 150))
def test_steps_are_reported_up_to_a_limit_and_the_rest_is_counted(timed, count):
    made = timed(*(1000 * SECOND - k * 5 * SECOND for k in range(count + 1)))
    assert made.counters["time_steps"] == count
    assert len(made.told("step")) == min(count, 100)
    assert [told["count"] for told in made.told("suppressed")] == [count - 100] * (count > 100)


@njit(**KERNEL)
def _judge(words, holds):
    return judge_stamp(pointer(words), holds)


class Definition:
    """The clock as SEMANTICS.rst says it, in exact integers."""

    def __init__(self, holds: bool) -> None:
        self.holds = holds
        self.correction = 0
        self.latest = None

    def take(self, stamp: int) -> tuple[int, int] | None:
        """Return (time, move) of a packet, or None."""
        value = stamp + self.correction
        if self.latest is None:
            if value > LIMIT:
                return None
            self.latest = value
            return value, state.NO_MOVE
        if value > LIMIT:
            self.correction -= value - self.latest
            return self.latest, state.STEPPED
        if value >= self.latest:
            self.latest = value
            return value, state.NO_MOVE
        if self.holds or self.latest - value <= SECOND:
            return self.latest, state.REGRESSION
        self.correction += self.latest - value
        return self.latest, state.STEPPED


stamps = st.one_of(
    st.integers(LOWEST, HIGHEST),
    st.integers(-3, 3).map(lambda more: LIMIT + more),
    st.integers(0, 5 * SECOND),
    st.sampled_from((LOWEST, LOWEST + SECOND, HIGHEST, HIGHEST - SECOND, SECOND, 0)),
)


@example([LIMIT, LOWEST, HIGHEST, 0, LOWEST, LIMIT - 1], False)
@example([LOWEST, HIGHEST, LOWEST + SECOND, LOWEST], True)
@given(st.lists(stamps, max_size=12), st.booleans())
def test_clock_is_exact_over_all_of_int64(drawn, holds):
    source = np.zeros(state.SOURCE_WORDS, np.int64)
    definition = Definition(holds)
    for stamp in drawn:
        source[state.STAMP] = stamp
        found = _judge(source, int(holds))
        expected = definition.take(stamp)
        assert bool(found) == (expected is not None)
        if expected is None:
            continue
        assert (int(source[state.PACKET_TIME]), int(source[state.MOVE])) == expected
        source[state.HAS_LATEST] = 1
        source[state.LATEST] = source[state.PACKET_TIME]
        source[state.LATEST_STAMP] = source[state.NEXT_STAMP]
        got = wrapped_difference(source[state.LATEST], source[state.LATEST_STAMP])
        assert (int(got) - definition.correction) % (1 << 64) == 0
