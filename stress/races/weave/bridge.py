"""Compiled kernels under the checker: accesses of optimised code become calls of an execution.

A back end of the rewriter (stress/races/rewriter.py). In front of each access stands a look whether
its address lies in the words of the scenario; if so, Python is called with address, order and site,
and a greenlet that runs a kernel waits there for its turn, as a lifted one does.

Words are eight bytes wide. A narrower or wider access to them is refused when it happens; a copy or
a fill is as many accesses as it has words. An exception cannot leave through compiled code, nor a
greenlet be ended in it: both are *parked*, kept for ever. So a process that did this ends by
os._exit.
"""

import ctypes

import numpy as np

from stress.races.access import Access, AccessesOnly
from stress.races.weave.cells import RefusedError
from stress.races.weave.orders import ACQ_REL, ACQUIRE, PLAIN, RELAXED, RELEASE, SEQUENTIAL

_ORDERS = {
    "plain": PLAIN,
    "unordered": RELAXED,
    "monotonic": RELAXED,
    "acquire": ACQUIRE,
    "release": RELEASE,
    "acq_rel": ACQ_REL,
    "seq_cst": SEQUENTIAL,
}
_SIGN, _MODULUS = 1 << 63, 1 << 64


def _signed(value: int) -> int:
    return (value + _SIGN) % _MODULUS - _SIGN


CHANGES = {
    "add": lambda word, value: _signed(word + value),
    "sub": lambda word, value: _signed(word - value),
    "and": lambda word, value: word & value,
    "or": lambda word, value: word | value,
    "xor": lambda word, value: word ^ value,
    "xchg": lambda word, value: value,
    "max": max,
    "min": min,
    "umax": lambda word, value: max(word, value, key=lambda one: one % _MODULUS),
    "umin": lambda word, value: min(word, value, key=lambda one: one % _MODULUS),
}
_CHANGES = list(CHANGES.items())
_I = ctypes.c_int64
_CALLS = {
    "load": ctypes.CFUNCTYPE(_I, _I, _I, _I),  # Address, order, site.
    "store": ctypes.CFUNCTYPE(None, _I, _I, _I, _I),  # Address, value, order, site.
    "update": ctypes.CFUNCTYPE(_I, _I, _I, _I, _I, _I),  # Address, change, value, order, site.
    "swap": ctypes.CFUNCTYPE(_I, _I, _I, _I, _I, _I),  # Address, two values, both orders, site.
    "fence": ctypes.CFUNCTYPE(None, _I, _I),
    "pause": ctypes.CFUNCTYPE(None),
    "refuse": ctypes.CFUNCTYPE(None, _I),
}
_INSIDE = """  %a = ptrtoint ptr %p to i64
  %base = load i64, ptr inttoptr (i64 {base} to ptr)
  %bytes = load i64, ptr inttoptr (i64 {bytes} to ptr)
  %offset = sub i64 %a, %base
  %inside = icmp ult i64 %offset, %bytes
  br i1 %inside, label %shared, label %own"""
_FUNCTIONS = (
    """define internal i64 @races.weave.load(ptr %p, i64 %order, i64 %site) noinline {{
{inside}
shared:
  %r = call i64 inttoptr (i64 {load} to ptr)(i64 %a, i64 %order, i64 %site)
  ret i64 %r
own:
  %v = load i64, ptr %p, align 1
  ret i64 %v
}}""",
    """define internal void @races.weave.store(ptr %p, i64 %v, i64 %order, i64 %site) noinline {{
{inside}
shared:
  call void inttoptr (i64 {store} to ptr)(i64 %a, i64 %v, i64 %order, i64 %site)
  ret void
own:
  store i64 %v, ptr %p, align 1
  ret void
}}""",
    """define internal void @races.weave.refuse(ptr %p, i64 %site) noinline {{
{inside}
shared:
  call void inttoptr (i64 {refuse} to ptr)(i64 %site)
  ret void
own:
  ret void
}}""",
    """define internal void @races.weave.copy(ptr %to, ptr %from, i64 %n, i64 %site) noinline {{
begin:
  %odd = and i64 %n, 7
  %is_odd = icmp ne i64 %odd, 0
  br i1 %is_odd, label %bytes, label %words
bytes:
  call void @races.weave.refuse(ptr %to, i64 %site)
  call void @races.weave.refuse(ptr %from, i64 %site)
  call void @llvm.memmove.p0.p0.i64(ptr %to, ptr %from, i64 %n, i1 false)
  ret void
words:
  %more = icmp ne i64 %n, 0
  br i1 %more, label %each, label %end
each:
  %at = phi i64 [ 0, %words ], [ %next, %each ]
  %t = getelementptr i8, ptr %to, i64 %at
  %f = getelementptr i8, ptr %from, i64 %at
  %v = call i64 @races.weave.load(ptr %f, i64 0, i64 %site)
  call void @races.weave.store(ptr %t, i64 %v, i64 0, i64 %site)
  %next = add i64 %at, 8
  %again = icmp ult i64 %next, %n
  br i1 %again, label %each, label %end
end:
  ret void
}}""",
    """define internal void @races.weave.fill(ptr %to, i8 %b, i64 %n, i64 %site) noinline {{
begin:
  %odd = and i64 %n, 7
  %is_odd = icmp ne i64 %odd, 0
  br i1 %is_odd, label %bytes, label %words
bytes:
  call void @races.weave.refuse(ptr %to, i64 %site)
  call void @llvm.memset.p0.i64(ptr %to, i8 %b, i64 %n, i1 false)
  ret void
words:
  %wide = zext i8 %b to i64
  %v = mul i64 %wide, 72340172838076673
  %more = icmp ne i64 %n, 0
  br i1 %more, label %each, label %end
each:
  %at = phi i64 [ 0, %words ], [ %next, %each ]
  %t = getelementptr i8, ptr %to, i64 %at
  call void @races.weave.store(ptr %t, i64 %v, i64 0, i64 %site)
  %next = add i64 %at, 8
  %again = icmp ult i64 %next, %n
  br i1 %again, label %each, label %end
end:
  ret void
}}""",
    "declare void @llvm.memmove.p0.p0.i64(ptr, ptr, i64, i1)",
    "declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)",
)


class Bridge(AccessesOnly):
    """The back end, and who is called: set `execution` and `cells` before each execution."""

    scalar = True

    def __init__(self) -> None:
        self.execution = None
        self.cell_at = None  # A function from an offset in words to a cell.
        self.parked: list = []
        self._control = np.zeros(2, np.int64)
        self._sites: dict[int, tuple] = {}
        self._calls = {
            name: kind(self._guarded(getattr(self, f"_{name}"))) for name, kind in _CALLS.items()
        }
        self._places = {
            name: ctypes.cast(call, ctypes.c_void_p).value for name, call in self._calls.items()
        }
        address = self._control.ctypes.data
        inside = _INSIDE.format(base=address, bytes=address + 8)
        self._functions = [one.format(inside=inside, **self._places) for one in _FUNCTIONS]

    def watch(self, words: np.ndarray) -> None:
        """Take accesses to these words for accesses to the execution's cells."""
        self._control[:] = words.ctypes.data, words.nbytes

    def _guarded(self, call):
        def guarded(*args):
            try:
                return call(*args)
            except BaseException as error:
                self.execution.fail(error)
                while True:  # Never to go on: nothing can be thrown through compiled code.
                    self.execution.main.switch()

        return guarded

    def _cell(self, address: int):
        offset = address - int(self._control[0])
        if offset & 7:
            raise RefusedError(f"an access to the middle of word {offset >> 3}")
        return self.cell_at(offset >> 3)

    def _load(self, address: int, order: int, site: int) -> int:
        return self.execution.load(self._cell(address), order, self._sites[site])

    def _store(self, address: int, value: int, order: int, site: int) -> None:
        self.execution.store(self._cell(address), value, order, self._sites[site])

    def _update(self, address: int, change: int, value: int, order: int, site: int) -> int:
        made = _CHANGES[change][1]
        orders = (order, order)
        cell = self._cell(address)
        return self.execution.update(cell, lambda w: made(w, value), orders, self._sites[site])

    def _swap(self, address: int, expected: int, value: int, *told: int) -> int:
        success, failure, site = told[0] >> 8, told[0] & 255, told[1]
        return self.execution.update(
            self._cell(address),
            lambda word: value if word == expected else None,
            (success, failure),
            self._sites[site],
        )

    def _fence(self, order: int, site: int) -> None:
        self.execution.fence(order, self._sites[site])

    def _pause(self) -> None:
        self.execution.pause()

    def _refuse(self, site: int) -> None:
        raise RefusedError(f"an access to part of a word, or to several, at {self._sites[site]}")

    def replace(self, access: Access, stem: str) -> list[str]:
        """Return the access as a call."""
        site = access.site
        self._sites[access.number] = (site.path, site.function, site.line)
        where = f"i64 {access.number}){access.debug}"
        order = _ORDERS[access.order]
        if access.kind == "fence":
            return [f"  call void {self._call('fence')}(i64 {order}, {where}"]
        if access.kind == "pause":
            return [f"  call void {self._call('pause')}(){access.debug}"]
        if access.kind in ("memcpy", "memmove"):
            both = f"ptr {access.pointer}, ptr {access.source}, i64 {access.length}"
            return [f"  call void @races.weave.copy({both}, {where}"]
        if access.kind == "memset":
            what = f"ptr {access.pointer}, i8 {access.value}, i64 {access.length}"
            return [f"  call void @races.weave.fill({what}, {where}"]
        if access.type not in ("i64", "ptr", "double"):
            return [f"  call void @races.weave.refuse(ptr {access.pointer}, {where}", access.line]
        return getattr(self, f"_replaced_{access.kind}")(access, stem, order, where)

    def _call(self, name: str) -> str:
        return f"inttoptr (i64 {self._places[name]} to ptr)"

    def _replaced_load(self, access: Access, stem: str, order: int, where: str) -> list[str]:
        call = f"call i64 @races.weave.load(ptr {access.pointer}, i64 {order}, {where}"
        if access.type == "i64":
            return [f"  {access.result} = {call}"]
        cast = "inttoptr" if access.type == "ptr" else "bitcast"
        return [f"  {stem} = {call}", f"  {access.result} = {cast} i64 {stem} to {access.type}"]

    def _replaced_store(self, access: Access, stem: str, order: int, where: str) -> list[str]:
        lines, value = [], access.value
        if access.type != "i64":
            cast = "ptrtoint" if access.type == "ptr" else "bitcast"
            lines, value = [f"  {stem} = {cast} {access.type} {value} to i64"], stem
        pointer = access.pointer
        return [
            *lines,
            f"  call void @races.weave.store(ptr {pointer}, i64 {value}, i64 {order}, {where}",
        ]

    def _replaced_rmw(self, access: Access, stem: str, order: int, where: str) -> list[str]:
        if access.operation not in CHANGES:
            raise RefusedError(f"atomic {access.operation} at {access.site}")
        change = list(CHANGES).index(access.operation)
        told = f"i64 {change}, i64 {access.value}, i64 {order}, {where}"
        return [
            f"  {stem} = ptrtoint ptr {access.pointer} to i64",
            f"  {access.result} = call i64 {self._call('update')}(i64 {stem}, {told}",
        ]

    def _replaced_cas(self, access: Access, stem: str, order: int, where: str) -> list[str]:
        orders = order << 8 | _ORDERS[access.order_failed]
        told = f"i64 {access.expected}, i64 {access.value}, i64 {orders}, {where}"
        old, is_equal, pair = (f"{stem}.{name}" for name in ("old", "equal", "pair"))
        return [
            f"  {stem} = ptrtoint ptr {access.pointer} to i64",
            f"  {old} = call i64 {self._call('swap')}(i64 {stem}, {told}",
            f"  {is_equal} = icmp eq i64 {old}, {access.expected}",
            f"  {pair} = insertvalue {{ i64, i1 }} poison, i64 {old}, 0",
            f"  {access.result} = insertvalue {{ i64, i1 }} {pair}, i1 {is_equal}, 1",
        ]

    def declarations(self) -> list[str]:
        """Return the functions that look where an address lies."""
        return self._functions
