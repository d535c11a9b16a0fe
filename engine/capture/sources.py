"""Find the sources of a run: from paths as given to files in the order of their source numbers.

Called by the command line before any process starts, so that a path that cannot be used ends the
run at once. Source number = rank of the path by bytes (SEMANTICS.rst, "Position").
"""

import os
import stat
from collections.abc import Iterable, Iterator

from engine.config import SOURCES_MAX
from engine.errors import ConfigError
from engine.rings.plan import SourceFile

STANDARD_INPUT = "-"
HEAD_BYTES = 8  # What tells the kind of a file.
_ZSTD, _ZSTD_SKIPPABLE = b"\x28\xb5\x2f\xfd", b"\x2a\x4d\x18"


def find_sources(paths: Iterable[str]) -> tuple[SourceFile, ...]:
    """Return the sources of files, folders (recursively) and "-"; ConfigError names what fails."""
    found: dict[str, SourceFile] = {}
    identities: dict[tuple[int, int], str] = {}
    for given in paths:
        for path in _expand(given):
            source = _describe(path)
            same = identities.get((source.device, source.inode)) if source.inode else None
            if path in found or same is not None:
                other = "" if same in (None, path) else f" (it is the same file as {same!r})"
                raise ConfigError(f"{path!r} is given twice{other}")
            found[path] = source
            identities[source.device, source.inode] = path
            if len(found) > SOURCES_MAX:
                raise ConfigError(f"a run has at most {SOURCES_MAX} sources")
    if not found:
        raise ConfigError("there is nothing to read: no file is given")
    return tuple(sorted(found.values(), key=lambda source: os.fsencode(source.path)))


def needs_arena(sources: Iterable[SourceFile], copied: bool = False) -> bool:
    """Return whether payload of any source goes through the frame arena; `copied`: of all."""
    return copied or any(not source.mapped for source in sources)


def passing_source(sources: Iterable[SourceFile]) -> str | None:
    """Return the path of a source that can be read only once, None if there is none."""
    return next((file.path for file in sources if not file.mapped and not file.bytes), None)


def compression_of(head: bytes) -> str:
    """Return "gzip", "zstd", "xz" or "" by the first HEAD_BYTES of a file."""
    if head.startswith(b"\x1f\x8b"):
        return "gzip"
    if head.startswith(_ZSTD) or (
        0x50 <= head[:1].ljust(1)[0] <= 0x5F and head[1:4] == _ZSTD_SKIPPABLE
    ):
        return "zstd"
    if head.startswith(b"\xfd7zXZ\0"):
        return "xz"
    return ""


def _expand(given: str) -> Iterator[str]:
    """Yield `given`, or the regular files below it if it is a folder."""
    if given == STANDARD_INPUT or not _is_folder(given):
        yield given
        return
    empty = True
    for folder, folders, names in os.walk(given, onerror=_refuse):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(folder, name)
            if os.path.isfile(path) or not os.path.exists(path):
                empty = False
                yield path
    if empty:
        raise ConfigError(f"folder {given!r} has no files in it")


def _is_folder(path: str) -> bool:
    try:
        return stat.S_ISDIR(os.stat(path).st_mode)
    except (OSError, ValueError):
        return False  # _describe says what is wrong.


def _refuse(error: OSError) -> None:
    raise ConfigError(f"cannot read folder {error.filename!r}: {error.strerror}")


def _describe(path: str) -> SourceFile:
    """Return what `path` is; ConfigError if it is nothing that can be read."""
    if path == STANDARD_INPUT:
        return SourceFile(path, False, 0)
    try:
        status = os.stat(path)
        if stat.S_ISFIFO(status.st_mode):
            if not os.access(path, os.R_OK):
                raise PermissionError(0, "Permission denied")
            return SourceFile(path, False, 0, status.st_dev, status.st_ino)
        if not stat.S_ISREG(status.st_mode):
            raise ConfigError(f"{path!r} is not a file, but a {_type_name(status.st_mode)}")
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            head = os.pread(descriptor, HEAD_BYTES, 0)
            status = os.fstat(descriptor)
        finally:
            os.close(descriptor)
    except ValueError:
        raise ConfigError(f"{path!r} is no path: it has a zero byte") from None
    except OSError as error:
        raise ConfigError(f"cannot read {path!r}: {error.strerror}") from None
    mapped = not compression_of(head)
    return SourceFile(path, mapped, status.st_size, status.st_dev, status.st_ino)


def _type_name(mode: int) -> str:
    for test, name in (
        (stat.S_ISCHR, "character device"),
        (stat.S_ISBLK, "block device"),
        (stat.S_ISSOCK, "socket"),
    ):
        if test(mode):
            return name
    return "special file"
