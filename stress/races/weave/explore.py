"""Run a program's executions until one goes wrong, all have been run, or enough.

A *program* is a function from an Execution to a check. It makes the words and the roles; the check
gets what the roles returned and returns what is wrong, a line each (or nothing).
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from stress.races.weave.cells import ViolationError
from stress.races.weave.dpor import AsleepError
from stress.races.weave.execution import Execution
from stress.races.weave.roles import Setting, UnfinishedError
from stress.races.weave.schedule import Schedule

Check = Callable[[dict[str, object]], Iterable[str] | None]
Program = Callable[[Execution], Check | None]


@dataclass(frozen=True, slots=True)
class Finding:
    """An execution that went wrong: what, and how to repeat it."""

    violation: ViolationError
    schedule: Schedule
    execution: int  # Its number, from 1.


@dataclass(frozen=True, slots=True)
class Exploration:
    """What was run, and what came of it."""

    executions: int
    accesses: int
    unfinished: int  # Executions of too many steps: nothing is known of them.
    finding: Finding | None
    is_exhausted: bool  # There is no other execution within the bounds.
    seconds: float

    def __str__(self) -> str:
        if self.finding:
            return f"execution {self.finding.execution}: {self.finding.violation}"
        said = "exhaustive: " if self.is_exhausted and not self.unfinished else ""
        left = f", {self.unfinished} of them not to their ends" if self.unfinished else ""
        return f"{said}{self.executions:,} executions in {self.seconds:.1f} s, nothing found{left}"


def run(
    program: Program, chooser, setting: Setting, trace: list | None = None
) -> tuple[Execution, ViolationError | None]:
    """Run one execution; return it, and what went wrong. UnfinishedError after too many steps."""
    execution = Execution(chooser, setting, trace)
    try:
        check = program(execution)
        results = execution.run()
        wrong = list(check(results) or ()) if check else []
        if wrong:
            raise ViolationError("result", "; ".join(wrong))
    except ViolationError as violation:
        return execution, violation
    return execution, None


def explore(
    program: Program, chooser, setting: Setting, executions_max: int = 1 << 62
) -> Exploration:
    """Run executions until one goes wrong, the chooser has no other, or there were enough."""
    begin_s = time.perf_counter()
    executions = accesses = unfinished = 0
    finding = None
    more = True
    while more and finding is None and executions < executions_max:
        executions += 1
        try:
            execution, violation = run(program, chooser, setting)
            accesses += execution.step
            if violation is not None:
                finding = Finding(violation, execution.schedule, executions)
        except UnfinishedError:
            unfinished += 1
        except AsleepError:
            executions -= 1
        more = chooser.advance()
    seconds = time.perf_counter() - begin_s
    return Exploration(executions, accesses, unfinished, finding, not more, seconds)


def outcomes(program: Program, chooser, setting: Setting) -> tuple[set, int]:
    """Return the results of all executions, and how many there were.

    A result is what the roles returned, as (name, value) pairs; or what went wrong, as a kind.
    """
    found, count = set(), 0
    while True:
        count += 1
        execution = Execution(chooser, setting)
        try:
            check = program(execution)
            results = execution.run()
            found.add(
                tuple(sorted(results.items())) + tuple((check(results) or ()) if check else ())
            )
        except ViolationError as violation:
            found.add(violation.kind)
        except AsleepError:
            count -= 1
        if not chooser.advance():
            return found, count
