"""Whether what a worker says that it has done stands in its flow table, as other processes see it.

A worker whose table is memory of its own makes the same records as any other: no sum of counters
shows it. But the table is what live flows are read from and what a replacement goes on with, so all
of it would be lost with the process. The table counts too, in the segment, before the worker's line
of the statistics does (consume.publish): the two are compared by whoever is neither.
"""

from collections.abc import Iterator, Mapping

import numpy as np

from engine.events import counter_index
from engine.layouts.table import TABLE

COMPARED = ("accepted", "layers", "parts")
_COUNTERS_AT = TABLE.index("counters_0")


def outside_of_table(name: str, counters: Mapping[str, int], words: np.ndarray) -> Iterator[str]:
    """Yield what worker `name` has counted that its table, the words of its segment, has not.

    The counters are read before the table, which may be ahead of them and never behind.
    """
    for counter in COMPARED:
        said = counters[counter]
        held = int(words[_COUNTERS_AT + counter_index("worker", counter)])
        if held < said:
            yield (
                f"{name} counted {said:,} {counter}, its flow table in shared memory {held:,}: "
                f"{said - held:,} are in its own memory alone, and would be lost with it"
            )
