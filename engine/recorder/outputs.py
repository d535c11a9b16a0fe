"""The outputs of a run, and what a failing one costs.

Rows come in batches and go to every output in turn. Each output counts the rows, alerts and flow
records that are safe in it: a text output at once, Parquet when its footer is written. A row is
written when it is safe in all of them; the others are lost. So rows taken = written + lost, always.

A batch is a transaction of the ledger: what a dead recorder had committed, its replacement goes on
from.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np

from engine.errors import ConfigError, OutputError
from engine.layouts import OUTPUTS_MAX, TAKING, WRITTEN
from engine.recorder.eve import ALERT_EVENT, FLOW_EVENT, eve_fields
from engine.recorder.files import OutputFile, Stream
from engine.recorder.flows_cicflowmeter import CICFLOWMETER_HEADER, CICFLOWMETER_RECORD
from engine.recorder.flows_csv import CSV_RECORD, csv_fields, csv_header
from engine.recorder.flows_nfstream import NFSTREAM_HEADER, NFSTREAM_RECORD
from engine.recorder.flows_parquet import ParquetOutput, require_pyarrow
from engine.recorder.found import Found
from engine.recorder.held import Held, is_final, is_host
from engine.recorder.hosts import HOSTS, HostsOutput
from engine.recorder.ledger import BATCH_ROWS, Ledger
from engine.recorder.people import PEOPLE_ALERT, people_fields
from engine.recorder.schemas import schema_fields
from engine.recorder.template import Field, Renderer
from engine.recorder.template import Lines as Rendered
from engine.recorder.zeek import (
    ZEEK_JSON_RECORD,
    ZEEK_RECORD,
    zeek_fields,
    zeek_footer,
    zeek_header,
)
from engine.rings.plan import RunPlan

EVE, CSV, PARQUET = "eve.json", "flows.csv", "flows.parquet"
STANDARD_OUTPUT = "standard output"


class Lines(NamedTuple):
    """A file of flow records, a line each: how a line is made, what stands before and behind."""

    file: str
    record: str
    fields: Callable[[RunPlan], dict[str, Field]]
    header: Callable[[int], bytes] = lambda now_ns: b""
    footer: Callable[[int], bytes] = lambda now_ns: b""


def _fixed(header: bytes) -> Callable[[int], bytes]:
    return lambda now_ns: header


LINES = {
    "csv": Lines(CSV, CSV_RECORD, csv_fields, _fixed(csv_header())),
    "zeek": Lines("conn.log", ZEEK_RECORD, zeek_fields, zeek_header, zeek_footer),
    "zeek-json": Lines("conn.json", ZEEK_JSON_RECORD, zeek_fields),
    "cicflowmeter": Lines(
        "cicflowmeter.csv", CICFLOWMETER_RECORD, schema_fields, _fixed(CICFLOWMETER_HEADER)
    ),
    "nfstream": Lines("nfstream.csv", NFSTREAM_RECORD, schema_fields, _fixed(NFSTREAM_HEADER)),
}
FORMATS = {"jsonl": EVE, "csv": CSV, "parquet": PARQUET}
# Formats of other programs: no place tells early records, features or the run's order.
FOREIGN = {name: lines.file for name, lines in LINES.items() if name not in FORMATS}
FILES = FORMATS | FOREIGN
WITH_HISTORY = ("zeek", "zeek-json")
# In the ledger. Standard output has the first: there is no file then.
_NUMBERS = {name: number for number, name in enumerate((*FILES.values(), HOSTS))}
assert len(_NUMBERS) == OUTPUTS_MAX


_PER_OUTPUT = ("output_bytes", "output_rows", "output_alerts", "output_flows")


def check_outputs(plan: RunPlan) -> None:
    """Raise ConfigError for outputs that cannot be: before anything is started."""
    for name in plan.flow_formats:
        if name not in FILES:
            raise ConfigError(f"--flows may be {', '.join(FILES)}, is {name!r}")
    if plan.flow_formats and plan.folder is None:
        raise ConfigError("--flows writes files: name their folder with -w DIR")
    if "parquet" in plan.flow_formats:
        require_pyarrow()
    foreign = [name for name in plan.flow_formats if name in FOREIGN]
    if foreign and plan.rows == "all":
        raise ConfigError(f"--early: the records of --flows {foreign[0]} have no place to say it")
    lacking = [name for name in plan.flow_formats if name in WITH_HISTORY]
    if lacking and not plan.config.flow.history:
        raise ConfigError(f"--flows {lacking[0]} needs flow.history, which is off")
    if plan.flow_formats and plan.rows not in ("finals", "all"):
        raise ConfigError(f"--flows needs the rows of finals, the run sends {plan.rows!r}")


@dataclass(frozen=True, slots=True)
class Written:
    """What an output holds at the end."""

    name: str
    bytes: int
    xxh3: str | None  # None: a stream.
    rows: int
    flows: int
    alerts: int


class TextOutput:
    """Lines by a template into a file or stream. Everything written is safe."""

    def __init__(
        self, sink: OutputFile | Stream, renderer: Renderer, shows: str, held: Held
    ) -> None:
        assert set(shows.split()) <= {"alerts", "flows"}
        self.sink = sink
        self.shows = shows
        self.safe = held
        self._renderer = renderer

    @property
    def held(self) -> Held:
        """Return what was written."""
        return self.safe

    def take(self, rows: np.ndarray, wanted: np.ndarray) -> None:
        """Write what rows have to say; `wanted` says which of them are flow records."""
        lines = self._renderer.render(rows)
        before = self.sink.bytes
        try:
            self.sink.write(lines.content)
        except OutputError:
            whole = self._whole_rows(lines, self.sink.bytes - before)
            self.safe.add(rows[:whole], wanted[:whole])
            raise
        self.safe.add(rows, wanted)

    def _whole_rows(self, lines: Rendered, accepted: int) -> int:
        """Return how many rows lie within the bytes that a broken stream had accepted."""
        return int(np.searchsorted(lines.ends, accepted, "right")) - 1 if accepted else 0

    def finish(self) -> None:
        """Do nothing: a line is whole."""

    def settle(self) -> None:
        """Bring everything to the disk."""
        try:
            self.sink.settle()
        except OutputError:
            self.safe = Held()  # Nobody knows what the disk has.
            raise

    def appear(self) -> None:
        """Take the file's own name."""
        self.sink.appear()

    def abandon(self) -> None:
        """Leave a .partial."""
        if not self.sink.abandon():
            self.safe = Held()


class Outputs:
    """All outputs of a run."""

    def __init__(self, plan: RunPlan, waiting, ledger: Ledger | None = None) -> None:
        """Open what the plan asks for, or go on with what `ledger` says is there."""
        check_outputs(plan)
        self._ledger = ledger or Ledger.private("parquet" in plan.flow_formats)
        self._goes_on = self._ledger.recover()
        self.rows = self._ledger["rows"]
        self.given = Held(*(self._ledger[word] for word in ("rows", "alerts", "flows", "hosts")))
        self.found = Found(self._ledger)
        self._flows = bool(plan.flow_formats)
        self._every = plan.rows == "all"
        self._all: list[TextOutput | ParquetOutput] = []
        self._hosts: HostsOutput | None = None
        self._parquet: ParquetOutput | None = None
        self._eve: OutputFile | None = None
        self._footers: list[tuple[OutputFile, Callable[[int], bytes]]] = []
        try:
            if plan.folder is not None:
                self._open_files(plan, plan.folder)
            elif plan.rows != "none":
                self._open_stream(plan, waiting)
            if not self._goes_on:
                self._ledger.begin()
                self._commit(TAKING)
            elif self._ledger["phase"] == TAKING:
                self._advance()  # What a dead one had not come to.
        except BaseException:
            self.abandon()
            raise

    def _open_stream(self, plan: RunPlan, waiting) -> None:
        renderer = Renderer(PEOPLE_ALERT, people_fields(plan), BATCH_ROWS)
        noted = self._ledger.array("stream_bytes", 1)
        committed = int(self._ledger.array("output_bytes", 1)[0])
        out = Stream(1, STANDARD_OUTPUT, waiting, noted, committed)
        self._all.append(TextOutput(out, renderer, "alerts", self._held(STANDARD_OUTPUT)))

    def _open_files(self, plan: RunPlan, folder: str) -> None:
        jsonl = "jsonl" in plan.flow_formats
        template = f"<?is.alert>{ALERT_EVENT}<.>"
        if jsonl:
            template += FLOW_EVENT if self._every else f"<?is.final>{FLOW_EVENT}<.>"
        renderer = Renderer(template, eve_fields(plan), BATCH_ROWS)
        self._eve = self._file(folder, EVE)
        shows = "alerts flows" if jsonl else "alerts"
        self._all.append(TextOutput(self._eve, renderer, shows, self._held(EVE)))
        for name, lines in LINES.items():
            if name in plan.flow_formats:
                self._open_lines(plan, folder, lines)
        if plan.facts:
            self._hosts = HostsOutput(plan, self._file(folder, HOSTS), self._held(HOSTS))
        if "parquet" in plan.flow_formats:
            file, held = self._file(folder, PARQUET), self._held(PARQUET)
            self._parquet = ParquetOutput(plan, file, self._ledger, held)
            self._all.append(self._parquet)

    def _open_lines(self, plan: RunPlan, folder: str, lines: Lines) -> None:
        template = lines.record if self._every else f"<?is.final>{lines.record}<.>"
        renderer = Renderer(template, lines.fields(plan), BATCH_ROWS)
        file = self._file(folder, lines.file)
        self._all.append(TextOutput(file, renderer, "flows", self._held(lines.file)))
        self._footers.append((file, lines.footer))
        if not self._goes_on:
            file.write(lines.header(time.time_ns()))

    def _file(self, folder: str, name: str) -> OutputFile:
        lengths = self._ledger.array("output_bytes", OUTPUTS_MAX)
        return OutputFile(folder, name, int(lengths[_NUMBERS[name]]) if self._goes_on else None)

    def _held(self, name: str) -> Held:
        """Return what the output of that name holds already."""
        at = _NUMBERS.get(name, 0)
        words = _PER_OUTPUT[1:]
        rows, alerts, flows = (int(self._ledger.array(w, OUTPUTS_MAX)[at]) for w in words)
        return Held(rows, alerts, flows, rows if name == HOSTS else 0)

    def _commit(self, phase: int) -> None:
        """Make what was written since the ledger's `begin` count."""
        ledger, given = self._ledger, self.given
        ledger["phase"], ledger["rows"] = phase, self.rows
        ledger["alerts"], ledger["flows"], ledger["hosts"] = given.alerts, given.flows, given.hosts
        lengths, rows, alerts, flows = (ledger.array(word, OUTPUTS_MAX) for word in _PER_OUTPUT)
        for output in self._files:
            at, held = _NUMBERS.get(output.sink.name, 0), output.held
            lengths[at], rows[at] = output.sink.bytes, held.rows
            alerts[at], flows[at] = held.alerts, held.flows
        if self._parquet is not None:
            ledger["pending_first"], ledger["pending"] = self._parquet.pending
        ledger.commit()

    def take(self, rows: np.ndarray) -> None:
        """Write at most BATCH_ROWS rows, and commit them."""
        self._ledger.begin()
        self.rows += len(rows)
        hosts = is_host(rows)
        if hosts.any():
            assert self._hosts is not None, "hosts are listed for runs that write files"
            self._hosts.take(rows[hosts])
            self.given.add_hosts(int(np.count_nonzero(hosts)))
            rows = np.ascontiguousarray(rows[~hosts])
        if len(rows):
            self._take_records(rows)
        self._commit(TAKING)
        self._advance()

    def _advance(self) -> None:
        """Write the groups of Parquet that are full, each with a commit of its own."""
        while self._parquet is not None and self._parquet.advance():
            self._ledger.begin()
            self._commit(TAKING)

    def _take_records(self, rows: np.ndarray) -> None:
        wanted = np.ones(len(rows), bool) if self._every else is_final(rows)
        for output in self._all:
            output.take(rows, wanted)
        self.given.add(rows, wanted if self._flows else wanted[:0])
        self.found.add(rows)

    def complete(self, stats: bytes) -> None:
        """Finish every file, the event log with its stats line, and give them their names."""
        if self._ledger["phase"] != WRITTEN:
            self._finish(stats)
        for output in self._files:
            output.settle()
        for output in self._files:
            output.appear()

    def _finish(self, stats: bytes) -> None:
        if self._eve is not None:
            self._eve.write(stats)
        for file, footer in self._footers:
            file.write(footer(time.time_ns()))
        for output in self._files:
            output.finish()
        self._ledger.begin()
        self._commit(WRITTEN)

    def abandon(self) -> None:
        """Leave every file as .partial."""
        for output in self._files:
            output.abandon()

    @property
    def _files(self) -> list[TextOutput | ParquetOutput | HostsOutput]:
        return [*self._all, *([self._hosts] if self._hosts else [])]

    @property
    def bytes(self) -> int:
        """Return how many bytes all outputs were given."""
        return sum(output.sink.bytes for output in self._files)

    def safe(self) -> Held:
        """Return what is written: safe in every output that shows it."""
        held = [(output.shows, output.safe) for output in self._all]
        hosts = self._hosts.safe.hosts if self._hosts else 0
        records = self.rows - self.given.hosts
        return Held(
            hosts + min((safe.rows for _, safe in held), default=records),
            min((safe.alerts for shows, safe in held if "alerts" in shows), default=0),
            min((safe.flows for shows, safe in held if "flows" in shows), default=0),
            hosts,
        )

    def written(self) -> list[dict]:
        """Return what each output holds, for run.json."""
        return [asdict(_written(output)) for output in self._files]

    def losses(self) -> str:
        """Return a sentence on what was written and what was lost."""
        kept = []
        for output in self._files:
            held = _written(output)
            place = getattr(output.sink, "place", None)
            counts = [f"{held.flows} flow records"] if "flows" in output.shows else []
            counts += [f"{held.alerts} alerts"] if "alerts" in output.shows else []
            counts += [f"{held.rows} hosts"] if "hosts" in output.shows else []
            kept.append(f"{' and '.join(counts)} in {place.name if place else held.name}")
        lost = self.rows - self.safe().rows
        return (
            f"of {self.rows} rows {self.rows - lost} were written, {lost} lost ({'; '.join(kept)})"
        )


def _written(output: TextOutput | ParquetOutput | HostsOutput) -> Written:
    sink, safe = output.sink, output.safe
    return Written(
        sink.name,
        sink.bytes,
        sink.xxh3 if isinstance(sink, OutputFile) else None,
        safe.rows,
        safe.flows if "flows" in output.shows else 0,
        safe.alerts if "alerts" in output.shows else 0,
    )
