"""What no file of the repository may mention: places of one machine, and where packages come from.

Whoever clones the project has other folders and other package indexes. Every text file that git
would take is read.
"""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

# A letter in brackets keeps a pattern from matching itself.
FORBIDDEN = {
    r"(?<![\w.:/])/(?:[w]ork|[r]oot|[h]ome|[U]sers|mnt|srv|opt)/\w": "a machine's folder",
    r"(?<![\w./])/[t]mp/\w+/": "a machine's folder; use tempfile",
    r"[Cc]:\\+[U]sers": "a machine's folder",
    r"\b[p]ypi\.(?:org|python\.org)|[p]ythonhosted": "a package host",
    r"--(?:extra-)?[i]ndex-url|--[f]ind-links|--[t]rusted-host": "a package host",
    r"\b[c]onda-forge\b|[a]naconda\.(?:org|com)": "a package host",
    r"deb\.[d]ebian\.org|archive\.[u]buntu": "a package host",
}
_PATTERNS = [(re.compile(pattern), what) for pattern, what in FORBIDDEN.items()]
_SKIPPED = {".git", ".venv", "__pycache__", "build", "dist"}
_TEXT_BYTES_MAX = 4 << 20


def mentions_in(text: str) -> Iterator[tuple[int, str]]:
    """Yield (line, what to do) for everything in a text that only holds on one machine."""
    for number, line in enumerate(text.splitlines(), 1):
        for pattern, what in _PATTERNS:
            match = pattern.search(line)
            if match is not None:
                yield number, f"mentions {what} ({match[0]}); leave it out"


def mentions(root: Path) -> Iterator[str]:
    """Yield path:line: what to do, for every mention in the repository."""
    for path in _files(root):
        if path.stat().st_size > _TEXT_BYTES_MAX:
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for line, what in mentions_in(text):
            yield f"{path.relative_to(root)}:{line}: {what}"


def _files(root: Path) -> list[Path]:
    """Return the files git has or would take; without git, all that are not obviously made."""
    command = ["git", "-C", str(root), "ls-files", "-z", "-co", "--exclude-standard"]
    try:
        listed = subprocess.run(command, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        every = (path for path in root.rglob("*") if path.is_file())
        return sorted(path for path in every if not _SKIPPED & set(path.relative_to(root).parts))
    found = (root / name.decode("utf-8", "surrogateescape") for name in listed.split(b"\0") if name)
    return sorted(path for path in found if path.is_file() and not path.is_symlink())
