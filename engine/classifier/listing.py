"""Lists the hosts of a source at its end: a batch of rows at a time, as the ring has room.

At the end of a run, and under --separate of every source: merge.py stops before the first event of
another one. For runs that write files.
"""

import numpy as np

from engine.classifier.state import LIST_IS_LAST, LIST_PLACE
from engine.hosts import listing
from engine.hosts.space import SpaceArrays


class Lister:
    """The hosts that are still to be listed. `begin_if_due`, then `fill` while `is_listing`."""

    def __init__(self, hosts: SpaceArrays, words: np.ndarray, separate: bool) -> None:
        """`words`: State.listing."""
        self._hosts = hosts
        self._words = words
        if separate:
            listing.hold(hosts)

    @property
    def is_listing(self) -> bool:
        """Return whether hosts are still to be listed."""
        return bool(self._words[LIST_PLACE])

    def begin_if_due(self, is_finished: bool) -> bool:
        """Begin the list of the source that has ended; return whether there is something to list.

        The merge waits for it, or is finished: then it is the last list.
        """
        if not self.is_listing and not self._words[LIST_IS_LAST]:
            if is_finished or listing.is_held(self._hosts):
                listing.end_pane(self._hosts)
                self._words[LIST_PLACE], self._words[LIST_IS_LAST] = 1, is_finished
        return self.is_listing

    def fill(self, rows: np.ndarray) -> int:
        """Make the next rows; return how many."""
        pair = (rows, rows.view(np.float32))
        place = int(self._words[LIST_PLACE])
        count, self._words[LIST_PLACE] = listing.list_hosts(self._hosts, pair, place)
        if not self.is_listing and not self._words[LIST_IS_LAST]:
            listing.end_source(self._hosts)
        return count
