"""Vary vectors as another laboratory would: other payload sizes, other pace.

Exact sizes name the software of a laboratory (one version of an SSH server answers with 952 bytes),
not the attack. Each copy of a record has its payload of each direction scaled by a factor of its
own, and its times by a third; headers and counts stay, what is computed from both is computed anew.
Extrema and deviations are scaled likewise, which is right but for packets that stay whole.
"""

import numpy as np

from engine.features.catalogue import index

PAYLOAD_SPREAD = 0.1  # Deviation of the logarithm of a payload factor.
TIME_SPREAD = 0.3  # Likewise of times.

_TIMES = [index("duration_us")] + [
    index(f"{state}_{statistic}_us")
    for state in ("active", "idle")
    for statistic in ("mean", "std", "max", "min")
]


def varied(vectors: np.ndarray, dice: np.random.Generator) -> np.ndarray:
    """Return a varied copy of vectors (n, 142)."""
    out = vectors.astype(np.float64)
    factors = np.exp(dice.normal(0, PAYLOAD_SPREAD, (2, len(out))))
    pace = np.exp(dice.normal(0, TIME_SPREAD, len(out)))
    columns = _Columns(out)
    for side, factor in zip(("fwd", "bwd"), factors, strict=True):
        _scale_payload(columns, side, factor)
    _join_sides(columns, factors)
    out[:, _TIMES] *= pace[:, None]
    return out.astype(np.float32)


class _Columns:
    """Columns of a matrix of vectors by their features' names."""

    def __init__(self, matrix: np.ndarray) -> None:
        self._matrix = matrix

    def __getitem__(self, name: str) -> np.ndarray:
        return self._matrix[:, index(name)]

    def __setitem__(self, name: str, values: np.ndarray) -> None:
        self._matrix[:, index(name)] = values


def _scale_payload(columns: _Columns, side: str, factor: np.ndarray) -> None:
    packets = np.maximum(columns[f"{side}_packet_count"], 1)
    header = columns[f"{side}_header_byte_count"] / packets
    before = np.maximum(columns[f"{side}_byte_count"], 1)
    payload = np.round(columns[f"{side}_payload_byte_count"] * factor)
    total = columns[f"{side}_header_byte_count"] + payload
    columns[f"{side}_payload_byte_count"] = payload
    columns[f"{side}_byte_count"] = total
    columns[f"{side}_payload_length_mean"] = payload / packets
    columns[f"{side}_packet_length_mean"] = total / packets
    for extreme in ("min", "max"):
        length = columns[f"{side}_packet_length_{extreme}"]
        grown = np.round(header + (length - header) * factor)
        columns[f"{side}_packet_length_{extreme}"] = np.where(length > header, grown, length)
    columns[f"{side}_packet_length_std"] *= factor
    columns[f"subflow_{side}_byte_count_mean"] *= total / before
    columns[f"{side}_bulk_byte_count_mean"] *= factor


def _join_sides(columns: _Columns, factors: np.ndarray) -> None:
    """Compute what is of both directions."""
    forward, backward = columns["fwd_byte_count"], columns["bwd_byte_count"]
    columns["byte_count"] = forward + backward
    columns["bwd_fwd_byte_ratio_log2"] = np.log2((backward + 1) / (forward + 1))
    columns["packet_length_mean"] = (forward + backward) / np.maximum(columns["packet_count"], 1)
    columns["packet_length_std"] *= np.sqrt(factors[0] * factors[1])
    columns["packet_length_variance"] = columns["packet_length_std"] ** 2
    for extreme, of in (("min", np.minimum), ("max", np.maximum)):
        one, other = (columns[f"{side}_packet_length_{extreme}"] for side in ("fwd", "bwd"))
        both = (columns["fwd_packet_count"] > 0) & (columns["bwd_packet_count"] > 0)
        columns[f"packet_length_{extreme}"] = np.where(both, of(one, other), one + other)
