"""Results as JSON in stress/results: what was run, on which commit and machine; only added to."""

import shlex
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from engine import FINGERPRINT, __version__
from engine.bench.machine import machine
from engine.bench.record import commit, keep, results_folder


def keep_result(kind: str, record: dict) -> Path:
    """Add a result of a kind; return its path."""
    words = [word for word in sys.argv[1:] if word != "--save"]
    whole = {
        "kind": kind,
        "engine": __version__,
        "fingerprint": FINGERPRINT,
        "commit": commit(),
        "date": datetime.fromtimestamp(time.time(), UTC).isoformat(),
        "command": shlex.join(["python", "-m", "stress", *words]),
        "machine": machine(),
        **record,
    }
    return keep(results_folder(), whole)
