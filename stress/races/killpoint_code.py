"""killpoint's back end: counts the accesses to a range of addresses and dies at one of them.

Compiled code counts by what the rewriter puts in front of its accesses; a role that is a Python
function by `point` and `watched`.
"""

import mmap
import os
import signal
import sys

import numpy as np

from stress.races.access import READS, WRITES, Access, AccessesOnly
from stress.races.raw import page_at

CONTROL = ("base", "bytes", "at", "reads")
_NAME_BYTES = 128
_CONTROL_AT, _SHARED_AT = 0x6000_0000_0000, 0x6000_0001_0000
_FUNCTIONS = """
define internal void @races.kill.point(ptr %p, i64 %site, i64 %writes) noinline {{
begin:
  %reads = load i64, ptr inttoptr (i64 {reads} to ptr)
  %either = or i64 %reads, %writes
  %counts = icmp ne i64 %either, 0
  br i1 %counts, label %look, label %out
look:
  %a = ptrtoint ptr %p to i64
  %base = load i64, ptr inttoptr (i64 {base} to ptr)
  %bytes = load i64, ptr inttoptr (i64 {bytes} to ptr)
  %offset = sub i64 %a, %base
  %inside = icmp ult i64 %offset, %bytes
  br i1 %inside, label %shared, label %out
shared:
  %before = load i64, ptr inttoptr (i64 {count} to ptr)
  %now = add i64 %before, 1
  store i64 %now, ptr inttoptr (i64 {count} to ptr)
  store i64 %site, ptr inttoptr (i64 {site} to ptr)
  %at = load i64, ptr inttoptr (i64 {at} to ptr)
  %die = icmp eq i64 %now, %at
  br i1 %die, label %dies, label %out
dies:
  %r = call i32 @raise(i32 9)
  br label %out
out:
  ret void
}}
define internal void @races.kill.copy(ptr %to, ptr %from, i64 %n, i64 %site) noinline {{
begin:
  %none = icmp eq i64 %n, 0
  br i1 %none, label %out, label %each
each:
  %i = phi i64 [ 0, %begin ], [ %next, %each ]
  %t = getelementptr i8, ptr %to, i64 %i
  %f = getelementptr i8, ptr %from, i64 %i
  call void @races.kill.point(ptr %t, i64 %site, i64 1)
  %left = sub i64 %n, %i
  %part = call i64 @llvm.umin.i64(i64 %left, i64 8)
  call void @llvm.memmove.p0.p0.i64(ptr %t, ptr %f, i64 %part, i1 false)
  %next = add i64 %i, 8
  %more = icmp ult i64 %next, %n
  br i1 %more, label %each, label %out
out:
  ret void
}}
define internal void @races.kill.fill(ptr %to, i8 %v, i64 %n, i64 %site) noinline {{
begin:
  %none = icmp eq i64 %n, 0
  br i1 %none, label %out, label %each
each:
  %i = phi i64 [ 0, %begin ], [ %next, %each ]
  %t = getelementptr i8, ptr %to, i64 %i
  call void @races.kill.point(ptr %t, i64 %site, i64 1)
  %left = sub i64 %n, %i
  %part = call i64 @llvm.umin.i64(i64 %left, i64 8)
  call void @llvm.memset.p0.i64(ptr %t, i8 %v, i64 %part, i1 false)
  %next = add i64 %i, 8
  %more = icmp ult i64 %next, %n
  br i1 %more, label %each, label %out
out:
  ret void
}}
"""


class KillBackEnd(AccessesOnly):
    """Counts accesses to one range of addresses, and dies at one of them.

    A memcpy and a memset are as many points as they have words: they may be cut in the middle. A
    memmove is one point. `control` is this process's own, and a fork has its copy; `shared` (the
    last place counted, how many there were, the place's name if it is in Python) survives a child.
    """

    scalar = True
    armed: "KillBackEnd | None" = None  # In a process that is to die.

    def __init__(self) -> None:
        self.control = page_at(_CONTROL_AT, mmap.MAP_PRIVATE)[: len(CONTROL)]
        self.shared = page_at(_SHARED_AT, mmap.MAP_SHARED)[: 2 + _NAME_BYTES // 8]
        places = {name: _CONTROL_AT + 8 * at for at, name in enumerate(CONTROL)}
        places |= {"site": _SHARED_AT, "count": _SHARED_AT + 8}
        self._functions = _FUNCTIONS.format(**places).strip().split("\ndefine ")

    def arm(self, span: tuple[int, int], at: int, reads: bool = True) -> None:
        """Die in front of access number `at` (from 1; 0: never) to the bytes of a span.

        `span`: address and size. Without `reads` only writes count.
        """
        KillBackEnd.armed = self
        self.control[:] = *span, at, reads
        self.shared[:2] = 0

    @property
    def count(self) -> int:
        """Return how many accesses were counted since somebody armed it."""
        return int(self.shared[1])

    @property
    def place(self) -> int | str:
        """Return the last place counted: the number of a site, or a name in Python."""
        if self.shared[0] >= 0:
            return int(self.shared[0])
        return self.shared[2:].tobytes().rstrip(b"\0").decode()

    def watches(self, address: int) -> bool:
        """Return whether accesses to an address count."""
        base, size = self.control[:2].tolist()
        return base <= address < base + size

    def step(self, name: str) -> None:
        """Count a point in Python, and die if it is the one."""
        text = name.encode()[:_NAME_BYTES].ljust(_NAME_BYTES, b"\0")
        self.shared[2:] = np.frombuffer(text, np.int64)
        self.shared[0] = -1
        self.shared[1] += 1
        if self.shared[1] == self.control[2]:
            os.kill(os.getpid(), signal.SIGKILL)

    def replace(self, access: Access, stem: str) -> list[str]:
        """Count the access, then make it."""
        where = f"i64 {access.number}"
        if access.kind in ("fence", "pause"):
            return [access.line]
        if access.kind == "memcpy" and not access.writes_private:
            both = f"ptr {access.pointer}, ptr {access.source}, i64 {access.length}"
            return [f"  call void @races.kill.copy({both}, {where}){access.debug}"]
        if access.kind == "memset":
            what = f"ptr {access.pointer}, i8 {access.value}, i64 {access.length}"
            return [f"  call void @races.kill.fill({what}, {where}){access.debug}"]
        place = access.source if access.writes_private else access.pointer
        writes = int(access.kind in WRITES and not access.writes_private)
        assert writes or access.kind in READS
        call = f"@races.kill.point(ptr {place}, {where}, i64 {writes}){access.debug}"
        return [f"  call void {call}", access.line]

    def declarations(self) -> list[str]:
        """Return the counter, and the copies that are cut into words."""
        return [
            self._functions[0],
            *(f"define {text}" for text in self._functions[1:]),
            "declare i32 @raise(i32)",
            "declare i64 @llvm.umin.i64(i64, i64)",
            "declare void @llvm.memmove.p0.p0.i64(ptr, ptr, i64, i1)",
            "declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)",
        ]


def point(name: str) -> None:
    """Be a place at which a process may be killed: for roles that are Python functions."""
    if KillBackEnd.armed is not None:
        KillBackEnd.armed.step(name)


def watch(words: np.ndarray) -> None:
    """Have accesses to these words count from now on, and to no others."""
    if KillBackEnd.armed is not None:
        KillBackEnd.armed.control[:2] = words.ctypes.data, words.nbytes


class Watched(np.ndarray):
    """Words whose stores by Python are points, each word its own; so are those of its slices."""

    def __setitem__(self, key, value) -> None:
        plain = self.view(np.ndarray)
        whole = plain[key]
        armed = KillBackEnd.armed
        if armed is None or not armed.watches(plain.ctypes.data):
            plain[key] = value
            return
        if not isinstance(whole, np.ndarray):
            key = slice(key, key + 1) if key != -1 else slice(-1, None)
            whole = plain[key]
        assert not whole.size or np.shares_memory(whole, plain), (
            "a copy: not one word after another"
        )
        values = np.broadcast_to(value, whole.shape)
        name = sys._getframe(1).f_code.co_qualname
        for place in np.ndindex(whole.shape):
            armed.step(name)
            whole[place] = values[place]

    def __iadd__(self, other):
        self[:] = self.view(np.ndarray) + other
        return self


def watched(words: np.ndarray) -> np.ndarray:
    """Return the same words, such that Python's stores to them are points."""
    return words.view(Watched)
