"""A step of the classifier as a transaction: done, or never begun.

    classifier                                its replacement
    --------------------------------------    --------------------------------------
    begin: keep the small words               recover:
    merge, score, hash; kept pointers keep      is a commit under way? do the rest of it
    send the rows that are wanted               else undo all since the last commit
    commit:                                   begin, and go on
      note every ring's new head
      HEADS = how many: this is the commit
      journal empty
      heads released
      HEADS = 0

Events are released by the commit alone, so what is taken back is still in its ring; the order of
events is fixed, so the same records come again and make the same rows. Rows that were sent before
the death are not sent again: the tally of sent rows is a part of the state, and the row ring's tail
says how many there are (outlet.py). So no record is lost, counted twice or sent twice.

Readers of live hosts (hosts/snapshot.py) see an odd version while `recover` changes them, and then
one that was never there before.
"""

import numpy as np
from numba import njit

from engine.classifier.lanes import HEAD, LANE_WORDS
from engine.classifier.merge import release_taken
from engine.classifier.state import IS_BEGUN, State
from engine.hosts.pane import ROWS_VERSION
from engine.memory import kept
from engine.memory.addresses import words_at
from engine.memory.atomics import fence_program, store_release
from engine.memory.options import KERNEL
from engine.memory.pointers import pointer, shifted
from engine.rings import spsc

_HEADS = IS_BEGUN + 1  # Control word: of how many rings the heads are noted behind it; 0: none.
_LANES_MAX = kept.CONTROL_WORDS - _HEADS - 1


@njit("void(i8[::1])", **KERNEL)
def begin(small):
    """Keep the small words, which Python changes too."""
    kept.span(kept.kept(small), len(small))


@njit("void(i8, i8[:, ::1])", **KERNEL)
def _commit(region, lanes):
    """Make final what was done since the last commit, and release what was taken."""
    control = words_at(region, kept.CONTROL_WORDS)
    first = pointer(lanes.reshape(-1))
    if control[kept.IS_ON]:
        for number in range(len(lanes)):
            control[_HEADS + 1 + number] = shifted(first, number * LANE_WORDS)[HEAD]
        fence_program()  # The heads stand before they count.
        control[_HEADS] = len(lanes)
        kept.commit(region)
    release_taken(lanes)
    fence_program()  # All heads are released before they are forgotten.
    control[_HEADS] = 0


@njit("void(i8[::1], i8)", **KERNEL)
def _release(header, head):
    """Give back what a ring's dead consumer had committed."""
    spsc.release(pointer(header), head)


@njit("i8(i8)", **KERNEL)
def _undo(region):
    return kept.undo(region)


@njit("void(i8)", **KERNEL)
def _forget_journal(region):
    kept.commit(region)


@njit("void(i8[::1], i8)", **KERNEL)
def _store_version(words, version):
    fence_program()  # Nothing of the hosts changes before an odd version, nor after an even one.
    store_release(pointer(words), ROWS_VERSION, version)
    fence_program()


def commit(state: State, lanes: np.ndarray) -> None:
    """Make the step that ends here final. All of its rows have been sent."""
    assert len(lanes) <= _LANES_MAX
    _commit(state.region, lanes)


def recover(state: State, rings: list) -> int:
    """Make the state that of the last commit; return how many lines were taken back.

    `rings`: the event rings, in the order of their lanes. The writer of the state is dead.
    """
    control = state.control
    if control[_HEADS]:
        for number, ring in enumerate(rings):
            _release(ring.header, int(control[_HEADS + 1 + number]))
        _forget_journal(state.region)
        control[_HEADS] = 0  # Plain: only this process has it now.
        return 0
    if state.hosts is None:
        return _undo(state.region)
    version = int(state.hosts[ROWS_VERSION]) | 1
    _store_version(state.hosts, version)
    lines = _undo(state.region)
    _store_version(state.hosts, version + 1)
    return lines
