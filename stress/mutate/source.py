"""A module's text and tree: where its functions are, and its text with pieces exchanged."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

ATOMICS = "from engine.memory.atomics import"


@dataclass(frozen=True)
class Source:
    """A module: its dotted name and its text."""

    module: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """Return its syntax tree."""
        return ast.parse(self.text)

    @cached_property
    def _begins(self) -> list[int]:
        begins = [0]
        for line in self.text.splitlines(True):
            begins.append(begins[-1] + len(line))
        return begins

    def at(self, line: int, octets: int) -> int:
        """Return the place in the text of a column, which the tree counts in bytes."""
        begin = self._begins[line - 1]
        before = self.text[begin : self._begins[line]].encode()[:octets]
        return begin + len(before.decode())

    def span(self, node: ast.AST) -> tuple[int, int]:
        """Return where a node begins and ends in the text."""
        begin = self.at(node.lineno, node.col_offset)
        return begin, self.at(node.end_lineno, node.end_col_offset)

    def of(self, node: ast.AST) -> str:
        """Return a node's text."""
        begin, end = self.span(node)
        return self.text[begin:end]

    def line(self, node: ast.AST) -> str:
        """Return the line on which a node begins, without comment and indentation."""
        return self.text.splitlines()[node.lineno - 1].partition("  #")[0].strip()

    def exchanged(self, pieces: list[tuple[int, int, str]], needs: str = "") -> str:
        """Return the text with pieces (begin, end, new) in place; `needs`: an atomic it calls."""
        text = self.text
        for begin, end, new in sorted(pieces, reverse=True):
            text = text[:begin] + new + text[end:]
        if needs and ATOMICS in text and needs not in self.imported:
            text = text.replace(ATOMICS, f"{ATOMICS} {needs}\n{ATOMICS}", 1)
        return text

    @cached_property
    def imported(self) -> set[str]:
        """Return the names that the module imports from others."""
        nodes = [node for node in self.tree.body if isinstance(node, ast.ImportFrom)]
        return {alias.asname or alias.name for node in nodes for alias in node.names}


@dataclass(frozen=True)
class Scope:
    """A function, or what stands outside of them: its name, its node, whether it is a kernel."""

    name: str
    node: ast.AST
    is_kernel: bool

    @cached_property
    def asked(self) -> frozenset[int]:
        """Return the ids of nodes that only say which memory to ask for."""
        top = [node for node in ast.walk(self.node) if isinstance(node, ast.If | ast.For)]
        if isinstance(self.node, ast.FunctionDef) and all(map(only_asks, self.node.body)):
            top = [self.node]
        asking = [node for node in top if node is self.node or only_asks(node)]
        asking = [node for node in asking if any(map(asks, ast.walk(node)))]
        return frozenset(id(one) for node in asking for one in ast.walk(node))

    def nodes(self) -> Iterator[ast.AST]:
        """Yield its nodes in order of the text, but decorators and what only asks for memory."""
        top = getattr(self.node, "body", [self.node])
        found = [node for one in top for node in ast.walk(one) if hasattr(node, "lineno")]
        found = [node for node in found if id(node) not in self.asked]
        yield from sorted(found, key=lambda n: (n.lineno, n.col_offset, -n.end_lineno))

    def blocks(self) -> Iterator[list[ast.stmt]]:
        """Yield each list of statements that follow each other."""
        for node in [self.node, *self.nodes()]:
            for name in ("body", "orelse", "finalbody"):
                block = getattr(node, name, None)
                if isinstance(block, list) and block and isinstance(block[0], ast.stmt):
                    yield block


# Calls that ask for lines of memory and change nothing.
_ASKING = ("prefetch", "prefetch_write", "ask_for_cold", "ask_for_rest", "_foresee", "_payload")


def asks(node: ast.AST) -> bool:
    """Return whether this is a call that asks for memory."""
    return called(node).endswith(_ASKING)


def only_asks(node: ast.stmt) -> bool:
    """Return whether a statement, and all within, only asks for memory that will be needed."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant) or asks(node.value)
    if isinstance(node, ast.If | ast.For | ast.While):
        return all(map(only_asks, [*node.body, *node.orelse]))
    if isinstance(node, ast.Assign | ast.AugAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return all(ast.unparse(one).startswith("scratch[") or stored(one) for one in targets)
    return isinstance(node, ast.Return) and node.value is None


def scopes(source: Source) -> Iterator[Scope]:
    """Yield the functions of a module, methods as Class.name, and its other statements."""
    for node in source.tree.body:
        if isinstance(node, ast.ClassDef):
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef):
                    yield _function(inner, f"{node.name}.{inner.name}")
        elif isinstance(node, ast.FunctionDef):
            yield _function(node, node.name)
        elif isinstance(node, ast.Assign | ast.Expr):
            yield Scope("", node, False)


def _function(node: ast.FunctionDef, name: str) -> Scope:
    marks = [ast.unparse(one) for one in node.decorator_list]
    return Scope(name, node, any(mark.startswith("njit") for mark in marks))


def called(node: ast.AST) -> str:
    """Return the last name of what a call calls; empty: it is none."""
    if not isinstance(node, ast.Call):
        return ""
    return ast.unparse(node.func).rpartition(".")[2]


def stored(node: ast.AST) -> set[str]:
    """Return the names that a piece of code binds."""
    return {
        one.id
        for one in ast.walk(node)
        if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)
    }


def loaded(node: ast.AST) -> set[str]:
    """Return the names that a piece of code uses."""
    return {
        one.id
        for one in ast.walk(node)
        if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Load)
    }
