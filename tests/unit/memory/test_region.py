"""A region is as large as its addresses allow, and a segment over it ends on a page, within it.

Method: sizes at the limit, from both sides; what lies over a region is written through both.
"""

import mmap
import os

import numpy as np
import pytest

from engine.errors import SegmentError
from engine.memory import kept, region
from engine.memory.region import HEADER_BYTES, make_file, map_region

WORDS_MAX = (kept.REGION_BYTES - kept.CONTENT_AT - HEADER_BYTES) // 8
PAGE_WORDS = (mmap.PAGESIZE - HEADER_BYTES) // 8


def test_region_may_fill_its_addresses_and_no_more():
    assert region._size_of(WORDS_MAX) == kept.REGION_BYTES
    with pytest.raises(SegmentError, match="would take"):
        region._size_of(WORDS_MAX + 1)


def test_content_of_a_memory_file_outlives_its_mapping():
    descriptor = make_file(100)
    try:
        words = map_region(100, f"/proc/self/fd/{descriptor}")
        words[:] = np.arange(100)
        del words
        assert map_region(100, f"/proc/self/fd/{descriptor}").tolist() == list(range(100))
    finally:
        os.close(descriptor)


def test_file_over_a_region_is_its_first_words():
    descriptor = os.memfd_create("over")
    try:
        os.ftruncate(descriptor, mmap.PAGESIZE)
        words = map_region(2 * PAGE_WORDS, over=(descriptor, PAGE_WORDS))
        words[PAGE_WORDS - 1], words[PAGE_WORDS] = 5, 6
        shared = np.frombuffer(os.pread(descriptor, mmap.PAGESIZE, 0), np.int64)
        assert shared[-1] == 5
        assert shared[HEADER_BYTES // 8 : -1].any() == 0
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("count", [PAGE_WORDS - 1, kept.REGION_BYTES // 8 + PAGE_WORDS])
def test_file_that_ends_within_a_page_or_beyond_the_region_is_not_mapped_over_it(count):
    with pytest.raises(AssertionError):
        map_region(2 * PAGE_WORDS, over=(0, count))
