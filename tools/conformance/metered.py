"""Flow records of captures as `engine run --separate` writes them, one run for many captures."""

import csv
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ENGINE = (sys.executable, "-c", "from engine.cli import main; main()")
RUN_LIMIT_S = 600  # Of one run, with kernels to be compiled.
MILLISECOND_NS, MICROSECOND_NS, SECOND_NS = 10**6, 10**3, 10**9


@dataclass(frozen=True, slots=True)
class Record:
    """A flow as metered. `values` has the columns of its CSV line by name, as text."""

    key: tuple  # Protocol, initiator, its port, responder, its port.
    counts: tuple[int, int, int, int]  # Packets and bytes forward, packets and bytes backward.
    start_ns: int
    end_ns: int
    offset: int  # Of the first packet's IP header in its file.
    values: dict[str, str] = field(compare=False, hash=False)
    further: dict = field(compare=False, hash=False)  # Of the same flow in the further output.

    @property
    def vlan(self) -> int:
        """Return the VLAN in the key; 0 is none."""
        return int(self.values["vlan"])

    @property
    def packets(self) -> int:
        """Return the packets of both directions."""
        return self.counts[0] + self.counts[2]

    @property
    def bytes(self) -> int:
        """Return the bytes of both directions."""
        return self.counts[1] + self.counts[3]

    def number(self, name: str) -> float:
        """Return a feature; 0.0 where it is not valid."""
        return float(self.values[name] or 0)


def meter(
    captures: Iterable[Path], profile: str, settings: Iterable[str] = (), further: str = ""
) -> dict[Path, list[Record]]:
    """Return the finals of each capture in the run's order.

    `further` is another flow output (zeek, jsonl), whose lines are joined by uid.
    """
    captures = sorted(set(captures))
    found: dict[Path, list[Record]] = {path: [] for path in captures}
    with tempfile.TemporaryDirectory(prefix="conformance-") as name:
        folder = Path(name)
        _run(captures, profile, settings, folder, further)
        lines = _FURTHER[further](folder) if further else {}
        with (folder / "flows.csv").open(encoding="utf-8", newline="") as rows:
            for values in csv.DictReader(rows):
                record = _record(values, lines.get(values["uid"], {}))
                found[Path(values["source"])].append(record)
    return found


def _run(
    captures: list[Path], profile: str, settings: Iterable[str], folder: Path, further: str
) -> None:
    """Run the engine over captures; raise when it fails."""
    words = ["run", "--separate", "--no-score", "--overwrite", "-w", str(folder)]
    words += ["--profile", profile] if profile else []
    words += ["--flows", "csv"] + (["--flows", further] if further else [])
    for setting in settings:
        words += ["--set", setting]
    for path in captures:
        words += ["-r", str(path)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*ENGINE, *words],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=RUN_LIMIT_S,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"engine run --profile {profile} failed:\n{done.stderr[-2000:]}")


def _events(folder: Path) -> dict[str, dict]:
    """Return the flow events of eve.json by uid."""
    lines = (folder / "eve.json").read_text(encoding="utf-8").splitlines()
    events = [json.loads(line) for line in lines]
    return {event["ml"]["uid"]: event for event in events if event["event_type"] == "flow"}


def _connections(folder: Path) -> dict[str, dict]:
    """Return the rows of conn.log by uid."""
    names: list[str] = []
    rows = {}
    for line in (folder / "conn.log").read_text(encoding="utf-8").splitlines():
        if line.startswith("#fields"):
            names = line.split("\t")[1:]
        elif not line.startswith("#"):
            row = dict(zip(names, line.split("\t"), strict=True))
            rows[row["uid"]] = row
    return rows


_FURTHER = {"jsonl": _events, "zeek": _connections}


def _record(values: dict[str, str], further: dict) -> Record:
    """Return the record of a line."""
    return Record(
        (
            int(values["protocol"]),
            str(ip_address(values["initiator"])),
            int(values["initiator_port"]),
            str(ip_address(values["responder"])),
            int(values["responder_port"]),
        ),
        tuple(
            int(values[name]) for name in ("fwd_packets", "fwd_bytes", "bwd_packets", "bwd_bytes")
        ),
        int(values["start_ns"]),
        int(values["end_ns"]),
        int(values["first_offset"]),
        values,
        further,
    )


def text_of(key: tuple, counts: tuple) -> str:
    """Return a record as it stands in a list of differences."""
    protocol, initiator, initiator_port, responder, responder_port = key
    forward, backward = "/".join(map(str, counts[:2])), "/".join(map(str, counts[2:]))
    ends = f"{initiator}:{initiator_port} > {responder}:{responder_port}"
    return f"{protocol} {ends} {forward} {backward}"
