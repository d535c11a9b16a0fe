"""run.json: what a run was, what it read, counted and wrote. In every folder that a run writes.

The supervisor makes it at the end, or its heir, from the plan, the counters and the reports of the
stages. With
it `engine check DIR` proves the run from its written files alone. Its schema is RunRecord; a change
that readers must know of moves SCHEMA.

The key of the shard hash is not in it, and hidden in the command line: who knows it can aim at one
worker of an engine that is given the same key. It changes nothing in the output.
"""

import hashlib
import os
import platform
import stat
from dataclasses import dataclass, field

import msgspec

from engine import FINGERPRINT, __version__
from engine.config import flatten
from engine.features.catalogue import digest
from engine.recorder.escape import whole_text
from engine.recorder.files import OutputFile
from engine.rings.plan import RunPlan
from engine.rings.statistics import Statistics, stage_of

RUN_JSON = "run.json"
SCHEMA = 1
HIDDEN = "(hidden)"
DONE, FAILED, ORPHANED = "done", "failed", "supervisor_killed"  # What `ended` may be.
_KEY_SETTING = "hash.key"


class Damage(msgspec.Struct, frozen=True, kw_only=True):
    """Where a source is broken."""

    source: int
    offset: int
    reason: str


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """Where a source's clock steps by more than a second."""

    source: int
    offset: int
    before_ns: int
    after_ns: int


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A source: its file, and what was read of it. None: not known."""

    path: str
    bytes: int | None = None
    sha256: str | None = None
    packets: int | None = None
    link_types: dict[str, int] | None = None
    unsupported_links: dict[str, int] | None = None
    grown_bytes: int | None = None


class Output(msgspec.Struct, frozen=True, kw_only=True):
    """A file that the run wrote."""

    name: str
    bytes: int
    xxh3: str | None
    rows: int
    flows: int
    alerts: int


class Process(msgspec.Struct, frozen=True, kw_only=True):
    """What a process counted and cost."""

    counters: dict[str, int]
    cpu_ns: int
    start_cpu_ns: int


class Replacement(msgspec.Struct, frozen=True, kw_only=True):
    """A process that was killed, or hung and was killed, and another that took its place."""

    process: str
    pid: int  # Of the one that ended.
    signal: str
    hung: bool
    time_ns: int
    packets_taken_back: int  # Applied but not committed; the replacement applied them again.


class RunRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The whole of run.json."""

    schema: int
    run: str
    engine_version: str
    engine_fingerprint: str
    command: list[str]
    started_ns: int
    ended_ns: int
    exit_code: int
    ended: str = ""  # DONE, FAILED, ORPHANED; older engines did not write it.
    host: dict[str, str | int]
    profile: str = ""  # Engines before there were profiles did not write it.
    config: dict[str, str | int | bool | list[str]]
    workers: int
    separate: bool
    score: bool
    facts: bool
    packets_max: int
    filter: str
    rows: str
    flow_formats: list[str]
    feature_digest: str
    model: dict
    digest: str | None
    sources: list[Source]
    damage: list[Damage]
    steps: list[Step]
    suppressed: dict[str, int]
    counters: dict[str, dict[str, int]]
    processes: dict[str, Process]
    replacements: list[Replacement] = []  # Older engines replaced nobody.
    outputs: list[Output]


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What the supervisor knows at the end. `reports` are all that came, in their order."""

    command: tuple[str, ...]
    started_ns: int
    ended_ns: int
    exit_code: int
    processes: dict[str, Process]
    reports: list[dict]
    sources: list[Source]  # Of source_files().
    model: dict = field(default_factory=dict)  # The summary of the model card.
    replacements: list[dict] = field(default_factory=list)
    ended: str = ""


def process_facts(statistics: Statistics) -> dict[str, Process]:
    """Return what every process of the run has counted and cost so far."""
    return {
        line.name: Process(
            counters=line.values(), cpu_ns=line["cpu_ns"], start_cpu_ns=line["start_cpu_ns"]
        )
        for line in statistics.processes()
    }


def source_files(paths: tuple[str, ...], hashed: bool = True) -> list[Source]:
    """Return size and sha256 of each source that is a file, read once more; about 0.7 s a GB.

    At the end of a run, and only when files are written: whoever checks or repeats the run later
    must be able to tell that a capture is the same. A stream has neither; no sha256 has what was
    interrupted twice, or has recorder.source_digests off.
    """
    return [_source_file(path, hashed) for path in paths]


def _source_file(path: str, hashed: bool) -> Source:
    shown = whole_text(path)
    try:
        descriptor = -1 if path == "-" else os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        descriptor = -1  # Gone since.
    if descriptor < 0:
        return Source(path=shown)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return Source(path=shown)
        return Source(path=shown, bytes=status.st_size, sha256=_digest(descriptor, hashed))
    finally:
        os.close(descriptor)


def _digest(descriptor: int, hashed: bool) -> str | None:
    if not hashed:
        return None
    try:
        with open(descriptor, "rb", closefd=False) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None  # A disk that fails now: there is no digest of the file.


def run_record(plan: RunPlan, facts: RunFacts) -> RunRecord:
    """Return everything that run.json says."""
    sums: dict[str, dict[str, int]] = {}
    for name, process in facts.processes.items():
        stage = sums.setdefault(stage_of(name), dict.fromkeys(process.counters, 0))
        for counter, value in process.counters.items():
            stage[counter] += value
    summaries = {r["process"]: r["summary"] for r in facts.reports if r["report"] == "finished"}
    return RunRecord(
        schema=SCHEMA,
        run=plan.run,
        engine_version=__version__,
        engine_fingerprint=FINGERPRINT,
        command=_command(facts.command),
        started_ns=facts.started_ns,
        ended_ns=facts.ended_ns,
        exit_code=facts.exit_code,
        ended=facts.ended,
        host=_host(),
        profile=plan.profile,
        config=_config(plan),
        workers=plan.workers,
        separate=plan.separate,
        score=plan.score,
        facts=plan.facts,
        packets_max=plan.packets_max,
        filter=whole_text(plan.filter_words),
        rows=plan.rows,
        flow_formats=list(plan.flow_formats),
        feature_digest=digest(),
        model=facts.model,
        digest=(summaries.get("classifier") or {}).get("digest"),
        sources=_sources(facts),
        damage=[_place(Damage, report) for report in _of_kind(facts, "damage")],
        steps=[_place(Step, report) for report in _of_kind(facts, "step")],
        suppressed={r["kind"]: r["count"] for r in _of_kind(facts, "suppressed")},
        counters=sums,
        processes=facts.processes,
        replacements=[Replacement(**made) for made in facts.replacements],
        outputs=[
            msgspec.convert(output, Output)
            for output in (summaries.get("recorder") or {}).get("outputs", [])
        ],
    )


def write_run_json(folder: str, record: RunRecord) -> None:
    """Write run.json into the folder; OutputError when it cannot be."""
    file = OutputFile(folder, RUN_JSON)
    try:
        file.write(msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n")
        file.settle()
        file.appear()
    finally:
        file.abandon()


def _command(words: tuple[str, ...]) -> list[str]:
    shown = []
    for word in words:
        before, name, _ = word.partition(_KEY_SETTING + "=")
        shown.append(whole_text(before + name + HIDDEN if name else word))
    return shown


def _host() -> dict[str, str | int]:
    return {
        "name": platform.node(),
        "system": platform.system(),
        "release": platform.release(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "cores": len(os.sched_getaffinity(0)),
    }


def _config(plan: RunPlan) -> dict[str, str | int | bool | list[str]]:
    settings = flatten(plan.config)
    settings[_KEY_SETTING] = HIDDEN if settings[_KEY_SETTING] else ""
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in settings.items()
    }


def _of_kind(facts: RunFacts, kind: str) -> list[dict]:
    return [report for report in facts.reports if report["report"] == kind]


def _place(kind: type, report: dict):
    return kind(**{name: report[name] for name in kind.__struct_fields__})


def _sources(facts: RunFacts) -> list[Source]:
    """Return the sources with what capture reported of each."""
    read = {report["source"]: report for report in _of_kind(facts, "source")}
    told = ("packets", "link_types", "unsupported_links", "grown_bytes")
    return [
        msgspec.structs.replace(source, **{name: read[number][name] for name in told})
        if number in read
        else source
        for number, source in enumerate(facts.sources)
    ]
