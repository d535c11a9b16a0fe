"""Everything about the project that a machine can check without running it.

Each check yields lines `path:line: what to do`.
"""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from tools.generated import outdated
from tools.mentions import mentions
from tools.tidy import complaints_of, python_files

ROOT = Path(__file__).resolve().parent.parent
_IMPORT = re.compile(r"^\s*-?\s*(?P<importer>[\w.]+) -> (?P<imported>[\w.]+) \((?P<lines>[^)]*)\)")


def formatting(root: Path) -> Iterator[str]:
    """Ask ruff whether it would format a file differently."""
    yield from _ruff(root, ["format", "--check"], "run ruff format")


def lint(root: Path) -> Iterator[str]:
    """Ask ruff for lint."""
    yield from _ruff(root, ["check"], "")


def _ruff(root: Path, words: list[str], hint: str) -> Iterator[str]:
    command = [sys.executable, "-m", "ruff", *words, "--quiet", "--output-format", "concise"]
    files = [str(path.relative_to(root)) for path in python_files(root)]
    outcome = subprocess.run(
        [*command, *files], cwd=root, capture_output=True, text=True, check=False
    )
    for line in outcome.stdout.splitlines():
        match = re.match(r"^(?P<path>[^:]+):(?P<line>\d+):\d+: (?P<text>.*)$", line)
        if match is not None:
            text = f"{match['text']}; {hint}" if hint else match["text"]
            yield f"{match['path']}:{match['line']}: {text}"
    if outcome.returncode > 1:
        yield f"pyproject.toml:1: ruff itself fails: {outcome.stderr.strip()}"


def imports(root: Path) -> Iterator[str]:
    """Ask import-linter for broken contracts."""
    command = [
        sys.executable,
        "-c",
        "from importlinter.cli import lint_imports_command as run; run()",
    ]
    outcome = subprocess.run(
        [*command, "--config", "setup.cfg", "--no-cache"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    if outcome.returncode == 0:
        return
    found = False
    for line in outcome.stdout.splitlines():
        match = _IMPORT.match(line)
        if match is not None:
            found = True
            number = re.sub(r"\D.*", "", match["lines"].replace("l.", "")) or "1"
            path = match["importer"].replace(".", "/")
            path += ".py" if (root / f"{path}.py").is_file() else "/__init__.py"
            text = f"must not import {match['imported']} (contracts in setup.cfg)"
            yield f"{path}:{number}: {text}"
    if not found:
        words = " ".join((outcome.stdout[-600:] + outcome.stderr[-600:]).split())
        yield f"setup.cfg:1: import contracts: {words}"


CHECKS: dict[str, Callable[[Path], Iterator[str]]] = {
    "format": formatting,
    "lint": lint,
    "imports": imports,
    "style": complaints_of,
    "generated": outdated,
    "mentions": mentions,
}


def check(root: Path = ROOT) -> int:
    """Run every check, print what to do, return 1 if there is anything to do."""
    count = 0
    for name, find in CHECKS.items():
        lines = list(find(root))
        count += len(lines)
        for line in lines:
            print(line)
        print(f"{name}: {len(lines) or 'nothing'} to do", file=sys.stderr)
    return 1 if count else 0
