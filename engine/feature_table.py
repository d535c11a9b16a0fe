"""What the features of a finished run look like: how often each is valid, least, middle, largest.

The first thing to ask of a run whose vectors somebody will learn from: a column that is constant
or never valid says that something upstream does not arrive. Exact for any number of records at a
bounded cost: the middle value is found by two passes over the files, the first counts the upper
halves of the values' bits, the second the lower halves within the half that the middle is in.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec
import numpy as np

from engine.errors import ConfigError, EngineError
from engine.features.catalogue import FEATURES, NAMES, digest
from engine.recorder.escape import shown_text, whole_text
from engine.recorder.read_back import flow_files, read_blocks

_HALF_BITS = 16
_HALVES = 1 << _HALF_BITS
_SIGN = np.uint32(1 << 31)


@dataclass(frozen=True, slots=True)
class Summary:
    """One feature over all records. The middle is the lower one of two; None: never valid."""

    name: str
    unit: str
    valid: int
    valid_share: float
    minimum: float | None
    median: float | None
    maximum: float | None

    @property
    def is_constant(self) -> bool:
        """Return whether no two records differ in it."""
        return self.minimum == self.maximum


@dataclass(frozen=True, slots=True)
class Table:
    """All features of a run's flow records. `file`: where they were read from."""

    file: str
    records: int
    features: tuple[Summary, ...]

    @property
    def constant(self) -> tuple[str, ...]:
        """Return the names of the features that are constant or never valid."""
        return tuple(one.name for one in self.features if one.is_constant)


def _ordered(values: np.ndarray) -> np.ndarray:
    """Return float32 as uint32 that compare alike; -0.0 is 0.0."""
    bits = (values + np.float32(0.0)).view(np.uint32)
    return np.where(bits & _SIGN, ~bits, bits | _SIGN)


def _value(ordered: int) -> float:
    bits = ordered & ~int(_SIGN) if ordered & int(_SIGN) else ~ordered & 0xFFFFFFFF
    return float(np.array([bits], np.uint32).view(np.float32)[0])


class _Halves:
    """The first pass: how many values of each feature have which upper half."""

    def __init__(self) -> None:
        self.counts = np.zeros((len(NAMES), _HALVES), np.int64)
        self.least = np.full(len(NAMES), 0xFFFFFFFF, np.int64)
        self.largest = np.full(len(NAMES), -1, np.int64)
        self.records = 0

    def add(self, vector: np.ndarray, valid: np.ndarray) -> None:
        self.records += vector.shape[1]
        for at in np.flatnonzero(valid.any(axis=1)):
            values = _ordered(vector[at, valid[at]]).astype(np.int64)
            self.counts[at] += np.bincount(values >> _HALF_BITS, minlength=_HALVES)
            self.least[at] = min(self.least[at], values.min())
            self.largest[at] = max(self.largest[at], values.max())

    def middles(self) -> tuple[np.ndarray, np.ndarray]:
        """Return for each feature the middle's upper half, and its rank within that half."""
        ranks = (np.maximum(self.counts.sum(axis=1), 1) - 1) // 2
        sums = self.counts.cumsum(axis=1)
        places = np.arange(len(NAMES))
        upper = np.minimum((sums <= ranks[:, None]).sum(axis=1), _HALVES - 1)
        return upper, ranks - (sums[places, upper] - self.counts[places, upper])


def feature_table(folder: str) -> Table:
    """Return what the features of a run's flow records look like, early ones included.

    ConfigError: a folder without flow records; BrokenOutputError: a file that is not whole.
    """
    files = flow_files(Path(folder))
    if not files:
        raise ConfigError(
            f"{whole_text(folder)} has no flow records; make them with "
            "engine run -w DIR --flows parquet, csv or jsonl"
        )
    halves = _Halves()
    for block in _blocks(files[0]):
        halves.add(block.vector, block.valid)
    upper, ranks = halves.middles()
    lower = np.zeros((len(NAMES), _HALVES), np.int64)
    for block in _blocks(files[0]):
        for at in np.flatnonzero(block.valid.any(axis=1)):
            values = _ordered(block.vector[at, block.valid[at]]).astype(np.int64)
            values = values[values >> _HALF_BITS == upper[at]]
            lower[at] += np.bincount(values & (_HALVES - 1), minlength=_HALVES)
    summaries = []
    for at, feature in enumerate(FEATURES):
        count, found = int(halves.counts[at].sum()), (None, None, None)
        if count:
            low = int(np.searchsorted(lower[at].cumsum(), ranks[at], "right"))
            middle = int(upper[at]) << _HALF_BITS | low
            found = tuple(map(_value, (int(halves.least[at]), middle, int(halves.largest[at]))))
        share = count / halves.records if halves.records else 0.0
        summaries.append(Summary(feature.name, feature.unit, count, share, *found))
    return Table(files[0].name, halves.records, tuple(summaries))


def _blocks(path: Path):
    try:
        yield from read_blocks(path)
    except ImportError:
        raise EngineError(
            f"{path.name} needs the extra lake: python -m pip install -e '.[lake]'"
        ) from None


def report(table: Table, json: bool = False) -> str:
    """Return the table for people, or as one JSON object."""
    if json:
        said = {
            "feature_digest": digest(),
            "file": table.file,
            "records": table.records,
            "constant": table.constant,
            "features": [asdict(one) for one in table.features],
        }
        return msgspec.json.format(msgspec.json.encode(said)).decode() + "\n"
    width = max(map(len, NAMES))
    columns = "".join(f"{name:>14}" for name in ("minimum", "median", "maximum"))
    lines = [f"{'':5}  {'feature':{width}}  {'unit':9}{'valid':>9}{columns}"]
    for at, one in enumerate(table.features):
        values = "".join(f"{_shown(v):>14}" for v in (one.minimum, one.median, one.maximum))
        mark = "  constant" if one.is_constant else ""
        share = f"{100 * one.valid_share:.2f} %"
        lines.append(f"{at:5}  {one.name:{width}}  {one.unit:9}{share:>9}{values}{mark}")
    varying = len(table.features) - len(table.constant)
    lines += ["", f"{table.records:,} records of {shown_text(table.file)}: {varying} features vary"]
    return "\n".join(lines) + "\n"


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.6g}"
