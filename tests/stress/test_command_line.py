"""Goal: instruments of an installation without the tests' packages say what to install."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
_WITHOUT = (
    "import runpy, sys; sys.modules[{package!r}] = None; "
    "sys.argv[1:] = {words!r}; runpy.run_module('stress', run_name='__main__')"
)


@pytest.mark.parametrize(
    ("package", "words"),
    [("hypothesis", ["run", "ring_soak"]), ("greenlet", ["races", "zoo", "--quick"])],
)
def test_missing_package_of_the_tests_is_named_with_the_command_that_installs_it(package, words):
    line = [sys.executable, "-c", _WITHOUT.format(package=package, words=words)]
    ended = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"stress: package {package!r} is missing: ")
    assert "pip install -e '.[lake,test,train]'" in ended.stderr
    assert "Traceback" not in ended.stderr
