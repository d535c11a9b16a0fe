"""Each style rule finds what it is for and leaves its clean twin alone.

Method: for every rule a few lines that break it, planted in a file of the room it judges, and the
same lines put right. What it cannot show: that the rules are the right ones.
"""

from pathlib import PurePosixPath
from textwrap import dedent

import pytest

from tools.tidy import RULES
from tools.tidy.source import Source

KERNEL = "engine/flows/planted.py"
ENGINE = "engine/planted.py"
TEST = "tests/unit/test_planted.py"
TWIN = "engine/reference/planted.py"
_LINES = "\n".join(f"    a{number} = 1" for number in range(50))
_KERNEL = '@njit("i8(i8)", cache=True)\ndef taken(count):\n    """Return it."""\n    {}'
_RING = 'from engine.layouts import RING\n\nHEAD = RING.index("head")\n\n\n'

# Rule, path, lines that break it, what the complaint says, the same lines put right.
PLANTED = (
    ("module_is_short", ENGINE, '"""Text."""\n' * 401, "split it", '"""Text."""\n' * 400),
    (
        "functions_are_short",
        ENGINE,
        f"def long():\n{_LINES}",
        "long has 51 lines",
        f"def long():\n{_LINES.partition(chr(10))[2]}",
    ),
    (
        "functions_are_short",
        ENGINE,
        "def wide(a, b, c, d, e, *f, g=1): ...",
        "takes 7 arguments",
        "def wide(self, a, b, c, d, *f, g=1): ...",
    ),
    ("docstrings_say_something", ENGINE, "a = 1", "module needs", '"""What it is for."""\na = 1'),
    (
        "docstrings_say_something",
        ENGINE,
        '"""It."""\ndef flows(): ...',
        "flows: a public name",
        '"""It."""\ndef _flows(): ...',
    ),
    (
        "docstrings_say_something",
        ENGINE,
        '"""It."""\ndef end_flow():\n    """End flow."""',
        "repeats the name",
        '"""It."""\ndef end_flow():\n    """Take a row\'s flow out of the table."""',
    ),
    (
        "docstrings_say_something",
        ENGINE,
        '"""It."""\ndef end():\n    """Take a row out"""',
        "end the docstring's sentence",
        '"""It."""\ndef end():\n    """Take a row out."""',
    ),
    ("comments_are_sentences", ENGINE, "# this is.", "with a capital", "# This is."),
    ("comments_are_sentences", ENGINE, "# This is", "full stop", "# This is\n# it."),
    (
        "comments_are_sentences",
        ENGINE,
        "# this table is.",
        "with a capital",
        "# free     nobody has it.",
    ),
    ("questions_have_a_number", ENGINE, "a = 1  # FIXME later", "mend it", "a = 1  # Later."),
    ("questions_have_a_number", ENGINE, "a = 1  # TODO this", "HJ-", "a = 1  # TODO(HJ-0001)"),
    ("banned_calls", ENGINE, "print(1)", "print is banned", "print(1, file=sys.stderr)"),
    ("banned_calls", ENGINE, "now = time.time()", "monotonic_ns", "now = time.monotonic_ns()"),
    ("banned_calls", TEST, "time.sleep(1)", "with a deadline", "wait_until(word)"),
    ("banned_calls", ENGINE, "a = np.array([1])", "dtype", "a = np.array([1], np.int64)"),
    ("banned_calls", ENGINE, "a = eval(text)", "a parser", "a = parse(text)"),
    (
        "no_globals_change",
        ENGINE,
        "def f():\n    global a",
        "needs an owner",
        "def f():\n    a = 1",
    ),
    (
        "test_names_are_claims",
        TEST,
        "def test_ring(): ...",
        "is a claim",
        "def test_full_ring_rejects_claim(): ...",
    ),
    ("names_say_what", ENGINE, "data = 1", "says nothing", "data_packets = 1"),
    ("names_say_what", ENGINE, "class Manager: ...", "says nothing", "class RingOwner: ..."),
    ("names_say_what", ENGINE, "def f(info): ...", "says nothing", "def f(process_info): ..."),
    ("names_say_what", ENGINE, "def do_it(): ...", "the verb", "def process_names(): ..."),
    (
        "names_say_what",
        ENGINE,
        "def process_packet(): ...",
        "the verb",
        "def count_packet(): ...",
    ),
    ("names_are_spelled_out", ENGINE, "pkt_count = 1", "write packet for pkt", "packet_count = 1"),
    ("names_are_spelled_out", ENGINE, "def f(src): ...", "write source", "def f(source): ..."),
    ("names_are_spelled_out", ENGINE, "self.idx = 1", "write index", "other.idx = 1"),
    ("units_stand_last", ENGINE, "ns_idle = 1", "stands last", "idle_ns = 1"),
    ("units_stand_last", ENGINE, "idle_ns_timeout = 1", "stands last", "idle_ns_max = 1"),
    ("units_stand_last", ENGINE, "idle_seconds = 1", "written _s", "idle_s = 1"),
    ("units_stand_last", ENGINE, "max_ring = 1", "ring_max", "ring_max = max_flows = 1"),
    ("kernels_are_cached", KERNEL, "@njit\ndef f(): ...", "cache=True", _KERNEL.format("pass")),
    (
        "kernels_are_cached",
        KERNEL,
        "@numba.njit('i8()', cache=False)\ndef f(): ...",
        "cache=True",
        "@numba.njit('i8()', cache=True)\ndef f(): ...",
    ),
    (
        "kernels_are_cached",
        KERNEL,
        "@njit(**UNKNOWN)\ndef f(): ...",
        "cache=True",
        "@njit(**KERNEL)\ndef f(): ...",
    ),
    (
        "kernels_are_cached",
        KERNEL,
        "@njit(cache=True, fastmath=True)\ndef f(): ...",
        "no fastmath",
        "@njit(cache=True, nogil=True)\ndef f(): ...",
    ),
    (
        "kernels_have_docstrings",
        KERNEL,
        "@njit(cache=True)\ndef f(): ...",
        "needs a docstring",
        "@njit(cache=True)\ndef _f(): ...",
    ),
    (
        "kernels_write_fields_by_name",
        KERNEL,
        _KERNEL.format("row.count = 1"),
        'write row["count"]',
        _KERNEL.format('row["count"] = packet.count'),
    ),
    (
        "kernels_take_and_return_numbers",
        KERNEL,
        _KERNEL.format("a = [1]"),
        "no a list",
        _KERNEL.format("a = (1, 2)"),
    ),
    (
        "kernels_take_and_return_numbers",
        KERNEL,
        _KERNEL.format("raise ValueError"),
        "no exceptions",
        _KERNEL.format('assert count > 0, f"{count}"'),
    ),
    (
        "kernels_take_and_return_numbers",
        KERNEL,
        _KERNEL.format("a = np.zeros(3)"),
        "no allocation",
        _KERNEL.format("a = np.int64(3)"),
    ),
    (
        "kernels_are_signed",
        KERNEL,
        _KERNEL.format("a = np.uint64(count)"),
        "no uint64",
        _KERNEL.format("a = np.int64(count)"),
    ),
    (
        "only_memory_speaks_llvm",
        ENGINE,
        "from numba.extending import intrinsic",
        "engine.memory only",
        "from numba import njit",
    ),
    (
        "plain_accesses_say_why",
        ENGINE,
        _RING + "head = ring[HEAD]",
        "ring[HEAD] is plain",
        _RING + "head = ring[HEAD]  # Plain: nobody else runs.",
    ),
    (
        "plain_accesses_say_why",
        ENGINE,
        "from engine.rings import spsc\n\nif ring[spsc.TAIL]:\n    pass  # Plain: not here.",
        "ring[spsc.TAIL] is plain",
        "from engine.rings import spsc\n\n# Plain: nobody runs.\nif ring[spsc.TAIL]:\n    pass",
    ),
    (
        "plain_accesses_say_why",
        ENGINE,
        "from engine.rings.spsc import TAIL as T\n\nring[T] = 1",
        "ring[T] is plain",
        "from engine.rings.spsc import TAIL_SEEN as T\n\nring[T] = 1",
    ),
    (
        "plain_accesses_say_why",
        ENGINE,
        'a = words[STATISTICS.index("stop")]',
        "statistics.stop (release)",
        'a = words[STATISTICS.index("workers")]',
    ),
    (
        "twin_shares_no_code",
        TWIN,
        "from engine.flows import table",
        "must not use engine.flows.table",
        "from engine.features import catalogue",
    ),
    (
        "twin_shares_no_code",
        TWIN,
        "import engine.memory.wide",
        "must not use",
        "import engine.config",
    ),
)


def complaints_of_rule(name, path, text):
    rule = next(rule for rule in RULES if rule.__name__ == name)
    return [one.text for one in rule(Source(PurePosixPath(path), dedent(text)))]


@pytest.mark.parametrize(("rule", "path", "broken", "says", "clean"), PLANTED)
def test_rule_finds_the_violation_and_passes_the_clean_twin(rule, path, broken, says, clean):
    found = complaints_of_rule(rule, path, broken)
    assert [text for text in found if says in text], found
    assert complaints_of_rule(rule, path, clean) == []


def test_module_named_after_nothing_is_found():
    assert complaints_of_rule("names_say_what", "engine/utils.py", "a = 1")
    assert not complaints_of_rule("names_say_what", "engine/clock.py", "a = 1")


def test_every_rule_has_a_planted_violation():
    assert {rule.__name__ for rule in RULES} == {row[0] for row in PLANTED}


def test_complaint_stands_at_the_line_to_change():
    rule = next(rule for rule in RULES if rule.__name__ == "names_say_what")
    (found,) = rule(Source(PurePosixPath(ENGINE), '"""It."""\n\na = 1\ndata = 2\n'))
    assert found.line == 4
