"""Goal: on real captures events and rows are the twin's: every field, all 142 features, validity.

Method: captures of many laboratories and years, of other tools' tests, and crafted ones, where the
machine has them: each alone, and some merged, under settings and ways to run the engine that are
drawn from the file's place in the list, so that a failure can be repeated. What it cannot show:
what both misread alike; counts of other tools are compared in tests/conformance.
"""

import os
import random
from pathlib import Path

import pytest

from engine.config import Config, load
from engine.profiles import PROFILES, profile_settings
from engine.reference import Settings, run
from tests.property.dice import Dice
from tests.property.side_by_side import FLOWS_MAX, assert_same_run, way_of
from tests.property.strategies import settings_of

SETS = ("train", "edge", "peers")
PARTS = 40
QUICK_PARTS = (0, 13)
QUICK_BYTES_MAX = 8_000
BYTES_MAX = 300_000
CAPTURES_MIN = 300
# Pcap in both byte orders (us, ns, modified), pcapng, gzip, zstd, xz.
MAGICS = ("d4c3b2a1", "a1b2c3d4", "4d3cb2a1", "a1b23c4d", "34cdb2a1", "a1b2cd34", "0a0d0d0a")
COMPRESSED = ("1f8b", "28b52ffd", "fd377a58")
DEFAULTS = Settings(Config())


def captures(test_data: Path, bytes_max: int) -> list[str]:
    """Return the captures of all sets that are not too large, in one order everywhere."""
    found = []
    for name in SETS:
        for path in sorted((test_data / name).rglob("*")):
            if path.is_file() and path.stat().st_size <= bytes_max and _is_capture(path):
                found.append(str(path))
    return found


def _is_capture(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4).hex().startswith(MAGICS + COMPRESSED)


def assert_capture_agrees(paths: list[str], settings: Settings, seed: int) -> int:
    """Compare both over some files; return how many packets were read."""
    way = way_of(seed)._replace(max_flows=4 * FLOWS_MAX)
    try:
        return assert_same_run(paths, run(paths, settings), settings, way).counters["read"]
    except AssertionError as error:
        where = " ".join(os.path.relpath(path) for path in paths)
        raise AssertionError(f"{where}, {settings}, {way}: {error}") from error


def drawn_settings(seed: int, separate: bool = False) -> Settings:
    """Return settings of flows and tunnels that differ from the defaults."""
    drawn = settings_of(Dice(random.Random(seed).getrandbits(200)))
    return Settings(drawn.config, separate)


def other_settings(seed: int) -> Settings:
    """Return drawn settings, or those of a profile."""
    names = tuple(PROFILES)
    if seed % 2:
        return drawn_settings(seed)
    return Settings(load(profile=profile_settings(names[seed // 2 % len(names)])))


def _parts() -> list:
    return [
        part if part in QUICK_PARTS else pytest.param(part, marks=pytest.mark.slow)
        for part in range(PARTS)
    ]


@pytest.mark.parametrize("part", _parts())
def test_events_of_each_capture_are_those_of_the_twin(test_data: Path, part: int) -> None:
    bytes_max = QUICK_BYTES_MAX if part in QUICK_PARTS else BYTES_MAX
    packets = 0
    for number, path in enumerate(captures(test_data, bytes_max)[part::PARTS]):
        seed = part + PARTS * number
        packets += assert_capture_agrees([path], DEFAULTS, seed)
        assert_capture_agrees([path], other_settings(number), seed + 1)
    assert packets > 0


@pytest.mark.slow
@pytest.mark.parametrize("separate", (False, True))
@pytest.mark.parametrize("part", range(10))
def test_events_of_captures_merged_are_those_of_the_twin(test_data, part, separate) -> None:
    source = random.Random(part)
    every = captures(test_data, BYTES_MAX)
    for number in range(12):
        paths = source.sample(every, source.choice((2, 5, 20)))
        seed = 1000 * part + number
        assert_capture_agrees(paths, drawn_settings(seed, separate), seed)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(8))
def test_events_of_large_captures_are_those_of_the_twin(test_data: Path, part: int) -> None:
    large = sorted(set(captures(test_data, 10 * BYTES_MAX)) - set(captures(test_data, BYTES_MAX)))
    chosen = random.Random(1).sample(large, 48)[part::8]
    for number, path in enumerate(chosen):
        assert_capture_agrees([path], drawn_settings(number), number)


def test_captures_are_many(test_data: Path) -> None:
    assert len(captures(test_data, BYTES_MAX)) >= CAPTURES_MIN
