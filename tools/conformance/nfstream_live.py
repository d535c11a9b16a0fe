"""NFStream itself beside the engine: the same captures, its flows and ours, all statistics.

NFStream has an interpreter of its own ($NFSTREAM_PYTHON, else this one where it is installed). It
counts time in whole milliseconds, cut: a gap differs by less than one, a mean of n gaps by less
than 1/n, a deviation by no more than the deviation of what is cut off.
"""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from math import isclose, sqrt
from pathlib import Path

from tools.conformance.compare import Comparison, Expected, compare
from tools.conformance.metered import MILLISECOND_NS, Record, meter, text_of

PEER, PROFILE = "nfstream-live", "nfstream"
RELATIVE = 1e-6  # Our features are float32.
RUN_LIMIT_S = 600
ABSENT = "NFStream is not installed; name an interpreter that has it in NFSTREAM_PYTHON"
MAGICS = tuple(
    map(bytes.fromhex, ("d4c3b2a1", "a1b2c3d4", "4d3cb2a1", "a1b23c4d", "34cdb2a1", "0a0d0d0a"))
)
_SIDES = {"bidirectional": "", "src2dst": "fwd_", "dst2src": "bwd_"}
_FLAGS = {
    **{f"bidirectional_{name}_packets": f"{name}_count" for name in ("fin", "syn", "rst", "psh")},
    **{f"bidirectional_{name}_packets": f"{name}_count" for name in ("ack", "urg", "cwr", "ece")},
    **{f"src2dst_{name}_packets": f"fwd_{name}_count" for name in ("psh", "urg")},
    **{f"dst2src_{name}_packets": f"bwd_{name}_count" for name in ("psh", "urg")},
}
_SCRIPT = """
import json, sys
from nfstream import NFStreamer
if __name__ == "__main__":
    for path in sys.stdin.read().splitlines():
        rows = []
        options = dict(statistical_analysis=True, n_dissections=0, n_meters=1)
        try:
            for flow in NFStreamer(source=path, **options):
                rows.append(dict(zip(flow.keys(), flow.values())))
        except (OSError, ValueError) as error:
            rows = str(error)
        print(json.dumps([path, rows]), flush=True)
"""


def interpreter() -> str | None:
    """Return the Python that has NFStream; None where there is none."""
    named = os.environ.get("NFSTREAM_PYTHON")
    if named is None and importlib.util.find_spec("nfstream") is None:
        return None
    python = named or sys.executable
    done = subprocess.run([python, "-c", "import nfstream"], capture_output=True, check=False)
    return python if done.returncode == 0 else None


def captures_below(folder: Path) -> list[Path]:
    """Return the capture files below a folder that both read: pcap and pcapng, not compressed."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [path for path in files if path.open("rb").read(4) in MAGICS]


def compare_live(python: str, captures: Sequence[Path], folder: Path) -> Comparison:
    """Return what comparing NFStream's flows of those captures with ours finds."""
    result = Comparison(PEER)
    theirs = _flows(python, captures)
    found = meter(captures, PROFILE)
    for path in captures:
        ours = ((_identity(one), text_of(one.key, one.counts), one) for one in found[path])
        name = str(path.relative_to(folder))
        compare(result, name, _expected(theirs[path]), ours, _fields)
    return result


def _flows(python: str, captures: Sequence[Path]) -> dict[Path, list[dict]]:
    """Return NFStream's flows of each capture; one that it cannot read has none."""
    done = subprocess.run(
        [python, "-c", _SCRIPT],
        input="\n".join(map(str, captures)),
        capture_output=True,
        text=True,
        timeout=RUN_LIMIT_S,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"NFStream failed:\n{done.stderr[-2000:]}")
    flows = {}
    for line in done.stdout.splitlines():
        if line.startswith("["):
            path, rows = json.loads(line)
            flows[Path(path)] = rows if isinstance(rows, list) else []
    return flows


def _identity(record: Record) -> tuple:
    return record.key, record.counts, record.vlan


def _expected(rows: list[dict]) -> Iterator[Expected]:
    for row in rows:
        key = (row["protocol"], row["src_ip"], row["src_port"], row["dst_ip"], row["dst_port"])
        counts = tuple(
            row[f"{side}_{name}"]
            for side in ("src2dst", "dst2src")
            for name in ("packets", "bytes")
        )
        yield Expected((key, counts, row["vlan_id"]), text_of(key, counts), row)


def _fields(expected: Expected, ours: Record) -> dict[str, bool]:
    """Compare duration, flags, lengths and gaps each way."""
    row = expected.values
    duration = ours.end_ns // MILLISECOND_NS - ours.start_ns // MILLISECOND_NS
    return {
        "duration": row["bidirectional_duration_ms"] == duration,
        "flags": all(row[name] == ours.number(feature) for name, feature in _FLAGS.items()),
        "lengths": all(_lengths(row, ours, side) for side in _SIDES),
        "gaps": all(_gaps(row, ours, side) for side in _SIDES),
    }


def _lengths(row: dict, ours: Record, side: str) -> bool:
    """Return whether least, most, mean and deviation of packet lengths agree."""
    prefix = f"{_SIDES[side]}packet_length"
    return all(
        isclose(row[f"{side}_{name}_ps"], ours.number(f"{prefix}_{other}"), rel_tol=RELATIVE)
        for name, other in (("min", "min"), ("mean", "mean"), ("max", "max"), ("stddev", "std"))
    )


def _gaps(row: dict, ours: Record, side: str) -> bool:
    """Return whether least, most, mean and deviation of gaps agree to what milliseconds allow."""
    count = row[f"{side}_packets"] - 1
    if count < 1:
        return True
    bounds = {"min": 1.0, "max": 1.0, "mean": 1.0 / count}
    if count > 1:
        bounds["stddev"] = sqrt(count / (count - 1))
    for name, bound in bounds.items():
        ms = ours.number(f"{_SIDES[side]}iat_{name.replace('stddev', 'std')}_us") / 1000
        if abs(row[f"{side}_{name}_piat_ms"] - ms) > bound + RELATIVE * abs(ms):
            return False
    return True
