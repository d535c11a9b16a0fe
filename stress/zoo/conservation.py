"""Conservation: a whole run of the engine, of which everything that it counted must add up.

The engine runs as it does for anybody, over a small capture, with a bug planted (planted.py). What
finds the bug is what an operator has: the run's own end (exit code, complaints) and `engine check`
over the files that it wrote. The kernels run as Python.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec

from engine.check import WRONG, check_folder
from stress.harness.runs import running, words_of
from stress.zoo.bugs import ALL
from stress.zoo.planted import SHIPPED
from tests.process.runs import ROOT, first_packets, mixed_capture

WORKERS, PACKETS = 2, 200
_HANGS = "it does not end"


def conserve(name: str) -> str:
    """Run the engine with a bug; return the first thing that does not add up.

    A name that is no bug's stands for the shipped code.
    """
    planted = name if name in {bug.name for bug in ALL} else SHIPPED
    with tempfile.TemporaryDirectory(prefix="zoo-") as folder:
        capture, out = Path(folder, "mixed.pcap"), Path(folder, "out")
        mixed_capture(capture)
        capture.write_bytes(first_packets(capture.read_bytes(), PACKETS))
        words = words_of(capture, out, "--digest", "--no-score", "-n", str(WORKERS))
        before = (sys.executable, "-m", "stress.zoo.planted", planted)
        with running(Path(folder), words, before) as run:
            try:
                ended = run.ended()
            except (AssertionError, subprocess.TimeoutExpired):
                return _HANGS
        said = msgspec.json.decode(ended.out)["errors"] if ended.out else []
        if ended.code:
            said = said or ended.err.splitlines()[-1:]
            return f"exit {ended.code}: {'; '.join(said)}".replace(f"{ROOT}/", "")
        wrong = [one.text for one in check_folder(str(out)) if one.verdict == WRONG]
        return wrong[0] if wrong else ""
