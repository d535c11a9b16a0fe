"""Make twins of shipped modules: the same source but for one edit, as a namespace of its own.

A twin is made from the source as it is shipped now. The text that an edit replaces must stand in it
exactly once; where it does not, the zoo fails, so that no bug is planted in code that is no longer
there. Of the module only what is wanted is kept, with all that it needs: what is left out would be
compiled for nothing. Without an edit a twin is the shipped code, loaded in the same way.
"""

import ast
import importlib.util
import linecache
import types
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_OPTIONS = "engine.memory.options"


class TwinError(Exception):
    """An edit does not fit the shipped source, or a wanted name is not in it."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One change of a module's text: `old`, which stands there exactly once, becomes `new`."""

    module: str
    old: str
    new: str


def source_of(module: str) -> tuple[str, Path]:
    """Return the text of a module, which is not imported for it, and its file."""
    path = Path(importlib.util.find_spec(module).origin)
    return path.read_text(encoding="utf-8"), path


def edited(text: str, edit: Edit) -> str:
    """Return a module's text with the edit made."""
    count = text.count(edit.old)
    if count != 1:
        raise TwinError(f"{edit.module} has {count} times, not once: {edit.old!r}")
    return text.replace(edit.old, edit.new)


def twin_of(
    module: str,
    wanted: tuple[str, ...],
    edit: Edit | None = None,
    given: Mapping[str, object] | None = None,
) -> types.ModuleType:
    """Return a module with the `wanted` names of the shipped one, as the edit leaves them.

    `given`: what names of it are instead: smaller sizes, twins of what it would import.
    """
    text, path = source_of(module)
    if edit is not None and edit.module == module:
        text = edited(text, edit)
    shown = f"{path.name} of the zoo {zlib.crc32(text.encode()):08x}"
    linecache.cache[shown] = (len(text), None, text.splitlines(True), shown)
    tree = _needed(ast.parse(text), set(wanted), set(given or ()), module)
    made = types.ModuleType(f"twin of {module}")
    made.__dict__.update(given or {})
    exec(compile(ast.fix_missing_locations(tree), shown, "exec"), made.__dict__)
    return made


def _needed(tree: ast.Module, wanted: set[str], given: set[str], module: str) -> ast.Module:
    """Return the statements that bind the wanted names, and all names that these need."""
    makers = {name: node for node in tree.body for name in _bound(node)}
    missing = wanted - makers.keys()
    if missing:
        raise TwinError(f"{module} has no {', '.join(sorted(missing))}")
    kept: set[str] = set()
    waiting = list(wanted)
    while waiting:
        name = waiting.pop()
        if name in kept | given or name not in makers:
            continue
        kept.add(name)
        node = makers[name]
        if not isinstance(node, (ast.Import, ast.ImportFrom)):
            kept.update(_bound(node))
            node = _without_cache(node)
            waiting += [one.id for one in ast.walk(node) if isinstance(one, ast.Name)]
    return ast.Module([made for node in tree.body if (made := _kept(node, kept))], [])


def _bound(node: ast.stmt) -> list[str]:
    """Return the names that a statement of a module binds."""
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return [node.name]
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return [alias.asname or alias.name.partition(".")[0] for alias in node.names]
    if isinstance(node, (ast.Assign, ast.AnnAssign, ast.For)):
        return [
            one.id
            for one in ast.walk(node)
            if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)
        ]
    return []


def _kept(node: ast.stmt, kept: set[str]) -> ast.stmt | None:
    """Return a statement, of an import what is kept of it; None if nothing is."""
    names = _bound(node)
    if not kept.intersection(names):
        return None
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        pairs = zip(node.names, names, strict=True)
        node.names = [alias for alias, name in pairs if name in kept]
        if getattr(node, "module", None) == _OPTIONS:
            node.module = "stress.zoo.uncached"
    return node


def _without_cache(node: ast.stmt) -> ast.stmt:
    """Have a kernel compiled when it is first called, and not kept on disk."""
    for decorator in getattr(node, "decorator_list", ()):
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "njit":
            decorator.args = []
            decorator.keywords = [word for word in decorator.keywords if word.arg != "cache"]
    return node
