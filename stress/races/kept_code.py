"""Instrumented code that is kept on disk, so that the next process need not make it again.

For a back end whose code is the same in every process. It lies beside numba's own
cache, in a folder for this state of the instruments, and is valid as long as what numba keeps
there. Without what a compiler leaves in memory a process also forks several times faster.

Sites have numbers that follow from their text, and are written down as they come; so is how many
accesses were instrumented in what is kept.
"""

import hashlib
import inspect
import os
import zlib
from pathlib import Path

import numba
from numba.core import caching

from stress.races.access import BackEnd, Site
from stress.races.rewriter import Rewriter

_SITES, _PLACES = "sites.tsv", "places.tsv"
# What else decides what the code is.
_MAKERS = ("access", "hook", "instructions", "private", "rewriter", "sites", "tokens")
_MORE = {"xsan": ("raw", "xsan_runtime")}  # By kind.


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


def keep_code(kind: str, rewriter: Rewriter) -> None:
    """Have numba keep instrumented code of a kind apart from its own, and numbers of sites with it.

    What a back end puts into kernels, and how, says which code is the same.
    """
    name = f"{kind}-{_digest(kind, rewriter.back_end)[:16]}"
    begin, make = caching.Cache.__init__, caching.IndexDataCacheFile.__init__

    def begin_as_set(cache, function):
        # What a module says in the environment of where and how kernels are kept (engine/__init__)
        # counts for its own first kernels as well: numba reads it when it compiles, later.
        numba.core.config._env_reloader.update()
        begin(cache, function)

    def make_apart(file, cache_path, filename_base, source_stamp):
        folder = os.path.join(cache_path, name)
        os.makedirs(folder, exist_ok=True)
        make(file, folder, filename_base, source_stamp)

    caching.Cache.__init__ = begin_as_set
    caching.IndexDataCacheFile.__init__ = make_apart
    home = Path(numba.config.CACHE_DIR or Path.home() / ".cache" / "races") / name
    rewriter.sites = KeptSites(home)
    _keep_places(rewriter, home / _PLACES)


def _digest(kind: str, back_end: BackEnd) -> str:
    digest = hashlib.sha256(f"{numba.__version__} {back_end.declarations()}".encode())
    modules = (*_MAKERS, *_MORE.get(kind, ()))
    makers = [Path(__file__).with_name(f"{module}.py") for module in modules]
    for path in (*makers, Path(inspect.getfile(type(back_end)))):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _keep_places(rewriter: Rewriter, path: Path) -> None:
    """Write down how many accesses were instrumented in a kernel that is kept; count what comes."""
    load, save = caching.Cache.load_overload, caching.Cache.save_overload
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    known = dict(line.rsplit("\t", 1) for line in lines)

    def load_and_count(cache, signature, target_context):
        found = load(cache, signature, target_context)
        if found is not None:
            rewriter.places_kept += int(known.get(_key(cache, signature), 0))
        return found

    def save_and_count(cache, signature, compiled):
        save(cache, signature, compiled)
        places = getattr(compiled.library, "_races_places", 0)
        with open(path, "a", encoding="utf-8") as file:
            file.write(f"{_key(cache, signature)}\t{places}\n")

    caching.Cache.load_overload, caching.Cache.save_overload = load_and_count, save_and_count


def _key(cache: caching.Cache, signature: object) -> str:
    return f"{cache.cache_path} {cache._impl.filename_base} {signature}"
