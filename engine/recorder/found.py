"""What the alerts of a run were: how many of each kind, and between whom mostly.

For the summary that a person reads at the end; the alerts themselves are in the outputs. An
attacker chooses addresses, so only the largest of many are kept, in an open-addressing table by a
keyed hash: the counts of kinds are exact, those of addresses too while none was dropped.
"""

import ipaddress
import os
from collections.abc import Iterator

import numpy as np
from numba import njit

from engine.layouts import ROW
from engine.memory.pointers import pointer, prefetch
from engine.memory.wide import multiply_fold
from engine.recorder.held import ALERT_SHIFT, is_alert

KEPT_MAX = 65_536  # Addresses with a kind, in each direction.
NAMED_MAX = 3
_VERDICT, _KEY = ROW.index("verdict"), ROW.index("key")
_LABEL_SHIFT, _LABEL_MASK = ROW.shift("verdict", "label"), ROW.mask("verdict", "label")
_VERSION_SHIFT = ROW.shift("key", "version6")
_ENDS = ("initiator", "responder")
_ROWS_AHEAD = 8  # The table is larger than a core's cache.
_WORD_MASK = (1 << 64) - 1
# An entry: used, version and label in one word (0: free), high and low word, count.
_WHAT, _HIGH, _LOW, _COUNT, _ENTRY_WORDS = 0, 1, 2, 3, 4
_USED, _VERSION_AT, _LABEL_AT = 1, 1, 2


@njit("i8(i8[::1])", cache=True)
def _what_of(row):
    """Return what an entry says first: used, version and label."""
    version6 = row[_KEY] >> _VERSION_SHIFT & 1
    label = row[_VERDICT] >> _LABEL_SHIFT & _LABEL_MASK
    return _USED | version6 << _VERSION_AT | label << _LABEL_AT


@njit("i8(i8, i8, i8, i8[::1], i8)", cache=True)
def _first_place(what, high, low, key, count):
    """Return where an address is looked for first, of `count` places."""
    mixed = multiply_fold(low ^ key[0], key[1]) ^ high ^ what << 32
    return multiply_fold(mixed ^ key[0], key[1]) & (count - 1)


@njit("i8(i8[:, ::1], i8, i8, i8, i8[::1])", cache=True)
def _place_of(places, what, high, low, key):
    """Return the place of an address, or the free one where it belongs."""
    place = _first_place(what, high, low, key, len(places))
    while places[place, _WHAT] != 0 and (
        places[place, _WHAT] != what or places[place, _LOW] != low or places[place, _HIGH] != high
    ):
        place = place + 1 & len(places) - 1
    return place


@njit("UniTuple(i8, 2)(i8[:, ::1], i8[:, ::1], UniTuple(i8, 4), i8[::1])", cache=True)
def _count(places, rows, span, key):
    """Count an end of the alerts among rows; `span`: first row, its word, used places, limit.

    Return (rows done, used places); it stops behind the row that passed the limit.
    """
    at, word, used, limit = span
    lines = pointer(places.ravel())
    while at < len(rows) and used <= limit:
        if at + _ROWS_AHEAD < len(rows):
            ahead = rows[at + _ROWS_AHEAD]
            first = _first_place(_what_of(ahead), ahead[word], ahead[word + 1], key, len(places))
            prefetch(lines, first * _ENTRY_WORDS)
        if rows[at, _VERDICT] >> ALERT_SHIFT & 1:
            what = _what_of(rows[at])
            place = _place_of(places, what, rows[at, word], rows[at, word + 1], key)
            if places[place, _WHAT] == 0:
                places[place, _WHAT] = what
                places[place, _HIGH] = rows[at, word]
                places[place, _LOW] = rows[at, word + 1]
                used += 1
            places[place, _COUNT] += 1
        at += 1
    return at, used


@njit("void(i8[:, ::1], i8[:, ::1], i8[::1])", cache=True)
def _refill(places, entries, key):
    """Put entries into empty places."""
    for k in range(len(entries)):
        entry = entries[k]
        place = _place_of(places, entry[_WHAT], entry[_HIGH], entry[_LOW], key)
        for word in range(_ENTRY_WORDS):
            places[place, word] = entry[word]


class _Addresses:
    """The addresses of one end, with the kind of their alerts."""

    def __init__(self, end: str) -> None:
        self._word = ROW.index(f"{end}_high")
        assert ROW.index(f"{end}_low") == self._word + 1
        self._kept_max = KEPT_MAX
        self._places = np.zeros((1 << (2 * KEPT_MAX).bit_length(), _ENTRY_WORDS), np.int64)
        self._key = np.frombuffer(os.urandom(16), np.int64) | 1
        self._used = 0
        self.all_kept = True

    def add(self, rows: np.ndarray) -> None:
        """Count this end of the alerts among rows."""
        at = 0
        while at < len(rows):
            span = (at, self._word, self._used, self._kept_max)
            at, self._used = _count(self._places, rows, span, self._key)
            if self._used > self._kept_max:
                self._drop()

    def _drop(self) -> None:
        """Keep less than half: those with more than the rest have."""
        entries = self.entries()
        half = self._kept_max // 2
        cut = np.partition(entries[:, _COUNT], -half)[-half]
        entries = entries[entries[:, _COUNT] > cut]
        self._places[:] = 0
        _refill(self._places, entries, self._key)
        self._used = len(entries)
        self.all_kept = False

    def entries(self) -> np.ndarray:
        """Return the entries in use, in no order."""
        return self._places[self._places[:, _WHAT] != 0]


class Found:
    """The tally: `add` rows, then `summary`."""

    def __init__(self) -> None:
        self._kinds = np.zeros(_LABEL_MASK + 1, np.int64)
        self._ends = {end: _Addresses(end) for end in _ENDS}

    def add(self, rows: np.ndarray) -> None:
        """Count the alerts among rows."""
        verdicts = rows[is_alert(rows), _VERDICT]
        if not len(verdicts):
            return
        labels = verdicts >> _LABEL_SHIFT & _LABEL_MASK
        self._kinds += np.bincount(labels, minlength=len(self._kinds))
        for addresses in self._ends.values():
            addresses.add(rows)

    def summary(self) -> list[dict]:
        """Return a JSON object for each kind that was found, most alerts first."""
        kinds = [(label, count) for label, count in enumerate(self._kinds.tolist()) if count]
        return [
            {"label": label, "alerts": count, **dict(self._of_kind(label))}
            for label, count in sorted(kinds, key=lambda kind: (-kind[1], kind[0]))
        ]

    def _of_kind(self, label: int) -> Iterator[tuple[str, dict]]:
        for end, addresses in self._ends.items():
            entries = addresses.entries()
            entries = entries[entries[:, _WHAT] >> _LABEL_AT == label]
            keys = (entries[:, _LOW], entries[:, _HIGH], entries[:, _WHAT], -entries[:, _COUNT])
            largest = entries[np.lexsort(keys)[:NAMED_MAX]].tolist()
            named = [
                [_text(what >> _VERSION_AT & 1, high, low), count]
                for what, high, low, count in largest
            ]
            yield end, {"named": named, "count": len(entries), "all": addresses.all_kept}


def _text(version6: int, high: int, low: int) -> str:
    """Return an address as people write it."""
    if version6:
        return str(ipaddress.IPv6Address((high & _WORD_MASK) << 64 | low & _WORD_MASK))
    return str(ipaddress.IPv4Address(low))
