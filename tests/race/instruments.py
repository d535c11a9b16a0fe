"""Run an instrument on a scenario in a process of its own: a hook must come before any kernel."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 1800


def run_instrument(instrument: str, name: str, *options: str, **extra: str) -> tuple[int, str]:
    """Return (exit code, what it printed) of `python -m stress races INSTRUMENT NAME`.

    `extra` is added to the environment.
    """
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith("PYTEST_XDIST")
    }
    done = subprocess.run(
        [sys.executable, "-m", "stress", "races", instrument, name, *options],
        cwd=ROOT,
        env=environment | extra,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr[-4000:]
    assert "Traceback" not in done.stderr, done.stderr[-4000:]
    return done.returncode, done.stdout
