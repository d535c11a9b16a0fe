"""A capture that dies is replaced, and nothing that workers get or counters say shows it.

Goal: capture/resume.py. Method: drawn runs (tests/property/strategies.py) whose reader is given up
after any step, with some of the step taken back (resumed.py), and replaced by another on the same
rings, many times; compared with the same run undisturbed: every record that is no tick, payload in
the arena, counters, reports. Without the JIT also at every store to a ring, an arena place or a
counter. What it cannot show: real processes (tests/process).
"""

import os
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.capture import publish, send
from engine.capture.offline import capture
from engine.capture.reader import Reader
from engine.config import SECOND_NS, Config, with_settings
from engine.errors import CaptureError
from engine.reference import Settings
from engine.rings.waiting import FINISHED
from tests.conftest import WITHOUT_JIT
from tests.property import frames as f
from tests.property import resumed
from tests.property.capture_files import FORMATS, Frame
from tests.property.resumed import World, small_steps, told
from tests.property.strategies import RunInput, random_run, runs

IP_IN_IP = 4
A, B = b"\x0a\0\0\1", b"\x0a\0\0\2"
SMALL = {"capture.arena_bytes": 1 << 18, "capture.stream_buffer_bytes": 1 << 16}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder for the captures of this module."""
    return tmp_path_factory.mktemp("captures")


def written(folder: Path, run: RunInput) -> list[str]:
    """Write the contents; return their paths."""
    for path in folder.iterdir():
        path.unlink()
    for name, content in run.contents:
        (folder / name).write_bytes(content)
    return [str(folder / name) for name, _ in run.contents]


def die_and_compare(folder: Path, run: RunInput, seed: int, deaths: int = 6) -> int:
    """Compare a run whose captures die with an undisturbed one; return how many died."""
    dice = random.Random(seed)
    workers = dice.choice((1, 2, 3))
    capacity = dice.choice((2, 4, 16, 1024))
    config = with_settings(run.settings.config, SMALL | {"ring.packet_capacity": capacity})
    separate, paths = run.settings.separate, written(folder, run)
    task = {"separate": separate, "hash_key": (seed, 1)}
    if dice.random() < 0.2:
        task["packets_max"] = dice.randint(1, 40)
    try:
        expected = capture(paths, config, workers, **task)
    except CaptureError as error:
        assert "no source can be read" in str(error)
        return 0
    world = World(paths, config, workers, seed, **task)
    world.run(deaths, dice.choice((1, 3, 2000)))
    resumed.assert_as_undisturbed(world, expected, separate)
    return world.deaths


def layered_run() -> RunInput:
    """Return packets of three layers each, whose clock steps with every fifth."""
    frames = []
    for k in range(40):
        packet = f.ipv4(f.udp((4000, k), b"payload"), f.UDP, (A, B))
        for _ in range(2):
            packet = f.ipv4(packet, IP_IN_IP, (A, B))
        stamp = 100 * SECOND_NS + k - (9 * SECOND_NS if k % 10 < 5 else 0)
        frames.append(Frame(stamp, 1, f.ethernet(packet), 0))
    frames = [frame._replace(original_length=len(frame.captured)) for frame in frames]
    config = with_settings(Config(), {"packet.decapsulate": "all"})
    return RunInput([("a", FORMATS["pcap ns"](frames))], Settings(config))


def drain_and_compare(folder: Path, run: RunInput, seed: int) -> None:
    """Compare a run that is told to stop, and whose captures die, with one of as many packets."""
    dice = random.Random(seed)
    config = with_settings(
        run.settings.config,
        SMALL | {"ring.packet_capacity": dice.choice((2, 16, 1024))},
    )
    separate, paths = run.settings.separate, written(folder, run)
    workers = dice.choice((1, 2))
    world = World(paths, config, workers, seed, separate=separate)
    try:
        world.run(20, dice.choice((1, 3, 2000)), dice.randint(0, 25))
    except CaptureError as error:
        assert "no source can be read" in str(error)
        return
    resumed.assert_sums(world, separate)
    read = int(world.counters[resumed.READ])
    expected = [[]] * workers
    if read:
        expected = capture(paths, config, workers, separate=separate, packets_max=read).records
    for k, rows in enumerate(expected):
        # Ends may be of one source more: it was opened, and nothing was read of it.
        packets = [row for row in told(world.rows(k)) if len(row) > 3]
        assert packets == [row for row in told(rows) if len(row) > 3], "stopped elsewhere"


@given(run=runs(), seed=st.integers(0, 1 << 32))
def test_captures_that_die_are_not_to_be_seen(folder, run, seed):
    die_and_compare(folder, run, seed)


@given(run=runs(60), seed=st.integers(0, 1 << 32))
def test_captures_that_die_while_they_drain_stop_at_one_packet(folder, run, seed):
    drain_and_compare(folder, run, seed)


@pytest.mark.parametrize("seed", range(12))
def test_captures_that_die_between_layers_and_steps_are_not_to_be_seen(folder, seed):
    die_and_compare(folder, layered_run(), seed)
    drain_and_compare(folder, layered_run(), seed)


@pytest.mark.parametrize("seed", range(6))
def test_captures_that_die_often_in_long_runs_are_not_to_be_seen(folder, seed):
    assert die_and_compare(folder, random_run(seed, 150 if WITHOUT_JIT else 1500), seed, 30) > 0


class KilledError(Exception):
    """The process ends here."""


class Kill:
    """Raises at the given store to what outlives a capture."""

    def __init__(self, world: World) -> None:
        self.left = 0
        arrays = [array for ring in world.rings for array in (ring.header, ring.slots, ring.extra)]
        self._ranges = [(a.ctypes.data, a.ctypes.data + a.nbytes) for a in arrays]
        world.counters = self.watched(world.counters, True)
        self._ranges.append((world.counters.ctypes.data, world.counters.ctypes.data + 8))

    def stored(self) -> None:
        """Count a store that is about to happen."""
        self.left -= 1
        if self.left == 0:
            raise KilledError

    def watched(self, words: np.ndarray, always: bool = False) -> np.ndarray:
        """Return the words, watched if they are shared."""
        at = words.ctypes.data
        if always or any(begin <= at < end for begin, end in self._ranges):
            words = words.view(Watched)
            words.kill = self
        return words


class Watched(np.ndarray):
    """Words whose stores are counted; so are those of its slices."""

    kill: Kill | None = None

    def __array_finalize__(self, other) -> None:
        self.kill = getattr(other, "kill", None)

    def __setitem__(self, at, value) -> None:
        if self.kill is not None:
            self.kill.stored()
        super().__setitem__(at, value)


def run_killed(world: World, kill: Kill, stores: tuple[int, ...]) -> bool:
    """Run captures, each killed at its store of `stores`; return whether all were."""
    for store in (*stores, 0):
        kill.left = store
        try:
            reader: Reader = world.reader()
            while reader.step(False) != FINISHED:
                world.consume(3)
            break
        except KilledError:
            world.deaths += 1
    while world.consume(1 << 30) or any(ring.used for ring in world.rings):
        pass
    return world.deaths == len(stores)


@pytest.mark.skipif(not WITHOUT_JIT, reason="stores are watched in plain Python")
@pytest.mark.parametrize("seed", range(8))
def test_capture_killed_at_any_store_is_not_to_be_seen(folder, monkeypatch, seed):
    """Every store of the first capture, then some store of the second."""
    run = random_run(seed, 12)
    settings = {"ring.packet_capacity": (2, 8)[seed % 2], "packet.decapsulate": "all"}
    config = with_settings(run.settings.config, SMALL | settings)
    paths, separate = written(folder, run), run.settings.separate
    try:
        expected = capture(paths, config, 2, separate=separate)
    except CaptureError:
        pytest.skip("nothing in it can be read")
    dice = random.Random(seed)
    store, killed = 1, True
    while killed:
        world = World(paths, config, 2, seed, separate=separate)
        kill = Kill(world)
        for module in (publish, send):
            monkeypatch.setattr(
                module, "words_at", lambda at, n, k=kill, w=WORDS_AT: k.watched(w(at, n))
            )
        with small_steps(dice.choice((1, 4, 100))):
            killed = run_killed(world, kill, (store, dice.randint(1, 30))) or world.deaths > 0
        resumed.assert_as_undisturbed(world, expected, separate)
        store += 1 if os.environ.get("ENGINE_EVERY_STORE") else dice.randint(1, 9)
    assert store > 20


WORDS_AT = publish.words_at
