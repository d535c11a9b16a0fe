"""Read flow records back from what a run wrote: CSV, Parquet or the flow events of eve.json.

All three give the same blocks: a column is one numpy array, whichever file it came from, so they
can be summed, compared and packed alike. Memory is bounded by the block. A file that is not what
the recorder writes is BrokenOutputError, which names the place.
"""

import csv
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from engine.errors import EngineError
from engine.features.catalogue import NAMES
from engine.layouts import FEATURES
from engine.recorder.columns import COLUMNS, FLOAT, HEADER, INT, SWITCH
from engine.recorder.escape import whole_text
from engine.recorder.outputs import CSV, EVE, FORMATS, PARQUET

BLOCK_ROWS = 4096
LINE_BYTES_MAX = 1 << 20
# Not compared: start and end repeat start_ns and end_ns; a path may be another one for the same
# bytes, and its number is in source_number.
LEFT_OUT = ("start", "end", "source")
WHOLE_NUMBERS = frozenset(
    (*(c.name for c in COLUMNS if c.kind == INT), "flow_id"),
)
SWITCHES = frozenset(c.name for c in COLUMNS if c.kind == SWITCH)
FLOATS = frozenset(c.name for c in COLUMNS if c.kind == FLOAT)
_FEATURES = {name: at for at, name in enumerate(NAMES)}
KEPT = tuple(c.name for c in COLUMNS if c.name not in LEFT_OUT)


class BrokenOutputError(EngineError):
    """A written file that is not what was written."""


@dataclass(frozen=True, slots=True)
class Block:
    """Some records: whole numbers int64, switches bool, floats float32 (NaN: empty), texts object.

    `first` is the number of the first record in its file, counted from 0. `vector` and `valid` are
    (142, n); features that were not asked for are 0.0 and not valid.
    """

    first: int
    columns: dict[str, np.ndarray]
    vector: np.ndarray
    valid: np.ndarray

    def __len__(self) -> int:
        return len(self.columns["record"])


def flow_files(folder: Path) -> list[Path]:
    """Return the folder's files of flow records; eve.json only when it stands alone."""
    tables = [folder / name for name in (PARQUET, CSV) if (folder / name).exists()]
    return tables or [path for path in (folder / EVE,) if path.exists()]


def read_blocks(path: Path, features: Sequence[str] = NAMES) -> Iterator[Block]:
    """Yield the flow records of a file, BLOCK_ROWS at a time, with the features named."""
    readers = {CSV: _csv_blocks, PARQUET: _parquet_blocks, EVE: _eve_blocks}
    assert path.name in FORMATS.values(), path
    try:
        yield from readers[path.name](path, features)
    except OSError as error:
        raise BrokenOutputError(f"cannot read {whole_text(str(path))}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise BrokenOutputError(f"{whole_text(str(path))} is not UTF-8: {error.reason}") from None


def _typed(name: str, cells: Sequence) -> np.ndarray:
    """Return a column of plain values, or of their texts, as an array."""
    if name in _FEATURES:
        return np.array(cells, np.str_).astype(np.float32)
    if name in WHOLE_NUMBERS:
        return np.array(cells, dtype=object).astype(np.int64)
    if name in SWITCHES:
        values = np.array(cells, dtype=object)
        known = {"0": False, "1": True, False: False, True: True}
        return np.array([known[value] for value in values.tolist()], bool)
    if name in FLOATS:
        filled = [np.nan if cell is None or cell == "" else cell for cell in cells]
        return np.array(filled, dtype=object).astype(np.float32)
    empty = [None if cell == "" else cell for cell in cells]
    return np.array(empty, dtype=object)


def _empty_vectors(count: int) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros((FEATURES, count), np.float32), np.zeros((FEATURES, count), bool)


# --- CSV


def _csv_blocks(path: Path, features: Sequence[str]) -> Iterator[Block]:
    with open(path, newline="", encoding="utf-8") as file:
        lines = csv.reader(file, strict=True)
        if next(lines, None) != list(HEADER):
            raise BrokenOutputError(f"{whole_text(str(path))}, line 1: not the recorder's columns")
        first = 0
        while True:
            try:
                rows = list(itertools.islice(lines, BLOCK_ROWS))
            except csv.Error as error:
                raise BrokenOutputError(
                    f"{whole_text(str(path))}, line {lines.line_num}: {error}"
                ) from None
            if not rows:
                break
            yield _csv_block(path, first, rows, features)
            first += len(rows)
        file.buffer.seek(-1, 2)
        if file.buffer.read(1) != b"\n":
            raise BrokenOutputError(f"{whole_text(str(path))} does not end with a line's end: cut")


def _csv_block(path: Path, first: int, rows: list[list[str]], features: Sequence[str]) -> Block:
    for number, row in enumerate(rows):
        if len(row) != len(HEADER):
            raise BrokenOutputError(
                f"{whole_text(str(path))}, record {first + number}: {len(row)} cells "
                f"instead of {len(HEADER)}"
            )
    cells = dict(zip(HEADER, zip(*rows, strict=True), strict=True))
    columns = {}
    for name in KEPT:
        columns[name] = _guarded(path, first, name, cells[name])
    vector, valid = _empty_vectors(len(rows))
    for name in features:
        k = _FEATURES[name]
        texts = np.array(cells[name], np.str_)
        valid[k] = texts != ""
        if valid[k].any():
            filled = np.where(valid[k], texts, "0")
            vector[k] = _guarded(path, first, name, filled)
    return Block(first, columns, vector, valid)


def _guarded(path: Path, first: int, name: str, cells) -> np.ndarray:
    """Return a typed column; BrokenOutputError names the record whose cell is not of its type."""
    try:
        return _typed(name, cells)
    except (ValueError, KeyError, OverflowError):
        for number, cell in enumerate(cells):
            try:
                _typed(name, [cell])
            except (ValueError, KeyError, OverflowError):
                place = f"{whole_text(str(path))}, record {first + number}"
                shown = whole_text(str(cell))
                raise BrokenOutputError(f"{place}: {name} cannot be {shown!r}") from None
        raise


# --- eve.json


_COUNTS = {
    "fwd_packets": "pkts_toserver",
    "bwd_packets": "pkts_toclient",
    "fwd_bytes": "bytes_toserver",
    "bwd_bytes": "bytes_toclient",
}
_ENDS = {"initiator": "src_ip", "responder": "dest_ip", "version": "ip_v"}


class _Flow(msgspec.Struct, rename=_COUNTS):
    fwd_packets: int
    bwd_packets: int
    fwd_bytes: int
    bwd_bytes: int


class _Ours(msgspec.Struct):
    record: str
    reason: str
    sequence: int
    uid: str
    service: str
    protocol: int
    initiator_port: int
    responder_port: int
    one_way: bool
    continued: bool
    record_time_ns: int
    order_class: int
    order_rank: int
    position_ns: int
    position_reference: int
    start_ns: int
    end_ns: int
    source_number: int
    first_offset: int
    alert: bool
    features: dict[str, float]
    score: float | None = None
    threshold: float | None = None
    label: str | None = None


class _Event(msgspec.Struct, rename=_ENDS):
    flow_id: int
    initiator: str
    responder: str
    version: int
    community_id: str
    flow: _Flow
    ml: _Ours
    vlan: list[int] = []


class _Kind(msgspec.Struct):
    event_type: str


_KIND = msgspec.json.Decoder(_Kind)
_EVENT = msgspec.json.Decoder(_Event)
_OF_EVENT = ("version", "initiator", "responder", "flow_id", "community_id")


def eve_lines(path: Path) -> Iterator[tuple[int, str, bytes]]:
    """Yield (line number from 1, event type, line) of an event log."""
    with open(path, "rb") as file:
        for number in itertools.count(1):
            line = file.readline(LINE_BYTES_MAX)
            if not line:
                return
            place = f"{whole_text(str(path))}, line {number}"
            if not line.endswith(b"\n"):
                raise BrokenOutputError(f"{place}: the line has no end")
            try:
                yield number, _KIND.decode(line).event_type, line
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise BrokenOutputError(f"{place}: {error}") from None


def _eve_blocks(path: Path, features: Sequence[str]) -> Iterator[Block]:
    first = 0
    flows = (entry for entry in eve_lines(path) if entry[1] == "flow")
    while batch := list(itertools.islice(flows, BLOCK_ROWS)):
        events = []
        for number, _, line in batch:
            try:
                events.append(_EVENT.decode(line))
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                place = f"{whole_text(str(path))}, line {number}"
                raise BrokenOutputError(f"{place}: {error}") from None
        yield _eve_block(path, first, events, features)
        first += len(events)


def _eve_block(path: Path, first: int, events: list[_Event], features: Sequence[str]) -> Block:
    columns = {}
    for name in KEPT:
        if name == "vlan":
            cells = [event.vlan[0] if event.vlan else 0 for event in events]
        elif name in _OF_EVENT:
            cells = [getattr(event, name) for event in events]
        elif name in _COUNTS:
            cells = [getattr(event.flow, name) for event in events]
        else:
            cells = [getattr(event.ml, name) for event in events]
        columns[name] = _guarded(path, first, name, cells)
    vector, valid = _empty_vectors(len(events))
    wanted = frozenset(features)
    for number, event in enumerate(events):
        for name, value in event.ml.features.items():
            if name not in _FEATURES:
                place = f"{whole_text(str(path))}, record {first + number}"
                raise BrokenOutputError(f"{place}: no feature is named {name!r}")
            if name in wanted:
                vector[_FEATURES[name], number] = value
                valid[_FEATURES[name], number] = True
    return Block(first, columns, vector, valid)


# --- Parquet


def _parquet_blocks(path: Path, features: Sequence[str]) -> Iterator[Block]:
    import pyarrow
    import pyarrow.parquet

    wanted = [*KEPT, *features]
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            if tuple(file.schema_arrow.names) != HEADER:
                raise BrokenOutputError(f"{whole_text(str(path))}: not the recorder's columns")
            first = 0
            for batch in file.iter_batches(BLOCK_ROWS, columns=wanted):
                yield _parquet_block(first, batch, features)
                first += batch.num_rows
    except pyarrow.ArrowException as error:
        reason = str(error).partition("\n")[0]
        raise BrokenOutputError(f"{whole_text(str(path))}: {reason}") from None


def _parquet_block(first: int, batch, features: Sequence[str]) -> Block:
    columns = {}
    for name in KEPT:
        column = batch.column(name)
        if name in FLOATS:
            columns[name] = column.to_numpy(zero_copy_only=False).astype(np.float32)
        elif name in WHOLE_NUMBERS:
            columns[name] = column.to_numpy(zero_copy_only=False).astype(np.int64)
        else:
            values = np.array(column.to_pylist(), dtype=object)
            columns[name] = values.astype(bool) if name in SWITCHES else values
    vector, valid = _empty_vectors(batch.num_rows)
    for name in features:
        column = batch.column(name)
        vector[_FEATURES[name]] = column.fill_null(0.0)
        valid[_FEATURES[name]] = column.is_valid()
    return Block(first, columns, vector, valid)
