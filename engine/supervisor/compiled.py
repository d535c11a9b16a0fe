"""Whether the kernels of these sources are in the cache: asked before anything that has one is
imported, for importing compiles.
"""

import os

import llvmlite.binding
import numba

from engine import CACHE_HOME, FINGERPRINT

COMPILING = "first run of this version: compiling kernels, about a minute, once"


def mark_path() -> str:
    """Return the file that says so, of this version and machine."""
    machine = llvmlite.binding.get_host_cpu_name()
    return str(CACHE_HOME / f"compiled-{FINGERPRINT}-{numba.__version__}-{machine}")


def are_compiled() -> bool:
    """Return whether the kernels of these sources are in the cache."""
    return numba.config.DISABLE_JIT or os.path.exists(mark_path())
