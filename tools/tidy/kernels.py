"""Rules for what numba compiles (README.rst, "Kernels"), and for who may speak LLVM."""

import ast
from collections.abc import Iterator

from engine.memory import options
from tools.tidy.source import Complaint, FunctionNode, Source, jit_decorator

_FORBIDDEN_OPTIONS = ("fastmath", "parallel")
_ALLOCATIONS = ("zeros", "empty", "ones", "full", "array", "arange", "concatenate", "copy")
_FORBIDDEN_NODES = {
    ast.List: "a list",
    ast.Dict: "a dict",
    ast.Set: "a set",
    ast.ListComp: "a list",
    ast.DictComp: "a dict",
    ast.SetComp: "a set",
    ast.GeneratorExp: "a generator",
    ast.JoinedStr: "a string",
    ast.Try: "exceptions",
    ast.Raise: "exceptions",
    ast.With: "a context",
    ast.Lambda: "a closure",
    ast.Yield: "a generator",
}


def kernels_are_cached(source: Source) -> Iterator[Complaint]:
    """cache=True, without fastmath and parallel: said here, or by engine.memory.options."""
    for function in source.kernels:
        said = _options(jit_decorator(function))
        if said.get("cache") != "True":
            yield Complaint(function.lineno, f"{function.name}: say cache=True")
        for option in _FORBIDDEN_OPTIONS:
            if said.get(option, "False") != "False":
                text = f"{function.name}: no {option}; results must not depend on the machine"
                yield Complaint(function.lineno, text)


def _options(decorator: ast.expr) -> dict[str, str]:
    """Return the options of a jit decorator as they are written; those behind ** are looked up."""
    said = {}
    for word in decorator.keywords if isinstance(decorator, ast.Call) else []:
        if word.arg is None:
            named = getattr(options, ast.unparse(word.value).rpartition(".")[2], {})
            said |= {name: repr(value) for name, value in named.items()}
        else:
            said[word.arg] = ast.unparse(word.value)
    return said


def kernels_have_docstrings(source: Source) -> Iterator[Complaint]:
    """A public kernel says what it returns or does."""
    for function in source.kernels:
        if function.name[0] != "_" and ast.get_docstring(function) is None:
            yield Complaint(function.lineno, f"{function.name}: a kernel needs a docstring")


def kernels_write_fields_by_name(source: Source) -> Iterator[Complaint]:
    """record["field"] = ..., never record.field = ...: that only works compiled."""
    for function in source.kernels:
        for node in ast.walk(function):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del):
                text = f'write {ast.unparse(node.value)}["{node.attr}"], not .{node.attr}'
                yield Complaint(node.lineno, text)


def kernels_take_and_return_numbers(source: Source) -> Iterator[Complaint]:
    """No allocation, strings, containers or exceptions in a kernel; assert is fine."""
    for function in source.kernels:
        for node in _body(function):
            what = _FORBIDDEN_NODES.get(type(node))
            if what is not None:
                yield Complaint(node.lineno, f"{function.name}: no {what} in a kernel")
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                module = ast.unparse(node.func.value)
                if module in ("np", "numpy") and node.func.attr in _ALLOCATIONS:
                    text = f"{function.name}: no allocation in a kernel; pass the array in"
                    yield Complaint(node.lineno, text)
            if isinstance(node, ast.Global):
                yield Complaint(node.lineno, f"{function.name}: no globals but constants")


def _body(function: FunctionNode) -> Iterator[ast.AST]:
    """Yield the nodes of a kernel that run: not its decorators, annotations, assert messages."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        yield node
        waiting += [node.test] if isinstance(node, ast.Assert) else ast.iter_child_nodes(node)


def kernels_are_signed(source: Source) -> Iterator[Complaint]:
    """int64 everywhere: unsigned arithmetic differs between compiled and interpreted code."""
    for function in source.kernels:
        for node in ast.walk(function):
            if isinstance(node, ast.Attribute) and node.attr == "uint64":
                text = f"{function.name}: no uint64 in a kernel; see engine.memory.mixing and wide"
                yield Complaint(node.lineno, text)


def only_memory_speaks_llvm(source: Source) -> Iterator[Complaint]:
    """Intrinsics live in engine.memory, each with a Python twin."""
    if source.room != "engine" or source.module.startswith("engine.memory"):
        return
    for node in ast.walk(source.tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
            names += [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            if name.startswith(("llvmlite.ir", "numba.core", "numba.extending")):
                yield Complaint(node.lineno, f"{name}: intrinsics live in engine.memory only")
                break
