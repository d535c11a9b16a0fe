"""ThreadSanitizer and xsan find each planted race with its two places, and none in what is shipped.

Method: the protocols of protocols.py run by both instruments, as threads on one mapping and as
processes; what is shipped and its broken twins in the same run, so that silence means something.
The places expected are read from the source: the line that a comment here names. What it cannot
show: accesses that these runs did not make; TSan knows one process, and takes what a fence orders
for unordered; the shipped fences stand around atomic accesses.
"""

import re

import pytest

from stress.races.tsan import find_library
from tests.race.instruments import ROOT, run_instrument

pytestmark = pytest.mark.compiled
PROTOCOLS = "tests.race.protocols"
SHIPPED = ("RING_SOUND", "ROW_SOUND", "HOSTS_SOUND", "COUNTERS_SOUND", "COUNTERS_TOGETHER")
# Twin -> the two functions in which the race stands, each with the words of its line.
_TORN = ("_is_torn", "if words[at] != sequence")
_WRITTEN = ("_write", "words[RING_WORDS + sequence")
PLANTED = {
    "RING_EARLY": (_TORN, _WRITTEN),
    "RING_RELAXED": (_TORN, _WRITTEN),
    "RING_NO_ACQUIRE": (_TORN, _WRITTEN),
    "RING_LATE": (_TORN, _WRITTEN),
    "ROW_UNSEEN": (("copy_row_unseen", ""), ("_change", "[places.PACKETS] = value")),
    "COUNTERS_SHARED": (("count_shared", "words[_COUNTERS_AT"), ("count_shared", "words[_COUNT")),
}
_SUMMARY = re.compile(r"(\d+) races(?:, (\d+) of validated reads)?, (\d+) violations in (\d+) runs")
_SOURCE = (ROOT / "tests" / "race" / "protocols.py").read_text(encoding="utf-8").splitlines()


def found_by(instrument: str, runs: int) -> dict[str, tuple[list[str], tuple[int, int, int]]]:
    """Return {scenario: (lines of races, (races, of validated reads, violations))}."""
    names = [f"{PROTOCOLS}:{name}" for name in (*SHIPPED, *PLANTED)]
    code, text = run_instrument(instrument, *names, "--runs", str(runs))
    assert code == 1  # The planted ones.
    found = {}
    for part in re.split(rf"^{PROTOCOLS}:", text, flags=re.M)[1:]:
        name, lines = part.split(":\n", 1)
        races, validated, violations, ran = (int(x or 0) for x in _SUMMARY.search(lines).groups())
        assert ran == runs
        races_said = [line for line in lines.splitlines() if line.startswith("race, ")]
        found[name] = races_said, (races, validated, violations)
    return found


def stands_at(place: tuple[str, str], side: str) -> bool:
    """Return whether a side of a race stands in a function, at a line with these words."""
    function, words = place
    for name, line in re.findall(r"(\w+):(\d+)", side):
        if name == function:
            return words in _SOURCE[int(line) - 1]
    return False


def assert_planted_and_nothing_else(found: dict) -> None:
    """Assert that every twin shows its race, and what is shipped shows none."""
    for name in SHIPPED:
        said, (races, _, violations) = found[name]
        assert (name, races, violations, said) == (name, 0, 0, [])
    # The rows' copies do meet changes: without that the silence above would mean nothing.
    assert found["ROW_SOUND"][1][1] > 0
    for name, places in PLANTED.items():
        said, _ = found[name]
        sides = [line.split(": ", 1)[1].split(" <-> ") for line in said]
        hits = [
            pair
            for pair in sides
            if any(
                stands_at(places[0], pair[one]) and stands_at(places[1], pair[1 - one])
                for one in (0, 1)
            )
        ]
        assert hits, (name, said)


@pytest.mark.skipif(find_library() is None, reason="libtsan is missing: apt-get install libtsan2")
def test_thread_sanitizer_finds_every_planted_race_and_none_in_what_is_shipped():
    assert_planted_and_nothing_else(found_by("tsan", 4))


def test_xsan_finds_every_planted_race_between_processes_and_none_in_what_is_shipped():
    assert_planted_and_nothing_else(found_by("xsan", 4))


@pytest.mark.parametrize("instrument", ["tsan", "xsan"])
def test_example_is_found_racy_and_its_sound_twin_not(instrument):
    if instrument == "tsan" and find_library() is None:
        pytest.skip("libtsan is missing: apt-get install libtsan2")
    names = ("stress.races.example:RACY", "stress.races.example:SOUND")
    code, text = run_instrument(instrument, *names)
    assert code == 1
    racy, sound = re.split(r"^stress.races.example:\w+:\n", text, flags=re.M)[1:]
    assert re.search(r"read.* at add_plainly:\d+ <-> write.* at add_plainly:\d+", racy)
    assert sound.startswith("0 races, 0 violations")
