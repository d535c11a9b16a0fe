"""All scenarios by name, and how they are run: trials for a time, outcomes counted."""

import tempfile
import time
from pathlib import Path

from stress.harness import faults, floods, kills, returns, soaks, storm
from stress.harness.outcome import FORBIDDEN, NotHereError, Scenario, Tally, Trial

SCENARIOS = {
    scenario.name: scenario
    for room in (soaks, kills, storm, returns, faults, floods)
    for scenario in room.SCENARIOS
}

_SEEN_SHOWN = 80


def try_scenario(
    scenario: Scenario, seed: int, seconds: float, only: int | None = None, **given
) -> Tally:
    """Try a scenario for a time, at least once; or the trial of a number alone.

    `given`: fields of its trials.
    """
    tally = Tally(scenario)
    began_s = time.monotonic()
    number = only or 0
    while number == (only or 0) or (only is None and time.monotonic() - began_s < seconds):
        with tempfile.TemporaryDirectory(prefix=f"stress-{scenario.name}-") as folder:
            trial = Trial(scenario.name, seed, number, Path(folder), **given)
            try:
                tally.take(trial, scenario.try_once(trial))
            except NotHereError as error:
                tally.left_out = str(error)
                break
        number += 1
    tally.seconds = time.monotonic() - began_s
    return tally


def line_of(tally: Tally) -> str:
    """Return what is said of a scenario that was tried."""
    if tally.left_out:
        return f"{tally.scenario.name:20} left out: {tally.left_out}"
    counts = []
    for name, count in sorted(tally.counts.items()):
        grade = " (FORBIDDEN)" if tally.scenario.grade(name) == FORBIDDEN else ""
        counts.append(f"{count} {name}{grade}: {tally.examples[name][:_SEEN_SHOWN]}")
    told = f"{tally.scenario.name:20} {tally.trials:5} trials {tally.seconds:6.1f} s   "
    return told + "; ".join(counts)


def as_record(tallies: list[Tally], seed: int) -> dict:
    """Return what scenarios came to, as it is kept."""
    rows = [
        {
            "scenario": tally.scenario.name,
            "trials": tally.trials,
            "seconds": round(tally.seconds, 1),
            "outcomes": {
                outcome.name: {"grade": outcome.grade, "count": tally.counts.get(outcome.name, 0)}
                for outcome in tally.scenario.outcomes
            },
            "seen_last": tally.examples,
            "forbidden": tally.forbidden[:5],
            "left_out": tally.left_out or None,
        }
        for tally in tallies
    ]
    return {"seed": seed, "scenarios": rows}
