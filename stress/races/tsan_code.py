"""The back end of ThreadSanitizer: accesses become calls of its runtime (libtsan).

TSan knows code by its addresses, and has no names for those of compiled kernels. So it is given
addresses that are none: SITES_BEGIN + 16 * the site's number, as program counter of a plain access
and as the function around an atomic one. They come back in its reports.

What is not a kernel must not order what kernels do: Python's own lock would, each time it changes
hands. Synchronisation is ignored in each role's thread but inside kernels.
"""

from stress.races.access import Access, AccessesOnly, UnknownAccessError

SITES_BEGIN = 0x0A00_0000_0000
_STRIDE = 16
_NUMBERS = 1 << 32  # Of kept code they are any of 32 bits.
_ORDERS = {"unordered": 0, "monotonic": 0, "acquire": 2, "release": 3, "acq_rel": 4, "seq_cst": 5}
FETCHED = {"add": "fetch_add", "sub": "fetch_sub", "and": "fetch_and", "or": "fetch_or"}
FETCHED |= {"xor": "fetch_xor", "nand": "fetch_nand", "xchg": "exchange"}
_COMPARED = {"max": "sgt", "min": "slt", "umax": "ugt", "umin": "ult"}
_WIDTHS = (8, 16, 32, 64, 128)
_PLAIN_BYTES = (1, 2, 4, 8, 16)
# TSan has no maximum nor minimum: a loop of compare-and-swap means the same.
_LOOP = """define internal i{bits} @races.tsan.{name}{bits}(ptr %p, i{bits} %v, i32 %o) noinline {{
begin:
  %first = call i{bits} @__tsan_atomic{bits}_load(ptr %p, i32 0)
  br label %each
each:
  %old = phi i{bits} [ %first, %begin ], [ %found, %each ]
  %c = icmp {compare} i{bits} %v, %old
  %new = select i1 %c, i{bits} %v, i{bits} %old
  %found = call i{bits} @__tsan_atomic{bits}_compare_exchange_val({operands})
  %same = icmp eq i{bits} %found, %old
  br i1 %same, label %end, label %each
end:
  ret i{bits} %old
}}"""


def site_of(address: int) -> int | None:
    """Return the number of the site that an address of a report stands for."""
    number = (address - SITES_BEGIN) // _STRIDE
    return number if 0 <= number < _NUMBERS else None


def _counter(number: int) -> str:
    """Return the address that stands for a site, as an operand."""
    return f"ptr inttoptr (i64 {SITES_BEGIN + _STRIDE * number + _STRIDE // 2} to ptr)"


class TsanBackEnd(AccessesOnly):
    """Tells libtsan, which must have been loaded before Python, of every access."""

    scalar = True

    def replace(self, access: Access, stem: str) -> list[str]:
        """Return the access with what TSan is to know of it."""
        if access.kind == "pause":
            return [access.line]
        if access.kind in ("memcpy", "memmove", "memset"):
            return [*_ranges(access), access.line]
        if not access.atomic:
            return [_plain(access), access.line]
        return [
            f"  call void @__tsan_func_entry({_counter(access.number)}){access.debug}",
            *_atomic(access, stem),
            f"  call void @__tsan_func_exit(){access.debug}",
        ]

    def around_kernel(self) -> tuple[list[str], list[str]]:
        """Synchronisation counts inside kernels only."""
        return (
            ["  call void @AnnotateIgnoreSyncEnd(ptr null, i32 0)"],
            ["  call void @AnnotateIgnoreSyncBegin(ptr null, i32 0)"],
        )

    def declarations(self) -> list[str]:
        """Return what libtsan offers."""
        lines = [
            "declare void @__tsan_func_entry(ptr)",
            "declare void @__tsan_func_exit()",
            "declare void @__tsan_atomic_thread_fence(i32)",
            "declare void @AnnotateIgnoreSyncBegin(ptr, i32)",
            "declare void @AnnotateIgnoreSyncEnd(ptr, i32)",
        ]
        for verb in ("read", "write"):
            lines += [f"declare void @__tsan_{verb}{size}_pc(ptr, ptr)" for size in _PLAIN_BYTES]
            lines.append(f"declare void @__tsan_{verb}_range_pc(ptr, i64, ptr)")
        for bits in _WIDTHS:
            kind, stem = f"i{bits}", f"@__tsan_atomic{bits}"
            lines.append(f"declare {kind} {stem}_load(ptr, i32)")
            lines.append(f"declare void {stem}_store(ptr, {kind}, i32)")
            exchange = f"{stem}_compare_exchange_val(ptr, {kind}, {kind}, i32, i32)"
            lines.append(f"declare {kind} {exchange}")
            lines += [
                f"declare {kind} {stem}_{name}(ptr, {kind}, i32)" for name in FETCHED.values()
            ]
            operands = f"ptr %p, {kind} %old, {kind} %new, i32 %o, i32 0"
            lines += [
                _LOOP.format(bits=bits, name=name, compare=compare, operands=operands)
                for name, compare in _COMPARED.items()
            ]
        return lines


def _plain(access: Access) -> str:
    verb = "read" if access.kind == "load" else "write"
    where = f"{_counter(access.number)}){access.debug}"
    if access.width in _PLAIN_BYTES and access.align >= access.width:
        return f"  call void @__tsan_{verb}{access.width}_pc(ptr {access.pointer}, {where}"
    size = f"ptr {access.pointer}, i64 {access.width}"
    return f"  call void @__tsan_{verb}_range_pc({size}, {where}"


def _ranges(access: Access) -> list[str]:
    where = f"i64 {access.length}, {_counter(access.number)}){access.debug}"
    lines = []
    if access.source and not access.reads_private:
        lines.append(f"  call void @__tsan_read_range_pc(ptr {access.source}, {where}")
    if not access.writes_private:
        lines.append(f"  call void @__tsan_write_range_pc(ptr {access.pointer}, {where}")
    return lines


def _atomic(access: Access, stem: str) -> list[str]:
    order = _ORDERS[access.order]
    if access.kind == "fence":
        return [f"  call void @__tsan_atomic_thread_fence(i32 {order}){access.debug}"]
    kind = access.type
    if kind not in [f"i{bits}" for bits in _WIDTHS]:
        raise UnknownAccessError(f"TSan has no atomic {kind}: {access.line.strip()}")
    call = f"call {kind} @__tsan_atomic{kind[1:]}"
    place = f"ptr {access.pointer}"
    if access.kind == "load":
        return [f"  {access.result} = {call}_load({place}, i32 {order}){access.debug}"]
    value = f"{kind} {access.value}"
    if access.kind == "store":
        void = call.replace(f"call {kind}", "call void")
        return [f"  {void}_store({place}, {value}, i32 {order}){access.debug}"]
    if access.kind == "rmw":
        if access.operation in FETCHED:
            name = f"{call}_{FETCHED[access.operation]}"
        elif access.operation in _COMPARED:
            name = f"call {kind} @races.tsan.{access.operation}{kind[1:]}"
        else:
            raise UnknownAccessError(f"TSan has no atomic {access.operation}")
        return [f"  {access.result} = {name}({place}, {value}, i32 {order}){access.debug}"]
    expected = f"{kind} {access.expected}"
    orders = f"i32 {order}, i32 {_ORDERS[access.order_failed]}"
    pair = f"{{ {kind}, i1 }}"
    return [
        f"  {stem}.old = {call}_compare_exchange_val({place}, {expected}, {value}, {orders})"
        f"{access.debug}",
        f"  {stem}.same = icmp eq {kind} {stem}.old, {access.expected}",
        f"  {stem}.half = insertvalue {pair} poison, {kind} {stem}.old, 0",
        f"  {access.result} = insertvalue {pair} {stem}.half, i1 {stem}.same, 1",
    ]
