"""Lists the hosts of a source at its end: a batch of rows at a time, as the ring has room.

At the end of a run, and under --separate of every source: merge.py stops before the first event of
another one. For runs that write files.
"""

import numpy as np

from engine.hosts import listing
from engine.hosts.space import SpaceArrays


class Lister:
    """The hosts that are still to be listed. `begin_if_due`, then `fill` while `is_listing`."""

    def __init__(self, hosts: SpaceArrays, separate: bool) -> None:
        self._hosts = hosts
        self._place = 0  # Of the next host to be listed; 0: none.
        self._is_last = False
        if separate:
            listing.hold(hosts)

    @property
    def is_listing(self) -> bool:
        """Return whether hosts are still to be listed."""
        return self._place != 0

    def begin_if_due(self, is_finished: bool) -> bool:
        """Begin the list of the source that has ended; return whether there is something to list.

        The merge waits for it, or is finished: then it is the last list.
        """
        if self._place == 0 and not self._is_last:
            if is_finished or listing.is_held(self._hosts):
                listing.end_pane(self._hosts)
                self._place, self._is_last = 1, is_finished
        return self._place != 0

    def fill(self, rows: np.ndarray) -> int:
        """Make the next rows; return how many."""
        pair = (rows, rows.view(np.float32))
        count, self._place = listing.list_hosts(self._hosts, pair, self._place)
        if self._place == 0 and not self._is_last:
            listing.end_source(self._hosts)
        return count
