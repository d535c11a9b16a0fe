"""Flow records as Parquet: the columns of columns.py, typed.

Features are float32, null where they are not valid; times are whole nanoseconds; texts that repeat
are dictionaries. Metadata of the columns: "ipfix", the information element that means the same
(ipfix.py), and of features unit, definition and when they are valid. pyarrow is the extra [lake];
it is imported only when Parquet is asked for.
"""

import contextlib
import importlib.util
import os

import numpy as np

from engine import FINGERPRINT, __version__
from engine.errors import ConfigError, OutputError
from engine.features.catalogue import FEATURES as FEATURE_ROWS
from engine.features.catalogue import NAMES, digest
from engine.layouts import FEATURES, ROW, VALID_WORDS, WRITTEN
from engine.recorder import columns
from engine.recorder.columns import COLUMNS, HEADER, VALID_AT, VECTOR_AT, Column
from engine.recorder.escape import cell_text
from engine.recorder.fields import UNKNOWN, fields, people_text
from engine.recorder.files import OutputFile
from engine.recorder.held import Held
from engine.recorder.identifiers import flow_ids
from engine.recorder.ipfix import INFORMATION_ELEMENTS
from engine.recorder.ledger import GROUP_ROWS, Ledger
from engine.recorder.template import Renderer
from engine.rings.plan import RunPlan

MAGIC = b"PAR1"
_TRAILER_BYTES = 4 + len(MAGIC)  # Behind a footer: its length, the magic.
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


class _Parts:
    """The groups of a file, each with a footer of its own, and at the end one footer over all.

    So whatever length was committed ends with a footer, from which a replacement knows the group
    before it, and so all. Offsets count from the file's beginning, as in any Parquet file; readers
    of the last footer pass over those between.
    """

    def __init__(self, tables: Tables) -> None:
        import pyarrow
        import pyarrow.parquet

        self._arrow, self._parquet = pyarrow, pyarrow.parquet
        self._tables = tables
        self._groups: list = []  # FileMetaData of each part.
        self._plain = pyarrow.schema(
            [
                pyarrow.field(f.name, f.type.value_type)
                if pyarrow.types.is_dictionary(f.type)
                else pyarrow.field(f.name, f.type)
                for f in tables.schema
            ]
        )
        texts = [field.name for field in tables.schema if not _is_number(field.type)]
        self._options = {
            "compression": COMPRESSION,
            "compression_level": 1,
            "use_dictionary": texts,
            "write_statistics": list(columns.COLUMN_NAMES),
        }

    def part(self, rows: np.ndarray, begin: int) -> bytes:
        """Return the part of `rows` that will stand at `begin` in the file."""
        # Texts as texts: Arrow writes some of its heap behind a dictionary that it is given.
        table = self._tables.table(rows).cast(self._plain)
        # A writer begins files at 0 only; its offsets are the descriptor's, moved behind its back.
        descriptor = os.memfd_create("part")
        try:
            with self._arrow.OSFile(f"/proc/self/fd/{descriptor}", "wb") as file:
                options = self._options | {"store_schema": False}
                with self._parquet.ParquetWriter(file, table.schema, **options) as writer:
                    if begin:
                        os.lseek(file.fileno(), begin, os.SEEK_SET)
                    writer.write_table(table)
            size = os.fstat(descriptor).st_size - begin
            content = os.pread(descriptor, size, begin)
            assert len(content) == size
            return content
        finally:
            os.close(descriptor)

    def note(self, part: bytes) -> None:
        """Remember the groups of a part that stands in the file, by its last bytes."""
        footer = part[-_TRAILER_BYTES - _footer_bytes(part) :]
        self._groups.append(self._parquet.read_metadata(self._arrow.BufferReader(footer)))

    def find(self, file: OutputFile) -> None:
        """Find the parts of a file that consists of parts: from the last back to the first."""
        end = file.bytes
        while end:
            trailer = file.tail(end, _TRAILER_BYTES)
            self.note(file.tail(end, _TRAILER_BYTES + _footer_bytes(trailer)))
            column = self._groups[-1].row_group(0).column(0)
            offsets = (column.dictionary_page_offset, column.data_page_offset)
            begin = min(offset for offset in offsets if offset is not None)
            assert len(MAGIC) <= begin < end
            end = 0 if begin == len(MAGIC) else begin
        self._groups.reverse()

    def footer(self) -> bytes:
        """Return what makes one file of the parts; a whole file if there are none."""
        sink = self._arrow.BufferOutputStream()
        self._parquet.ParquetWriter(sink, self._tables.schema, **self._options).close()
        empty = sink.getvalue()
        if not self._groups:
            return empty.to_pybytes()
        whole = self._parquet.read_metadata(self._arrow.BufferReader(empty))
        for group in self._groups:
            whole.append_row_groups(group)
        sink = self._arrow.BufferOutputStream()
        whole.write_metadata_file(sink)
        return sink.getvalue().to_pybytes()


def _footer_bytes(part: bytes) -> int:
    """Return the length of the footer that stands before the trailer at the end of `part`."""
    assert part.endswith(MAGIC)
    return int.from_bytes(part[-_TRAILER_BYTES : -len(MAGIC)], "little")


class ParquetOutput:
    """flows.parquet. Its records count only once the footer is written: before, nobody can read.

    Rows wait in the ledger until they are a group.
    """

    def __init__(self, plan: RunPlan, file: OutputFile, ledger: Ledger, held: Held) -> None:
        self.sink = file
        self.shows = "flows"
        self.safe = Held()
        self.held = held
        self._parts = _Parts(Tables(plan, GROUP_ROWS))
        self._rows = ledger.pending
        self._first, self._count = ledger["pending_first"], ledger["pending"]
        self._finished = ledger["phase"] == WRITTEN
        self._broken = False
        if not self._finished:
            self._parts.find(file)

    @property
    def pending(self) -> tuple[int, int]:
        """Return where the rows that wait begin, and how many there are."""
        return self._first, self._count

    def take(self, rows: np.ndarray, wanted: np.ndarray) -> None:
        """Take rows; `wanted` says which of them are flow records to be written."""
        kept = rows if wanted.all() else rows[wanted]
        self.held.add(rows, wanted)
        assert self._first == 0, "advance() has moved them"
        self._rows[self._count : self._count + len(kept)] = kept
        self._count += len(kept)

    def advance(self) -> bool:
        """Write a group that is full; behind the last, move the rest to the front.

        Return whether there was any such thing to do: it is to be committed then. What the last
        commit relies on stays as it is: bytes are appended, and rows moved to where none waits.
        """
        if self._count >= GROUP_ROWS:
            self._write_group(GROUP_ROWS)
            return True
        if self._first == 0:
            return False
        assert self._count <= self._first
        self._rows[: self._count] = self._rows[self._first : self._first + self._count]
        self._first = 0
        return True

    def _write_group(self, count: int) -> None:
        rows = self._rows[self._first : self._first + count]
        part = self._parts.part(rows, self.sink.bytes)
        self._first += count
        self._count -= count
        self._write(part)
        self._parts.note(part)

    def _write(self, content: bytes) -> None:
        try:
            self.sink.write(content)
        except OutputError:
            self._broken = True
            raise

    def finish(self) -> None:
        """Write what is held back and the footer."""
        while self._count:
            self._write_group(min(self._count, GROUP_ROWS))
        self._write(self._parts.footer())
        self._finished = True

    def settle(self) -> None:
        """Bring the file to the disk."""
        self.sink.settle()
        self.safe = self.held

    def appear(self) -> None:
        """Take the file's own name."""
        self.sink.appear()

    def abandon(self) -> None:
        """Leave a .partial: readable when the footer can still be written."""
        if self.safe is not self.held and not self._broken:
            with contextlib.suppress(OutputError):  # Told already, or the first fault matters.
                if not self._finished:
                    self.finish()
                self.settle()
        if not self.sink.abandon():
            self.safe = Held()


def _is_number(kind) -> bool:
    import pyarrow

    types = pyarrow.types
    return types.is_floating(kind) or types.is_integer(kind) or types.is_timestamp(kind)
