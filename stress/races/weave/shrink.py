"""Make a schedule that goes wrong as short as it can be, and its violation stays of its kind.

First greedily: leave choices out, many at once and then one by one; read less old messages; switch
at another step. Then all schedules of fewer choices are run, as far as `executions_max` goes: if
none of them goes wrong, the schedule is known to be a shortest one.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from stress.races.weave.cells import ViolationError
from stress.races.weave.choosers import FewChoices, Script
from stress.races.weave.explore import Finding, Program, run
from stress.races.weave.roles import Setting, UnfinishedError
from stress.races.weave.schedule import Schedule


@dataclass(frozen=True, slots=True)
class Shrunk:
    """A schedule as short as was found. `is_shortest`: all shorter ones have been run."""

    violation: ViolationError
    schedule: Schedule
    executions: int
    is_shortest: bool


def shrink(
    program: Program, finding: Finding, setting: Setting, executions_max: int = 3000
) -> Shrunk:
    """Return the shortest schedule found with the finding's kind of violation."""
    kind, count = finding.violation.kind, 0
    best = (finding.violation, finding.schedule)
    has_changed = True
    while has_changed:
        has_changed = False
        for schedule in _smaller(best[1]):
            count += 1
            again = _fails(program, schedule, setting, kind)
            if again is not None and _is_smaller(again[1], best[1]):
                best, has_changed = again, True
                break
    for size in range(best[1].size):
        shorter, ran, is_exhausted = _shorter(
            program, size, (setting, kind), executions_max - count
        )
        count += ran
        if shorter is not None:
            return Shrunk(*shorter, count, True)
        if not is_exhausted:
            return Shrunk(*best, count, False)
    return Shrunk(*best, count, True)


def _shorter(program: Program, size: int, wanted: tuple, executions_max: int):
    """Run schedules of at most `size` choices: what goes wrong, how many, whether all were run."""
    setting, kind = wanted
    chooser = FewChoices(size)
    for count in range(1, executions_max + 1):
        try:
            execution, violation = run(program, chooser, setting)
        except UnfinishedError:
            violation = None
        if violation is not None and violation.kind == kind:
            return (violation, execution.schedule), count, False
        if not chooser.advance():
            return None, count, True
    return None, max(0, executions_max), False


def _fails(program: Program, schedule: Schedule, setting: Setting, kind: str):
    """Return (violation, what was really chosen) if the schedule goes wrong in the same way."""
    try:
        execution, violation = run(program, Script(schedule), setting)
    except UnfinishedError:
        return None
    if violation is None or violation.kind != kind:
        return None
    return violation, execution.schedule


def _is_smaller(one: Schedule, other: Schedule) -> bool:
    return _weight(one) < _weight(other)


def _weight(schedule: Schedule) -> tuple[int, int, int]:
    return schedule.size, sum(schedule.stale.values()), sum(schedule.switches)


def _smaller(schedule: Schedule) -> Iterator[Schedule]:
    """Yield schedules with less in them, the smallest first."""
    for name in ("switches", "stale", "kills"):
        keys = sorted(getattr(schedule, name))
        width = len(keys)
        while width:
            for begin in range(0, len(keys), width):
                less = schedule.copy()
                for key in keys[begin : begin + width]:
                    del getattr(less, name)[key]
                yield less
            width //= 2
    for key, back in schedule.stale.items():
        for nearer in range(1, back):
            less = schedule.copy()
            less.stale[key] = nearer
            yield less
    for step in schedule.switches:
        for earlier in range(1, step):
            if earlier not in schedule.switches:
                less = schedule.copy()
                less.switches[earlier] = less.switches.pop(step)
                yield less
