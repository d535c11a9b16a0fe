"""The plain twin: SEMANTICS.rst made executable in plain Python, sharing no code with kernels.

`run(paths, settings)` and `run_bytes(contents, settings)` return a whole Run; `Capture` alone
yields the frames of sources with their fates. Tests and tools compare the engine with it; nothing
of the engine imports it.
"""

from engine.reference.capture import Capture, Settings, sources_of
from engine.reference.run import Run, run, run_bytes

__all__ = ["Capture", "Run", "Settings", "run", "run_bytes", "sources_of"]
