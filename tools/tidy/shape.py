"""Rules for sizes, docstrings, comments, calls and the names of tests."""

import ast
import re
from collections.abc import Iterator

from tools.tidy.source import Complaint, Source, parameters

MODULE_LINES_MAX = 400
FUNCTION_LINES_MAX = 50
ARGUMENTS_MAX = 6
TEST_NAME_WORDS_MIN = 3
# Call -> (rooms it is banned in, what to use instead).
BANNED_CALLS = {
    "print": (("engine",), "click.echo in the command line, a counter or report elsewhere"),
    "time.time": (("engine",), "time.monotonic_ns for intervals, time.time_ns for wall clock"),
    "os.system": (("engine", "tools", "tests"), "subprocess.run with a list"),
    "eval": (("engine", "tools", "tests"), "a parser"),
    "exec": (("engine", "tools", "tests"), "a function"),
    "time.sleep": (("tests",), "a wait for a word, with a deadline"),
    "pickle.loads": (("engine", "tools", "tests"), "msgspec, or an npz read without pickle"),
    "shared_memory.SharedMemory": (("engine", "tests"), "engine.rings.segment.Segment"),
}
_SENTENCE_ENDS = (".", ":", "?", "!", ")", "`", '"')
_NAMES = ("libpcap", "lightgbm", "msgspec", "numba", "numpy", "pytest", "ruff", "zstd")
_MARKS_OF_MACHINES = ("!", "noqa", "fmt:", "type:", "ruff:", "--", "pragma")


def module_is_short(source: Source) -> Iterator[Complaint]:
    """Module <= 400 lines."""
    count = len(source.lines)
    if count > MODULE_LINES_MAX:
        text = f"module has {count} lines, at most {MODULE_LINES_MAX}; split it by noun"
        yield Complaint(1, text)


def functions_are_short(source: Source) -> Iterator[Complaint]:
    """Function <= 50 lines, arguments <= 6."""
    for function in source.functions:
        count = function.end_lineno - function.lineno + 1
        if count > FUNCTION_LINES_MAX:
            text = f"{function.name} has {count} lines, at most {FUNCTION_LINES_MAX}"
            yield Complaint(function.lineno, f"{text}; one decides, leaves compute")
        count = len(parameters(function))
        if count > ARGUMENTS_MAX:
            text = f"{function.name} takes {count} arguments, at most {ARGUMENTS_MAX}"
            yield Complaint(function.lineno, f"{text}; pass a record")


def docstrings_say_something(source: Source) -> Iterator[Complaint]:
    """A docstring for each module, and in engine and tools for each public name in it."""
    if source.text.strip() and ast.get_docstring(source.tree) is None:
        yield Complaint(1, "module needs a docstring that says what it is for")
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        words = ast.get_docstring(node)
        if words is None:
            if source.room != "tests" and node in source.tree.body and _wants_docstring(node):
                yield Complaint(node.lineno, f"{node.name}: a public name needs a docstring")
            continue
        first = words.splitlines()[0]
        if re.sub(r"[\W_]", "", first).lower() == node.name.replace("_", "").lower():
            yield Complaint(node.lineno, f"{node.name}: the docstring repeats the name; delete it")
        elif "\n" not in words and not words.rstrip().endswith(_SENTENCE_ENDS):
            yield Complaint(node.lineno, f"{node.name}: end the docstring's sentence")


def _wants_docstring(node: ast.FunctionDef | ast.ClassDef) -> bool:
    """Return whether a name is public; a row whose fields say it all may do without."""
    row = any(ast.unparse(one).startswith("dataclass") for one in node.decorator_list)
    return node.name[0] != "_" and not row


def comments_are_sentences(source: Source) -> Iterator[Complaint]:
    """A comment on its own lines begins with a capital and ends with a full stop."""
    block: list[tuple[int, str]] = []
    for number in range(1, len(source.lines) + 2):
        alone = number <= len(source.lines) and source.lines[number - 1].lstrip().startswith("#")
        if alone and number in source.comments:
            block.append((number, source.comments[number]))
            continue
        if block:
            yield from _judge_comment(block)
            block = []


def _judge_comment(block: list[tuple[int, str]]) -> Iterator[Complaint]:
    (line, first), (_, last) = block[0], block[-1]
    if first.startswith(_MARKS_OF_MACHINES) or re.fullmatch(r"[-=]*", first):
        return
    is_table = re.match(r"\S+ {2,}", first) is not None
    is_code = re.match(r"\w+[_.,(\[]|\w\b|\w+ +[^\w\s\"'`(]", first) is not None
    is_name = first.startswith(_NAMES)
    if first[:1].islower() and not (is_table or is_code or is_name):
        yield Complaint(line, "begin the comment with a capital")
    if not last.endswith(_SENTENCE_ENDS):
        yield Complaint(block[-1][0], "end the comment with a full stop")


def questions_have_a_number(source: Source) -> Iterator[Complaint]:
    """No FIXME; an open question is TODO(HJ-nnnn)."""
    for line, comment in source.comments.items():
        if re.search(r"\b(FIXME|XXX|HACK)\b", comment):
            yield Complaint(line, "mend it now, or write TODO(HJ-nnnn) and a journal entry")
        elif re.search(r"\bTODO\b(?!\(HJ-\d{4}\))", comment):
            yield Complaint(line, "an open question is TODO(HJ-nnnn), with a journal entry")


def banned_calls(source: Source) -> Iterator[Complaint]:
    """Calls that have a better way here."""
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        rooms, instead = BANNED_CALLS.get(name, ((), ""))
        directed = name == "print" and any(word.arg == "file" for word in node.keywords)
        if source.room in rooms and not directed:
            yield Complaint(node.lineno, f"{name} is banned here; use {instead}")
        if name == "np.array" and source.room == "engine":
            typed = len(node.args) > 1 or any(word.arg == "dtype" for word in node.keywords)
            if not typed:
                yield Complaint(node.lineno, "np.array without a dtype; say which")


def no_globals_change(source: Source) -> Iterator[Complaint]:
    """No state hides in a module."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Global):
            names = ", ".join(node.names)
            yield Complaint(node.lineno, f"global {names}: state needs an owner; pass it")


def test_names_are_claims(source: Source) -> Iterator[Complaint]:
    """A test is named after what holds when it passes."""
    if source.room != "tests":
        return
    for function in source.functions:
        words = function.name.split("_")
        is_test = words[0] == "test" and not function.decorator_list
        if is_test and len(words) - 1 < TEST_NAME_WORDS_MIN:
            yield Complaint(function.lineno, f"{function.name}: the name of a test is a claim")
