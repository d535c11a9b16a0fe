"""A program with a planted bug: its module is loaded from the edited source.

    python -m stress.zoo.planted private_table engine run -r capture.pcap

runs `engine run -r capture.pcap` with that bug in all stages: they are forked from this process.
The kernels run as Python, so nothing is compiled for a bug and nothing goes to the cache on disk.
The switch is this file; the product has none.
"""

import importlib.machinery
import os
import sys
from importlib.abc import MetaPathFinder
from pathlib import Path

from stress.zoo.bugs import ALL
from stress.zoo.twins import Edit, edited

SHIPPED = "shipped"  # No bug: the same way to run, for comparison.


class _Loader(importlib.machinery.SourceFileLoader):
    """Loads one module from its source as an edit leaves it, never from a cache."""

    def __init__(self, edit: Edit, path: str) -> None:
        super().__init__(edit.module, path)
        self._edit = edit

    def get_code(self, fullname: str):
        """Return the code of the edited source."""
        text = self.get_data(self.path).decode()
        return self.source_to_code(edited(text, self._edit).encode(), self.path)


class _Finder(MetaPathFinder):
    """Finds the module of an edit before anybody else does."""

    def __init__(self, edit: Edit) -> None:
        self._edit = edit

    def find_spec(self, fullname: str, path=None, target=None):
        """Return the edited module's spec; None for every other module."""
        if fullname != self._edit.module:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path)
        spec.loader = _Loader(self._edit, spec.origin)
        return spec


def plant(edit: Edit) -> None:
    """Have a module loaded with an edit. Before anything imports it."""
    assert edit.module not in sys.modules, f"{edit.module} is loaded already"
    sys.meta_path.insert(0, _Finder(edit))


def main() -> None:
    """Run the engine with a bug of the zoo."""
    os.environ["NUMBA_DISABLE_JIT"] = "1"
    name, program, *words = sys.argv[1:]
    assert Path(program).name == "engine", f"engine, not {program}"
    if name != SHIPPED:
        plant({bug.name: bug.edit for bug in ALL}[name])
    sys.argv = [program, *words]
    from engine.cli import main as run

    run()


if __name__ == "__main__":
    main()
