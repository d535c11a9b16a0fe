"""Compiling every kernel before a ring is opened: slow once, then read from the cache.

A mark in the cache says that this state of the sources has been compiled for this machine. Where it
is missing, each stage's kernels are compiled in a process of its own, side by side; then all are
loaded here.
"""

import contextlib
import os
import time
import traceback
from collections.abc import Callable

import numba

from engine import CACHE_HOME
from engine.errors import ProcessError
from engine.supervisor.compiled import are_compiled, mark_path
from engine.supervisor.entry import die_with

_MARKS_KEPT = 16


def _load_capture() -> None:
    from engine.capture.load import load_kernels

    load_kernels()


def _load_worker() -> None:
    from engine.worker.load import load_kernels

    load_kernels()


def _load_classifier() -> None:
    from engine.classifier import main  # noqa: F401 - its kernels have signatures.


def _load_recorder() -> None:
    from engine.recorder.load import load_kernels

    load_kernels()


# Imported late: compiling begins with the import, and each in a process of its own.
_LOADERS = {
    "capture": _load_capture,
    "worker": _load_worker,
    "classifier": _load_classifier,
    "recorder": _load_recorder,
}


def _compile_side_by_side() -> None:
    children = {}
    parent = os.getpid()
    for stage, loader in _LOADERS.items():
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                die_with(parent)
                loader()
                code = 0
            except Exception:
                traceback.print_exc()  # Our bug: what a report of it needs.
            finally:
                os._exit(code)
        children[pid] = stage
    for pid, stage in children.items():
        if os.waitpid(pid, 0)[1]:
            raise ProcessError(f"the kernels of {stage} could not be compiled")


def _drop_old_marks() -> None:
    """Keep the newest marks: several installs of the engine may share a cache."""
    marks = {}
    for path in CACHE_HOME.glob("compiled-*"):
        with contextlib.suppress(FileNotFoundError):
            marks[path] = path.stat().st_mtime_ns
    for path in sorted(marks, key=marks.get)[:-_MARKS_KEPT]:
        path.unlink(missing_ok=True)


def load_kernels(say: Callable[[], None]) -> float:
    """Load every kernel; `say` is called if they must be compiled first. Return seconds."""
    begin = time.monotonic()
    if not are_compiled():
        say()
        _compile_side_by_side()
    for loader in _LOADERS.values():
        loader()
    if not numba.config.DISABLE_JIT:
        with open(mark_path(), "wb"):
            pass
        _drop_old_marks()
    return time.monotonic() - begin
