"""Every memory access of optimised IR reaches the back end, as what it is; what is not known stops.

Method: single instructions of each kind against the fields written beside them; small modules
through a back end that keeps what it is given; planted instructions that must be refused. llvmlite
parses what comes out. What it cannot show: that numba makes no other instruction; one that it makes
and that is not known is refused, which the runs of the instruments would show.
"""

import llvmlite.binding as llvm
import pytest

from stress.races.access import UnknownAccessError
from stress.races.instructions import access_fields
from stress.races.private import private_names
from stress.races.rewriter import Rewriter
from stress.races.tokens import size_of

KNOWN = (
    ("%a = load i64, ptr %p, align 8, !dbg !4", "load plain i64 8 %p"),
    ("%a = load i1, ptr %p, align 1", "load plain i1 1 %p"),
    ("%a = load i128, ptr %p", "load plain i128 16 %p"),
    ("%a = load float, ptr getelementptr (i8, ptr @t, i64 8), align 4",
     "load plain float 4 getelementptr (i8, ptr @t, i64 8)"),
    ('%"a b" = load volatile double, ptr %"p q", align 8', 'load plain double 8 %"p q"'),
    ("%a = load <4 x i64>, ptr %p, align 8", "load plain <4 x i64> 32 %p"),
    ("%a = load { ptr, i32, i64 }, ptr %p", "load plain { ptr, i32, i64 } 24 %p"),
    ("%a = load ptr addrspace(1), ptr addrspace(3) %p", "load plain ptr addrspace(1) 8 %p"),
    ("%a = load atomic i64, ptr %p acquire, align 8", "load acquire i64 8 %p"),
    ("store i8 -1, ptr %p, align 1", "store plain i8 1 %p"),
    ("store <2 x double> <double 1.0, double 2.0>, ptr %p", "store plain <2 x double> 16 %p"),
    ("store atomic i32 %v, ptr %p release, align 4", "store release i32 4 %p"),
    ("store ptr inttoptr (i64 96 to ptr), ptr null", "store plain ptr 8 null"),
    ("%a = atomicrmw add ptr %p, i64 1 monotonic, align 8", "rmw monotonic i64 8 %p"),
    ("%a = atomicrmw umax ptr %p, i8 %v seq_cst", "rmw seq_cst i8 1 %p"),
    ("%a = cmpxchg weak ptr %p, i64 %e, i64 %n acq_rel acquire", "cas acq_rel i64 8 %p"),
    ("fence acquire", "fence acquire  0 "),
    ("call void @llvm.memcpy.p0.p0.i64(ptr align 8 %p, ptr nonnull align 8 %q, i64 48, i1 false)",
     "memcpy plain i8 48 %p"),
    ("tail call void @llvm.memset.p0.i64(ptr align 4 %p, i8 0, i64 %n, i1 false)",
     "memset plain i8 0 %p"),
    ("tail call void @llvm.x86.sse2.pause(), !dbg !8", "pause plain  0 "),
)  # fmt: skip
NO_ACCESS = (
    "tail call void @llvm.trap()",
    "%a = getelementptr inbounds nuw i8, ptr %p, i64 8",
    "%a = select i1 %c, ptr %p, ptr %q",
    "ret i32 0",
    "call void @llvm.prefetch.p0(ptr %p, i32 0, i32 3, i32 1)",
    "%a = tail call { i64, i1 } @llvm.sadd.with.overflow.i64(i64 %b, i64 %c)",
    "%a = call range(i32 0, 2) i32 @_ZN4here(ptr nonnull %p, i64 1)",
    "call void @NRT_decref(ptr %p)",
    'fence syncscope("singlethread") seq_cst',
    "%a = tail call double @log2(double %b)",
)
REFUSED = (
    "%a = tail call <8 x i64> @llvm.masked.gather.v8i64.v8p0(<8 x ptr> align 8 %p, <8 x i1> %m)",
    "call void @llvm.masked.store.v4i64.p0(<4 x i64> %v, ptr %p, <4 x i1> %m)",
    "%a = call <4 x i64> @llvm.experimental.vp.strided.load(ptr %p)",
    '%a = call i64 asm sideeffect "mov $0, $1", "=r,r"(ptr %p)',
    "%a = va_arg ptr %p, i64",
    "%a = call i64 @somebody(ptr %p)",
    "%a = call i64 %f(ptr %p)",
    "call void inttoptr (i64 4096 to ptr)(ptr %p)",
    "invoke void @_ZN4here() to label %a unwind label %b",
    '%a = load atomic i64, ptr %p syncscope("singlethread") acquire, align 8',
    'fence syncscope("agent") seq_cst',
    "%a = load target(\"x\"), ptr %p",
    "%a = newopcode i64 %b",
)  # fmt: skip


@pytest.mark.parametrize(("line", "says"), KNOWN)
def test_access_is_read_as_what_it_is(line, says):
    fields = {"order": "plain", "type": "", "width": 0, "pointer": ""}
    fields |= access_fields(f"  {line}", frozenset())
    assert " ".join(str(fields[x]) for x in ("kind", "order", "type", "width", "pointer")) == says


@pytest.mark.parametrize("line", NO_ACCESS)
def test_instruction_without_access_is_passed_by(line):
    assert access_fields(f"  {line}", frozenset({"@_ZN4here"})) is None


@pytest.mark.parametrize("line", REFUSED)
def test_instruction_that_may_touch_memory_unseen_is_refused(line):
    with pytest.raises(UnknownAccessError):
        access_fields(f"  {line}", frozenset({"@_ZN4here"}))


def test_operands_of_a_compare_and_swap_are_told_apart():
    line = "  %r = cmpxchg volatile ptr %p, i64 7, i64 %n acq_rel monotonic, align 8"
    fields = access_fields(line, frozenset())
    wanted = {"result": "%r", "expected": "7", "value": "%n", "volatile": True, "align": 8}
    assert {name: fields[name] for name in wanted} == wanted
    assert (fields["order"], fields["order_failed"]) == ("acq_rel", "monotonic")


@pytest.mark.parametrize(
    ("kind", "size"),
    [
        ("i1", 1), ("i24", 4), ("i64", 8), ("i65", 16), ("half", 2), ("ptr", 8),
        ("[3 x i16]", 6), ("<8 x i1>", 1), ("<32 x i1>", 4), ("<3 x i32>", 12),
        ("{ i8, i64 }", 16), ("<{ i8, i64 }>", 9), ("{ i1, [2 x { i32, i8 }] }", 20), ("{}", 0),
    ],
)  # fmt: skip
def test_type_takes_as_many_bytes_as_llvm_says(kind, size):
    assert size_of(kind) == size


MODULE = """
target datalayout = "e-m:e-p270:32:32-p271:32:32-p272:64:64-i64:64-i128:128-f80:128-n8:16:32:64-S128"
@table = internal constant [2 x i64] [i64 1, i64 2]
@shared = internal global i64 0

define i32 @_ZN4main(ptr %retptr, ptr %excinfo, ptr %p) {
entry:
  %slot = alloca [2 x i64], align 8
  %inner = getelementptr i8, ptr %slot, i64 8
  %leak = alloca i64, align 8
  store i64 1, ptr %inner, align 8
  store i64 1, ptr %leak, align 8
  store ptr %leak, ptr %p, align 8
  %0 = load i64, ptr @table, align 8
  %1 = load atomic i64, ptr @shared acquire, align 8
  store i64 %1, ptr %retptr, align 8
  call void @llvm.memcpy.p0.p0.i64(ptr %p, ptr %inner, i64 8, i1 false)
  switch i64 %1, label %end [
    i64 0, label %one
    i64 1, label %end
  ]

one:                                              ; preds = %entry
  fence seq_cst
  br label %end

end:
  %2 = phi i32 [ 0, %entry ], [ 0, %entry ], [ 1, %one ]
  ret i32 %2
}

define ptr @_ZN7cpython4main(ptr %p) {
  %r = alloca i64
  %1 = call i32 @_ZN4main(ptr %r, ptr %r, ptr %p)
  store i64 5, ptr %p
  ret ptr %p
}

define void @NRT_incref(ptr %p) {
  %1 = atomicrmw add ptr %p, i64 1 monotonic
  ret void
}

declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
"""  # noqa: E501 - LLVM's own line.


class Kept:
    """A back end that keeps what it is given, and counts calls in a word of its own."""

    scalar = False

    def __init__(self):
        self.accesses, self.entered = [], []

    def replace(self, access, stem):
        self.accesses.append(access)
        return [f"  {stem} = load i64, ptr @count", access.line]

    def enter(self, site, number):
        self.entered.append(str(site))
        return ["  store i64 0, ptr @count"]

    def leave(self):
        return ["  store i64 1, ptr @count"]

    def around_kernel(self):
        return ["  store i64 2, ptr @count"], ["  store i64 3, ptr @count"]

    def declarations(self):
        return ["@count = internal global i64 0", "declare void @llvm.memcpy.p0.p0.i64(ptr, ptr)"]


def test_back_end_sees_all_that_others_may_see_and_nothing_else():
    back_end = Kept()
    rewriter = Rewriter(back_end)
    made = rewriter.rewrite(str(llvm.parse_assembly(MODULE)))
    llvm.parse_assembly(made).verify()
    assert [(one.kind, one.pointer) for one in back_end.accesses] == [
        ("store", "%leak"),
        ("store", "%p"),
        ("load", "@shared"),
        ("memcpy", "%p"),
        ("fence", ""),
    ]
    assert back_end.accesses[3].reads_private and not back_end.accesses[3].writes_private
    assert rewriter.counts["private"] == 3  # A store to %inner, the table, the returned value.
    assert back_end.entered == ["main:0"]
    assert made.count("store i64 1, ptr @count") == 1  # One return of one function.
    begin = made.index("store i64 2, ptr @count")  # In the wrapper, around the kernel's call.
    end = made.index("store i64 3, ptr @count")
    assert made[begin:end].count("call i32 @_ZN4main") == 1


def test_slot_whose_address_goes_out_is_not_private():
    body = ["  %a = alloca i64", "  %b = alloca i64", "  %c = getelementptr i8, ptr %b, i64 0"]
    assert private_names(body) == {"%a", "%b", "%c"}
    assert private_names([*body, "  store i64 1, ptr %c, align 8"]) == {"%a", "%b", "%c"}
    for out in (
        "  store ptr %c, ptr %a, align 8",
        "  call void @f(ptr %c)",
        "  %d = select i1 %x, ptr %c, ptr %a",
        "  %d = phi ptr [ %c, %e ], [ %a, %f ]",
        "  %d = ptrtoint ptr %c to i64",
    ):
        assert "%b" not in private_names([*body, out]), out
        assert "%c" not in private_names([*body, out]), out
