"""Clock steps: from the corrected clock back to the time as stamped (SEMANTICS.rst, Output times).

Steps come in order of position, in the worker's packet ring, so that what a worker knows when it
makes a record is exactly the steps before it. The newest STEPS_MAX are kept.
"""

from numba import njit

from engine.config import STEPS_MAX
from engine.flows.keep import keep_words
from engine.layouts.table import STEP_ENTRY, TABLE
from engine.memory.options import KERNEL
from engine.memory.pointers import shifted
from engine.memory.wide import wrapped_difference

STEP_COUNT = TABLE.index("step_count")
STEPS_AT = TABLE.index("steps_at")
STEP_WORDS = STEP_ENTRY.words
_TIME = STEP_ENTRY.index("time_ns")
_SOURCE = STEP_ENTRY.index("source")
_BEFORE = STEP_ENTRY.index("before")
_AFTER = STEP_ENTRY.index("after")


@njit(**KERNEL)
def add_step(table, time, source, before, after):
    """Note that a source's correction went from `before` to `after` with a packet of `time`."""
    entry = shifted(table, table[STEPS_AT] + table[STEP_COUNT] % STEPS_MAX * STEP_WORDS)
    keep_words(table, entry, 0, STEP_WORDS)
    entry[_TIME] = time
    entry[_SOURCE] = source
    entry[_BEFORE] = before
    entry[_AFTER] = after
    table[STEP_COUNT] += 1


@njit(**KERNEL)
def correction_at(table, time, source):
    """Return the correction that a source had at a corrected time: newest first."""
    correction = 0
    count = table[STEP_COUNT]
    for step in range(count - 1, max(count - STEPS_MAX, 0) - 1, -1):
        entry = shifted(table, table[STEPS_AT] + step % STEPS_MAX * STEP_WORDS)
        if entry[_SOURCE] == source:
            if entry[_TIME] <= time:
                return entry[_AFTER]
            correction = entry[_BEFORE]
    return correction


@njit(**KERNEL)
def as_stamped(table, time, source):
    """Return a corrected time as the source stamped it, modulo 2**64."""
    if table[STEP_COUNT] == 0:
        return time
    return wrapped_difference(time, correction_at(table, time, source))
