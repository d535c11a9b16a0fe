"""The line of a run with a bug of the zoo in it: `stress.zoo.planted_line:ring_tail_relaxed`.

The bug is planted when the scenario is asked for, before any stage is imported: one bug in one
process, and the line as shipped in another. Kernels that depend on the edited module, where they
are kept on disk, are kept apart from the shipped ones; all others are the same.
"""

import importlib
import zlib
from pathlib import Path

from engine.memory import kernel_cache
from stress.races.scenario import Scenario
from stress.zoo.bugs import BUGS
from stress.zoo.planted import plant
from stress.zoo.twins import Edit, source_of


def __getattr__(name: str) -> Scenario:
    edits = {bug.name: bug.edit for bug in BUGS}
    if name not in edits:
        raise AttributeError(name)
    _keep_apart(edits[name])
    plant(edits[name])
    return importlib.import_module("stress.zoo.line").RUN


def _keep_apart(edit: Edit) -> None:
    """Have what depends on the edited module kept in folders of its own."""
    _, edited = source_of(edit.module)
    usual = kernel_cache.ClosureLocator.get_cache_path
    suffix = f"-{zlib.crc32(repr(edit).encode()):08x}"

    def apart(locator) -> str:
        depends = edited in _closure(Path(locator._py_file))
        return usual(locator) + suffix * depends

    kernel_cache.ClosureLocator.get_cache_path = apart


def _closure(path: Path) -> set[Path]:
    """Return a source file and all of ours that it depends on."""
    found, waiting = {path}, [path]
    while waiting:
        new = set(kernel_cache._imports_of(waiting.pop())) - found
        found |= new
        waiting += new
    return found
