"""The records to train on, made by the engine itself: vectors, whose they are, what they show."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.features import catalogue
from tools.training.manifest import BENIGN, NEITHER, Capture, flow_key, read_flow_labels

POSITIVE, NEGATIVE, UNKNOWN = 1, 0, -1
_ATTACK_LABELS = ("suspect", "malicious")


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


def extract(folder: Path, output: Path) -> None:
    """Run the engine over a folder of unrelated captures: all records, without scores."""
    engine = Path(sys.executable).parent / "engine"
    command = [engine, "run", "-r", folder, "-w", output, "--overwrite"]
    command += ["--separate", "--no-score", "--flows", "parquet", "--early"]
    subprocess.run(command, check=True)


def read_records(folder: Path, output: Path, captures: list[Capture]) -> Records:
    """Return the records that `extract` wrote, with their targets."""
    import pyarrow.parquet

    names = ("source", "source_number", "first_offset", "protocol", "initiator", "initiator_port")
    table = pyarrow.parquet.read_table(
        output / "flows.parquet",
        columns=[*names, "responder", "responder_port", *catalogue.NAMES],
    )
    digest = table.schema.metadata[b"feature_digest"].decode()
    assert digest == catalogue.digest(), f"records have feature digest {digest}"
    vectors = np.stack(
        [table[name].combine_chunks().fill_null(0.0).to_numpy() for name in catalogue.NAMES], axis=1
    )
    places = {str(folder / capture.path): at for at, capture in enumerate(captures)}
    paths = table["source"].to_pylist()
    kept = np.asarray([path in places for path in paths], bool)
    capture = np.asarray([places.get(path, 0) for path in paths], np.int64)
    number = table["source_number"].to_numpy().astype(np.int64)
    _, part = np.unique(number << 48 | table["first_offset"].to_numpy(), return_inverse=True)
    keys = _flow_keys(table)
    target = _targets(folder, captures, capture, keys)
    return Records(vectors[kept], capture[kept], part[kept], target[kept], captures)


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


def _targets(folder: Path, captures: list[Capture], capture: np.ndarray, keys: list) -> np.ndarray:
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
