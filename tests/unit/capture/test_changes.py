"""Files that change while they are read, and bytes that mean nothing: no traceback, no hang.

Goal: hostile input is never an error; files that grow, shrink, vanish or are replaced are. Method:
each is done between two steps of a reader; random and mutated bytes go through all formats. SIGBUS
cannot be shown here: the test shrinks a file before a batch, not during it.
"""

import gzip
import os
import random
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.capture.offline import PacketRing, capture
from engine.capture.reader import Reader, Task
from engine.capture.sources import find_sources
from engine.config import Config
from engine.errors import CaptureError
from engine.events import COUNTERS_MAX, counter_index
from engine.rings.waiting import FINISHED
from tests.property.capture_files import COMPRESSIONS, FORMATS
from tests.property.dice import GENE_BYTES
from tests.property.traffic import Weaver, woven
from tests.unit.capture.files import pcap, steady

READ = counter_index("capture", "read")
HEADS = (
    *(b"", pcap()[:24], pcap(form="pcapng")),
    *(b"\x1f\x8b\x08\0", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\0"),
)


class Run:
    """A reader over files, one step at a time."""

    def __init__(self, *paths, **task) -> None:
        self.counters = np.zeros(COUNTERS_MAX, np.int64)
        self.reports: list[tuple[str, dict]] = []
        self.files = find_sources([str(path) for path in paths])
        ring = PacketRing(1 << 16)
        self.reader = Reader(
            Task(self.files, Config(), **task),
            [ring],
            self.counters,
            np.zeros(Config().capture.arena_bytes, np.uint8),
            lambda kind, /, **fields: self.reports.append((kind, fields)),
        )
        self.ring = ring

    def step(self, stop: bool = False) -> int:
        """Take a step and empty the ring."""
        found = self.reader.step(stop)
        while len(self.ring.take(1 << 30)[0]):
            pass
        return found

    def finish(self, stop: bool = False) -> "Run":
        """Go on to the end."""
        while self.step(stop) != FINISHED:
            pass
        return self

    def told(self, kind: str) -> list[dict]:
        """Return the reports of a kind."""
        return [fields for name, fields in self.reports if name == kind]


def test_file_that_grows_is_read_to_the_size_it_had_and_the_rest_is_told(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(steady(10))
    run = Run(path)
    with open(path, "ab") as file:
        file.write(steady(5)[24:] + b"x")
    run.finish()
    assert run.counters[READ] == 10
    (told,) = run.told("source")
    assert told["grown_bytes"] == 5 * (16 + 35) + 1
    assert not run.told("damage")


def test_file_that_shrinks_while_it_is_read_ends_the_run(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(steady(40_000))
    run = Run(path)
    while run.counters[READ] == 0:
        run.step()
    os.truncate(path, 1000)
    with pytest.raises(CaptureError, match=r"shrank from .* to 1000 bytes while it was read"):
        run.finish()


def test_file_that_vanishes_while_it_is_read_is_read_to_its_end(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(steady(40_000))
    run = Run(path)
    run.step()
    path.unlink()
    assert run.finish().counters[READ] == 40_000


@pytest.mark.parametrize("change", ("vanished", "replaced", "shrunk"))
@pytest.mark.parametrize("separate", (False, True))
@pytest.mark.parametrize("compressed", (False, True))
def test_file_that_changes_before_it_is_opened_does_not_stop_the_others(
    tmp_path, change, separate, compressed
):
    content = gzip.compress(steady(10)) if compressed else steady(10)
    for name in "abc":
        (tmp_path / name).write_bytes(content)
    run = Run(tmp_path, separate=separate)
    path = tmp_path / "b"
    if change == "vanished":
        path.unlink()
    elif change == "replaced":
        (tmp_path / "other").write_bytes(content)
        os.replace(tmp_path / "other", path)
    else:
        os.truncate(path, 100)
    run.finish()
    (told,) = run.told("damage")
    assert told["source"] == 1
    if change != "shrunk" or not compressed:
        assert told["offset"] == 0 and told["reason"].startswith("unreadable: ")
        assert run.counters[READ] == 20
    else:
        assert told["reason"].startswith("compression")


def test_draining_stops_reading_and_ends_as_usual(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(steady(50_000))
    run = Run(path)
    while run.counters[READ] == 0:
        run.step()
    read = int(run.counters[READ])
    assert 0 < read < 50_000
    run.finish(stop=True)
    assert run.counters[READ] == read
    (told,) = run.told("source")
    assert told["packets"] == read
    assert run.counters[counter_index("capture", "sources")] == 0
    assert run.counters[counter_index("capture", "control")] == 1


def test_draining_before_anything_was_read_ends_at_once(tmp_path):
    (tmp_path / "a").write_bytes(steady(5))
    run = Run(tmp_path / "a").finish(stop=True)
    assert (run.counters[READ], run.reader.position) == (0, (0, 0))


def test_silent_pipe_keeps_nobody_from_stopping(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    run = Run(tmp_path / "pipe")
    for _ in range(20):
        assert run.step() != FINISHED
    writer = os.open(tmp_path / "pipe", os.O_WRONLY | os.O_NONBLOCK)
    os.write(writer, steady(3)[:-1])
    while run.counters[READ] < 2:
        run.step()
    for _ in range(20):
        assert run.step() != FINISHED
    run.finish(stop=True)
    os.close(writer)
    assert run.counters[READ] == 2


def test_standard_input_is_read_from_a_pipe_and_from_a_file(tmp_path):
    program = (
        "from engine.capture.offline import capture\n"
        "made = capture(['-'])\n"
        "print(made.counters['published'], made.told('source')[0]['path'])"
    )
    command = [sys.executable, "-c", program]
    piped = subprocess.run(command, input=steady(7), capture_output=True, check=True)
    assert piped.stdout == b"7 -\n"
    (tmp_path / "a").write_bytes(gzip.compress(steady(8)))
    with open(tmp_path / "a", "rb") as file:
        from_file = subprocess.run(command, stdin=file, capture_output=True, check=True)
    assert from_file.stdout == b"8 -\n"


def survive(path, content: bytes, bytes_max: int) -> None:
    """Read any bytes: what is read adds up, and all of it was there."""
    path.write_bytes(content)
    try:
        made = capture([str(path)])
    except CaptureError as error:
        assert "no source can be read" in str(error)
        return
    counters = made.counters
    refused = sum(value for name, value in counters.items() if name.startswith("refused"))
    assert counters["read"] == counters["published"] + refused
    assert counters["bytes"] <= bytes_max


@given(
    content=st.binary(max_size=400),
    head=st.sampled_from(
        (
            b"",
            pcap()[:24],
            pcap(form="pcapng"),
            b"\x1f\x8b\x08\0",
            b"\x28\xb5\x2f\xfd",
            b"\xfd7zXZ\0",
        )
    ),
)
def test_random_bytes_are_survived(tmp_path_factory, content, head):
    survive(tmp_path_factory.mktemp("random") / "a", head + content, len(head + content))


@pytest.mark.parametrize("form", FORMATS)
def test_captures_with_random_changes_are_survived(tmp_path, form):
    source = random.Random(form)
    whole = FORMATS[form]([frame for frame in frames_of(7) if frame.link_type == 1])
    for number in range(60):
        content = bytearray(whole)
        for _ in range(1 << number % 6):
            at = source.randrange(min(len(content), 60 if number % 2 else len(content)))
            content[at] = source.choice((0, 1, 0x7F, 0x80, 0xFF, source.randrange(256)))
        if number % 5 == 0:
            del content[source.randrange(len(content)) :]
        suffix = ("", "", ".gz", ".zst", ".xz")[number % 5]
        survive(tmp_path / "a", COMPRESSIONS[suffix](bytes(content)), len(content))


def frames_of(seed: int):
    """Return some frames."""

    source = random.Random(seed)
    return woven([source.getrandbits(8 * GENE_BYTES) for _ in range(40)], Weaver(Config(), 1))
