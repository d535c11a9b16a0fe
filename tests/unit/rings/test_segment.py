"""Segments: only whole ones of this engine are attached, stale ones are found, live ones never.

Method: each step of the protocol and each way to die in it, with real shared memory under names of
this worker; a cleaner that strikes between two steps of a creator is put exactly there.
"""

import contextlib
import errno
import fcntl
import gc
import os
import re

import numpy as np
import pytest

from engine.errors import LayoutMismatchError, SegmentError
from engine.layouts import SEGMENT, SEGMENT_KINDS
from engine.rings import segment as segments
from engine.rings.segment import SHARED_MEMORY, Segment, find_segments, segment_name


@pytest.fixture
def name(new_run):
    """Return a name; whatever bears it at the end is removed."""
    name = segment_name(new_run(), "rows")
    yield name
    (SHARED_MEMORY / name).unlink(missing_ok=True)


@pytest.fixture
def made(name):
    """Return a segment of 10 words, published."""
    made = Segment.create(name, "rows", 80, number=3)
    made.publish()
    return made


def header_word(made, word, value):
    """Plant a wrong word in a header."""
    made.header[SEGMENT.index(word)] = value


def in_child(action):
    """Run `action` in a child process that ends at once afterwards; return its exit code."""
    child = os.fork()
    if child == 0:
        try:
            action()
        except BaseException:  # The parent sees the exit code.
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_attacher_sees_what_the_creator_wrote(made):
    made.words[:] = np.arange(10)
    attached = Segment.attach(made.name, "rows")
    assert attached.words.tolist() == list(range(10))
    attached.words[0] = 7
    assert made.words[0] == 7
    attached.close()


def test_header_says_what_the_segment_is(made):
    word = {name: int(made.header[SEGMENT.index(name)]) for name in SEGMENT.dtype().names}
    assert word["kind"] == SEGMENT_KINDS.index("rows")
    assert word["number"] == 3
    assert word["owner"] == os.getpid()
    assert word["bytes"] == SEGMENT.size_bytes + 80 == (SHARED_MEMORY / made.name).stat().st_size


def test_new_segment_is_zeros_and_readable_by_its_user_only(made):
    assert not made.words.any()
    assert (SHARED_MEMORY / made.name).stat().st_mode & 0o777 == 0o600


def test_content_of_odd_length_is_rounded_up_to_words(name):
    made = Segment.create(name, "rows", 13)
    assert len(made.words) == 2


def test_name_that_stands_is_not_created_again(made):
    with pytest.raises(SegmentError, match="exists already"):
        Segment.create(made.name, "rows", 80)
    assert (SHARED_MEMORY / made.name).exists()


def test_name_that_does_not_stand_is_not_attached(name):
    with pytest.raises(SegmentError, match="does not exist"):
        Segment.attach(name, "rows")


def test_segment_that_is_not_published_is_not_attached(name):
    Segment.create(name, "rows", 80)
    with pytest.raises(SegmentError, match="not published"):
        Segment.attach(name, "rows")


def test_segment_of_another_version_is_not_attached(made):
    for fingerprint in (1, -3):
        header_word(made, "fingerprint", fingerprint)
        told = f"another version of the engine .{fingerprint & 0xFFFF_FFFF_FFFF_FFFF:016x}."
        with pytest.raises(LayoutMismatchError, match=told):
            Segment.attach(made.name, "rows")


def test_segment_of_another_kind_is_not_attached(made):
    with pytest.raises(SegmentError, match="not a events segment"):
        Segment.attach(made.name, "events")


def test_segment_that_was_cut_is_not_attached(made):
    os.truncate(SHARED_MEMORY / made.name, SEGMENT.size_bytes + 40)
    with pytest.raises(SegmentError, match="not a rows segment of its size"):
        Segment.attach(made.name, "rows")


def test_segment_without_a_whole_header_is_not_attached(name):
    for size in (0, 16, SEGMENT.size_bytes - 1):
        (SHARED_MEMORY / name).write_bytes(b"\0" * size)
        with pytest.raises(SegmentError, match=f"not ready: it has {size} bytes"):
            Segment.attach(name, "rows")
    (SHARED_MEMORY / name).write_bytes(b"\0" * SEGMENT.size_bytes)
    with pytest.raises(SegmentError, match="not published"):
        Segment.attach(name, "rows")


def test_foreign_file_is_not_attached(name):
    (SHARED_MEMORY / name).write_bytes(os.urandom(4096))
    with pytest.raises(SegmentError, match="not the engine's"):
        Segment.attach(name, "rows")


def test_failed_attach_leaves_no_lock_behind(only_mine):
    made = Segment.create(only_mine, "rows", 80)
    with pytest.raises(SegmentError):
        Segment.attach(only_mine, "events")
    made.close()
    del made
    gc.collect()  # The error's traceback holds what was mapped.
    assert [found.live for found in find_segments(remove_stale=True)] == [False]


def test_closed_segment_is_live_while_an_array_on_it_is_held(only_mine):
    made = Segment.create(only_mine, "rows", 80)
    words = made.words
    made.close()
    del made
    assert [found.live for found in find_segments(remove_stale=True)] == [True]
    words[0] = 1
    del words
    gc.collect()
    assert [found.live for found in find_segments(remove_stale=True)] == [False]


def test_unlinked_segment_stays_mapped_until_it_is_given_up(made):
    attached = Segment.attach(made.name, "rows")
    made.unlink()
    made.words[0] = 9
    assert attached.words[0] == 9
    with pytest.raises(SegmentError, match="does not exist"):
        Segment.attach(made.name, "rows")


def test_attacher_may_not_unlink(made):
    with pytest.raises(AssertionError, match="who creates unlinks"):
        Segment.attach(made.name, "rows").unlink()


def test_segment_removed_by_hand_is_unlinked_without_complaint(made):
    (SHARED_MEMORY / made.name).unlink()
    made.unlink()


def test_too_large_segment_is_an_error_that_says_what_is_free(name):
    status = os.statvfs(SHARED_MEMORY)
    size = status.f_blocks * status.f_frsize + (1 << 20)
    with pytest.raises(SegmentError, match="has no room") as refusal:
        Segment.create(name, "rows", size)
    assert f"{size + SEGMENT.size_bytes:,} bytes" in str(refusal.value)
    assert not (SHARED_MEMORY / name).exists()


def test_segment_may_take_all_that_is_free_and_no_more(name, monkeypatch):
    free = 80 + SEGMENT.size_bytes

    class Status:
        f_bavail, f_frsize = free, 1

    monkeypatch.setattr(os, "statvfs", lambda _: Status)
    Segment.create(name, "rows", 80, reserve=False).unlink()
    with pytest.raises(SegmentError, match="has no room"):
        Segment.create(name, "rows", 88, reserve=False)


def test_other_failure_to_reserve_is_not_hidden_and_leaves_nothing(name, monkeypatch):
    def refuse(descriptor, offset, size):
        raise OSError(errno.EIO, "planted")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    with pytest.raises(OSError, match="planted"):
        Segment.create(name, "rows", 80)
    assert not (SHARED_MEMORY / name).exists()


@pytest.mark.parametrize("wrong", ["UP", "a.b", "a" * 33, "", "../x"])
def test_name_that_the_cleaner_would_not_find_is_never_made(wrong):
    with pytest.raises(AssertionError, match="not a segment name"):
        segment_name(wrong, "rows")


# -- stale and live ----------------------------------------------------------


@pytest.fixture
def only_mine(monkeypatch, request):
    """Return a name that runs beside this test take for nobody's; the cleaner sees no other.

    An engine that starts removes what is stale, the very segments that these tests look at.
    """
    prefix = f"ml-tests-{os.getpid():x}."
    pattern = segments._NAME.pattern.replace(re.escape(segments.PREFIX), re.escape(prefix))
    assert re.escape(prefix) in pattern
    monkeypatch.setattr(segments, "PREFIX", prefix)
    monkeypatch.setattr(segments, "_NAME", re.compile(pattern))
    return request.getfixturevalue("name")


def test_live_segment_is_found_and_never_removed(only_mine, made):
    (found,) = find_segments(remove_stale=True)
    assert found.live
    assert (found.name, found.kind, found.owner_pid) == (made.name, "rows", os.getpid())
    assert found.size_bytes == SEGMENT.size_bytes + 80
    assert (SHARED_MEMORY / made.name).exists()


def test_segment_of_a_dead_process_is_stale_and_removed_on_request(only_mine):
    assert in_child(lambda: Segment.create(only_mine, "rows", 80).publish()) == 0
    assert [found.live for found in find_segments()] == [False]
    assert (SHARED_MEMORY / only_mine).exists()
    assert [found.name for found in find_segments(remove_stale=True)] == [only_mine]
    assert find_segments() == []


def look_until_closed(stop):
    """Find segments again and again until nobody can write to a pipe any more."""
    os.set_blocking(stop[0], False)
    os.close(stop[1])
    told = None
    while told is None:
        find_segments()
        with contextlib.suppress(BlockingIOError):
            told = os.read(stop[0], 1)


def test_lookers_do_not_take_each_other_for_owners(only_mine):
    assert in_child(lambda: Segment.create(only_mine, "rows", 80).publish()) == 0
    stop = os.pipe()
    others = [os.fork() for _ in range(2)]
    if 0 in others:
        try:
            look_until_closed(stop)
            os._exit(0)
        finally:
            os._exit(1)
    os.close(stop[0])
    seen = [found.live for _ in range(500) for found in find_segments()]
    os.close(stop[1])
    assert [os.waitpid(other, 0)[1] for other in others] == [0, 0]
    assert seen == [False] * 500
    (SHARED_MEMORY / only_mine).unlink()


def test_segment_whose_creator_died_is_live_while_somebody_has_it(only_mine):
    ready, go = os.pipe(), os.pipe()

    def create_and_wait():
        Segment.create(only_mine, "rows", 80).publish()
        os.write(ready[1], b"!")
        os.read(go[0], 1)

    child = os.fork()
    if child == 0:
        create_and_wait()
        os._exit(0)
    os.read(ready[0], 1)
    attached = Segment.attach(only_mine, "rows")
    os.write(go[1], b"!")
    os.waitpid(child, 0)
    assert [found.live for found in find_segments(remove_stale=True)] == [True]
    attached.close()
    del attached
    gc.collect()
    assert [found.live for found in find_segments(remove_stale=True)] == [False]
    assert find_segments() == []


def test_forked_child_keeps_a_segment_live(only_mine):
    made = Segment.create(only_mine, "rows", 80)
    go = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(go[1])
        os.read(go[0], 1)
        os._exit(0)
    os.close(go[0])
    made.close()
    del made
    gc.collect()
    assert [found.live for found in find_segments(remove_stale=True)] == [True]
    os.close(go[1])
    os.waitpid(child, 0)
    assert [found.live for found in find_segments(remove_stale=True)] == [False]


def test_half_made_segment_of_a_dead_process_is_removed(only_mine):
    (SHARED_MEMORY / only_mine).write_bytes(b"\0" * 16)
    (found,) = find_segments(remove_stale=True)
    assert (found.live, found.owner_pid, found.size_bytes) == (False, 0, 16)
    assert find_segments() == []


def test_link_with_a_segments_name_is_left_alone(only_mine, tmp_path):
    precious = tmp_path / "precious"
    precious.write_text("kept")
    (SHARED_MEMORY / only_mine).symlink_to(precious)
    assert find_segments(remove_stale=True) == []
    assert precious.read_text() == "kept"


def test_creator_whose_file_a_cleaner_took_makes_it_again(only_mine, monkeypatch):
    lock = fcntl.flock
    strikes = []

    def strike_first(descriptor, operation):
        """Let a cleaner run after shm_open and before the creator's lock, once."""
        monkeypatch.setattr(fcntl, "flock", lock)
        strikes.extend(find_segments(remove_stale=True))
        lock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", strike_first)
    made = Segment.create(only_mine, "rows", 80)
    made.publish()
    assert [found.live for found in strikes] == [False]
    assert Segment.attach(only_mine, "rows").words is not None
    assert [found.live for found in find_segments(remove_stale=True)] == [True]


def test_creator_gives_up_when_its_file_is_always_taken(only_mine, monkeypatch):
    lock = fcntl.flock

    def strike_always(descriptor, operation):
        (SHARED_MEMORY / only_mine).unlink(missing_ok=True)
        lock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", strike_always)
    with pytest.raises(SegmentError, match="removed 8 times"):
        Segment.create(only_mine, "rows", 80)


def test_cleaner_never_removes_a_new_segment_of_the_same_name(only_mine, monkeypatch):
    assert in_child(lambda: Segment.create(only_mine, "rows", 80).publish()) == 0
    lock = fcntl.flock
    made = []

    def replace_first(descriptor, operation):
        """Let the stale file give way to a live one after the cleaner opened it, once."""
        monkeypatch.setattr(fcntl, "flock", lock)
        (SHARED_MEMORY / only_mine).unlink()
        made.append(Segment.create(only_mine, "rows", 80))
        lock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", replace_first)
    find_segments(remove_stale=True)
    assert len(made) == 1
    assert [found.live for found in find_segments()] == [True]
