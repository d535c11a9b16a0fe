"""`engine bench` from its options to its exit code: look at the machine, measure, show, keep."""

import json
import os
import sys
import time
from collections.abc import Callable

import click

from engine import FINGERPRINT
from engine.bench import machine, programs, workloads
from engine.bench.hostile import hostile_record
from engine.bench.memory import memory_record
from engine.bench.options import BenchOptions, check_names, chosen
from engine.bench.record import fingerprint_now, keep, results_folder, shared_facts, speed_record
from engine.bench.scaling import scaling_record
from engine.bench.shown import show
from engine.bench.speed import Measured, Rounds, measure
from engine.bench.stages import stages_record
from engine.errors import ConfigError

KNOWN = (*workloads.NAMES, *workloads.HOSTILE_NAMES, *programs.NAMES)


def bench_command(options: BenchOptions) -> int:
    """Measure what was asked for and return the exit code."""
    if options.kind == "clean":
        files, size = workloads.clean()
        click.echo(f"removed {files} files, {size:,} bytes")
        return 0
    check_names(options.only, KNOWN)
    folder = results_folder() if options.save else None
    allowed = sorted(os.sched_getaffinity(0))
    machine.check_cores(options.cores, len(allowed))
    shares = machine.busy_shares()
    cores = machine.choose_cores(options.cores, shares, allowed)
    load_before, began_ns = os.getloadavg()[0], time.time_ns()
    say = _silent if options.as_json else _say
    busy = max((shares.get(core, 0.0) for core in cores), default=0.0)
    if busy > machine.BUSY_SHARE_MAX:
        _say(f"this machine is busy ({busy:.0%} of a core that is measured on): doubt the figures")
    found = _measure(options, cores, say)
    changed = fingerprint_now() != FINGERPRINT
    if changed:
        _say("the engine's sources changed while it was measured: the figures are of no version")
    record = {
        "schema": 1,
        "kind": options.kind,
        **shared_facts(options, began_ns),
        "cores": cores,
        "busy_before": round(busy, 3),
        "load_before": round(load_before, 2),
        "load_after": round(os.getloadavg()[0], 2),
        "sources_changed": changed,
        **found,
    }
    if options.as_json:
        sys.stdout.write(json.dumps(record, indent=2) + "\n")
    else:
        show(record)
    if folder is not None and changed:
        raise ConfigError("not kept: the sources changed meanwhile; measure again")
    if folder is not None:
        _say(f"kept as {keep(folder, record)}")
    return 0


def _measure(options: BenchOptions, cores: list[int], say: Callable[[str], None]) -> dict:
    """Return what the kind that was asked for finds, as it stands in the record."""
    if options.kind == "scaling":
        return scaling_record(options, cores, say)
    if options.kind == "memory":
        return memory_record(options, cores, say)
    if options.kind == "hostile":
        return hostile_record(options, cores, say)
    if options.kind == "stages":
        return stages_record(options, cores, say)
    return speed_record(*_speed(options, cores, say), options)


def _speed(
    options: BenchOptions, cores: list[int], say: Callable[[str], None]
) -> tuple[list[Measured], dict[str, str]]:
    """Return what each workload came to, and what was left out, with the reason."""
    names = chosen(options.only, programs.NAMES)
    ours = [name for name in programs.ENGINE_NAMES if name in (programs.FEATURES, *names)]
    wanted = [programs.engine_program(name, options.workers_wanted) for name in ours]
    peers = tuple(name for name in programs.PEER_NAMES if name in names)
    found, left_out = programs.find_peers(peers, len(cores))
    measured = []
    for workload in workloads.chosen_workloads(options, left_out, say):
        rounds = Rounds(workload, wanted + found, cores, say)
        measured += measure([rounds], options.runs)
    return measured, left_out


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _silent(text: str) -> None:
    """Say nothing: standard output is one JSON object, and the rest is not asked for."""
