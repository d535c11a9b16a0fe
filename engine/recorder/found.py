"""What the alerts of a run were: how many of each kind, and between whom mostly.

For the summary that a person reads at the end; the alerts themselves are in the outputs. An
attacker chooses addresses, so only the largest of many are kept: the counts of kinds are exact,
those of addresses too while none was dropped.
"""

import ipaddress
from collections import Counter
from collections.abc import Iterator

import numpy as np

from engine.layouts import ROW
from engine.recorder.held import is_alert

KEPT_MAX = 65_536  # Addresses with a kind, in each direction.
NAMED_MAX = 3
_VERDICT, _KEY = ROW.index("verdict"), ROW.index("key")
_LABEL_SHIFT, _LABEL_MASK = ROW.shift("verdict", "label"), ROW.mask("verdict", "label")
_VERSION_SHIFT = ROW.shift("key", "version6")
_ENDS = ("initiator", "responder")
_WORD_MASK = (1 << 64) - 1


class Found:
    """The tally: `add` rows, then `summary`."""

    def __init__(self) -> None:
        self._kinds: Counter[int] = Counter()
        self._ends: dict[str, Counter[tuple[int, ...]]] = {end: Counter() for end in _ENDS}
        self._dropped: set[str] = set()

    def add(self, rows: np.ndarray) -> None:
        """Count the alerts among rows."""
        alerts = rows[is_alert(rows)]
        if not len(alerts):
            return
        labels = (alerts[:, _VERDICT] >> _LABEL_SHIFT & _LABEL_MASK).tolist()
        versions = (alerts[:, _KEY] >> _VERSION_SHIFT & 1).tolist()
        self._kinds.update(labels)
        for end, counter in self._ends.items():
            words = [alerts[:, ROW.index(f"{end}_{half}")].tolist() for half in ("high", "low")]
            counter.update(zip(labels, versions, *words, strict=True))
            if len(counter) > KEPT_MAX:
                self._ends[end] = Counter(dict(counter.most_common(KEPT_MAX // 2)))
                self._dropped.add(end)

    def summary(self) -> list[dict]:
        """Return a JSON object for each kind that was found, most alerts first."""
        return [
            {"label": label, "alerts": count, **dict(self._of_kind(label))}
            for label, count in sorted(self._kinds.items(), key=lambda kind: (-kind[1], kind[0]))
        ]

    def _of_kind(self, label: int) -> Iterator[tuple[str, dict]]:
        for end, counter in self._ends.items():
            counts = {key[1:]: count for key, count in counter.items() if key[0] == label}
            largest = sorted(counts.items(), key=lambda address: (-address[1], address[0]))
            named = [[_text(*key), count] for key, count in largest[:NAMED_MAX]]
            all_kept = end not in self._dropped
            yield end, {"named": named, "count": len(counts), "all": all_kept}


def _text(version6: int, high: int, low: int) -> str:
    """Return an address as people write it."""
    if version6:
        return str(ipaddress.IPv6Address((high & _WORD_MASK) << 64 | low & _WORD_MASK))
    return str(ipaddress.IPv4Address(low))
