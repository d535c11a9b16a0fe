"""What happened when: amounts over time, of any number of flows, in bounded memory.

A flow's packets and bytes are spread evenly between its first and last packet; a flow shorter than
a cell counts where it begins. Cells are only those in which a flow begins or ends, at most
CELLS_MAX; when there are more, cells become twice as wide.

With rate r of a flow from s to e, what it has sent until time t is C(t) = r·(min(t, e) - s) for
t >= s. Over flows, at an edge between cells, C = t·Σr - Σr·s over the begins before t, less the
same over the ends before t: so a cell needs Σr and Σr·s only, and adding them joins two cells.
Where no flow is live C is the sum of what ended, exactly: silence shows as none. Between edges C
is taken as straight. The sum over all columns is the sum over all flows.
"""

from dataclasses import dataclass

import numpy as np

CELLS_MAX = 4096
COLUMNS_MAX = 96
_CELL_S = 0.1
_WIDTHS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800)
_WIDTHS_S += tuple(3600 * hours for hours in (1, 2, 3, 6, 12, 24, 48, 168, 336, 672))
_AT_ONCE, _RATE, _MOMENT, _ENDED, _SUMS = 0, 1, 2, 3, 4
_TIME_MAX_S = 1 << 34  # Beyond every int64 of nanoseconds.


@dataclass(frozen=True, slots=True)
class Columns:
    """Parts of the time axis, in s since 1970. `gaps`: silence between them is left out."""

    begins_s: np.ndarray
    width_s: float
    gaps: bool

    def __len__(self) -> int:
        return len(self.begins_s)


class Timeline:
    """Amounts over time; `kinds` says how many. `add` flows, then `columns` and `sums`."""

    def __init__(self, kinds: int) -> None:
        self._kinds = kinds
        self._cell_s = _CELL_S
        self._base_s: float | None = None
        self._cells = np.zeros(0, np.int64)
        # By cell: flows begun less ended; for each kind what came at once, Σr, Σr·s, what ended.
        self._live = np.zeros(0, np.int64)
        self._sums = np.zeros((0, _SUMS * kinds))

    def add(self, begins_ns: np.ndarray, ends_ns: np.ndarray, *amounts: np.ndarray) -> None:
        """Add flows: int64 times, and an array for each kind of amount."""
        assert len(amounts) == self._kinds
        if not len(begins_ns):
            return
        begins_s = begins_ns.astype(np.float64) / 1e9
        ends_s = np.maximum(begins_s, ends_ns.astype(np.float64) / 1e9)
        if self._base_s is None:
            self._base_s = float(begins_s.min())
        lengths_s = ends_s - begins_s
        spread = lengths_s > self._cell_s
        begun = np.zeros((len(begins_s), _SUMS * self._kinds))
        ended = np.zeros((len(begins_s), _SUMS * self._kinds))
        for k, amount in enumerate(amounts):
            rate = np.divide(amount, lengths_s, out=np.zeros(len(begins_s)), where=spread)
            at = _SUMS * k
            begun[:, at + _AT_ONCE] = np.where(spread, 0, amount)
            begun[:, at + _RATE], ended[:, at + _RATE] = rate, -rate
            begun[:, at + _MOMENT] = rate * (begins_s - self._base_s)
            ended[:, at + _MOMENT] = -rate * (ends_s - self._base_s)
            ended[:, at + _ENDED] = amount
        self._take(begins_s, spread.astype(np.int64), begun)
        if spread.any():
            self._take(ends_s[spread], np.full(int(spread.sum()), -1), ended[spread])

    def _take(self, times_s: np.ndarray, live: np.ndarray, rows: np.ndarray) -> None:
        cells = np.floor(times_s / self._cell_s).astype(np.int64)
        self._join(
            np.concatenate((self._cells, cells)),
            np.concatenate((self._live, live)),
            np.concatenate((self._sums, rows)),
        )
        while len(self._cells) > CELLS_MAX:
            self._cell_s *= 2
            self._join(self._cells // 2, self._live, self._sums)

    def _join(self, cells: np.ndarray, live: np.ndarray, sums: np.ndarray) -> None:
        """Keep each cell once, with the sum of what stood for it."""
        self._cells, place = np.unique(cells, return_inverse=True)
        self._live = np.zeros(len(self._cells), np.int64)
        np.add.at(self._live, place, live)
        self._sums = np.zeros((len(self._cells), sums.shape[1]))
        np.add.at(self._sums, place, sums)

    def _busy(self) -> tuple[np.ndarray, np.ndarray]:
        """Return begins and ends of the spans of time in which a flow was."""
        begins_s = self._cells * self._cell_s
        ends_s = begins_s + self._cell_s
        live = np.cumsum(self._live) > 0
        ends_s[:-1] = np.where(live[:-1], begins_s[1:], ends_s[:-1])
        first = np.ones(len(begins_s), bool)
        first[1:] = begins_s[1:] - ends_s[:-1] > self._cell_s / 2
        last = np.ones(len(begins_s), bool)
        last[:-1] = first[1:]
        return begins_s[first], ends_s[last]

    def columns(self, count_max: int = COLUMNS_MAX) -> Columns | None:
        """Return the axis: the narrowest columns of a pleasant width; None without any flow.

        Silence is shown as such, but where a single silence would take half of the axis and more.
        """
        if not len(self._cells):
            return None
        begins_s, ends_s = self._busy()
        span_s = ends_s[-1] - begins_s[0]
        gaps = bool((begins_s[1:] - ends_s[:-1] > span_s / 2).any())
        if not gaps:
            begins_s, ends_s = begins_s[:1], ends_s[-1:]
        widths = [float(width_s) for width_s in _WIDTHS_S if width_s >= self._cell_s * 0.999]
        while not widths or widths[-1] < _TIME_MAX_S:
            widths.append(2 * max(widths[-1:] or [_WIDTHS_S[-1]]))
        for width_s in widths:
            first = np.floor(begins_s / width_s + 1e-9)
            last = np.maximum(first, np.ceil(ends_s / width_s - 1e-9) - 1)
            if (last - first).sum() + 1 > count_max:
                continue
            spans = [np.arange(a, b + 1) for a, b in zip(first, last, strict=True)]
            taken = np.unique(np.concatenate(spans))
            if len(taken) <= count_max:
                return Columns(taken * width_s, width_s, gaps)
        raise AssertionError("a width that holds all times")

    def sums(self, columns: Columns) -> np.ndarray:
        """Return the amounts of each column: (kinds, columns)."""
        made = np.zeros((self._kinds, len(columns)))
        if not len(self._cells):
            return made
        edges = np.concatenate((columns.begins_s, columns.begins_s + columns.width_s))
        for k in range(self._kinds):
            until = np.interp(edges, *self._until(k))
            made[k] = until[len(columns) :] - until[: len(columns)]
        return np.maximum(made, 0)

    def _until(self, kind: int) -> tuple[np.ndarray, np.ndarray]:
        """Return times, and what of a kind had come until then."""
        begins_s = self._cells * self._cell_s
        sums = self._sums[:, _SUMS * kind : _SUMS * (kind + 1)]
        at_once, rate, moment, ended = np.cumsum(sums, axis=0).T
        times_s = np.stack((begins_s, begins_s + self._cell_s), axis=1)
        since_s = times_s - self._base_s
        silent = np.cumsum(self._live) == 0
        came = np.zeros_like(times_s)
        came[:, 1] = at_once + np.where(silent, ended, since_s[:, 1] * rate - moment)
        going = np.where(silent[:-1], ended[:-1], since_s[1:, 0] * rate[:-1] - moment[:-1])
        came[1:, 0] = at_once[:-1] + going
        return times_s.ravel(), came.ravel()
