"""What the alerts of a run were: how many of each kind, and between whom mostly.

For the summary that a person reads at the end; the alerts themselves are in the outputs. An
attacker chooses addresses, so only the largest of many are kept, in an open-addressing table by a
keyed hash: the counts of kinds are exact, those of addresses too while none was dropped. All of it
lies in the recorder's ledger: a replacement counts on.
"""

import ipaddress
from collections.abc import Iterator

import numpy as np
from numba import njit

from engine.layouts import KINDS_MAX, RECORDER, ROW
from engine.memory.pointers import pointer, prefetch
from engine.memory.wide import multiply_fold
from engine.recorder.held import ALERT_SHIFT, is_alert
from engine.recorder.ledger import BATCH_ROWS, ENTRY_WORDS, PLACES, Ledger
from engine.rings.journal import keep

KEPT_MAX = 65_536  # Addresses with a kind, in each direction.
NAMED_MAX = 3
_VERDICT, _KEY = ROW.index("verdict"), ROW.index("key")
_LABEL_SHIFT, _LABEL_MASK = ROW.shift("verdict", "label"), ROW.mask("verdict", "label")
_VERSION_SHIFT = ROW.shift("key", "version6")
_ENDS = ("initiator", "responder")
assert 2 * KEPT_MAX <= PLACES
assert KEPT_MAX // 2 > BATCH_ROWS, "at most one drop in a transaction: there are two tables"
_ROWS_AHEAD = 8  # The table is larger than a core's cache.
_WORD_MASK = (1 << 64) - 1
_KEY_0, _KEY_1 = RECORDER.index("key_0"), RECORDER.index("key_1")
_JOURNAL_AT = Ledger.journal_at
assert _LABEL_MASK < KINDS_MAX
# An entry: used, version and label in one word (0: free), high and low word, count.
_WHAT, _HIGH, _LOW, _COUNT = range(ENTRY_WORDS)
_USED, _VERSION_AT, _LABEL_AT = 1, 1, 2


@njit("i8(i8[::1])", cache=True)
def _what_of(row):
    """Return what an entry says first: used, version and label."""
    version6 = row[_KEY] >> _VERSION_SHIFT & 1
    label = row[_VERDICT] >> _LABEL_SHIFT & _LABEL_MASK
    return _USED | version6 << _VERSION_AT | label << _LABEL_AT


@njit("i8(i8[::1], i8, i8, i8)", cache=True)
def _first_place(words, what, high, low):
    """Return where an address is looked for first."""
    mixed = multiply_fold(low ^ words[_KEY_0], words[_KEY_1]) ^ high ^ what << 32
    return multiply_fold(mixed ^ words[_KEY_0], words[_KEY_1]) & (PLACES - 1)


@njit("i8(i8[::1], i8, i8, i8, i8)", cache=True)
def _place_of(words, table, what, high, low):
    """Return the place of an address in the table at `table`, or the free one where it belongs."""
    place = _first_place(words, what, high, low)
    at = table + place * ENTRY_WORDS
    while words[at + _WHAT] != 0 and (
        words[at + _WHAT] != what or words[at + _LOW] != low or words[at + _HIGH] != high
    ):
        place = place + 1 & PLACES - 1
        at = table + place * ENTRY_WORDS
    return at


@njit("UniTuple(i8, 2)(i8[::1], i8, i8[:, ::1], UniTuple(i8, 4))", cache=True)
def _count(words, table, rows, span):
    """Count an end of the alerts among rows; `span`: first row, its word, used places, limit.

    What changes is kept in the ledger's journal. Return (rows done, used places); it stops behind
    the row that passed the limit.
    """
    first, word, used, limit = span
    lines = pointer(words)
    at = first
    while at < len(rows) and used <= limit:
        if at + _ROWS_AHEAD < len(rows):
            ahead = rows[at + _ROWS_AHEAD]
            place = _first_place(words, _what_of(ahead), ahead[word], ahead[word + 1])
            prefetch(lines, table + place * ENTRY_WORDS)
        if rows[at, _VERDICT] >> ALERT_SHIFT & 1:
            what = _what_of(rows[at])
            entry = _place_of(words, table, what, rows[at, word], rows[at, word + 1])
            keep(words, _JOURNAL_AT, entry, ENTRY_WORDS)
            if words[entry + _WHAT] == 0:
                words[entry + _WHAT] = what
                words[entry + _HIGH] = rows[at, word]
                words[entry + _LOW] = rows[at, word + 1]
                used += 1
            words[entry + _COUNT] += 1
        at += 1
    return at, used


@njit("void(i8[::1], i8, i8[:, ::1])", cache=True)
def _refill(words, table, entries):
    """Put entries into the empty table at `table`."""
    for k in range(len(entries)):
        entry = entries[k]
        at = _place_of(words, table, entry[_WHAT], entry[_HIGH], entry[_LOW])
        for word in range(ENTRY_WORDS):
            words[at + word] = entry[word]


class _Addresses:
    """The addresses of one end, with the kind of their alerts."""

    def __init__(self, ledger: Ledger, number: int) -> None:
        self._end = _ENDS[number]
        self._ledger = ledger
        self._tables = tuple(ledger.table_at(number, which) for which in range(2))
        self._word = ROW.index(f"{self._end}_high")
        assert ROW.index(f"{self._end}_low") == self._word + 1
        self._kept_max = KEPT_MAX

    def add(self, rows: np.ndarray) -> None:
        """Count this end of the alerts among rows."""
        ledger, at = self._ledger, 0
        while at < len(rows):
            used = ledger[f"{self._end}_entries"]
            span = (at, self._word, used, self._kept_max)
            at, used = _count(ledger.words, self._tables[self._which], rows, span)
            ledger[f"{self._end}_entries"] = used
            if used > self._kept_max:
                self._drop()

    def _drop(self) -> None:
        """Keep less than half: those with more than the rest have. They go to the other table.

        The one that is left stays as the last commit had it, but for what was kept.
        """
        entries = self.entries()
        half = self._kept_max // 2
        cut = np.partition(entries[:, _COUNT], -half)[-half]
        entries = entries[entries[:, _COUNT] > cut]
        which = 1 - self._which
        self._places(which)[:] = 0
        _refill(self._ledger.words, self._tables[which], entries)
        self._ledger[f"{self._end}_table"] = which
        self._ledger[f"{self._end}_entries"] = len(entries)
        self._ledger[f"{self._end}_dropped"] = 1

    @property
    def _which(self) -> int:
        return self._ledger[f"{self._end}_table"]

    @property
    def all_kept(self) -> bool:
        """Return whether no address was dropped."""
        return not self._ledger[f"{self._end}_dropped"]

    def _places(self, which: int) -> np.ndarray:
        at = self._tables[which]
        words = self._ledger.words[at : at + PLACES * ENTRY_WORDS]
        return words.reshape(PLACES, ENTRY_WORDS)

    def entries(self) -> np.ndarray:
        """Return the entries in use, in no order."""
        places = self._places(self._which)
        return places[places[:, _WHAT] != 0]


class Found:
    """The tally: `add` rows, then `summary`. It lies in the ledger; `add` within a transaction."""

    def __init__(self, ledger: Ledger) -> None:
        self._kinds = ledger.array("kinds_0", KINDS_MAX)
        self._ends = {end: _Addresses(ledger, k) for k, end in enumerate(_ENDS)}

    def add(self, rows: np.ndarray) -> None:
        """Count the alerts among rows, BATCH_ROWS at most in a transaction."""
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
