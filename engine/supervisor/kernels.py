"""Compiling every kernel before a ring is opened: slow once, then read from the cache.

A mark in the cache says that this state of the sources has been compiled for this machine. Where it is
missing, each stage's kernels are compiled in a process of its own, side by side; then all are loaded here.
"""

import os
import time
from collections.abc import Callable

import llvmlite.binding
import numba

from engine import CACHE_HOME, FINGERPRINT
from engine.capture.load import load_kernels as load_capture
from engine.classifier.load import load_kernels as load_classifier
from engine.errors import ProcessError
from engine.recorder.load import load_kernels as load_recorder
from engine.worker.load import load_kernels as load_worker

_LOADERS = (load_worker, load_capture, load_classifier, load_recorder)


def _mark_path() -> str:
    machine = llvmlite.binding.get_host_cpu_name()
    return str(CACHE_HOME / f"compiled-{FINGERPRINT}-{numba.__version__}-{machine}")


def are_compiled() -> bool:
    """Return whether the kernels of these sources are in the cache."""
    return numba.config.DISABLE_JIT or os.path.exists(_mark_path())


def _compile_side_by_side() -> None:
    children = {}
    for loader in _LOADERS:
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                loader()
                code = 0
            finally:
                os._exit(code)
        children[pid] = loader.__module__
    for pid, module in children.items():
        if os.waitpid(pid, 0)[1]:
            raise ProcessError(f"the kernels of {module} could not be compiled")


def load_kernels(say: Callable[[], None]) -> float:
    """Load every kernel, compiled first where that is needed (`say` is then called); return seconds."""
    begin = time.monotonic()
    if not are_compiled():
        say()
        _compile_side_by_side()
    for loader in _LOADERS:
        loader()
    if not numba.config.DISABLE_JIT:
        for old in CACHE_HOME.glob("compiled-*"):
            old.unlink(missing_ok=True)
        with open(_mark_path(), "wb"):
            pass
    return time.monotonic() - begin
