"""Train a model from a folder of captures and its MANIFEST.tsv; run by tools/train."""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import msgspec
import numpy as np

from engine.classifier import model_file
from engine.classifier.model import DEFAULT_PATH, check, detector_of, read
from tools.training import plan
from tools.training.card import make_card
from tools.training.counters import COUNTERS, LIMIT, trees_of_counter
from tools.training.cross import Crossed, cross_validate, gate_of
from tools.training.export import arrays_of, features_of, trees_of
from tools.training.grow import train_kind
from tools.training.manifest import read_manifest
from tools.training.records import COMPLETE, Records, extract, read_records
from tools.training.references import references_of
from tools.training.report import table_of

BYTES_MAX = 1_500_000  # The model is a file in the package.


def main() -> int:
    """Return 0 once the model is written and checks."""
    arguments = _arguments()
    started = time.monotonic()

    def say(line: str) -> None:
        sys.stderr.write(f"{time.monotonic() - started:7.1f} s  {line}\n")

    with tempfile.TemporaryDirectory(prefix="ml-defender-train-") as scratch:
        output = Path(arguments.records or scratch) / "records"
        captures = read_manifest(arguments.captures)
        if not (output / COMPLETE).exists():
            extract(arguments.captures, output, captures)
        records = read_records(arguments.captures, output, captures)
    say(f"{len(records.part):,} records of {len(captures):,} captures")
    crossed = cross_validate(records, say)
    content = grow_model(records, crossed, arguments.created)
    say("forests grown on everything")
    model_file.write_members(arguments.output, *content)
    findings = check(arguments.output)
    size = arguments.output.stat().st_size
    if size > BYTES_MAX:
        findings.append(f"{arguments.output} has {size:,} bytes, at most {BYTES_MAX:,}")
    for finding in findings:
        sys.stderr.write(f"wrong: {finding}\n")
    sys.stdout.write(table_of(read(arguments.output).card))
    say(f"{arguments.output}: {size:,} bytes")
    return 1 if findings else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tools/train", description=__doc__)
    parser.add_argument("captures", type=Path, help="folder with MANIFEST.tsv")
    parser.add_argument("-o", "--output", type=Path, default=DEFAULT_PATH, help="model file")
    parser.add_argument("--records", type=Path, help="folder to keep extracted records in")
    parser.add_argument("--created", default=time.strftime("%Y-%m-%d"), help="date in the card")
    return parser.parse_args()


def grow_model(
    records: Records, crossed: tuple[Crossed, Crossed], created: str
) -> tuple[bytes, dict]:
    """Return the model file's card and arrays: forests grown on all records, then the counters.

    `crossed` is what was found with host features and without.
    """
    gates, forests, bounds = _grow_forests(records, crossed[0].limits)
    for counter in COUNTERS:
        gate, forest = trees_of_counter(counter)
        gates.append(gate)
        forests.append(forest)
        bounds.append((LIMIT, LIMIT, plan.SCALE))
    trees = [*gates, *forests]
    card = make_card(records, created, bounds, crossed, features_of(trees))
    spans = np.cumsum([0, *(len(forest) for forest in trees)])
    detector = detector_of([tree for forest in trees for tree in forest], spans, card)
    return msgspec.json.encode(card), arrays_of(trees) | references_of(records, detector)


def _grow_forests(records: Records, limits: list[float]) -> tuple[list, list, list]:
    """Return gates, forests and (gate limit, limit, scale) of plan.DETECTORS."""
    everything = np.arange(len(records.part))
    gates, forests, bounds = [], [], []
    for detector, limit in zip(plan.DETECTORS, limits, strict=True):
        boosters = train_kind(records, everything >= 0, detector)
        gate, gate_limit = gate_of(records, everything, detector, (boosters, limit))
        forests.append(trees_of(*boosters))
        gates.append(trees_of(*gate))
        bounds.append((gate_limit, limit, plan.SCALE))
    return gates, forests, bounds


if __name__ == "__main__":
    sys.exit(main())
