"""A source file as the rules see it: text, syntax tree, comments, and where it stands."""

import ast
import io
import tokenize
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Complaint:
    """Something to change at a line: `text` says what to do."""

    line: int
    text: str


@dataclass(frozen=True)
class Source:
    """A Python file of the project. `path` is relative to its root."""

    path: PurePosixPath
    text: str
    tree: ast.Module = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "tree", ast.parse(self.text))

    @property
    def room(self) -> str:
        """Return the folder at the top: engine, tests, tools or stress."""
        return self.path.parts[0]

    @property
    def module(self) -> str:
        """Return the dotted name."""
        parts = self.path.with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @cached_property
    def comments(self) -> dict[int, str]:
        """Return {line: comment}, without its sign."""
        tokens = tokenize.generate_tokens(io.StringIO(self.text).readline)
        return {
            token.start[0]: token.string.lstrip("#").strip()
            for token in tokens
            if token.type == tokenize.COMMENT
        }

    @cached_property
    def lines(self) -> list[str]:
        """Return the text's lines, the first at 0."""
        return self.text.splitlines()

    @cached_property
    def functions(self) -> list[FunctionNode]:
        """Return every function and method."""
        return [node for node in ast.walk(self.tree) if isinstance(node, FunctionNode)]

    @cached_property
    def kernels(self) -> list[FunctionNode]:
        """Return the functions that numba compiles; what tests compile for themselves is theirs."""
        found = [function for function in self.functions if jit_decorator(function) is not None]
        return [] if self.room == "tests" else found


def jit_decorator(function: FunctionNode) -> ast.expr | None:
    """Return the njit or jit decorator of a function, called or not."""
    for decorator in function.decorator_list:
        target = decorator.func if isinstance(decorator, ast.Call) else decorator
        if ast.unparse(target).rpartition(".")[2] in ("njit", "jit"):
            return decorator
    return None


def parameters(function: FunctionNode) -> list[ast.arg]:
    """Return all parameters of a function, without self and cls."""
    listed = function.args
    every = [*listed.posonlyargs, *listed.args, *listed.kwonlyargs, listed.vararg, listed.kwarg]
    return [one for one in every if one is not None and one.arg not in ("self", "cls")]
