"""Rules for names (README.rst, "Words" and "Names")."""

import ast
import re
from collections.abc import Iterator
from itertools import pairwise

from tools.tidy.source import Complaint, Source, parameters

# Never a whole name: they say nothing of what is meant.
EMPTY_WORDS = ("data", "info", "item", "items", "manager", "handler", "helper", "helpers")
EMPTY_WORDS += ("util", "utils", "misc", "common", "stuff", "thing")
_EMPTY_VERB = re.compile(r"^_?(do|handle)_|^_?process_(packet|record|frame|flow|event|row|file)")
_ABBREVIATIONS = {
    "addr": "address",
    "arr": "array",
    "buf": "buffer",
    "cfg": "config",
    "cnt": "count",
    "conn": "connection",
    "ctx": "context",
    "cur": "current",
    "curr": "current",
    "desc": "descriptor",
    "dst": "destination",
    "elem": "element",
    "fn": "function",
    "func": "function",
    "hdr": "header",
    "idx": "index",
    "iface": "interface",
    "img": "image",
    "mgr": "its noun",
    "msg": "message",
    "num": "count or number",
    "obj": "its noun",
    "pkt": "packet",
    "pkts": "packets",
    "prev": "before",
    "proto": "protocol",
    "ptr": "pointer",
    "recv": "receive",
    "req": "request",
    "resp": "response",
    "ret": "what it is",
    "seq": "sequence",
    "src": "source",
    "stat": "statistic",
    "tmp": "what it is",
    "val": "value",
    "vals": "values",
}
# pytest's, numba's, and those of the standard library's html.parser.
_OTHERS_OWN = ("tmp_path", "tmp_path_factory", "py_func")
_OTHERS_OWN += ("handle_starttag", "handle_endtag", "handle_data")
_LONG_UNITS = {
    "sec": "s",
    "secs": "s",
    "seconds": "s",
    "msec": "ms",
    "millis": "ms",
    "usec": "us",
    "micros": "us",
    "nsec": "ns",
    "nanos": "ns",
}
_UNITS = ("ns", "us", "ms")
_MAY_FOLLOW_UNIT = ("min", "max", "low", "high", "to", "of", "per")
# The contract's own names of limits.
_BOUND_FIRST = ("max_flows", "max_hosts", "max_pairs")


def names_say_what(source: Source) -> Iterator[Complaint]:
    """No empty word as a whole name, no empty verb."""
    for line, name in _names(source):
        if name in _OTHERS_OWN:
            continue
        bare = name.strip("_").lower()
        if bare in EMPTY_WORDS:
            yield Complaint(line, f"{name} says nothing; name what it is")
        elif _EMPTY_VERB.match(name):
            yield Complaint(line, f"{name}: the verb says nothing; name what it does")
    if source.path.stem in EMPTY_WORDS:
        yield Complaint(1, f"module {source.path.stem} says nothing; name what it holds")


def names_are_spelled_out(source: Source) -> Iterator[Complaint]:
    """No abbreviation outside the word list."""
    for line, name in _names(source):
        if name in _OTHERS_OWN:
            continue
        for word in name.lower().split("_"):
            if word in _ABBREVIATIONS:
                yield Complaint(line, f"{name}: write {_ABBREVIATIONS[word]} for {word}")


def units_stand_last(source: Source) -> Iterator[Complaint]:
    """Units last, then bound: idle_timeout_ns, latency_ns_max."""
    for line, name in _names(source):
        words = name.lower().strip("_").split("_")
        if len(words) < 2:
            continue
        if words[-1] in _LONG_UNITS:
            yield Complaint(line, f"{name}: the unit is written _{_LONG_UNITS[words[-1]]}")
        for unit, behind in pairwise(words):
            if unit in _UNITS and behind not in _MAY_FOLLOW_UNIT:
                yield Complaint(line, f"{name}: the unit stands last, only a bound behind it")
        if words[0] in ("max", "min") and name not in _BOUND_FIRST:
            rest = "_".join(words[1:])
            yield Complaint(line, f"{name}: the bound stands last: {rest}_{words[0]}")


def _names(source: Source) -> Iterator[tuple[int, str]]:
    """Yield (line, name) of everything the file itself names."""
    hooks = [function for function in source.functions if function.name.startswith("pytest_")]
    others = {id(parameter) for hook in hooks for parameter in parameters(hook)}
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if not node.name.startswith("test_"):  # Those are sentences.
                yield node.lineno, node.name
        elif isinstance(node, ast.arg) and id(node) not in others:
            yield node.lineno, node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            own = ast.unparse(node.value) == "self"  # Others' attributes have others' names.
            yield from [(node.lineno, node.attr)] if own else []
