"""Goal: a file has its name only when it is whole; a stream waits for its reader and no longer.

Method: real files and pipes. That a disk keeps what fsync promised is not shown.
"""

import os

import numpy as np
import pytest

from engine.errors import OutputError
from engine.recorder.files import LeftError, OutputFile, Stream


def names(folder) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_file_appears_under_its_name_only_at_the_end(tmp_path):
    file = OutputFile(str(tmp_path), "x.json")
    file.write(b"one\n")
    assert names(tmp_path) == {"x.json.partial"}
    file.settle()
    assert names(tmp_path) == {"x.json.partial"}
    file.appear()
    assert names(tmp_path) == {"x.json"}
    assert (tmp_path / "x.json").read_bytes() == b"one\n"


def test_abandoned_file_stays_partial(tmp_path):
    file = OutputFile(str(tmp_path), "x.json")
    file.write(b"one\n")
    assert file.abandon()
    assert (tmp_path / "x.json.partial").read_bytes() == b"one\n"


def test_abandoned_file_that_was_removed_is_told_to_be_gone(tmp_path):
    file = OutputFile(str(tmp_path), "x.json")
    file.partial.unlink()
    assert not file.abandon()


def test_old_partial_file_is_begun_anew(tmp_path):
    (tmp_path / "x.json.partial").write_text("old and longer")
    file = OutputFile(str(tmp_path), "x.json")
    file.write(b"new")
    file.settle()
    file.appear()
    assert (tmp_path / "x.json").read_bytes() == b"new"


def test_symbolic_link_in_place_of_the_partial_file_is_not_followed(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "x.json.partial").symlink_to(victim)
    with pytest.raises(OutputError):
        OutputFile(str(tmp_path), "x.json")
    assert victim.read_text() == "precious"


def test_write_that_fails_half_way_is_taken_back(tmp_path, monkeypatch):
    file = OutputFile(str(tmp_path), "x.json")
    file.write(b"whole\n")
    real = os.write
    calls = []

    def half(descriptor, content):
        calls.append(len(content))
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        return real(descriptor, content[:3])

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(OutputError, match="No space left"):
        file.write(b"second\n")
    monkeypatch.undo()
    file.abandon()
    assert file.bytes == 6
    assert (tmp_path / "x.json.partial").read_bytes() == b"whole\n"


def full_pipe() -> tuple[int, int]:
    """Return (reader, writer) of a pipe that takes no more."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with pytest.raises(BlockingIOError):
        while True:
            os.write(writer, b"x" * 4096)
    os.set_blocking(writer, True)
    return reader, writer


def test_stream_waits_for_a_slow_reader_and_writes_everything():
    reader, writer = full_pipe()
    waits = []

    def waiting() -> bool:
        waits.append(1)
        os.read(reader, 1 << 16)
        return True

    stream = Stream(writer, "pipe", waiting, np.zeros(1, np.int64))
    stream.write(b"y" * 9000)
    assert stream.bytes == 9000
    assert waits
    assert os.read(reader, 1 << 16).endswith(b"y" * 4096)
    os.close(reader)
    os.close(writer)


def test_stream_is_left_when_the_run_is():
    reader, writer = full_pipe()
    stream = Stream(writer, "pipe", lambda: False, np.zeros(1, np.int64))
    with pytest.raises(LeftError):
        stream.write(b"y")
    assert stream.bytes == 0
    os.close(reader)
    os.close(writer)


def test_stream_without_a_reader_is_an_output_error():
    reader, writer = os.pipe()
    os.close(reader)
    stream = Stream(writer, "standard output", lambda: True, np.zeros(1, np.int64))
    with pytest.raises(OutputError, match="standard output was closed"):
        stream.write(b"y")
    os.close(writer)
