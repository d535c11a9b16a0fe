"""POSIX shared memory with an owner, a magic that is written last, and a lock that tells live from
dead.

Who creates a segment unlinks it. Everybody who has one mapped holds a shared flock on it, so a
segment that can be locked exclusively belongs to nobody any more: that is how stale ones are found,
however their run died. (multiprocessing.shared_memory would delete a segment when any attacher
exits.)

    creator                                       attacher
    --------------------------------------        ---------------------------------------
    shm_open exclusively, flock shared            shm_open, flock shared
    still the file of that name? else again       magic? (load-acquire) else SegmentError
    reserve the pages; write the header           fingerprint, kind, size as expected?
    fill; publish(): magic, with release
"""

import errno
import fcntl
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import posix_ipc

from engine import FINGERPRINT
from engine.errors import LayoutMismatchError, SegmentError
from engine.layouts import SEGMENT, SEGMENT_KINDS, SEGMENT_MAGIC
from engine.memory import large
from engine.memory.atomics import load_acquire, store_release

SHARED_MEMORY = Path("/dev/shm")
PREFIX = "ml-defender."
_NAME = re.compile(re.escape(PREFIX) + r"[0-9a-z]{1,32}\.[a-z]{1,16}(\.[0-9]{1,3})?")
_MAGIC = SEGMENT.index("magic")
_FINGERPRINT = int(FINGERPRINT, 16) - (1 << 64 if int(FINGERPRINT, 16) >> 63 else 0)
_CREATE_ATTEMPTS = 8
_LOOK_ATTEMPTS, _LOOK_PAUSE_S = 1000, 0.001


def segment_name(run: str, kind: str, number: int | None = None) -> str:
    """Return the name of a segment of run `run`."""
    name = f"{PREFIX}{run}.{kind}" + ("" if number is None else f".{number}")
    assert _NAME.fullmatch(name), f"not a segment name: {name!r}"
    return name


class Segment:
    """A mapped segment: the `whole` of it is a `header`, then its content, `words`; all int64."""

    def __init__(
        self, name: str, descriptor: int, size: int, owner: bool, populate: bool = False
    ) -> None:
        self.name = name
        self.owner = owner
        self._descriptor = descriptor
        self.whole = large.map_file(descriptor, size, populate)
        self.header, self.words = self.whole[: SEGMENT.words], self.whole[SEGMENT.words :]

    @classmethod
    def create(
        cls, name: str, kind: str, content_bytes: int, number: int = 0, reserve: bool = True
    ) -> "Segment":
        """Make a segment of zeros with its pages reserved; SegmentError if there is no room.

        With `reserve` off there must be room now, but pages are taken when they are first written.
        """
        size = SEGMENT.size_bytes + -(-content_bytes // 8) * 8
        descriptor = _create_locked(name)
        try:
            _require_room(descriptor, size)
            segment = cls(name, descriptor, size, owner=True)
            if reserve:
                large.reserve(descriptor, segment.whole)
        except OSError as error:
            posix_ipc.unlink_shared_memory("/" + name)
            os.close(descriptor)
            if error.errno not in (errno.ENOSPC, errno.ENOMEM, errno.EFBIG):
                raise
            free = os.statvfs(SHARED_MEMORY)
            raise SegmentError(
                f"{SHARED_MEMORY} has no room for segment {kind!r}: it needs {size:,} bytes, "
                f"{free.f_bavail * free.f_frsize:,} are free; lower flow.max_flows or the ring "
                f"capacities (engine config check), remove stale segments (engine shm clean), or "
                f"enlarge {SHARED_MEMORY}"
            ) from None
        values = {
            "fingerprint": _FINGERPRINT,
            "kind": SEGMENT_KINDS.index(kind),
            "number": number,
            "bytes": size,
            "owner": os.getpid(),
            "created_ns": time.time_ns(),
        }
        for word, value in values.items():
            segment.header[SEGMENT.index(word)] = value  # Plain: the magic publishes it.
        return segment

    @classmethod
    def attach(cls, name: str, kind: str, populate: bool = False) -> "Segment":
        """Map a published segment of this version of the engine; `populate`: all its pages now."""
        try:
            shared = posix_ipc.SharedMemory("/" + name)
        except posix_ipc.ExistentialError:
            raise SegmentError(f"segment {name!r} does not exist; is the run over?") from None
        except posix_ipc.PermissionsError:
            raise SegmentError(f"segment {name!r} belongs to another user") from None
        fcntl.flock(shared.fd, fcntl.LOCK_SH)
        size = os.fstat(shared.fd).st_size
        if size < SEGMENT.size_bytes:
            os.close(shared.fd)
            raise SegmentError(f"segment {name!r} is not ready: it has {size} bytes")
        segment = cls(name, shared.fd, size, False, populate)
        try:
            segment._check(kind)
        except SegmentError:
            segment.close()  # Or it would be live for as long as this process is.
            raise
        return segment

    def _check(self, kind: str) -> None:
        word = {place: int(self.header[SEGMENT.index(place)]) for place in SEGMENT.dtype().names}
        if load_acquire(self.header, _MAGIC) != SEGMENT_MAGIC:
            raise SegmentError(f"segment {self.name!r} is not published, or is not the engine's")
        if word["fingerprint"] != _FINGERPRINT:
            raise LayoutMismatchError(
                f"segment {self.name!r} was made by another version of the engine "
                f"({word['fingerprint'] & (1 << 64) - 1:016x}); this one is {FINGERPRINT}"
            )
        if (
            word["kind"] != SEGMENT_KINDS.index(kind)
            or word["bytes"] != len(self.words) * 8 + SEGMENT.size_bytes
        ):
            raise SegmentError(f"segment {self.name!r} is not a {kind} segment of its size")

    def publish(self) -> None:
        """Make the segment attachable. Creator only, once its content is ready."""
        store_release(self.header, _MAGIC, SEGMENT_MAGIC)

    @property
    def descriptor(self) -> int:
        """Return the open file of the segment."""
        return self._descriptor

    def unlink(self) -> None:
        """Remove the name; mappings stay until their processes end. Creator only."""
        assert self.owner, f"{self.name}: who creates unlinks"
        try:
            posix_ipc.unlink_shared_memory("/" + self.name)
        except posix_ipc.ExistentialError:
            return  # Somebody removed the file by hand.

    def close(self) -> None:
        """Give up the descriptor. The lock, like the mapping, lives as long as an array on it."""
        os.close(self._descriptor)


def _require_room(descriptor: int, size: int) -> None:
    """Make a file of `size` bytes without pages; OSError if there is no room for them now."""
    free = os.statvfs(SHARED_MEMORY)
    if free.f_bavail * free.f_frsize < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.ftruncate(descriptor, size)


def _create_locked(name: str) -> int:
    """Return a descriptor of a new, empty, locked file of that name."""
    for _ in range(_CREATE_ATTEMPTS):
        try:
            descriptor = posix_ipc.SharedMemory("/" + name, posix_ipc.O_CREX, mode=0o600).fd
        except posix_ipc.ExistentialError:
            raise SegmentError(f"segment {name!r} exists already") from None
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        if os.fstat(descriptor).st_nlink:
            return descriptor
        os.close(descriptor)  # A cleaner took it for stale between the two calls above.
    raise SegmentError(f"segment {name!r} was removed {_CREATE_ATTEMPTS} times while being made")


@dataclass(frozen=True, slots=True)
class Found:
    """A segment of the engine in the file system."""

    name: str
    run: str
    kind: str
    size_bytes: int
    owner_pid: int
    live: bool


def _look(path: Path, remove: bool) -> Found | None:
    """Return what `path` is; None if it is gone or not ours to look at. Remove it if stale."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            live = False
        except BlockingIOError:
            live = True
        status = os.fstat(descriptor)
        head = os.pread(descriptor, SEGMENT.size_bytes, 0).ljust(SEGMENT.size_bytes, b"\0")
        owner = int(np.frombuffer(head, np.int64)[SEGMENT.index("owner")])
        if remove and not live and status.st_nlink:
            path.unlink(missing_ok=True)
        _, run, kind = path.name.split(".")[:3]
        return Found(path.name, run, kind, status.st_size, owner, live)
    finally:
        os.close(descriptor)


@contextmanager
def _alone() -> Iterator[None]:
    """Let one process at a time look, or each would take what another tries to lock for live.

    Who holds it for longer than a second is no looker: it is not waited for.
    """
    descriptor = os.open(SHARED_MEMORY, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for _ in range(_LOOK_ATTEMPTS):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(_LOOK_PAUSE_S)
        yield
    finally:
        os.close(descriptor)


def find_segments(remove_stale: bool = False) -> list[Found]:
    """Return the engine's segments on this machine; those of dead runs are removed on request."""
    paths = sorted(path for path in SHARED_MEMORY.glob(PREFIX + "*") if _NAME.fullmatch(path.name))
    with _alone():
        return [found for found in (_look(path, remove_stale) for path in paths) if found]
