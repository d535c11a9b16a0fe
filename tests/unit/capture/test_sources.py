"""Which files a run reads, in which order, and which paths are refused before it begins.

Goal: the rules of capture/sources.py and rings/mapping.py. Method: files in a folder of the test.
It needs no test data.
"""

import contextlib
import gzip
import os
import socket
import tempfile
from pathlib import Path

import pytest

from engine.capture.sources import compression_of, find_sources, needs_arena, passing_source
from engine.errors import CaptureError, ConfigError
from engine.rings.mapping import Mapping

NOBODY = 65534


def make(folder, *names: str) -> None:
    """Make small files."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())


def names(folder, *paths) -> list[str]:
    """Return the paths of the sources below `folder`."""
    return [os.path.relpath(s.path, folder) for s in find_sources([str(p) for p in paths])]


def test_sources_are_ranked_by_the_bytes_of_their_paths(tmp_path):
    make(tmp_path, "b", "a", "é", "B", "a.b", "z")
    found = names(tmp_path, *(tmp_path / name for name in ("z", "é", "b", "a.b", "B", "a")))
    assert found == ["B", "a", "a.b", "b", "z", "é"]


def test_folders_are_read_recursively(tmp_path):
    make(tmp_path, "d/b", "d/a/x", "d/a.x", "d/c/d/e", "d/.hidden")
    assert names(tmp_path, tmp_path / "d") == ["d/.hidden", "d/a.x", "d/a/x", "d/b", "d/c/d/e"]


def test_path_is_kept_as_given(tmp_path, monkeypatch):
    make(tmp_path, "d/b", "a")
    monkeypatch.chdir(tmp_path)
    assert [source.path for source in find_sources(["./d", "a"])] == ["./d/b", "a"]


def test_names_that_are_not_text_are_kept(tmp_path):
    path = os.fsdecode(os.fsencode(str(tmp_path)) + b"/\xff\xfe")
    with open(path, "wb"):
        pass
    assert [source.path for source in find_sources([str(tmp_path)])] == [path]


def test_links_to_files_are_read_and_folders_behind_links_are_not_walked(tmp_path):
    make(tmp_path, "d/a", "elsewhere/b", "file")
    (tmp_path / "d/to_file").symlink_to(tmp_path / "file")
    (tmp_path / "d/to_folder").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "d/loop").symlink_to(tmp_path / "d")
    assert names(tmp_path, tmp_path / "d") == ["d/a", "d/to_file"]
    assert names(tmp_path, tmp_path / "d/to_folder") == ["d/to_folder/b"]


def refused(*paths) -> str:
    """Return why these paths are refused."""
    with pytest.raises(ConfigError) as caught:
        find_sources([str(path) for path in paths])
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_paths_that_cannot_be_read_are_named(tmp_path):
    make(tmp_path, "a", "d/b")
    (tmp_path / "empty").mkdir()
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    assert "No such file" in refused(tmp_path / "missing")
    assert "No such file" in refused(tmp_path / "gone")
    assert "has no files" in refused(tmp_path / "empty")
    assert "character device" in refused("/dev/null")
    assert "zero byte" in refused("a\0b")
    assert "Not a directory" in refused(tmp_path / "a/b")
    assert "nothing to read" in refused()


def test_link_to_nowhere_in_a_folder_is_named(tmp_path):
    make(tmp_path, "d/a")
    (tmp_path / "d/gone").symlink_to("nowhere")
    assert "gone" in refused(tmp_path / "d")


def test_socket_is_named(tmp_path, monkeypatch):
    with socket.socket(socket.AF_UNIX) as unix:
        monkeypatch.chdir(tmp_path)
        unix.bind("s")
        assert "is not a file, but a socket" in refused(tmp_path / "s")


@contextlib.contextmanager
def as_nobody():
    """Be a user who may not read everything, as far as files are concerned."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(before)


def test_file_without_permission_is_named():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # A folder of pytest's own is closed to others.
        make(folder, "a")
        with as_nobody():
            assert names(folder, folder / "a") == ["a"]
        (folder / "a").chmod(0)
        with as_nobody():
            assert "Permission denied" in refused(folder / "a")


def test_file_given_twice_is_refused(tmp_path):
    make(tmp_path, "d/a")
    (tmp_path / "link").symlink_to(tmp_path / "d/a")
    assert "given twice" in refused(tmp_path / "d/a", tmp_path / "d/a")
    assert "given twice" in refused(tmp_path / "d", tmp_path / "d/a")
    assert "the same file as" in refused(tmp_path / "d/a", tmp_path / "link")
    assert "given twice" in refused("-", "-")


def test_kind_is_told_by_content():
    assert compression_of(gzip.compress(b"")) == "gzip"
    assert compression_of(b"\x28\xb5\x2f\xfd") == "zstd"
    assert compression_of(b"\x5a\x2a\x4d\x18") == "zstd"
    assert compression_of(b"\xfd7zXZ\0") == "xz"
    for other in (
        b"",
        b"\x1f",
        b"\xfd7zXZ",
        b"\x60\x2a\x4d\x18",
        b"\x50\x2a\x4d",
        b"\xd4\xc3\xb2\xa1",
    ):
        assert compression_of(other) == ""


def test_compressed_files_pipes_and_standard_input_need_the_arena(tmp_path):
    make(tmp_path, "a")
    (tmp_path / "b").write_bytes(gzip.compress(b"x"))
    os.mkfifo(tmp_path / "c")
    plain, compressed, pipe = find_sources([str(tmp_path / name) for name in "abc"])
    assert plain.mapped and not compressed.mapped and not pipe.mapped
    assert (plain.bytes, pipe.bytes) == (1, 0)
    assert not needs_arena([plain])
    assert needs_arena([plain, compressed]) and needs_arena([pipe])
    assert needs_arena(find_sources(["-"]))


def test_mapping_is_of_the_file_that_was_found(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"0123456789")
    (source,) = find_sources([str(path)])
    mapping = Mapping(source)
    assert (mapping.head(4), mapping.size) == (b"0123", 10)
    with open(path, "ab") as file:
        file.write(b"more")
    mapping.check()
    assert mapping.grown_bytes == 4
    os.truncate(path, 9)
    with pytest.raises(CaptureError, match="shrank from 10 to 9 bytes"):
        mapping.check()
    mapping.close()
    with pytest.raises(CaptureError, match="shrank"):
        Mapping(source)
    (tmp_path / "other").write_bytes(b"0123456789")
    os.replace(tmp_path / "other", path)
    with pytest.raises(CaptureError, match="replaced"):
        Mapping(source)
    path.unlink()
    with pytest.raises(CaptureError, match="No such file"):
        Mapping(source)


def test_pipes_and_standard_input_can_be_read_only_once(tmp_path):
    make(tmp_path, "a", "empty")
    (tmp_path / "a.gz").write_bytes(gzip.compress(b""))
    os.truncate(tmp_path / "empty", 0)
    assert passing_source(find_sources([str(tmp_path)])) is None
    os.mkfifo(tmp_path / "pipe")
    for path in ("-", str(tmp_path / "pipe")):
        assert passing_source(find_sources([str(tmp_path / "a"), path])) == path
