"""Each back end makes valid code of every access, and the hook keeps its promises.

Method: a module with an access of every kind, width and order through each back end, verified by
LLVM; the hook in processes of their own. What it cannot show: that the code means what it should:
test_detectors.py and test_killpoint.py run it.
"""

import re
import subprocess
import sys
from textwrap import dedent

import llvmlite.binding as llvm
import pytest

from stress.races.access import UnknownAccessError
from stress.races.killpoint_code import KillBackEnd
from stress.races.rewriter import Rewriter
from stress.races.tsan import find_library
from stress.races.tsan_code import SITES_BEGIN, TsanBackEnd, site_of
from stress.races.xsan import XsanBackEnd
from tests.race.instruments import ROOT, run_instrument

pytestmark = pytest.mark.compiled
LIMIT_S = 300
PLAIN = ("i1", "i8", "i16", "i32", "i64", "i128", "ptr", "float", "double", "<4 x i64>", "[3 x i8]")
WHOLE = ("i8", "i16", "i32", "i64")
COPIES = ("memcpy.p0.p0", "memmove.p0.p0")


def module_of(lines: list[str]) -> str:
    """Return a module whose one function, of pointers p and q and a length n, has these lines."""
    declared = [f"declare void @llvm.{name}.i64(ptr, ptr, i64, i1)" for name in COPIES]
    declared.append("declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)")
    declared.append("declare void @llvm.x86.sse2.pause()")
    body = ["define i32 @_ZN4main(ptr %p, ptr %q, i64 %n) {", "  %mine = alloca [64 x i8]"]
    body += [f"  {line}" for line in lines]
    return "\n".join([*declared, *body, "  ret i32 0", "}"]) + "\n"


def every_access() -> list[str]:
    """Return an instruction of every kind that a CPU's memory has."""
    lines = []
    for kind in PLAIN:
        lines.append(f"%l{len(lines)} = load {kind}, ptr %p, align 1")
        lines.append(f"store {kind} zeroinitializer, ptr %q, align 16")
    for kind in WHOLE:
        size = int(kind[1:]) // 8
        for order in ("unordered", "monotonic", "acquire", "seq_cst"):
            lines.append(f"%l{len(lines)} = load atomic {kind}, ptr %p {order}, align {size}")
        for order in ("monotonic", "release", "seq_cst"):
            lines.append(f"store atomic {kind} 1, ptr %p {order}, align {size}")
        for name in (
            "add",
            "sub",
            "and",
            "or",
            "xor",
            "nand",
            "xchg",
            "max",
            "min",
            "umax",
            "umin",
        ):
            lines.append(f"%l{len(lines)} = atomicrmw {name} ptr %p, {kind} 1 acq_rel")
        for weak in ("", "weak "):
            orders = "acq_rel monotonic"
            lines.append(f"%l{len(lines)} = cmpxchg {weak}ptr %p, {kind} 1, {kind} 2 {orders}")
    lines += [f"fence {order}" for order in ("acquire", "release", "acq_rel", "seq_cst")]
    for name in COPIES:
        for both in ("%p, ptr %q", "%mine, ptr %q", "%p, ptr %mine"):
            lines += [
                f"call void @llvm.{name}.i64(ptr {both}, i64 {n}, i1 false)" for n in ("%n", 17)
            ]
    lines += [f"call void @llvm.memset.p0.i64(ptr %p, i8 3, i64 {n}, i1 false)" for n in ("%n", 9)]
    return [*lines, "call void @llvm.x86.sse2.pause()"]


def xsan_back_end() -> XsanBackEnd:
    back_end = XsanBackEnd()
    back_end.build()
    return back_end


@pytest.mark.parametrize("make", [TsanBackEnd, KillBackEnd, xsan_back_end])
def test_back_end_makes_valid_code_of_every_access(make):
    rewriter = Rewriter(make())
    lines = every_access()
    made = rewriter.rewrite(str(llvm.parse_assembly(module_of(lines))))
    llvm.parse_assembly(made).verify()
    assert sum(rewriter.counts.values()) == len(lines)
    assert rewriter.places == len(lines) - 1  # All but the pause.


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (TsanBackEnd, "%a = atomicrmw fadd ptr %p, double 1.0 monotonic"),
        (TsanBackEnd, "%a = load atomic ptr, ptr %p acquire, align 8"),
        (TsanBackEnd, "%a = atomicrmw uinc_wrap ptr %p, i64 1 monotonic"),
        (xsan_back_end, "%a = load atomic i128, ptr %p acquire, align 16"),
    ],
)
def test_access_that_a_back_end_cannot_make_is_refused(make, line):
    with pytest.raises(UnknownAccessError):
        Rewriter(make()).rewrite(str(llvm.parse_assembly(module_of([line]))))


@pytest.mark.parametrize("number", [0, 1, 77, 1 << 20, (1 << 32) - 1])
def test_address_in_a_report_is_the_number_of_its_site(number):
    for shift in (0, 1, 7):  # Reports name an address behind the access, or in front of it.
        assert site_of(SITES_BEGIN + 16 * number + 8 - shift) == number
    assert site_of(SITES_BEGIN + (16 << 32)) is None
    assert site_of(0x7F00_0000_0000) is None


def said_by(program: str) -> str:
    """Return what a program prints, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", dedent(program)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.strip()


def test_hook_refuses_to_come_after_a_kernel_and_to_come_twice():
    said = said_by("""
        from stress.races import hook
        from stress.races.killpoint_code import KillBackEnd
        from numba import njit

        def tried():
            try:
                hook.install(KillBackEnd())
            except hook.HookError as error:
                return str(error).split(":")[0]
            return "installed"

        @njit
        def early(number):
            return number + 1

        print(tried(), tried(), sep="|")
        early(1)
        del hook.codegen.CPUCodeLibrary._races_hook
        print(tried())
    """)
    first, second, third = said.replace("\n", "|").split("|")
    assert first == "installed"
    assert second.startswith("a hook is installed already")
    assert "compiled before the hook" in third


def test_callee_is_instrumented_once_and_its_cached_code_is_not_taken():
    # The callee is inlined: its one access must be counted once in the caller, and once by itself.
    said = said_by("""
        from stress.races import hook
        from stress.races.killpoint_code import KillBackEnd
        back_end = KillBackEnd()
        installed = hook.install(back_end)
        import numpy as np
        from engine.rings.spsc import publish, TAIL
        from numba import njit

        @njit(nogil=True)
        def twice(words):
            publish(words, 1)
            publish(words, 2)

        words = np.zeros(64, np.int64)
        words[0:8] = 8
        words[TAIL] = 0
        twice(words)
        words[TAIL] = 0
        back_end.arm((words.ctypes.data, words.nbytes), 0)
        publish(words, 1)
        single = back_end.count
        back_end.arm((words.ctypes.data, words.nbytes), 0)
        twice(words)
        print(single, back_end.count, sum(publish.stats.cache_hits.values()))
    """)
    single, double, hits = map(int, said.split())
    assert 0 < double <= 2 * single
    assert hits == 0


@pytest.mark.parametrize("instrument", ["tsan", "xsan"])
def test_kept_code_says_what_new_code_says(instrument, tmp_path):
    if instrument == "tsan" and find_library() is None:
        pytest.skip("libtsan is missing: apt-get install libtsan2")
    here = {"NUMBA_CACHE_DIR": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    names = ("stress.races.example:RACY", "stress.races.example:SOUND")

    def said(*options: str) -> tuple[set[str], list[str]]:
        code, text = run_instrument(instrument, *names, "--runs", "3", *options, **here)
        assert code == 1
        races = {line.split(": ", 1)[1] for line in text.splitlines() if line.startswith("race,")}
        return races, re.findall(r"(\d+) races.* (\d+) accesses instrumented", text)

    new = said()
    assert new[0]
    assert not list(tmp_path.rglob("*.nbc"))
    assert said("--kept") == new
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nb[ci]")}
    assert kept
    assert said("--kept") == new
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nb[ci]")} == kept
