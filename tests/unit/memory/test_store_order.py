"""A kept line counts when it is whole, and before it changes: every store of it, in order.

Method: the steps as plain Python over a region that records its stores and fences
(tests/unit/recording.py). What it cannot show: what a compiler makes of it; test_kept.py reads
LLVM's code.
"""

import numpy as np
import pytest

from engine.memory import kept
from engine.memory.region import map_region
from tests.conftest import WITHOUT_JIT
from tests.unit.recording import Recorded

pytestmark = pytest.mark.skipif(not WITHOUT_JIT, reason="kernels are watched as plain Python")
FENCE = ("fence_program",)
USED = ("store", kept.USED)


@pytest.fixture
def content():
    """Return the content of a region of its own, whose journal keeps."""
    made = map_region(64)
    kept.control_of(made)[kept.IS_ON] = 1
    return made


@pytest.fixture
def told(content, monkeypatch):
    """Return what the steps tell, places in words from the region's beginning."""
    steps = []
    plain = kept.words_at

    def words_at(address, count):
        words = plain(address, count).view(Recorded)
        words.told, words.first = steps, kept.region_of(content)
        return words

    monkeypatch.setattr(kept, "words_at", words_at)
    monkeypatch.setattr(kept, "fence_program", lambda: steps.append(FENCE))
    return steps


def line_of(content) -> int:
    """Return the number of the content's first line in its region."""
    return (content.ctypes.data - kept.region_of(content)) // kept.LINE_BYTES


def places(content) -> tuple:
    """Return the stores of the first entry: its words, its number, the cache's word."""
    cache = kept._CACHE_AT // 8 + line_of(content) % kept.CACHE_LINES
    starts = (kept._LINES_AT // 8, kept._NUMBERS_AT // 8, cache)
    return tuple(("store", at) for at in starts)


def test_entry_is_whole_before_it_counts(content, told):
    kept._keep_line(kept.region_of(content), line_of(content))
    copy, number, cache = places(content)
    assert told == [copy, number, USED, cache]


def test_commit_stands_between_what_was_changed_and_what_is_told(content, told):
    kept._keep_line(kept.region_of(content), line_of(content))
    told.clear()
    kept.commit(kept.region_of(content))
    *_, cache = places(content)
    assert told == [cache, ("store", kept.KEPT_IN_ALL), FENCE, USED, FENCE]


def test_entry_is_given_up_when_its_line_is_back(content, told):
    for number in range(2):
        kept._keep_line(kept.region_of(content), line_of(content) + number)
    told.clear()
    kept.undo(kept.region_of(content))
    behind = told[kept.CACHE_LINES :]
    wanted = []
    for number in (1, 0):
        begin = (line_of(content) + number) * kept.LINE_WORDS
        wanted += [("store", begin + k) for k in range(kept.LINE_WORDS)] + [FENCE, USED]
    assert behind == wanted
    assert np.array_equal(content, np.zeros(64, np.int64))
