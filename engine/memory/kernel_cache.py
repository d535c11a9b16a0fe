"""Make numba's kernel cache see what a kernel really depends on.

numba recompiles a cached kernel only when the kernel's own file changes. Ours freeze offsets from
engine.layouts and take in callees from other files: a stale kernel would read the wrong bytes of
shared memory. Here the stamp of a cached kernel covers its module and every engine module that it
imports, directly or not, so that any change recompiles exactly the kernels it can reach.
engine/__init__.py names the locator to numba.
"""

import functools
import hashlib
import re
from pathlib import Path

from numba.core.caching import UserProvidedCacheLocator

_ROOT = Path(__file__).parent.parent
_IMPORT = re.compile(
    r"^\s*from (engine[\w.]*) import (\([^)]*\)|[^\n]*)|^\s*import (engine[\w.]*)", re.M
)
_NAME = re.compile(r"\w+")


def _files_of(module: str) -> list[Path]:
    """Return the source files of `module` and its packages."""
    parts = module.split(".")[1:]
    base = _ROOT.joinpath(*parts)
    found = [_ROOT.joinpath(*parts[:k], "__init__.py") for k in range(len(parts) + 1)]
    return [path for path in (*found, base.with_suffix(".py")) if path.is_file()]


@functools.cache
def _imports_of(path: Path) -> tuple[Path, ...]:
    """Return the engine's source files that a file imports, directly."""
    files: list[Path] = []
    for module, names, plain in _IMPORT.findall(path.read_text(encoding="utf-8")):
        files += _files_of(plain or module)
        for name in _NAME.findall(names):
            files += _files_of(f"{module}.{name}") if module else []
    return tuple(dict.fromkeys(files))


@functools.cache
def closure_digest(path: Path) -> str:
    """Return a digest of a source file and of all engine source files that it depends on."""
    closure = {path}
    waiting = [path]
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
    """Finds cached kernels of the engine's modules by closure_digest."""

    @classmethod
    def from_function(cls, py_func, py_file):
        """Return a locator for a function of the engine; None for others."""
        if _ROOT not in Path(py_file).parents:
            return None
        return super().from_function(py_func, py_file)

    def get_source_stamp(self):
        """Return what the cached kernel must have been made from."""
        return closure_digest(Path(self._py_file))
