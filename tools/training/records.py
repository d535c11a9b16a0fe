"""The records to train on, made by the engine itself: vectors, whose they are, what they show."""

import multiprocessing
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import engine.cli
from engine.config import HOME_NETWORKS
from engine.features import catalogue
from engine.supervisor.kernels import load_kernels
from tools.training.manifest import BENIGN, NEITHER, Capture, flow_key, read_flow_labels

POSITIVE, NEGATIVE, UNKNOWN = 1, 0, -1
_ATTACK_LABELS = ("suspect", "malicious")
COMPLETE = "complete"  # Empty file beside the runs' folders once all are done.
_RUNS_AT_ONCE = 2
# Manifests list IPv4 networks only.
_NETWORKS6 = tuple(network for network in HOME_NETWORKS if ":" in network)


@dataclass(frozen=True, slots=True)
class Records:
    """Early and final records of all captures, as columns; `names` are tables to index."""

    vectors: np.ndarray  # (records, 142) float32
    capture: np.ndarray  # index into `captures`
    part: np.ndarray  # number of the flow part
    target: np.ndarray  # POSITIVE: of its capture's kind; NEGATIVE: benign; UNKNOWN: neither
    captures: list[Capture]

    def of_captures(self, wanted) -> np.ndarray:
        """Return which records are of captures for which `wanted` is true."""
        return np.asarray([wanted(capture) for capture in self.captures], bool)[self.capture]

    @property
    def laboratories(self) -> np.ndarray:
        """Return the laboratory of each capture."""
        return np.asarray([capture.laboratory for capture in self.captures])

    @property
    def sources(self) -> np.ndarray:
        """Return the source of each capture."""
        return np.asarray([capture.source for capture in self.captures])

    @property
    def kinds(self) -> np.ndarray:
        """Return the kind of each capture."""
        return np.asarray([capture.kind for capture in self.captures])


def extract(folder: Path, output: Path, captures: list[Capture]) -> None:
    """Run the engine over unrelated captures: all records, without scores.

    One run for each set of home networks, into a folder of its own; each in a process forked from
    this one, which has the kernels loaded.
    """
    commands = [
        _command(output / f"{number:03}", folder, networks, paths)
        for number, (networks, paths) in enumerate(sorted(_by_networks(captures).items()))
    ]
    load_kernels(lambda: None)
    fork = multiprocessing.get_context("fork")
    with fork.Pool(_RUNS_AT_ONCE, maxtasksperchild=1) as pool:
        codes = pool.map(run_engine, commands, chunksize=1)
    assert not any(codes), f"{sum(map(bool, codes))} runs of the engine failed"
    (output / COMPLETE).touch()


def run_engine(command: list[str]) -> int:
    """Run the engine's command line in this process, silently; return its exit code."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    sys.argv = ["engine", *command]
    try:
        return engine.cli.main() or 0
    except SystemExit as ended:
        return ended.code or 0


def _by_networks(captures: list[Capture]) -> dict[tuple[str, ...], list[str]]:
    """Return the paths of captures by their home networks; none known: the engine's own."""
    grouped: dict[tuple[str, ...], list[str]] = {}
    for capture in captures:
        networks = (*capture.home_networks, *_NETWORKS6) if capture.home_networks else ()
        grouped.setdefault(networks, []).append(capture.path)
    return grouped


def _command(output: Path, folder: Path, networks: tuple[str, ...], paths: list[str]) -> list[str]:
    command = ["run", "-w", str(output), "--overwrite", "-n", "1"]
    command += ["--separate", "--no-score", "--flows", "parquet", "--early"]
    if networks:
        command += ["--set", f"host.home_networks={','.join(networks)}"]
    return command + [argument for path in paths for argument in ("-r", str(folder / path))]


def read_records(folder: Path, output: Path, captures: list[Capture]) -> Records:
    """Return the records that `extract` wrote, with their targets."""
    runs = [_read_run(path) for path in sorted(output.glob("*/flows.parquet"))]
    vectors, paths, keys = (np.concatenate([run[column] for run in runs]) for column in (0, 1, 2))
    numbers = np.cumsum([0, *(run[3].max(initial=-1) + 1 for run in runs)])
    part = np.concatenate([run[3] + first for run, first in zip(runs, numbers, strict=False)])
    places = {str(folder / capture.path): at for at, capture in enumerate(captures)}
    capture = np.asarray([places[path] for path in paths], np.int64)
    target = _targets(folder, captures, capture, keys)
    return Records(vectors, capture, part, target, captures)


def _read_run(path: Path) -> tuple[np.ndarray, ...]:
    """Return the vectors of a run's records, their captures' paths, flow keys and part numbers."""
    import pyarrow.parquet

    names = ("source", "source_number", "first_offset", "protocol", "initiator", "initiator_port")
    table = pyarrow.parquet.read_table(
        path, columns=[*names, "responder", "responder_port", *catalogue.NAMES]
    )
    digest = table.schema.metadata[b"feature_digest"].decode()
    assert digest == catalogue.digest(), f"records have feature digest {digest}"
    vectors = np.stack(
        [table[name].combine_chunks().fill_null(0.0).to_numpy() for name in catalogue.NAMES], axis=1
    )
    number = table["source_number"].to_numpy().astype(np.int64)
    _, part = np.unique(number << 48 | table["first_offset"].to_numpy(), return_inverse=True)
    keys = np.empty(len(part), object)
    keys[:] = _flow_keys(table)
    return vectors, np.asarray(table["source"].to_pylist(), object), keys, part


def _flow_keys(table) -> list:
    columns = (
        table[name].to_pylist()
        for name in ("initiator", "initiator_port", "responder", "responder_port", "protocol")
    )
    return [
        flow_key((initiator, initiator_port), (responder, responder_port), protocol)
        for initiator, initiator_port, responder, responder_port, protocol in zip(
            *columns, strict=True
        )
    ]


def _targets(
    folder: Path, captures: list[Capture], capture: np.ndarray, keys: np.ndarray
) -> np.ndarray:
    """Return the target of each record.

    A flow that is background in an attack capture, or has no label there, is neither a positive nor
    a clean negative.
    """
    kinds = np.asarray([one.kind for one in captures])[capture]
    target = np.where(kinds == BENIGN, NEGATIVE, POSITIVE)
    target[kinds == NEITHER] = UNKNOWN
    for at, one in enumerate(captures):
        if one.label_file and one.kind not in (BENIGN, NEITHER):
            labels = read_flow_labels(folder / one.label_file)
            for record in np.flatnonzero(capture == at):
                if labels.get(keys[record]) not in _ATTACK_LABELS:
                    target[record] = UNKNOWN
    return target
