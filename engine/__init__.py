"""A network intrusion detection engine: several processes over shared memory."""

import hashlib
import os
import stat
import tempfile
from pathlib import Path

__version__ = "0.1.0"


def _fingerprint() -> str:
    """Return 16 hex digits that change whenever any source file of the engine does."""
    digest = hashlib.sha256()
    root = Path(__file__).parent
    for path in sorted(root.rglob("*.py")):
        digest.update(str(path.relative_to(root)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _cache_home() -> Path:
    """Return a folder of this user's own for compiled kernels (they are loaded as code)."""
    wanted = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ml-defender"
    for home in (wanted, Path(tempfile.gettempdir()) / f"ml-defender-{os.getuid()}"):
        try:
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError:
            continue
        status = home.stat()
        foreign = status.st_uid != os.getuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        if not foreign and os.access(home, os.W_OK | os.X_OK):
            return home
    return Path(tempfile.mkdtemp(prefix="ml-defender-"))


FINGERPRINT = _fingerprint()
CACHE_HOME = _cache_home()
# Read by OpenBLAS when numpy loads it. The engine calls none of it: its threads would cost 0.2 s of
# CPU time at the start, and a zygote that forks must have none.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Read by numba when it is imported, later. A cached kernel is one of its module's sources and of
# all that they import, not of its own file alone: that is what the locator is for.
os.environ["NUMBA_CACHE_DIR"] = str(CACHE_HOME / "kernels")
os.environ["NUMBA_CACHE_LOCATOR_CLASSES"] = (
    "engine.memory.kernel_cache.ClosureLocator,UserProvidedCacheLocator"
)
