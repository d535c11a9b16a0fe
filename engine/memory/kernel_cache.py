"""Make numba's kernel cache see what a kernel really depends on.

numba recompiles a cached kernel only when the kernel's own file changes. Ours freeze offsets from
engine.layouts and take in callees from other files: a stale kernel would read the wrong bytes of
shared memory. Here the stamp of a cached kernel covers its module and every module of the engine
and of its tests that it imports, directly or not, so that any change recompiles exactly the kernels
it can reach: a test's kernel that has taken in the engine's former code would show nothing. What a
store does, the kind of a pointer decides that the caller passes (kept.py): no import tells of it,
so every stamp covers this room too.
engine/__init__.py names the locator to numba.
"""

import functools
import hashlib
import re
from pathlib import Path

from numba.core.caching import UserProvidedCacheLocator

_ROOM = Path(__file__).parent  # engine.memory: all kinds of pointers are defined here.
_TOP = _ROOM.parent.parent  # Where `engine` and, in a checkout, `tests` are.
_OURS = r"(?:engine|tests)\b[\w.]*"
_IMPORT = re.compile(rf"^\s*from ({_OURS}) import (\([^)]*\)|[^\n]*)|^\s*import ({_OURS})", re.M)
_NAME = re.compile(r"\w+")


def _files_of(module: str) -> list[Path]:
    """Return the source files of `module` and its packages."""
    parts = module.split(".")
    base = _TOP.joinpath(*parts)
    found = [_TOP.joinpath(*parts[:k], "__init__.py") for k in range(1, len(parts) + 1)]
    return [path for path in (*found, base.with_suffix(".py")) if path.is_file()]


@functools.cache
def _imports_of(path: Path) -> tuple[Path, ...]:
    """Return the source files of ours that a file imports, directly."""
    files: list[Path] = []
    for module, names, plain in _IMPORT.findall(path.read_text(encoding="utf-8", errors="replace")):
        files += _files_of(plain or module)
        for name in _NAME.findall(names):
            files += _files_of(f"{module}.{name}") if module else []
    return tuple(dict.fromkeys(files))


@functools.cache
def closure_digest(path: Path) -> str:
    """Return a digest of a source file and of all source files of ours that it depends on."""
    closure = {path, *_ROOM.glob("*.py")}
    waiting = list(closure)
    while waiting:
        for file in _imports_of(waiting.pop()):
            if file not in closure:
                closure.add(file)
                waiting.append(file)
    digest = hashlib.sha256()
    for file in sorted(closure):
        digest.update(str(file).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


class ClosureLocator(UserProvidedCacheLocator):
    """Finds cached kernels by closure_digest."""

    def get_source_stamp(self):
        """Return what the cached kernel must have been made from."""
        return closure_digest(Path(self._py_file))
