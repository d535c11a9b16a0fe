"""Goal: large pages change nothing but time: content, sharing, and what there is no room for.

Method: files in memory that are mapped twice, made large in between; the kernel's refusal is
planted. Whether pages become large is the machine's affair: here it is only printed by `-v`.
"""

import errno
import fcntl
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.memory import large
from engine.memory.large import LARGE_BYTES, enlarge, map_file, reserve

SIZES = st.integers(1, 3 * LARGE_BYTES // 4096).map(lambda pages: 4096 * pages)


def made(size: int) -> int:
    descriptor = os.memfd_create("test")
    os.ftruncate(descriptor, size)
    return descriptor


@given(SIZES, st.booleans())
@settings(deadline=None, max_examples=20)
def test_reserved_file_is_zeros_and_its_mappings_are_one(size, populate):
    descriptor = made(size)
    words = map_file(descriptor, size)
    reserve(descriptor, words)
    assert os.fstat(descriptor).st_blocks * 512 >= size
    assert len(words) == size // 8
    assert not words.any()
    other = map_file(descriptor, size, populate)
    words[:] = np.arange(len(words))
    assert np.array_equal(other, np.arange(len(words)))
    os.close(descriptor)


@pytest.mark.parametrize("size", [LARGE_BYTES, 2 * LARGE_BYTES + 4096, 3 * LARGE_BYTES + 128])
def test_mapping_begins_where_large_pages_do(size):
    descriptor = made(size)
    assert map_file(descriptor, size).ctypes.data % LARGE_BYTES == 0
    os.close(descriptor)


def test_content_stays_when_pages_become_large():
    size = 2 * LARGE_BYTES
    descriptor = made(size)
    words, other = map_file(descriptor, size), map_file(descriptor, size)
    words[::100] = np.arange(0, len(words), 100)
    expected = words.copy()
    enlarge(words.ctypes.data, size)
    assert np.array_equal(words, expected)
    assert np.array_equal(other, expected)
    os.close(descriptor)


def test_what_is_no_whole_large_page_is_left_alone(monkeypatch):
    monkeypatch.setattr(large.LIBC, "madvise", lambda *_: pytest.fail("nothing to ask for"))
    assert enlarge(LARGE_BYTES + 4096, 2 * LARGE_BYTES - 8192)


def test_refusal_of_the_kernel_leaves_small_pages(monkeypatch):
    monkeypatch.setattr(large.LIBC, "madvise", lambda *_: -1)
    size = 2 * LARGE_BYTES
    descriptor = made(size)
    words = map_file(descriptor, size)
    reserve(descriptor, words)
    words[:] = 5
    assert os.fstat(descriptor).st_blocks * 512 == size
    os.close(descriptor)


def test_no_room_is_an_error_and_not_a_signal(monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOSPC, "planted")

    monkeypatch.setattr(os, "pwrite", refuse)
    descriptor = made(LARGE_BYTES)
    with pytest.raises(OSError, match="planted"):
        reserve(descriptor, map_file(descriptor, LARGE_BYTES))
    os.close(descriptor)


@pytest.mark.parametrize("size", [4096, 2 * LARGE_BYTES])
def test_what_cannot_be_mapped_is_an_error_and_leaves_no_mapping(size):
    reader, writer = os.pipe()
    before = mapped_bytes()
    with pytest.raises(OSError):
        map_file(reader, size)
    assert mapped_bytes() == before
    os.close(reader)
    os.close(writer)


def mapped_bytes() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[0])


@pytest.mark.parametrize("size", [4096, 2 * LARGE_BYTES + 4096])
def test_mapping_is_gone_with_its_last_array(size):
    descriptor = made(size)
    before = mapped_bytes()
    part = map_file(descriptor, size)[10:20]
    part[:] = 1
    assert mapped_bytes() > before
    del part
    assert mapped_bytes() == before
    os.close(descriptor)


def test_lock_of_a_file_lives_as_long_as_its_mapping():
    descriptor = made(2 * LARGE_BYTES)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    other = os.open(f"/proc/self/fd/{descriptor}", os.O_RDWR)
    words = map_file(descriptor, 2 * LARGE_BYTES)
    os.close(descriptor)
    with pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    del words
    fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(other)
