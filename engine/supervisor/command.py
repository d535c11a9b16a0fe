"""`engine run` from its options to its exit code: plan, run, run.json, summary."""

import os
import sys
import time
from dataclasses import dataclass

from engine.capture.bpf_filter import compile_filter
from engine.capture.sources import find_sources, needs_arena
from engine.classifier import model as models
from engine.config import Config, with_settings
from engine.errors import OutputError
from engine.recorder.files import write_standard_output
from engine.recorder.folder import prepare_folder
from engine.recorder.outputs import WITH_HISTORY, check_outputs
from engine.recorder.run_json import (
    RUN_JSON,
    RunFacts,
    run_record,
    source_files,
    write_run_json,
)
from engine.rings.plan import RunPlan, new_run_name
from engine.supervisor.open_files import allow_open_files
from engine.supervisor.outcome import Outcome
from engine.supervisor.progress import Shown, Silent, show_error
from engine.supervisor.run import DIED, INTERRUPTED, Supervisor
from engine.supervisor.summary import as_json, as_text, is_lossy
from engine.supervisor.zygote import cpu_s

STRICT = 3
LAST_WORDS = "the supervisor was killed; what had been read is written whole, the rest was not read"
ERRORS_SHOWN = 3  # The first is the cause, the rest mostly its consequences.


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What the command line asked for, checked as far as it can be without looking."""

    sources: tuple[str, ...]
    folder: str | None
    overwrite: bool
    separate: bool
    no_score: bool
    formats: tuple[str, ...]
    early: bool
    packets_max: int
    digest: bool
    strict: bool
    as_json: bool
    filter_words: str
    profile: str | None = None


def make_plan(config: Config, options: RunOptions) -> RunPlan:
    """Return what the run is to do; ConfigError or ModelError if it cannot be done."""
    if set(options.formats) & set(WITH_HISTORY):
        config = with_settings(config, {"flow.history": True})
    files = find_sources(options.sources)
    if options.filter_words:
        compile_filter(options.filter_words)
    score = not options.no_score
    card = models.read_card(models.path_of(config.model.path)) if score else None
    writes = options.folder is not None
    if options.formats:
        rows = "all" if options.early else "finals"
    else:
        rows = "alerts" if score and (writes or not options.as_json) else "none"
    plan = RunPlan(
        run=new_run_name(),
        config=config,
        sources=tuple(file.path for file in files),
        files=files,
        hash_key=config.hash_key(),
        workers=config.workers,
        separate=options.separate,
        packets_max=options.packets_max,
        filter_words=options.filter_words,
        score=score,
        facts=score or writes or options.digest,
        digest=options.digest or writes,
        rows=rows,
        folder=options.folder,
        flow_formats=options.formats,
        model=card.name if card else "",
        model_version=card.version if card else "",
        labels=tuple(card.labels) if card else (),
        profile=options.profile or "",
    )
    check_outputs(plan)
    return plan


def run_command(config: Config, options: RunOptions) -> int:
    """Run and return the exit code."""
    plan = make_plan(config, options)
    allow_open_files(plan)
    if plan.folder is not None:
        prepare_folder(plan.folder, options.overwrite)
    observer = Silent() if options.as_json else Shown()
    arena = needs_arena(plan.files, config.payload_is_copied)
    supervisor = Supervisor(plan, observer, arena, _write_last)
    try:
        try:
            outcome = supervisor.run()
        finally:
            observer.close()
        _write_record(plan, outcome)
    finally:
        supervisor.close()
    if options.strict and outcome.exit_code == 0 and is_lossy(outcome):
        outcome.exit_code = STRICT
    if options.as_json:
        write_standard_output(as_json(plan, outcome))
    elif outcome.counters["capture"]["read"] or outcome.exit_code == 0:
        sys.stderr.write(as_text(plan, outcome))
    elif not outcome.errors:
        show_error("interrupted before anything was read")
    for error in outcome.errors[:ERRORS_SHOWN]:
        show_error(error)
    return outcome.exit_code


def _write_record(plan: RunPlan, outcome: Outcome) -> None:
    """Write run.json, whatever became of the run. Reading the sources again is the run's cost."""
    if plan.folder is None:
        return
    begin_s, begin_cpu_s = time.monotonic(), cpu_s()
    # Who interrupts twice does not wait for that, nor does who may be killed as others were.
    in_haste = outcome.orphaned or outcome.exit_code == INTERRUPTED
    is_hashed = plan.config.recorder.source_digests and not in_haste
    card = {}
    if plan.score:
        path = models.path_of(plan.config.model.path)
        card = {"path": str(path), "name": plan.model, "version": plan.model_version}
    facts = RunFacts(
        command=("engine", *sys.argv[1:]),
        started_ns=outcome.started_ns,
        ended_ns=outcome.ended_ns,
        exit_code=outcome.exit_code or (DIED if outcome.orphaned else 0),
        ended=outcome.ended,
        processes=outcome.processes,
        reports=outcome.reports,
        replacements=outcome.replacements,
        sources=source_files(plan.sources, is_hashed),
        model=card,
    )
    try:
        write_run_json(plan.folder, run_record(plan, facts))
    except OutputError as error:
        outcome.errors.append(str(error))
        outcome.exit_code = outcome.exit_code or error.exit_code
    outcome.wall_s += time.monotonic() - begin_s
    outcome.cpu_s += cpu_s() - begin_cpu_s


def _write_last(plan: RunPlan, outcome: Outcome) -> None:
    """Say how the run of a dead supervisor ended: in run.json, if it had not, and to people."""
    if plan.folder is not None and not os.path.exists(os.path.join(plan.folder, RUN_JSON)):
        _write_record(plan, outcome)
    for error in outcome.errors[:ERRORS_SHOWN] or [LAST_WORDS]:
        show_error(error)
