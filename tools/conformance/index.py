"""The list of captures and expected outputs: peers/INDEX.tsv of the test data."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Pair:
    """A capture and a file that says what a peer made of it."""

    capture: Path
    expected: Path
    name: str  # The capture's path below the peers' folder.
    compared: str  # What may be compared; for Zeek and Suricata also how it was run.


def data_folder(named: str | None = None) -> Path:
    """Return the folder of test data: as named, $ENGINE_TEST_DATA, or ../shared/data."""
    root = Path(__file__).resolve().parents[2]
    return Path(named or os.environ.get("ENGINE_TEST_DATA") or root.parent / "shared" / "data")


def pairs(corpus: Path, peer: str) -> list[Pair]:
    """Return the peer's pairs that have an expected file, in the index's order."""
    folder = corpus / "peers"
    found = []
    for line in (folder / "INDEX.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        cells = line.split("\t")
        if cells[0] == peer and cells[2]:
            found.append(Pair(folder / cells[1], folder / cells[2], cells[1], cells[8]))
    return found
