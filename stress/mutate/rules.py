"""The rules by which code is changed: each yields changes of one scope, in the order of its text.

A change is (node, pieces, needs): where it stands, what is exchanged (begin, end, new text), and
the name of an atomic that the new text calls.
"""

import ast
import re
from collections.abc import Callable, Iterator
from itertools import pairwise

from stress.mutate.source import Scope, Source, called, loaded, stored

Change = tuple[ast.AST, list[tuple[int, int, str]], str]

WEAKER = {"load_acquire": "load_relaxed", "store_release": "store_relaxed"}
LOADS = ("load_acquire", "load_relaxed")
STORES = ("store_release", "store_relaxed")
# Calls that tell others of what stands in front of them, and those that what follows relies on.
TELLING = (*STORES, "publish", "publish_watermark", "release", "commit", "mark_settled")
TELLING += ("fence_release", "fence_program", "_fence", "_end_change")
OPENING = ("keep", "keep_line", "keep_row", "keep_words", "keep_side_line", "mark_changing")
OPENING += ("begin", "fence_acquire", "read_watermark", "undo", "_make_versions_new")
# Calls that change nothing, beside those named ..._at and ..._of.
LOOKING = ("int64", "min", "max", "abs", "shifted", "pointer", "cold_reference", "direction_line")
LOOKING += ("ordered_spills",)
# Words that say how far somebody has come, where they are stored plainly.
TOLD = re.compile(r"\[.*\b(USED|_?TAIL|EVENT_TAIL|_?HEADS?|_PACKET_HEAD|PENDING)\]$")
CAPACITY = re.compile(r"(?i:capacity|size_bytes)|(_MAX|SLOTS|ROWS|BLOCKS|LINES|\bslots)\b|len\(")
ORDERS = {"acq_rel": "monotonic", "seq_cst": "acquire", "acquire": "monotonic"}
ORDERS["release"] = "monotonic"
FENCES = {"acquire": "release", "release": "acquire", "seq_cst": "acquire"}
OFF_BY_ONE = {">=": ">", ">": ">=", "<=": "<", "<": "<="}
_SIGNS = {ast.GtE: ">=", ast.Gt: ">", ast.LtE: "<=", ast.Lt: "<", ast.Eq: "==", ast.NotEq: "!="}


def _whole(source: Source, node: ast.AST, new: str, needs: str = "") -> Change:
    return node, [(*source.span(node), new)], needs


def weaker(source: Source, scope: Scope) -> Iterator[Change]:
    """Yield acquire and release made relaxed; in the intrinsics, orders by their names."""
    for node in scope.nodes():
        name = called(node)
        if name in WEAKER:
            yield _whole(source, node.func, WEAKER[name], WEAKER[name])
        if not isinstance(node, ast.Call) or ".memory." not in source.module:
            continue
        names = FENCES if "fence" in name else ORDERS
        for argument in node.args:
            if isinstance(argument, ast.Constant) and argument.value in names:
                yield _whole(source, argument, f'"{names[argument.value]}"')


def plain(source: Source, scope: Scope) -> Iterator[Change]:
    """Yield ordered accesses made plain ones."""
    for node in scope.nodes():
        call = node.value if isinstance(node, ast.Expr) else node
        name = called(call)
        words = [source.of(one) for one in call.args] if name else []
        if name in LOADS and not isinstance(node, ast.Expr):
            yield _whole(source, node, f"{words[0]}[{words[1]}]")
        elif name in STORES and isinstance(node, ast.Expr):
            yield _whole(source, node, f"{words[0]}[{words[1]}] = {words[2]}")
        elif name == "load_atomic":
            yield _whole(source, node, f"builder.load({words[0]})")
        elif name == "store_atomic" and isinstance(node, ast.Expr):
            yield _whole(source, node, f"builder.store({words[0]}, {words[1]})")


def unfenced(source: Source, scope: Scope) -> Iterator[Change]:
    """Yield fences taken away."""
    for node in scope.nodes():
        if isinstance(node, ast.Expr) and "fence" in called(node.value):
            yield _whole(source, node, "pass")


def split(source: Source, scope: Scope) -> Iterator[Change]:
    """Yield one atomic step made two: a load, then a store."""
    for node in scope.nodes():
        if isinstance(node, ast.Return) and called(node.value) == "compare_swap":
            words, at, expected, value = map(source.of, node.value.args)
            pad = "\n" + " " * node.col_offset
            yield _whole(
                source,
                node,
                f"found = {words}[{at}]{pad}if found == {expected}:{pad}"
                f"    {words}[{at}] = {value}{pad}return found",
            )
        elif called(node) == "atomic_rmw":
            place, value = map(source.of, node.args[1:3])
            both = f"(builder.store(builder.add(before, {value}), {place}), before)[1]"
            yield _whole(source, node, f"(lambda before: {both})(builder.load({place}))")


def _tells(source: Source, node: ast.stmt) -> bool:
    if isinstance(node, ast.Assign):
        return any(TOLD.search(source.of(target)) for target in node.targets)
    return isinstance(node, ast.Expr) and called(node.value) in TELLING


def _opens(node: ast.stmt) -> bool:
    if isinstance(node, ast.Assign):
        return called(node.value) in LOADS
    return isinstance(node, ast.Expr) and called(node.value) in OPENING


def _only_looks(node: ast.stmt) -> bool:
    """Return whether a statement binds local names alone, and calls nothing that changes words."""
    if not isinstance(node, ast.Assign | ast.AugAssign):
        return False
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    if any(isinstance(one, ast.Subscript | ast.Attribute) or not stored(one) for one in targets):
        return False
    calls = [called(one) for one in ast.walk(node.value) if isinstance(one, ast.Call)]
    return all(name in LOOKING or name.endswith(("_at", "_of")) for name in calls)


def moved(source: Source, scope: Scope) -> Iterator[Change]:
    """Yield what tells of others one statement up, what others rely on one down."""
    for block in scope.blocks():
        for before, after in pairwise(block):
            ends = isinstance(before, ast.Assert) or isinstance(after, ast.Return | ast.Assert)
            is_text = isinstance(before, ast.Expr) and isinstance(before.value, ast.Constant)
            if ends or is_text or stored(before) & loaded(after):
                continue
            orders = called(getattr(before, "value", before)) in (*LOADS, "fence_acquire")
            if not orders and (_only_looks(before) or _only_looks(after)):
                continue  # One of them touches no word that others see.
            if _tells(source, after) or _opens(before):
                first, second = source.span(before), source.span(after)
                pieces = [(*first, source.of(after)), (*second, source.of(before))]
                yield (after if _tells(source, after) else before), pieces, ""


def bound(source: Source, scope: Scope) -> Iterator[Change]:
    """Yield comparisons off by one: >= made >, and so on."""
    for node in scope.nodes():
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            for sign, left, right in zip(node.ops, sides, sides[1:], strict=False):
                old = _SIGNS.get(type(sign), "")
                if old in OFF_BY_ONE:
                    begin, end = source.span(left)[1], source.span(right)[0]
                    new = source.text[begin:end].replace(old, OFF_BY_ONE[old], 1)
                    yield left, [(begin, end, new)], ""
        if called(node) in ("icmp_signed", "icmp_unsigned", "fcmp_ordered"):
            sign = node.args[0]
            if sign.value in OFF_BY_ONE:
                yield _whole(source, sign, f'"{OFF_BY_ONE[sign.value]}"')


def capacity(source: Source, scope: Scope) -> Iterator[Change]:
    """Yield capacities one more or less, where `bound` does not make the same of it."""
    steps = {"<": (-1,), ">=": (-1,), "<=": (1,), ">": (1,), "==": (1, -1), "!=": (1, -1)}
    for node in scope.nodes():
        if not isinstance(node, ast.Compare) or len(node.ops) > 1:
            continue
        sign, right = _SIGNS.get(type(node.ops[0]), ""), node.comparators[0]
        if sign in steps and CAPACITY.search(source.of(right)):
            for step in steps[sign]:
                yield _whole(source, right, f"({source.of(right)} {'+' if step > 0 else '-'} 1)")


def mask(source: Source, scope: Scope) -> Iterator[Change]:
    """Yield masks off by one: a capacity for its mask, one less, a mask without its lowest bit."""
    inside = [node for node in scope.nodes() if isinstance(node, ast.BinOp)]
    ands = [node for node in inside if isinstance(node.op, ast.BitAnd)]
    sides = [side for node in ands for side in (node.left, node.right)]
    for node in scope.nodes():
        if isinstance(node, ast.Assign) and "mask" in ast.unparse(node.targets[0]).lower():
            sides.append(node.value)
    for side in sides:
        if isinstance(side, ast.BinOp) and isinstance(side.op, ast.Sub):
            if source.of(side.right) == "1":
                yield _whole(source, side.right, "0")
                yield _whole(source, side.right, "2")
        elif source.of(side).endswith("_MASK"):
            yield _whole(source, side, f"({source.of(side)} - 1)")


def recheck(source: Source, scope: Scope) -> Iterator[Change]:
    """Yield looks at what an ordered load returned, or at the same twice, taken for granted."""
    if not any(called(node) in LOADS for node in scope.nodes()):
        return
    watched = set()
    for node in scope.nodes():
        if isinstance(node, ast.Assign) and called(node.value) in LOADS:
            watched |= stored(node.targets[0])
    seen: set[str] = set()
    for node in scope.nodes():
        if isinstance(node, ast.If | ast.While):
            tests = node.test.values if isinstance(node.test, ast.BoolOp) else [node.test]
        elif isinstance(node, ast.Compare):
            tests = [node]
        else:
            continue
        for test in tests:
            text, key = ast.unparse(test), f"{test.lineno}:{test.col_offset}"
            loads = any(called(one) in LOADS for one in ast.walk(test))
            again = isinstance(node, ast.If) and text in seen
            looks = loads or loaded(test) & watched
            if key not in seen and (again or looks) and isinstance(test, ast.Compare | ast.BinOp):
                seen.add(key)
                yield _whole(source, test, "True")
                yield _whole(source, test, "False")
            if isinstance(node, ast.If):
                seen.add(text)


def unasserted(source: Source, scope: Scope) -> Iterator[Change]:
    """Yield assertions taken away."""
    for node in scope.nodes():
        if isinstance(node, ast.Assert):
            yield _whole(source, node, "pass")


Rule = Callable[[Source, Scope], Iterator[Change]]
RULES: tuple[Rule, ...] = (
    *(weaker, plain, unfenced, split, moved),
    *(bound, capacity, mask, recheck, unasserted),
)
