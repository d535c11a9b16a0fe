"""What a capture does that replaces one that died: where it refuses, what it keeps.

Goal: capture/resume.py where drawn runs do not lead. Method: a reader over private rings is given
up in the middle, files are changed, another reader goes on. That records, counters and payload are
those of an undisturbed run is shown in tests/property/test_resume.py.
"""

import gzip
import os
from pathlib import Path

import pytest

from engine.capture.offline import capture
from engine.capture.reader import WAITS
from engine.capture.resume import EVERYTHING, resume
from engine.config import Config, with_settings
from engine.errors import CaptureError
from engine.rings import spsc
from engine.rings.waiting import FINISHED
from tests.property.resumed import READ, World, assert_as_undisturbed, small_steps
from tests.unit.capture.files import datagram, pcap, steady

SMALL = {"capture.arena_bytes": 1 << 18, "capture.stream_buffer_bytes": 1 << 16}


def half_read(folder: Path, *contents: bytes, **task) -> World:
    """Return a world whose capture has read about half of some files, and is gone."""
    for name, content in zip("abc", contents, strict=False):
        (folder / name).write_bytes(content)
    world = World([str(folder)], Config(), 2, **task)
    reader = world.reader()
    with small_steps(10):
        while world.counters[READ] < 40:
            reader.step(False)
    world.consume(1 << 30)
    return world


def finish(world: World) -> None:
    """Have a replacement read to the end."""
    reader = world.reader()
    while reader.step(False) != FINISHED:
        world.consume(1 << 30)


def other_bytes(path: Path) -> None:
    """Put another capture of the same size into the same file."""
    content = pcap(*((k * 10**9, datagram(2000 + k)) for k in range(80)))
    assert len(content) == path.stat().st_size
    with open(path, "r+b") as file:
        file.write(content)


CHANGES = {
    "shrank from": lambda path: os.truncate(path, 100),
    "cannot open": lambda path: path.unlink(),
    "was replaced by another file": lambda path: os.replace(path.with_name("c"), path),
    "is not what it was when it was read before": other_bytes,
}


@pytest.mark.parametrize("said", CHANGES)
@pytest.mark.parametrize("separate", (False, True))
def test_source_that_changed_is_a_fault_with_its_name(tmp_path, said, separate):
    world = half_read(tmp_path, steady(80), separate=separate)
    (tmp_path / "c").write_bytes(steady(80))
    CHANGES[said](tmp_path / "a")
    with pytest.raises(CaptureError, match="; the capture process that replaces") as raised:
        finish(world)
    assert said in str(raised.value)
    assert repr(str(tmp_path / "a")) in str(raised.value)


def test_source_that_lost_packets_which_no_ring_shows_is_a_fault(tmp_path):
    """Of ten packets refused, behind the last that was sent, five are cut off."""
    refused = [(100 * 10**9 + k, b"\0") for k in range(10)]
    sent = [(k, datagram(k)) for k in range(5)]
    path = tmp_path / "a"
    path.write_bytes(pcap(*sent, *refused))
    world = World([str(path)], Config(), 1)
    reader = world.reader()
    while world.counters[READ] < 15:
        reader.step(False)
    with open(path, "r+b") as file:
        file.seek(len(pcap(*sent)) - 24 + 24 + 5 * 17)
        file.write(bytes(8) + b"\xff" * 8)  # A record that is far too long: damage.
    with pytest.raises(CaptureError, match=r"a' is not what it was"):
        finish(world)


def test_source_that_nobody_could_read_before_is_none_now(tmp_path):
    for name in "ab":
        (tmp_path / name).write_bytes(steady(80))
    world = World([str(tmp_path)], Config(), 1)
    (tmp_path / "b").unlink()
    reader = world.reader()
    with small_steps(10):
        while world.counters[READ] < 40:
            reader.step(False)
    finish(world)
    assert world.counters[READ] == 80
    assert len({report for report in world.reports if "unreadable" in report}) == 1


def test_source_that_has_grown_is_read_to_the_size_it_had(tmp_path):
    world = half_read(tmp_path, steady(80))
    with open(tmp_path / "a", "ab") as file:
        file.write(steady(5)[24:])
    finish(world)
    assert world.counters[READ] == 80


def test_waits_of_both_captures_are_counted(tmp_path):
    (tmp_path / "a").write_bytes(steady(80))
    world = World([str(tmp_path)], with_settings(Config(), {"ring.packet_capacity": 2}), 1)
    for number in range(1, 4):
        reader = world.reader()
        for _ in range(3):  # It opens the file, reads its header, reads.
            reader.step(False)
        assert world.counters[WAITS] == number


def test_nothing_in_the_arena_is_overwritten_that_a_worker_may_read(tmp_path):
    payload = bytes(range(256)) * 4
    frames = [(k, datagram(1000 + k, payload[k % 7 :])) for k in range(3000)]
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(pcap(*frames), 1))
    config = with_settings(Config(), SMALL)
    world = World([str(path)], config, 2, 5)
    with small_steps(700):
        world.run(12, 600)
    assert world.deaths == 12
    assert_as_undisturbed(world, capture([str(path)], config, 2), False)


def test_rings_that_nobody_has_used_have_nothing_to_go_on_with(tmp_path):
    (tmp_path / "a").write_bytes(steady(3))
    world = World([str(tmp_path)], Config(), 1)
    rows = world.reader()._rings
    assert resume((), world.rings, rows, world.counters, False) is None
    world.rings[0].header[spsc.TAIL] = 1
    assert resume((), world.rings, rows, world.counters, False).limit(EVERYTHING) == EVERYTHING
