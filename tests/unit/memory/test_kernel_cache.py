"""A cached kernel is never older than any source that it was made from.

Method: a small engine of two planted modules and the real locator, in processes of their own with a
cache of their own; a kernel of the engine, one of a module outside and one of a test call the
planted one, which is then changed; or one gets an argument whose kind says what it means. What it
cannot show: kinds of arguments that are defined outside engine.memory.
"""

import os
import shutil
import subprocess
import sys

import pytest

from engine.memory import kernel_cache
from tests.conftest import ROOT

pytestmark = pytest.mark.compiled

CALLEE = "from numba import njit\n\n\n@njit(cache=True)\ndef number():\n    return {}\n"
CALLER = """
from numba import njit
{imported}

@njit("i8()", cache=True)
def kernel():
    return number()

print(kernel(), sum(kernel.stats.cache_hits.values()))
"""
KIND = """
from numba import types
from numba.core.datamodel import models, register_default
from numba.core.extending import (
    NativeValue, lower_builtin, type_callable, typeof_impl, unbox,
)


class Thing:
    pass


class Kind(types.Type):
    pass


register_default(Kind)(models.OpaqueModel)
typeof_impl.register(Thing)(lambda value, context: Kind("thing"))
unbox(Kind)(lambda kind, value, c: NativeValue(c.context.get_dummy_value()))


@type_callable(len)
def length_type(context):
    return lambda of: types.intp if isinstance(of, Kind) else None


@lower_builtin(len, Kind)
def length(context, builder, signature, args):
    return context.get_constant(types.intp, {})
"""
PASSER = """
from numba import njit

from engine.memory.kinds import Thing
from engine.taker import number

print(number(Thing()), sum(number.stats.cache_hits.values()))
"""
TAKER = "from numba import njit\n\n\n@njit(cache=True)\ndef number(thing):\n    return len(thing)\n"
CALLERS = {
    "engine/caller.py": "from engine.planted import number",
    "engine/further/caller.py": "from engine import between\n\nnumber = between.number",
    "outside.py": "from engine.between import (\n    number,\n)",
    "tests/caller.py": "from tests.helping import number",
}


@pytest.fixture
def project(tmp_path):
    """Return a folder with an engine that has the real locator and little else."""
    for name in ("memory", "further"):
        (tmp_path / "engine" / name).mkdir(parents=True)
        (tmp_path / "engine" / name / "__init__.py").write_text("")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "__init__.py").write_text("")
    shutil.copy(ROOT / "engine" / "__init__.py", tmp_path / "engine")
    shutil.copy(kernel_cache.__file__, tmp_path / "engine" / "memory")
    (tmp_path / "engine" / "planted.py").write_text(CALLEE.format(1))
    (tmp_path / "engine" / "between.py").write_text("from engine.planted import number\n")
    (tmp_path / "tests" / "helping.py").write_text("from engine.between import number\n")
    for path, imported in CALLERS.items():
        (tmp_path / path).write_text(CALLER.format(imported=imported))
    return tmp_path


def run(project, path: str) -> tuple[int, bool]:
    """Run a module that prints what its kernel returns; return that, and if it was cached."""
    module = path.removesuffix(".py").replace("/", ".")
    command = [sys.executable, "-c", f"import engine, {module}"]
    environment = os.environ | {
        "PYTHONPATH": str(project),
        "PYTHONDONTWRITEBYTECODE": "1",  # Python itself goes by time and size alone.
        "XDG_CACHE_HOME": str(project / "c"),
    }
    outcome = subprocess.run(
        command, cwd=project, env=environment, capture_output=True, text=True, check=True
    )
    value, hits = outcome.stdout.split()
    return int(value), int(hits) > 0


@pytest.mark.parametrize("path", CALLERS)
def test_kernel_is_cached_until_a_source_it_depends_on_changes(project, path):
    assert run(project, path) == (1, False)
    assert run(project, path) == (1, True)
    (project / "engine" / "elsewhere.py").write_text("# Nobody imports this.\n")
    assert run(project, path) == (1, True)
    planted = project / "engine" / "planted.py"
    before = planted.stat()
    planted.write_text(CALLEE.format(2))
    os.utime(planted, ns=(before.st_atime_ns, before.st_mtime_ns))  # As a checkout may leave it.
    assert run(project, path) == (2, False)


def test_kernel_is_one_of_what_the_kinds_of_its_arguments_mean(project):
    kinds = project / "engine" / "memory" / "kinds.py"
    kinds.write_text(KIND.replace("{}", "1"))
    (project / "engine" / "taker.py").write_text(TAKER)
    (project / "outside.py").write_text(PASSER)
    assert run(project, "outside.py") == (1, False)
    assert run(project, "outside.py") == (1, True)
    kinds.write_text(KIND.replace("{}", "2"))
    assert run(project, "outside.py") == (2, False)
