"""Goal: the clock of a source takes its five cases, and stamps come back from it.

Method: stamps at each limit and one beyond; steps and times written down by hand.
"""

from engine.config import SECOND_NS, STEPS_MAX
from engine.reference.clock import TIME_MAX, Clock, Step, StepLog
from tests.unit.reference.scenes import S, datagram, finals, run_of


def _times(*stamps: int) -> tuple[list[int | None], Clock]:
    clock = Clock()
    return [clock.take(stamp) for stamp in stamps], clock


def test_first_stamp_is_taken_as_it_is() -> None:
    times, clock = _times(-5)
    assert (times, clock.correction) == ([-5], 0)


def test_first_stamp_above_the_limit_leaves_no_time_behind() -> None:
    times, clock = _times(TIME_MAX + 1, 7)
    assert (times, clock.correction, clock.steps) == ([None, 7], 0, 0)


def test_stamp_at_the_limit_is_taken() -> None:
    assert _times(TIME_MAX)[0] == [TIME_MAX]
    times, clock = _times(10, TIME_MAX)
    assert (times, clock.steps) == ([10, TIME_MAX], 0)


def test_stamp_outside_int64_does_not_touch_the_clock() -> None:
    times, clock = _times(10, 1 << 63, -(1 << 63) - 1, 11)
    assert (times, clock.steps, clock.regressions) == ([10, None, None, 11], 0, 0)


def test_later_stamp_moves_the_clock() -> None:
    assert _times(10, 10, 12)[0] == [10, 10, 12]


def test_one_second_back_is_a_regression() -> None:
    times, clock = _times(5 * S, 4 * S, 5 * S + 1)
    assert (times, clock.regressions, clock.correction) == ([5 * S, 5 * S, 5 * S + 1], 1, 0)


def test_more_than_one_second_back_is_a_step() -> None:
    times, clock = _times(5 * S, 4 * S - 1, 4 * S)
    assert (times, clock.steps) == ([5 * S, 5 * S, 5 * S + 1], 1)
    assert clock.correction == SECOND_NS + 1


def test_time_above_the_limit_lowers_the_correction() -> None:
    times, clock = _times(10, TIME_MAX + 1, TIME_MAX + 2)
    assert (times, clock.steps) == ([10, 10, 11], 1)
    assert clock.correction == 10 - (TIME_MAX + 1)


def test_limit_is_judged_on_the_corrected_time() -> None:
    times, clock = _times(100 * S, 0, TIME_MAX)
    assert (times, clock.steps) == ([100 * S] * 3, 2)


def test_correction_may_leave_64_bits() -> None:
    times, clock = _times(TIME_MAX, -(1 << 63), -(1 << 63) + 1)
    assert (times, clock.steps) == ([TIME_MAX] * 3, 2)


def _log(*steps: Step) -> StepLog:
    log = StepLog()
    for step in steps:
        log.add(step)
    return log


def test_stamps_use_the_last_step_at_or_before_their_time() -> None:
    log = _log(Step((10, 0), 0, 0, 5), Step((10, 3), 0, 5, 7), Step((20, 0), 0, 7, -1))
    assert [log.stamp(time, 0) for time in (9, 10, 19, 20)] == [9, 3, 12, 21]


def test_steps_of_other_sources_mean_nothing() -> None:
    log = _log(Step((10, 0), 1, 0, 5))
    assert (log.stamp(12, 0), log.stamp(12, 1)) == (12, 7)


def test_forgotten_step_leaves_the_correction_before_the_oldest() -> None:
    log = _log(*[Step((time, 0), 0, time, time + 1) for time in range(STEPS_MAX + 3)])
    assert log.stamp(0, 0) == -3
    assert log.stamp(2, 0) == 2 - 3
    assert log.stamp(3, 0) == 3 - 4


def test_source_without_a_remembered_step_is_not_corrected() -> None:
    log = _log(Step((0, 0), 1, 0, 9), *[Step((1, 0), 0, 0, 1)] * STEPS_MAX)
    assert log.stamp(5, 1) == 5


def test_records_say_when_packets_were_stamped() -> None:
    run = run_of((100 * S, datagram()), (50 * S, datagram()), (51 * S, datagram()))
    (final,) = finals(run)
    assert (final.first[0], final.last_ns) == (100 * S, 101 * S)
    assert (final.start_ns, final.end_ns) == (50 * S, 51 * S)  # The step has the first's time.
    assert run.counters["time_steps"] == 1


def test_step_after_the_first_packet_leaves_its_stamp() -> None:
    run = run_of((100 * S, datagram()), (102 * S, datagram()), (50 * S, datagram()))
    (final,) = finals(run)
    assert (final.start_ns, final.end_ns) == (100 * S, 50 * S)


def test_early_record_does_not_know_steps_behind_its_place() -> None:
    packets = [(100 * S, datagram())] * 8 + [(50 * S, datagram())]
    early = next(record for record in run_of(*packets).records if not record.final)
    assert (early.start_ns, early.end_ns) == (100 * S, 100 * S)
