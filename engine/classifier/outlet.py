"""Send rows to the recorder: those that the plan wants, in order, as far as the ring has room."""

from numba import njit

from engine.layouts import ROW
from engine.memory.atomics import store_relaxed
from engine.memory.pointers import pointer, shifted
from engine.rings.spsc import FULL, claim, publish

NONE, ALERTS, FINALS, ALL = range(4)  # Which rows are wanted: RunPlan.rows.
WANTED = {"none": NONE, "alerts": ALERTS, "finals": FINALS, "all": ALL}
PUBLISH_ROWS = 64  # One release store for so many rows.

_HEAD, _REASON_SHIFT = ROW.index("head"), ROW.shift("head", "reason")
_REASON_MASK = ROW.mask("head", "reason")
_VERDICT, _ALERT_SHIFT = ROW.index("verdict"), ROW.shift("verdict", "alert")
_ROW_WORDS = ROW.words


@njit(cache=True)
def _is_wanted(row, wanted):
    if wanted in (NONE, ALL):
        return wanted == ALL
    if row[_VERDICT] >> _ALERT_SHIFT & 1:
        return True
    return wanted == FINALS and row[_HEAD] >> _REASON_SHIFT & _REASON_MASK != 0


@njit(
    "UniTuple(i8, 2)(i8[::1], i8[:, ::1], i8[:, ::1], UniTuple(i8, 2), UniTuple(i8, 2))", cache=True
)
def send(ring, slots, rows, span, wish):
    """Send the wanted rows of [span[0], span[1]); return (first row left over, rows sent).

    `wish`: which rows are wanted; how many of them the ring has had already, from a classifier that
    died: they count as sent. Stops before the first row that the ring has no room for: call again
    from there.
    """
    header, first_slot, first_row = (
        pointer(ring),
        pointer(slots.reshape(-1)),
        pointer(rows.reshape(-1)),
    )
    mask = len(slots) - 1
    begin, end = span
    wanted, had = wish
    sent = held = 0
    for at in range(begin, end):
        row = shifted(first_row, at * _ROW_WORDS)
        if not _is_wanted(row, wanted):
            continue
        if sent < had:
            sent += 1
            continue
        tail = claim(header, held + 1)
        if tail == FULL:
            end = at
            break
        slot = shifted(first_slot, (tail + held & mask) * _ROW_WORDS)
        for word in range(_ROW_WORDS):
            slot[word] = row[word]
        held += 1
        sent += 1
        if held == PUBLISH_ROWS:
            publish(header, tail + held)
            held = 0
    if held:
        publish(header, claim(header, 0) + held)
    return end, sent


@njit("void(i8[::1], i8[::1], i8)", cache=True)
def show_counters(counters, tally, count):
    """Copy the first `count` words of a tally to the shared counters."""
    for at in range(count):
        store_relaxed(counters, at, tally[at])
