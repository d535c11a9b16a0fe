"""Instrumented code that is kept on disk, so that the next process need not make it again.

For a back end whose code is the same in every process (killpoint). It lies beside numba's own
cache, in a folder for this state of the instruments, and is valid as long as what numba keeps
there. Without what a compiler leaves in memory a process also forks several times faster.

Sites have numbers that follow from their text, and are written down as they come.
"""

import hashlib
import os
import zlib
from pathlib import Path

import numba
from numba.core import caching

from stress.races.access import Site

_SITES = "sites.tsv"
# What else decides what the code is.
_MAKERS = ("access", "hook", "instructions", "private", "rewriter", "sites", "tokens")


class KeptSites(dict):
    """Sites by number, in memory and in a file: {Site: number}."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._path = folder / _SITES
        folder.mkdir(parents=True, exist_ok=True)

    def setdefault(self, site: Site, default: int | None = None) -> int:
        """Return the number of a site; write a new one down."""
        if site not in self:
            self[site] = number = zlib.crc32(str(site).encode())
            with open(self._path, "a", encoding="utf-8") as file:  # A line is one write.
                file.write(f"{number}\t{site}\n")
        return self[site]

    def table(self) -> dict[int, str]:
        """Return {number: site} of all that was ever written down."""
        lines = self._path.read_text("utf-8").splitlines() if self._path.exists() else []
        pairs = (line.split("\t", 1) for line in lines)
        return {int(number): site for number, site in pairs}


def keep_code(kind: str, code: str) -> KeptSites:
    """Have numba keep instrumented code of a kind apart from its own; return the sites of it.

    `code`: what a back end puts into kernels, as text: another text is other code.
    """
    digest = hashlib.sha256(f"{numba.__version__} {code}".encode())
    for module in _MAKERS:
        digest.update(Path(__file__).with_name(f"{module}.py").read_bytes())
    name = f"{kind}-{digest.hexdigest()[:16]}"
    make = caching.IndexDataCacheFile.__init__

    def make_apart(file, cache_path, filename_base, source_stamp):
        folder = os.path.join(cache_path, name)
        os.makedirs(folder, exist_ok=True)
        make(file, folder, filename_base, source_stamp)

    caching.IndexDataCacheFile.__init__ = make_apart
    home = Path(numba.config.CACHE_DIR or Path.home() / ".cache" / "races")
    return KeptSites(home / name)
