"""What a host began lately: two filters of an initiator part, the younger and the older one.

They tell which peers, and which ports of internal ones, are new. A pane's keys enter at its end, so
what is new does not depend on the order within it.
"""

from numba import njit

from engine.config import PANE_NS
from engine.hosts.sketches import ask_filter, enter_filter, is_in_filter
from engine.hosts.space import initiator_at, spread
from engine.layouts.hosts import HOSTS
from engine.layouts.windows import FILTER_WORDS, PART
from engine.memory.kept import clear
from engine.memory.options import HOT
from engine.memory.pointers import prefetch_write, shifted
from engine.memory.wide import wrapped_difference

INSERTIONS_MAX = 512  # New starts in a filter, after which the next begins.
GENERATION_NS = 3600 * 10**9

FILTERS_AT = HOSTS.index("filters_at")
_YOUNGER, _INSERTIONS, _BEGAN, _IS_BEGUN, _HAS_OLDER = (
    PART.index(name) for name in ("younger", "insertions", "began_ns", "is_begun", "has_older")
)


@njit(**HOT)
def turn_filters(part, pane):
    """Let the younger filter become the older one when it is full or old at the pane's start."""
    if part[_IS_BEGUN] == 0:
        return
    age = wrapped_difference(pane * PANE_NS, part[_BEGAN])  # Below 0: 2**63 and more.
    if part[_INSERTIONS] >= INSERTIONS_MAX or age < 0 or age >= GENERATION_NS:
        part[_YOUNGER] = 1 - part[_YOUNGER]
        part[_IS_BEGUN], part[_HAS_OLDER] = 0, 1


@njit(**HOT)
def _filter_at(words, place, number):
    """Return the pointer to one of a host's two filters."""
    first, gap = spread(words, FILTERS_AT, FILTER_WORDS, place)
    return shifted(first, number * gap)


@njit(**HOT)
def is_new(words, place, part, hashed):
    """Return whether a key is in neither filter of a host."""
    younger = part[_YOUNGER]
    if part[_IS_BEGUN] and is_in_filter(_filter_at(words, place, younger), hashed):
        return False
    if part[_HAS_OLDER] == 0:
        return True
    return not is_in_filter(_filter_at(words, place, 1 - younger), hashed)


@njit(**HOT)
def ask_filters(words, place, hashed):
    """Ask for what the filters of an initiator part have of a key; its part is there."""
    part = initiator_at(words, place)
    younger = part[_YOUNGER]
    if part[_IS_BEGUN]:
        ask_filter(_filter_at(words, place, younger), hashed)
    if part[_HAS_OLDER]:
        ask_filter(_filter_at(words, place, 1 - younger), hashed)


@njit(**HOT)
def ask_state(part):
    """Ask for what tells which filter is the younger."""
    prefetch_write(part, _YOUNGER)


@njit(**HOT)
def ask_key(words, place, hashed):
    """Ask for where a key will enter; the part is there."""
    part = initiator_at(words, place)
    ask_filter(_filter_at(words, place, part[_YOUNGER]), hashed)


@njit(**HOT)
def enter_keys(words, place, keys, is_new_start, end_ns):
    """Put two keys of a start into the younger filter; the first ones begin it."""
    part = initiator_at(words, place)
    younger = _filter_at(words, place, part[_YOUNGER])
    if part[_IS_BEGUN] == 0:
        clear(younger, FILTER_WORDS)
        part[_IS_BEGUN], part[_BEGAN], part[_INSERTIONS] = 1, end_ns, 0
    enter_filter(younger, keys[0])
    enter_filter(younger, keys[1])
    part[_INSERTIONS] += is_new_start
