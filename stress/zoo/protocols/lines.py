"""Counters: each process counts on a line of its own, and none is lost (rings/statistics.py)."""

import numpy as np

from engine.events import counter_index
from engine.layouts import PROCESS, STATISTICS
from stress.races.scenario import Role, Scenario
from stress.zoo.protocols.waiting import MODEL
from stress.zoo.twins import Edit, twin_of
from stress.zoo.uncached import uncached

MODULE = "engine.rings.statistics"
_PROCESSES = 5  # Capture, two workers, classifier, recorder.
_ACCEPTED = counter_index("worker", "accepted")
_COUNTERS_AT = PROCESS.index("counters_0")


def scenario(edit: Edit | None, count: int) -> Scenario:
    """Return two workers that count `count` packets each."""
    twin = twin_of(MODULE, ("Statistics", "ProcessLine"), edit)

    def setup() -> np.ndarray:
        words = np.zeros(STATISTICS.words + _PROCESSES * PROCESS.words, np.int64)
        words[STATISTICS.index("workers")] = 2
        return words

    def line_of(number: int):
        statistics = twin.Statistics.__new__(twin.Statistics)
        statistics.words = np.arange(len(setup()))
        statistics.words[STATISTICS.index("workers")] = 2
        return statistics.process(f"worker.{number}")

    def check(words: np.ndarray, results: dict) -> list[str]:
        # As totals() does: every line that there is, whoever wrote it.
        lines = words[STATISTICS.words :].reshape(_PROCESSES, PROCESS.words)[1:3]
        accepted = int(lines[:, _COUNTERS_AT + _ACCEPTED].sum())
        return [] if accepted == 2 * count else [f"2 x {count} packets counted, {accepted} said"]

    return Scenario(
        setup=setup,
        roles={
            f"worker.{number}": Role(
                _counting, lambda number=number: (int(line_of(number).counters[_ACCEPTED]), count)
            )
            for number in range(2)
        },
        check=check,
        labels={int(line_of(k).counters[_ACCEPTED]): f"accepted of worker.{k}" for k in range(2)},
        model=MODEL,
    )


@uncached
def _counting(words, at, count):
    """Count as kernels do: a plain addition to a word of one's own line."""
    for _ in range(count):
        words[at] += 1  # Plain: one line, one writer.
    return count
