"""`engine diff A B`: where the flow records of two runs part.

Both are read in the run's own order (SEMANTICS.rst), in blocks, whatever their format: a record of
one with no record of the same place in the other is missing there; two of the same place are
compared column by column, features and validity included. Paths of sources are not compared: the
same capture may have another name; its number and offsets are.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np

from engine.errors import ConfigError
from engine.features.catalogue import NAMES
from engine.recorder.escape import shown_text, whole_text
from engine.recorder.evidence import ORDER, SOURCE_BITS
from engine.recorder.outputs import EVE, FOREIGN
from engine.recorder.read_back import KEPT, Block, flow_files, read_blocks
from engine.recorder.run_json import RUN_JSON, RunRecord

FIELDS_SHOWN = 12


@dataclass(slots=True)
class Difference:
    """What is equal and what is not. `first` describes the first record that differs."""

    equal: int = 0
    differing: int = 0
    only_a: int = 0
    only_b: int = 0
    first: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """Return 1 when anything differs."""
        return int(bool(self.differing or self.only_a or self.only_b))

    def text(self) -> str:
        """Return the outcome for people."""
        counts = (
            f"{self.equal:,} records are equal, {self.differing:,} differ, "
            f"{self.only_a:,} are only in A, {self.only_b:,} only in B"
        )
        return "\n".join([*map(shown_text, self.first), counts]) + "\n"


class _Side:
    """One run's records, and how far they have been taken."""

    def __init__(self, blocks: Iterator[Block], separate: bool) -> None:
        self._blocks = blocks
        self._separate = separate
        self.block: Block | None = None
        self.keys = np.zeros((0, 0), np.int64)
        self.at = 0
        self.take(0)

    def take(self, count: int) -> None:
        """Go on by `count` records of the block, to the next block at its end."""
        self.at += count
        while self.block is None or self.at == len(self.block):
            self.block = next(self._blocks, None)
            self.at = 0
            if self.block is None:
                return
            keys = [self.block.columns[name] for name in ORDER]
            if self._separate:
                keys.insert(0, self.block.columns["position_reference"] >> SOURCE_BITS)
            self.keys = np.array(keys, np.int64)

    @property
    def left(self) -> int:
        """Return how many records of the block are not taken; 0 at the end of all."""
        return 0 if self.block is None else len(self.block) - self.at

    def key(self) -> tuple[int, ...]:
        """Return the place of the next record in the run's order."""
        return tuple(self.keys[:, self.at].tolist())


def diff_folders(a: str, b: str) -> Difference:
    """Compare the flow records of two run folders."""
    records = [_run_record(folder) for folder in (a, b)]
    for name in ("feature_digest", "separate", "score"):
        values = [getattr(record, name) for record in records if record is not None]
        if len(set(values)) > 1:
            raise ConfigError(f"the runs cannot be compared: {name} is {values[0]} and {values[1]}")
    separate = any(record.separate for record in records if record is not None)
    sides = [_Side(read_blocks(_flow_file(folder)), separate) for folder in (a, b)]
    return _compare(*sides)


def _run_record(folder: str) -> RunRecord | None:
    try:
        return msgspec.json.decode((Path(folder) / RUN_JSON).read_bytes(), type=RunRecord)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None  # The records alone can be compared.


def _flow_file(folder: str) -> Path:
    path = Path(folder)
    if not path.is_dir():
        raise ConfigError(f"{whole_text(folder)} is not a folder that a run has written")
    for file in flow_files(path):
        if file.name != EVE or any(len(block) for block in read_blocks(file, features=())):
            return file
    others = [name for name in FOREIGN.values() if (path / name).exists()]
    if others:
        raise ConfigError(
            f"{whole_text(folder)} has flow records in other programs' columns alone "
            f"({', '.join(others)}), which do not tell the run's order: run with --flows csv"
        )
    raise ConfigError(f"{whole_text(folder)} has no flow records: run with --flows")


def _compare(a: _Side, b: _Side) -> Difference:
    found = Difference()
    while a.left and b.left:
        count = min(a.left, b.left)
        same = (a.keys[:, a.at : a.at + count] == b.keys[:, b.at : b.at + count]).all(axis=0)
        paired = count if same.all() else int(np.argmin(same))
        if paired:
            _compare_pairs(found, a, b, paired)
            a.take(paired)
            b.take(paired)
        elif a.key() < b.key():
            _alone(found, "A", a)
        else:
            _alone(found, "B", b)
    while a.left:
        _alone(found, "A", a, a.left)
    while b.left:
        _alone(found, "B", b, b.left)
    return found


def _alone(found: Difference, name: str, side: _Side, count: int = 1) -> None:
    """Count records that only one run has."""
    if not found.first:
        found.first = [f"first difference: a record that is only in {name}", *_identity(side, 0)]
    if name == "A":
        found.only_a += count
    else:
        found.only_b += count
    side.take(count)


def _columns(side: _Side, count: int) -> dict[str, np.ndarray]:
    return {name: side.block.columns[name][side.at : side.at + count] for name in KEPT}


def _unequal(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    unequal = np.asarray(one != other, bool)
    if one.dtype == np.float32:
        unequal &= ~(np.isnan(one) & np.isnan(other))  # Both empty.
    return unequal


def _compare_pairs(found: Difference, a: _Side, b: _Side, count: int) -> None:
    """Compare `count` records that stand at the same places."""
    ours, theirs = _columns(a, count), _columns(b, count)
    unequal = np.zeros(count, bool)
    for name in KEPT:
        unequal |= _unequal(ours[name], theirs[name])
    one, other = slice(a.at, a.at + count), slice(b.at, b.at + count)
    unequal |= (a.block.valid[:, one] != b.block.valid[:, other]).any(axis=0)
    unequal |= (a.block.vector[:, one] != b.block.vector[:, other]).any(axis=0)
    differing = int(np.count_nonzero(unequal))
    found.differing += differing
    found.equal += count - differing
    if differing and not found.first:
        found.first = _describe(a, b, int(np.argmax(unequal)))


def _identity(side: _Side, ahead: int) -> list[str]:
    """Return the lines that say which record it is."""
    at = side.at + ahead
    shown = {name: side.block.columns[name][at] for name in KEPT}
    ends = (
        f"{shown['initiator']} port {shown['initiator_port']} > "
        f"{shown['responder']} port {shown['responder_port']}"
    )
    return [
        f"  record {side.block.first + at}: {shown['record']} ({shown['reason']}), "
        f"protocol {shown['protocol']}, {ends}, sequence {shown['sequence']}, "
        f"time {shown['record_time_ns']} ns, flow {shown['uid']}"
    ]


def _describe(a: _Side, b: _Side, ahead: int) -> list[str]:
    """Return the first differing record, field by field."""
    lines = ["first difference: a record that both have", *_identity(a, ahead)]
    one, other = a.at + ahead, b.at + ahead
    fields = []
    for name in KEPT:
        ours, theirs = a.block.columns[name], b.block.columns[name]
        if _unequal(ours[one : one + 1], theirs[other : other + 1])[0]:
            fields.append((name, ours[one], theirs[other]))
    for k, name in enumerate(NAMES):
        ours, theirs = _feature(a.block, k, one), _feature(b.block, k, other)
        if ours != theirs:
            fields.append((name, ours, theirs))
    for name, ours, theirs in fields[:FIELDS_SHOWN]:
        lines.append(f"    {name}: A {ours}, B {theirs}")
    if len(fields) > FIELDS_SHOWN:
        lines.append(f"    and {len(fields) - FIELDS_SHOWN} more fields")
    return lines


def _feature(block: Block, feature: int, at: int) -> str:
    """Return a feature's value as text, or that it is not valid."""
    return str(block.vector[feature, at]) if block.valid[feature, at] else "not valid"
