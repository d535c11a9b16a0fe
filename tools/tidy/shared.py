"""Rules for shared words (a plain access says why it needs no order) and for the twin.

A word's order is known from its layout. What can be judged is an access through an index that the
module itself, or one it imports, took from a layout: HEAD = RING.index("head"), then words[HEAD].
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from engine import layouts
from engine.memory.layout import Layout
from tools.tidy.source import Complaint, Source

ROOT = Path(__file__).resolve().parent.parent.parent
# Words that another process reads or writes at any time; fixed, private and record words are not.
_ORDERED = ("release", "relaxed")
_TWIN_MAY_IMPORT = (
    "engine.config",
    "engine.errors",
    "engine.features.catalogue",
    "engine.features.feature",
    "engine.features.services",
    "engine.reference",
)
_LAYOUTS = {name: value for name, value in vars(layouts).items() if isinstance(value, Layout)}


def plain_accesses_say_why(source: Source) -> Iterator[Complaint]:
    """A plain access to an ordered shared word says # Plain: why no order is needed."""
    if source.room != "engine":
        return
    known = _known_words(source)
    for statement in ast.walk(source.tree):
        if not isinstance(statement, ast.stmt):
            continue
        for node in _own_expressions(statement):
            word = known.get(_spelled(node.slice)) if isinstance(node, ast.Subscript) else None
            if word is not None and not _says_plain(source, statement, node):
                text = f"{ast.unparse(node)} is plain, but {word} is shared: use an atomic, or"
                yield Complaint(node.lineno, f"{text} say why with # Plain:")


def _says_plain(source: Source, statement: ast.stmt, node: ast.Subscript) -> bool:
    """Return whether the statement, or the comment right above it, says # Plain:."""
    last = node.end_lineno if hasattr(statement, "body") else statement.end_lineno
    lines = [*range(statement.lineno, last + 1)]
    above = statement.lineno - 1
    while above > 0 and source.lines[above - 1].lstrip().startswith("#"):
        lines.append(above)
        above -= 1
    return any(source.comments.get(line, "").startswith("Plain:") for line in lines)


def _own_expressions(statement: ast.stmt) -> Iterator[ast.AST]:
    """Yield the nodes of a statement that are not in a statement inside of it."""
    waiting: list[ast.AST] = [statement]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += [
            child for child in ast.iter_child_nodes(node) if not isinstance(child, ast.stmt)
        ]


def _spelled(index: ast.expr) -> str:
    return ast.unparse(index).replace('"', "'")


def _known_words(source: Source) -> dict[str, str]:
    """Return {how an index may be spelled here: the ordered word it stands for}."""
    known = dict(_inline_words())
    known |= _constants(source.tree)
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("engine"):
            continue
        for alias in node.names:
            name = alias.asname or alias.name
            constants = _module_constants(f"{node.module}.{alias.name}")
            known |= {f"{name}.{constant}": word for constant, word in constants.items()}
            word = _module_constants(node.module).get(alias.name)
            if word is not None:
                known[name] = word
    return known


@cache
def _inline_words() -> dict[str, str]:
    return {
        f"{name}.index('{word.name}')": f"{layout.name}.{word.name} ({word.order})"
        for name, layout in _LAYOUTS.items()
        for line in layout.lines
        for word in line.words
        if word.order in _ORDERED
    }


def _constants(tree: ast.Module) -> dict[str, str]:
    """Return {module constant: ordered word} of constants that are NAME = LAYOUT.index("word")."""
    found = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            word = _inline_words().get(_spelled(node.value))
            if word is not None:
                found[node.targets[0].id] = word
    return found


@cache
def _module_constants(module: str) -> dict[str, str]:
    path = ROOT.joinpath(*module.split(".")).with_suffix(".py")
    return _constants(ast.parse(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def twin_shares_no_code(source: Source) -> Iterator[Complaint]:
    """engine.reference imports tables and configuration, nothing else of ours."""
    if not source.module.startswith("engine.reference"):
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            modules = [f"{base}.{alias.name}" for alias in node.names]
        else:
            continue
        for module in modules:
            if module.split(".")[0] == "engine" and not _twin_may_import(module):
                yield Complaint(node.lineno, f"the twin shares no code: it must not use {module}")


def _twin_may_import(module: str) -> bool:
    return any(
        module == allowed or module.startswith(allowed + ".") for allowed in _TWIN_MAY_IMPORT
    )
