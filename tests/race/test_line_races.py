"""Capture, workers and who takes their events race nowhere, as threads and as processes.

Method: the stages of a run on one mapping (line.py) under ThreadSanitizer, and as forked processes
under xsan; what comes out must be what the same stages make in turns. That both instruments would
speak is shown by test_detectors.py. What it cannot show: other settings, larger tables, and what
Python itself does to shared words between kernels.
"""

import re

import pytest

from stress.races.tsan import find_library
from tests.race.instruments import run_instrument

pytestmark = [pytest.mark.compiled, pytest.mark.long]  # 130 and 180 s of CPU, of compiling mostly.
_PLACES_MIN = 5_000  # Accesses in the code of capture and worker: far fewer, and it was not seen.


@pytest.mark.parametrize("instrument", ["tsan", "xsan"])
def test_stages_of_a_run_race_nowhere_and_lose_nothing(instrument):
    if instrument == "tsan" and find_library() is None:
        pytest.skip("libtsan is missing: apt-get install libtsan2")
    code, text = run_instrument(instrument, "tests.race.line:EVENTS", "--runs", "3")
    assert (code, text.split(" in ")[0]) == (0, "0 races, 0 violations"), text
    assert int(re.search(r"\((\d+) accesses instrumented", text)[1]) > _PLACES_MIN
