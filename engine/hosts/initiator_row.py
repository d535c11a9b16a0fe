"""Features 93 to 98 and 100 to 141 of an initiator part at the end of a pane.

The cells of all groups are looked up once; each function writes the features of one group of the
catalogue and returns their validity bits, feature 93 in the lowest. Feature 99 is the pair's.
"""

import numpy as np
from numba import njit

from engine.hosts.internal_row import write_internal
from engine.hosts.rows import VALID, next_initiator_row, pointers_to
from engine.hosts.space import host_at
from engine.hosts.traffic_row import write_ransomware, write_traffic
from engine.hosts.view import view_of
from engine.hosts.window_row import write_logins, write_names, write_rates, write_starts
from engine.memory.options import KERNEL

_PAIR_FEATURE = 6  # 99 - 93.


@njit(**KERNEL)
def write_initiator_row(space, place, pane):
    """Make the row of a host's initiator part at the end of `pane`."""
    words = space.words
    host = host_at(words, place)
    made, row = pointers_to(space, next_initiator_row(space, host, pane))
    row[_PAIR_FEATURE] = np.float32(0.0)
    view = view_of(words, host, pane)
    valid = write_ransomware(row, view, space.distinct)
    valid |= write_traffic(row, view, space.distinct)
    valid |= write_internal(row, view, space.distinct)
    valid |= write_names(row, view, space.distinct)
    valid |= write_logins(row, view, space.distinct)
    valid |= write_starts(row, view, space.distinct)
    valid |= write_rates(row, view)
    made[VALID] = valid
