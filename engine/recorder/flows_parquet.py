"""Flow records as Parquet: the columns of columns.py, typed.

Features are float32, null where they are not valid; times are whole nanoseconds; texts that repeat
are dictionaries. Metadata of the columns: "ipfix", the information element that means the same
(ipfix.py), and of features unit, definition and when they are valid. pyarrow is the extra [lake];
it is imported only when Parquet is asked for.
"""

import contextlib
import importlib.util

import numpy as np

from engine import FINGERPRINT, __version__
from engine.errors import ConfigError, OutputError
from engine.features.catalogue import FEATURES as FEATURE_ROWS
from engine.features.catalogue import NAMES, digest
from engine.layouts import FEATURES, ROW, VALID_WORDS
from engine.recorder import columns
from engine.recorder.columns import COLUMNS, HEADER, VALID_AT, VECTOR_AT, Column
from engine.recorder.escape import cell_text
from engine.recorder.fields import UNKNOWN, fields, people_text
from engine.recorder.files import OutputFile
from engine.recorder.held import Held
from engine.recorder.identifiers import flow_ids
from engine.recorder.ipfix import INFORMATION_ELEMENTS
from engine.recorder.template import Renderer
from engine.rings.plan import RunPlan

GROUP_ROWS = 16_384
SCHEMA_VERSION = "1"  # Of columns and metadata; another number where a reader must know of it.
_FEATURES = {name: at for at, name in enumerate(NAMES)}
COMPRESSION = "zstd"
FLOW_ID = "flow_id"
_SCORED = ROW.index("verdict"), ROW.shift("verdict", "scored")


def require_pyarrow() -> None:
    """Raise ConfigError where the extra that writes Parquet is not installed."""
    if importlib.util.find_spec("pyarrow") is None:
        raise ConfigError(
            "--flows parquet needs pyarrow, which is not installed: "
            "pip install 'ml-defender[lake]', or take --flows csv"
        )


def column_values(column: Column, rows: np.ndarray) -> np.ndarray:
    """Return a column's int64 numbers."""
    values = rows[:, column.word] >> column.shift
    if column.mask:
        values = values & column.mask
    return column.base + column.step * values


def valid_bits(rows: np.ndarray) -> np.ndarray:
    """Return (142, n) booleans: which features of which row are valid."""
    words = np.ascontiguousarray(rows[:, VALID_AT : VALID_AT + VALID_WORDS])
    bits = np.unpackbits(words.view(np.uint8), axis=1, bitorder="little")
    return bits[:, :FEATURES].T.astype(bool)


def vectors(rows: np.ndarray) -> np.ndarray:
    """Return (142, n) float32: the vectors, a feature a line."""
    words = rows[:, VECTOR_AT : VECTOR_AT + FEATURES // 2]
    return np.ascontiguousarray(np.ascontiguousarray(words).view(np.float32).T)


def field_metadata(name: str) -> dict[str, str]:
    """Return what the file says of a column: its IPFIX element; of a feature what it is."""
    said = {"ipfix": INFORMATION_ELEMENTS[name]} if name in INFORMATION_ELEMENTS else {}
    if name in _FEATURES:
        feature = FEATURE_ROWS[_FEATURES[name]]
        said |= {"unit": feature.unit, "definition": feature.definition}
        said |= {"valid_when": feature.valid_when}
    return said


class Tables:
    """Turns rows into Arrow tables."""

    def __init__(self, plan: RunPlan, rows_max: int) -> None:
        import pyarrow

        self._arrow = pyarrow
        named = fields(
            plan.sources, plan.labels, people_text, plan.config.recorder.community_id_seed
        )
        self._rendered = {
            column.name: Renderer(f"<{column.name}>", named, rows_max)
            for column in COLUMNS
            if column.kind == columns.RENDERED and column.name != FLOW_ID
        }
        sources = tuple(map(cell_text, plan.sources))
        self._choices = {"source": (*sources, UNKNOWN), "label": (*plan.labels, UNKNOWN)}
        empty = self.table(np.zeros((0, ROW.words), np.int64))
        described = pyarrow.schema([f.with_metadata(field_metadata(f.name)) for f in empty.schema])
        self.schema = described.with_metadata(
            {
                "schema_version": SCHEMA_VERSION,
                "feature_digest": digest(),
                "run": plan.run,
                "engine_version": __version__,
                "engine_fingerprint": FINGERPRINT,
                "model": plan.model,
                "model_version": plan.model_version,
            }
        )

    def table(self, rows: np.ndarray):
        """Return the rows as an Arrow table."""
        arrays = [self._column(column, rows) for column in COLUMNS]
        values, valid = vectors(rows), valid_bits(rows)
        bitmaps = np.packbits(valid, axis=1, bitorder="little")
        arrays += [self._feature(values[k], bitmaps[k]) for k in range(FEATURES)]
        return self._arrow.Table.from_arrays(arrays, names=list(HEADER))

    def _feature(self, values: np.ndarray, bitmap: np.ndarray):
        arrow = self._arrow
        buffers = [arrow.py_buffer(np.ascontiguousarray(bitmap)), arrow.py_buffer(values)]
        return arrow.Array.from_buffers(arrow.float32(), len(values), buffers)

    def _column(self, column: Column, rows: np.ndarray):
        arrow = self._arrow
        empty = None
        if column.scored:
            empty = (rows[:, _SCORED[0]] >> _SCORED[1]) & 1 == 0
        if column.name == FLOW_ID:
            return arrow.array(flow_ids(np.ascontiguousarray(rows)))
        if column.kind == columns.RENDERED:
            return self._text(self._rendered[column.name], rows)
        values = column_values(column, rows)
        if column.kind == columns.TEXT:
            return self._choice(column, values, empty)
        if column.kind == columns.FLOAT:
            low = (rows[:, column.word] >> column.shift).astype(np.uint32)
            return arrow.array(low.view(np.float32), mask=empty)
        if column.kind == columns.TIME:
            return arrow.array(values, arrow.timestamp("ns", "UTC"))
        if column.kind == columns.SWITCH:
            return arrow.array(values.astype(bool))
        narrow = 0 < column.mask <= 0xFFFF
        return arrow.array(values.astype(np.int32 if narrow else np.int64))

    def _choice(self, column: Column, values: np.ndarray, empty):
        texts = self._choices.get(column.name) or (*column.choices, UNKNOWN)
        places = np.minimum(values, len(texts) - 1).astype(np.int32)
        indices = self._arrow.array(places, mask=empty)
        return self._arrow.DictionaryArray.from_arrays(indices, self._arrow.array(texts))

    def _text(self, renderer: Renderer, rows: np.ndarray):
        lines = renderer.render(np.ascontiguousarray(rows))
        offsets = self._arrow.py_buffer(lines.ends.astype(np.int32))
        content = self._arrow.py_buffer(bytes(lines.content))
        return self._arrow.StringArray.from_buffers(len(rows), offsets, content)


class _Sink:
    """An OutputFile as pyarrow wants a file. What went wrong in it is kept."""

    def __init__(self, file: OutputFile) -> None:
        self.closed = False
        self.error: OutputError | None = None
        self._file = file

    def write(self, content) -> int:
        """Append `content`."""
        try:
            self._file.write(content)
        except OutputError as error:
            self.error = self.error or error
            raise
        return len(content)

    def tell(self) -> int:
        """Return how many bytes there are."""
        return self._file.bytes

    def flush(self) -> None:
        """Do nothing: nothing is held back."""

    def close(self) -> None:
        """Take no more."""
        self.closed = True


class ParquetOutput:
    """flows.parquet. Its records count only once the footer is written: before, nobody can read."""

    def __init__(self, plan: RunPlan, file: OutputFile) -> None:
        import pyarrow.parquet

        self.sink = file
        self.shows = "flows"
        self.safe = Held()
        self._tables = Tables(plan, GROUP_ROWS)
        self._pending = np.zeros((GROUP_ROWS, ROW.words), np.int64)
        self._count = 0
        self._file = _Sink(file)
        self._given = Held()
        texts = [field.name for field in self._tables.schema if not _is_number(field.type)]
        self._writer = pyarrow.parquet.ParquetWriter(
            self._file,
            self._tables.schema,
            compression=COMPRESSION,
            compression_level=1,
            use_dictionary=texts,
            write_statistics=list(columns.COLUMN_NAMES),
        )

    def take(self, rows: np.ndarray, wanted: np.ndarray) -> None:
        """Take rows; `wanted` says which of them are flow records to be written."""
        kept = rows if wanted.all() else rows[wanted]
        self._given.add(rows, wanted)
        while len(kept):
            part = kept[: GROUP_ROWS - self._count]
            self._pending[self._count : self._count + len(part)] = part
            self._count += len(part)
            kept = kept[len(part) :]
            if self._count == GROUP_ROWS:
                self._write_group()

    def _write_group(self) -> None:
        table = self._tables.table(self._pending[: self._count])
        self._count = 0
        self._guard(lambda: self._writer.write_table(table))

    def _guard(self, act) -> None:
        """Run `act`; what the file could not take is raised as the OutputError it was."""
        try:
            act()
        except Exception:
            if self._file.error is not None:
                raise self._file.error from None
            raise
        if self._file.error is not None:
            raise self._file.error

    def settle(self) -> None:
        """Write what is held back and the footer; bring the file to the disk."""
        if self._count:
            self._write_group()
        self._guard(self._writer.close)
        self.sink.settle()
        self.safe = self._given

    def appear(self) -> None:
        """Take the file's own name."""
        self.sink.appear()

    def abandon(self) -> None:
        """Leave a .partial: readable when the footer can still be written."""
        if self.safe is not self._given and self._file.error is None:
            with contextlib.suppress(OutputError):  # Told already, or the first fault matters.
                self.settle()
        if not self.sink.abandon():
            self.safe = Held()


def _is_number(kind) -> bool:
    import pyarrow

    types = pyarrow.types
    return types.is_floating(kind) or types.is_integer(kind) or types.is_timestamp(kind)
