"""Read back what can be proved from flow records in the columns of other programs: sums.

conn.log and conn.json (Zeek), cicflowmeter.csv, nfstream.csv have finals only, without features,
order or reasons: `engine check` adds up what they hold and says what it cannot prove from them.
"""

import csv
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from engine.recorder import flows_cicflowmeter, flows_nfstream
from engine.recorder.escape import whole_text
from engine.recorder.outputs import FOREIGN
from engine.recorder.read_back import LINE_BYTES_MAX, BrokenOutputError
from engine.recorder.zeek import ENTRIES

NOT_TOLD = (
    "another program's columns: order, reasons, features, scores and digest cannot be proved from "
    "them (--flows csv or parquet besides)"
)
_ZEEK = ("orig_pkts", "resp_pkts"), ("orig_ip_bytes", "resp_ip_bytes")
_CICFLOWMETER = ("Total Fwd Packet", "Total Bwd packets"), ()  # Its bytes are of the payload.
_NFSTREAM = ("src2dst_packets", "dst2src_packets"), ("src2dst_bytes", "dst2src_bytes")


@dataclass(slots=True)
class ForeignSums:
    """What the records of a file add up to. `bytes` is None where the columns do not tell."""

    records: int = 0
    packets: int = 0
    bytes: int | None = 0


def sums_of(path: Path) -> ForeignSums:
    """Return the sums of a file of outputs.FOREIGN; BrokenOutputError names what is wrong."""
    names = {file: name for name, file in FOREIGN.items()}
    readers = {
        "zeek": (_zeek_records, _ZEEK),
        "zeek-json": (_json_records, _ZEEK),
        "cicflowmeter": (_csv_records(flows_cicflowmeter.NAMES), _CICFLOWMETER),
        "nfstream": (_csv_records(flows_nfstream.NAMES), _NFSTREAM),
    }
    read, (packets, octets) = readers[names[path.name]]
    sums = ForeignSums(bytes=0 if octets else None)
    try:
        with open(path, encoding="utf-8", newline="") as file:
            for number, record in read(path, file):
                try:
                    sums.packets += sum(int(record[name]) for name in packets)
                    if octets:
                        sums.bytes += sum(int(record[name]) for name in octets)
                except (KeyError, ValueError) as error:
                    raise _broken(path, number, f"no whole number: {error}") from None
                sums.records += 1
    except OSError as error:
        raise BrokenOutputError(f"cannot read {whole_text(str(path))}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise BrokenOutputError(f"{whole_text(str(path))} is not UTF-8: {error.reason}") from None
    return sums


def claims_of(path: Path, counters: dict[str, dict[str, int]]) -> Iterator[tuple[str, int, int]]:
    """Yield (what must be equal, the file's sum, the run's counter)."""
    sums, worker, classifier = sums_of(path), counters["worker"], counters["classifier"]
    yield f"{path.name}: records = finals", sums.records, classifier["finals"]
    text = f"{path.name}: packets of records = packets accepted, layers included"
    yield text, sums.packets, worker["accepted"] + worker["layers"]
    if sums.bytes is not None:
        yield f"{path.name}: bytes of records", sums.bytes, classifier["final_bytes"]


def _broken(path: Path, number: int, what: str) -> BrokenOutputError:
    return BrokenOutputError(f"{whole_text(str(path))}, line {number}: {what}")


def _lines(path: Path, file) -> Iterator[tuple[int, str]]:
    for number in itertools.count(1):
        line = file.readline(LINE_BYTES_MAX)
        if not line:
            return
        if not line.endswith("\n"):
            raise _broken(path, number, "the line has no end")
        yield number, line[:-1]


def _zeek_records(path: Path, file) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield records by the field names that the file's own header gives."""
    fields: list[str] = []
    closed = False
    for number, line in _lines(path, file):
        word, *cells = line.split("\t")
        if word == "#fields":
            fields = cells
            if fields != [entry.name for entry in ENTRIES]:
                raise _broken(path, number, "not the recorder's fields")
        closed |= word == "#close"
        if word.startswith("#"):
            continue
        if len(cells) + 1 != len(fields):
            raise _broken(path, number, f"{len(cells) + 1} cells instead of {len(fields)}")
        yield number, dict(zip(fields, (word, *cells), strict=True))
    if not closed:
        raise BrokenOutputError(f"{whole_text(str(path))} has no line #close: cut")


def _json_records(path: Path, file) -> Iterator[tuple[int, dict]]:
    decoder = msgspec.json.Decoder(dict)
    for number, line in _lines(path, file):
        try:
            yield number, decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise _broken(path, number, str(error)) from None


def _csv_records(names: Iterable[str]):
    expected = list(names)

    def read(path: Path, file) -> Iterator[tuple[int, dict[str, str]]]:
        lines = csv.reader((line + "\n" for _, line in _lines(path, file)), strict=True)
        try:
            if next(lines, None) != expected:
                raise _broken(path, 1, "not the columns of this schema")
            for cells in lines:
                if len(cells) != len(expected):
                    told = f"{len(cells)} cells instead of {len(expected)}"
                    raise _broken(path, lines.line_num, told)
                yield lines.line_num, dict(zip(expected, cells, strict=True))
        except csv.Error as error:
            raise _broken(path, lines.line_num, str(error)) from None

    return read
