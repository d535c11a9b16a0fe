"""`engine check`: prove a run's accounting, from its written files alone or while it runs.

A finding is *proved*, *wrong*, or *open*: something that these files cannot show, with what would.
The equations are those of README.rst, "The accounting"; each is a line of equations.py. A running
engine's counters are words that move while they are read: equations are exact only at a quiet
moment, before that a stage may at most be behind the one before it (in flight).
"""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import xxhash

from engine.equations import ENDS, EQUATIONS, Equation
from engine.errors import ConfigError, SegmentError
from engine.features.catalogue import NAMES
from engine.flows.witness import outside_of_table
from engine.recorder.escape import shown_text, whole_text
from engine.recorder.evidence import TWICE_TOLD, RunDigest, Sums
from engine.recorder.files import PARTIAL
from engine.recorder.host_lines import host_lines
from engine.recorder.hosts import HOSTS
from engine.recorder.outputs import EVE, FILES, FOREIGN
from engine.recorder.read_back import BrokenOutputError, eve_lines, read_blocks
from engine.recorder.read_foreign import NOT_TOLD, claims_of
from engine.recorder.run_json import ORPHANED, RUN_JSON, SCHEMA, RunRecord
from engine.rings.segment import Segment, segment_name
from engine.rings.statistics import Statistics, stage_of

PROVED, WRONG, OPEN = "proved", "wrong", "open"
FAULTS_SHOWN = 5
_REASON_OF = dict(zip(ENDS, ("idle", "active", "end", "forced", "lack_of_resources"), strict=True))


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    verdict: str
    text: str


def is_wrong(findings: list[Finding]) -> bool:
    """Return whether anything was found wrong."""
    return any(finding.verdict == WRONG for finding in findings)


def report(findings: list[Finding]) -> str:
    """Return the findings for people, a line each, what is wrong last."""
    order = {PROVED: 0, OPEN: 1, WRONG: 2}
    by_verdict = sorted(findings, key=lambda finding: order[finding.verdict])
    lines = [f"{finding.verdict:7} {shown_text(finding.text)}" for finding in by_verdict]
    counts = {verdict: sum(f.verdict == verdict for f in findings) for verdict in order}
    lines.append(", ".join(f"{count} {verdict}" for verdict, count in counts.items()))
    return "\n".join(lines) + "\n"


def _compare(text: str, left: int, right: int) -> Finding:
    if left == right:
        return Finding(PROVED, f"{text}: {left:,}")
    return Finding(WRONG, f"{text}: {left:,} against {right:,}, {abs(left - right):,} apart")


def _sum(totals: dict[str, dict[str, int]], names: tuple[str, ...]) -> int:
    return sum(totals[stage][name] for stage, name in (n.split(".") for n in names))


def _applies(equation: Equation, properties: set[str]) -> bool:
    return not equation.when or equation.when in properties


def _balance(totals: dict[str, dict[str, int]], properties: set[str]) -> Iterator[Finding]:
    """Yield the equations, exact."""
    for equation in EQUATIONS:
        if _applies(equation, properties):
            yield _compare(equation.text, _sum(totals, equation.left), _sum(totals, equation.right))


# --- A running engine


def check_live(run: str, attempts: int = 3) -> list[Finding]:
    """Return what a running engine's counters show."""
    statistics = Statistics.attach(run)
    try:
        for _ in range(attempts):
            # Downstream first: what is taken is then never more than what was sent.
            lines = list(reversed(statistics.processes()))
            pids = statistics.pids_at_work()
            totals = _totals({line.name: line.values() for line in lines})
            again = _totals({line.name: line.values() for line in lines})
            if pids is None or statistics.pids_at_work() != pids:
                return [
                    Finding(OPEN, "a process is being replaced: until then its counts are behind"),
                    *_live_balance(totals, quiet=False),
                ]
            if again == totals:
                return [
                    Finding(PROVED, "nothing moved while it was read: the sums are exact"),
                    *_live_balance(totals, quiet=True),
                    *_live_tables(run, statistics),
                ]
        return [
            Finding(OPEN, "the engine is at work: equal sums are shown by `engine check DIR`"),
            *_live_balance(totals, quiet=False),
            *_live_tables(run, statistics),
        ]
    finally:
        statistics.segment.close()


def _live_tables(run: str, statistics: Statistics) -> Iterator[Finding]:
    """Yield whether what workers counted stands in their tables; a table is never behind."""
    for number in range(statistics["workers"]):
        line = statistics.process(f"worker.{number}")
        counters = line.values()  # Before the table is read: it comes first when counting.
        try:
            table = Segment.attach(segment_name(run, "table", number), "table")
        except SegmentError:  # It is made after the statistics, and taken away before them.
            yield Finding(OPEN, f"{line.name}: it has no flow table to compare with")
            continue
        try:
            outside = list(outside_of_table(line.name, counters, table.words))
        finally:
            table.close()
        yield from (Finding(WRONG, text) for text in outside)
        if not outside:
            yield Finding(PROVED, f"{line.name}: what it counted stands in its flow table")


def _live_balance(totals: dict[str, dict[str, int]], quiet: bool) -> Iterator[Finding]:
    for equation in EQUATIONS:
        if equation.when:
            continue
        left, right = _sum(totals, equation.left), _sum(totals, equation.right)
        missing = left - right
        if missing == 0:
            yield Finding(PROVED, f"{equation.text}: {left:,}")
        elif equation.flows and missing > 0:
            yield Finding(OPEN, f"{equation.text}: {left:,}, {missing:,} of them in flight")
        elif equation.flows and not quiet:
            yield Finding(OPEN, f"{equation.text}: {left:,} and {right:,}, while it moves")
        else:
            yield Finding(WRONG, f"{equation.text}: {left:,} against {right:,}")


def _totals(processes: dict[str, dict[str, int]]) -> dict[str, dict[str, int]]:
    sums: dict[str, dict[str, int]] = {}
    for name, counters in processes.items():
        stage = sums.setdefault(stage_of(name), dict.fromkeys(counters, 0))
        for counter, value in counters.items():
            stage[counter] = stage.get(counter, 0) + value
    return sums


# --- A finished run


def check_folder(folder: str) -> list[Finding]:
    """Return what the files of a finished run show."""
    record = _load(folder)
    if isinstance(record, Finding):
        return [record]
    try:
        return list(_check_run(Path(folder), record))
    except KeyError as error:
        return [Finding(WRONG, f"{RUN_JSON} has no counter {error}")]


def _load(folder: str) -> RunRecord | Finding:
    """Return run.json of a folder, or what is wrong with it."""
    path = Path(folder)
    if not path.is_dir():
        raise ConfigError(f"{whole_text(folder)} is not a folder that a run has written")
    try:
        record = msgspec.json.decode((path / RUN_JSON).read_bytes(), type=RunRecord)
    except OSError as error:
        return Finding(WRONG, f"{RUN_JSON} cannot be read: {error.strerror}")
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Finding(WRONG, f"{RUN_JSON} is not what a run writes: {error}")
    if record.schema != SCHEMA:
        return Finding(WRONG, f"{RUN_JSON} has schema {record.schema}, this engine {SCHEMA}")
    return record


def _check_run(folder: Path, record: RunRecord) -> Iterator[Finding]:
    yield from check_counters(record)
    yield from _check_outputs(folder, record)
    yield from _check_events(folder, record)
    yield from _check_hosts(folder, record)
    yield from _check_flows(folder, record)


def check_counters(record: RunRecord) -> Iterator[Finding]:
    """Yield what run.json shows by itself, without the files of the run."""
    totals = _totals({name: process.counters for name, process in record.processes.items()})
    same = totals == record.counters
    text = "the counters of all processes add up to those of their stages"
    yield Finding(PROVED if same else WRONG, text if same else f"not so: {text}")
    if record.ended == ORPHANED:
        text = "the supervisor was killed: what had been read is whole, what follows was not read"
        yield Finding(OPEN, text)
    elif record.exit_code not in (0, 3):
        yield Finding(WRONG, f"the run ended with exit code {record.exit_code}: it is not whole")
    properties = {"rows"} if record.rows != "none" else set()
    if record.facts:
        properties.add("facts")
    if record.flow_formats:
        properties.add(record.rows)
    yield from _balance(record.counters, properties)
    yield from _check_sources(record)


def _check_sources(record: RunRecord) -> Iterator[Finding]:
    capture = record.counters["capture"]
    unread = [source for source in record.sources if source.packets is None]
    if unread:
        yield Finding(OPEN, f"{len(unread)} sources were not read: counts of them are missing")
    read = sum(source.packets or 0 for source in record.sources)
    yield _compare("packets of all sources = packets read", read, capture["read"])
    links = sum(sum((source.unsupported_links or {}).values()) for source in record.sources)
    text = "packets of unsupported link types, source by source = refused for it"
    yield _compare(text, links, capture["refused_unsupported_link"])
    if not record.suppressed.get("damage"):
        damaged = len({damage.source for damage in record.damage})
        yield _compare("sources with damage told = counted", damaged, capture["sources_damaged"])


def _digest(path: Path, algorithm) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def check_sources(folder: str) -> list[Finding]:
    """Return whether the captures that the run read are still the same, byte for byte."""
    record = _load(folder)
    if isinstance(record, Finding):
        return [record]
    findings = []
    for source in record.sources:
        shown = source.path
        if source.sha256 is None:
            findings.append(Finding(OPEN, f"{shown}: no digest of it was kept"))
        elif not os.path.isfile(source.path):
            findings.append(Finding(OPEN, f"{shown}: not there any more"))
        else:
            same = _digest(Path(source.path), "sha256") == source.sha256
            text = "is what the run read" if same else "is not the file that the run read"
            findings.append(Finding(PROVED if same else WRONG, f"{shown} {text}"))
    return findings


def _check_outputs(folder: Path, record: RunRecord) -> Iterator[Finding]:
    for output in record.outputs:
        path = folder / output.name
        if output.xxh3 is None:
            continue
        if not path.is_file():
            yield Finding(WRONG, f"{output.name}: is missing")
        elif path.stat().st_size != output.bytes:
            size = path.stat().st_size
            yield Finding(WRONG, f"{output.name}: {size:,} bytes, {output.bytes:,} were written")
        elif _digest(path, xxhash.xxh3_128) != output.xxh3:
            yield Finding(WRONG, f"{output.name}: its bytes are not those that were written")
        else:
            yield Finding(PROVED, f"{output.name}: {output.bytes:,} bytes as they were written")
    written = {output.name for output in record.outputs}
    wanted = {FILES[name] for name in record.flow_formats} | {EVE}
    wanted |= {HOSTS} if record.facts else set()
    for name in sorted(wanted - written):
        yield Finding(WRONG, f"{name}: the run does not say that it wrote it")
    for path in sorted(folder.glob("*" + PARTIAL)):
        yield Finding(WRONG, f"{whole_text(path.name)}: was not written to its end")


def _check_events(folder: Path, record: RunRecord) -> Iterator[Finding]:
    path = folder / EVE
    if not path.is_file():
        return
    counts: dict[str, int] = {}
    try:
        for _, kind, _ in eve_lines(path):
            counts[kind] = counts.get(kind, 0) + 1
    except BrokenOutputError as error:
        yield Finding(WRONG, str(error))
        return
    alerts = counts.pop("alert", 0)
    if record.rows != "none":
        text = f"alerts in {EVE} = alerts made"
        yield _compare(text, alerts, record.counters["classifier"]["alerts"])
    yield _compare(f"stats events in {EVE} = 1", counts.pop("stats", 0), 1)
    counts.pop("flow", 0)
    if counts:
        yield Finding(WRONG, f"{EVE} has events of other kinds: {', '.join(counts)}")


def _check_hosts(folder: Path, record: RunRecord) -> Iterator[Finding]:
    path = folder / HOSTS
    if not path.is_file():
        return
    seen: set[tuple[int, str]] = set()
    count = 0
    try:
        for host in host_lines(path):
            seen.add((host.source_number, host.address))
            count += 1
    except BrokenOutputError as error:
        yield Finding(WRONG, str(error))
        return
    yield _compare(
        f"{HOSTS}: hosts = hosts listed", count, record.counters["classifier"]["hosts_listed"]
    )
    yield _compare(f"{HOSTS}: each host of a source once", len(seen), count)


def _check_flows(folder: Path, record: RunRecord) -> Iterator[Finding]:
    if not record.flow_formats:
        text = "no flow records were written (--flows): sums of packets and bytes of the flows"
        yield Finding(OPEN, f"{text} rest on the counters")
        return
    for name in record.flow_formats:
        path = folder / FILES[name]
        if path.is_file() and name in FOREIGN:
            yield from _check_foreign_file(path, record)
        elif path.is_file():
            yield from _check_flow_file(path, record)


def _check_foreign_file(path: Path, record: RunRecord) -> Iterator[Finding]:
    try:
        for claim in claims_of(path, record.counters):
            yield _compare(*claim)
        yield Finding(OPEN, f"{path.name}: {NOT_TOLD}")
    except BrokenOutputError as error:
        yield Finding(WRONG, str(error))


def _check_flow_file(path: Path, record: RunRecord) -> Iterator[Finding]:
    sums = Sums(record.separate)
    digest = RunDigest(record.score) if record.digest and record.rows == "all" else None
    try:
        for block in read_blocks(path, NAMES if digest else tuple(TWICE_TOLD.values())):
            sums.add(block)
            if digest is not None:
                digest.add(block)
    except BrokenOutputError as error:
        yield Finding(WRONG, str(error))
        return
    for fault in sums.faults[:FAULTS_SHOWN]:
        yield Finding(WRONG, f"{path.name}: {fault}")
    if len(sums.faults) > FAULTS_SHOWN:
        yield Finding(WRONG, f"{path.name}: {len(sums.faults) - FAULTS_SHOWN} more faults")
    yield from _check_sums(path.name, sums, record)
    if digest is not None:
        same = digest.text() == record.digest
        text = "the run's digest, made again from the records"
        yield Finding(PROVED if same else WRONG, f"{path.name}: {'' if same else 'not '}{text}")
    elif record.digest:
        text = "the digest is of early records too: write them (--early) to prove it"
        yield Finding(OPEN, f"{path.name}: {text}")


def _check_sums(name: str, sums: Sums, record: RunRecord) -> Iterator[Finding]:
    worker, classifier = record.counters["worker"], record.counters["classifier"]
    yield _compare(f"{name}: final records = finals", sums.finals, classifier["finals"])
    text = f"{name}: packets of finals = packets accepted, layers included"
    yield _compare(text, sums.packets, worker["accepted"] + worker["layers"])
    yield _compare(f"{name}: bytes of finals", sums.bytes, classifier["final_bytes"])
    for end, reason in _REASON_OF.items():
        found, counted = sums.by_reason.get(reason, 0), worker[f"finals_{end}"]
        yield _compare(f"{name}: finals of reason {reason}", found, counted)
    if record.rows == "all":
        yield _compare(f"{name}: early records", sums.records - sums.finals, classifier["early"])
        yield _compare(f"{name}: records that are alerts", sums.alerts, classifier["alerts"])
    if record.separate and not worker["layers"]:
        wrong = [
            number
            for number, packets in sums.by_source.items()
            if number >= len(record.sources) or packets > (record.sources[number].packets or 0)
        ]
        text = "no source has more packets in its flows than were read of it"
        shown = ", ".join(map(str, wrong[:FAULTS_SHOWN]))
        verdict = f"not so for source {shown}: " if wrong else ""
        yield Finding(WRONG if wrong else PROVED, f"{name}: {verdict}{text}")
