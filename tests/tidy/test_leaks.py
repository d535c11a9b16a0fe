"""A test that leaves shared memory behind fails, and says so.

Method: pytest runs in a process of its own on one planted test, with this project's conftest.
"""

import subprocess
import sys

import pytest

from engine.rings.segment import SHARED_MEMORY
from tests.conftest import ROOT

_MAKE = "segment = Segment.create(segment_name(new_run(), 'rows'), 'rows', 64)"
_CHILD = """
    import os
    if os.fork() == 0:
        {make}
        os._exit(0)
    os.wait()
"""
PLANTED = {
    "leaves": (_MAKE, "left segments behind"),
    "removes": (f"{_MAKE}; segment.unlink()", None),
    "child_leaves": (_CHILD.format(make=_MAKE.replace("new_run()", "'leaked0'")), "processes died"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_leaked_segment_fails_its_test(tmp_path, name):
    body, says = PLANTED[name]
    planted = tmp_path / "test_planted.py"
    planted.write_text(
        "import tests.conftest\n"
        "from engine.rings.segment import Segment, segment_name\n\n"
        "tests.conftest.STALE_GRACE_S = 0  # An engine that starts meanwhile would tidy up.\n\n"
        f"def test_planted(new_run):\n    {body.strip()}\n"
    )
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "tests.conftest",
        "-p",
        "no:cacheprovider",
    ]
    outcome = subprocess.run(
        [*command, "-c", ROOT / "setup.cfg", f"--rootdir={ROOT}", planted],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    for path in SHARED_MEMORY.glob("ml-defender.leaked0.*"):
        path.unlink()
    left = [line for line in outcome.stdout.split() if line.startswith("ml-defender.t")]
    for path in (SHARED_MEMORY / word for word in left):
        path.unlink(missing_ok=True)
    assert (outcome.returncode == 0) == (says is None), outcome.stdout
    assert says is None or says in outcome.stdout
