"""What a row is to an output, and how many of each it holds."""

from dataclasses import dataclass

import numpy as np

from engine.layouts import ROW

_HEAD, _REASON_MASK = ROW.index("head"), ROW.mask("head", "reason")
_REASON_SHIFT = ROW.shift("head", "reason")
_HOST_SHIFT = ROW.shift("verdict", "host")
_VERDICT, ALERT_SHIFT = ROW.index("verdict"), ROW.shift("verdict", "alert")


def is_final(rows: np.ndarray) -> np.ndarray:
    """Return which rows are final records."""
    return (rows[:, _HEAD] >> _REASON_SHIFT) & _REASON_MASK != 0


def is_alert(rows: np.ndarray) -> np.ndarray:
    """Return which rows are alerts."""
    return (rows[:, _VERDICT] >> ALERT_SHIFT) & 1 != 0


def is_host(rows: np.ndarray) -> np.ndarray:
    """Return which rows are no records, but hosts."""
    return (rows[:, _VERDICT] >> _HOST_SHIFT) & 1 != 0


@dataclass(slots=True)
class Held:
    """How many rows an output holds, and how many alerts, flow records and hosts these are."""

    rows: int = 0
    alerts: int = 0
    flows: int = 0
    hosts: int = 0

    def add(self, rows: np.ndarray, wanted: np.ndarray) -> None:
        """Count rows; `wanted` says which are flow records."""
        self.rows += len(rows)
        self.alerts += int(np.count_nonzero(is_alert(rows)))
        self.flows += int(np.count_nonzero(wanted))

    def add_hosts(self, count: int) -> None:
        """Count rows that are hosts."""
        self.rows += count
        self.hosts += count
