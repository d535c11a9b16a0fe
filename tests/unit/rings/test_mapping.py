"""A mapped file is the one that was found, of its size, and its pages are asked for step by step.

Method: small files and what may happen to them between planning and mapping; how many bytes are
populated is asked of the map itself. What it cannot show: that the machine obeys.
"""

import os

import pytest

from engine.errors import CaptureError
from engine.rings import mapping
from engine.rings.mapping import Mapping
from engine.rings.plan import SourceFile

BYTES = 1000


@pytest.fixture
def source(tmp_path):
    """Return a source as it was found: a file of BYTES bytes."""
    path = tmp_path / "capture"
    path.write_bytes(bytes(k & 255 for k in range(BYTES)))
    status = path.stat()
    return SourceFile(str(path), True, BYTES, status.st_dev, status.st_ino)


def test_file_is_mapped_as_it_was_found(source):
    mapped = Mapping(source)
    assert mapped.head(4) == b"\0\1\2\3"
    assert mapped.size == BYTES
    assert mapped.grown_bytes == 0
    mapped.check()


def test_file_that_is_no_longer_all_there_is_refused(source):
    os.truncate(source.path, BYTES - 1)
    with pytest.raises(CaptureError, match=f"shrank from {BYTES} to {BYTES - 1} bytes"):
        Mapping(source)


def test_file_that_shrinks_while_it_is_mapped_is_noticed(source):
    mapped = Mapping(source)
    os.truncate(source.path, BYTES - 1)
    with pytest.raises(CaptureError, match="shrank"):
        mapped.check()


def test_file_that_grew_is_mapped_as_far_as_it_was_found(source):
    os.truncate(source.path, BYTES + 7)
    mapped = Mapping(source)
    assert (mapped.size, mapped.grown_bytes) == (BYTES, 7)
    mapped.check()


def test_source_that_is_no_file_is_not_mapped(source):
    stream = SourceFile(source.path, False, 0)
    with pytest.raises(AssertionError):
        Mapping(stream)


def test_pages_are_asked_for_once_and_in_order(source, monkeypatch):
    monkeypatch.setattr(mapping, "POPULATE_BYTES", 400)
    asked = []

    class Map:
        def madvise(self, advice, begin, count):
            assert advice == mapping.MADV_POPULATE_READ
            asked.append((begin, count))

    mapped = Mapping(source)
    mapped._map = Map()
    mapped.populate(0)
    assert asked == [(0, 400)]
    mapped.populate(0)
    mapped.populate(1)
    assert asked == [(0, 400), (400, 400)]
    mapped.populate(BYTES)
    assert asked == [(0, 400), (400, 400), (800, 200)]
    mapped.populate(BYTES)
    assert len(asked) == 3
