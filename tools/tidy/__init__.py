"""The style rules a machine can check, each a function from a source to complaints."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from tools.tidy import kernels, names, shape, shared
from tools.tidy.source import Complaint, Source

RULES = (
    shape.module_is_short,
    shape.functions_are_short,
    shape.docstrings_say_something,
    shape.comments_are_sentences,
    shape.questions_have_a_number,
    shape.banned_calls,
    shape.no_globals_change,
    shape.test_names_are_claims,
    names.names_say_what,
    names.names_are_spelled_out,
    names.units_stand_last,
    kernels.kernels_are_cached,
    kernels.kernels_have_docstrings,
    kernels.kernels_write_fields_by_name,
    kernels.kernels_take_and_return_numbers,
    kernels.kernels_are_signed,
    kernels.only_memory_speaks_llvm,
    shared.plain_accesses_say_why,
    shared.twin_shares_no_code,
)
ROOMS = ("engine", "stress", "tests", "tools")


def complaints(path: PurePosixPath, text: str) -> Iterator[Complaint]:
    """Yield what the rules find in a file of that path (relative to the root) and text."""
    source = Source(path, text)
    for rule in RULES:
        yield from rule(source)


def complaints_of(root: Path) -> Iterator[str]:
    """Yield path:line: what to do, for every Python file of the project."""
    for path in python_files(root):
        relative = PurePosixPath(path.relative_to(root).as_posix())
        try:
            found = sorted(
                complaints(relative, path.read_text(encoding="utf-8")), key=lambda one: one.line
            )
        except SyntaxError as error:
            found = [Complaint(error.lineno or 1, f"no Python: {error.msg}")]
        yield from (f"{relative}:{one.line}: {one.text}" for one in found)


def python_files(root: Path) -> list[Path]:
    """Return the project's Python files, thin executables of tools/ among them, in order."""
    found = [path for room in ROOMS for path in (root / room).rglob("*.py")]
    for path in (root / "tools").iterdir():
        if path.is_file() and not path.suffix:
            with path.open("rb") as lines:
                if lines.readline().rstrip() == b"#!/usr/bin/env python3":
                    found.append(path)
    return sorted(found)
