"""What the rewriter hands to a back end: one memory access of optimised code, and where it stands.

A back end is asked once for each access of each instrumented function and answers with the lines
of LLVM IR that take the instruction's place. Accesses to memory that no other thread can know
(private.py) are not asked for.

    kind      what
    -------   ---------------------------------------------------------------------------------
    load      result = load type from pointer
    store     value, of type, to pointer
    rmw       result = old; pointer = operation(old, value): add sub xchg and or xor max umin ...
    cas       result = {old, whether it was expected}; pointer = value if it was
    fence     order
    memcpy    length bytes from source to pointer; memmove: they may overlap
    memset    length bytes at pointer become value (an i8)
    pause     no access: the kernel spins (only a scheduler cares)
"""

from dataclasses import dataclass
from typing import Protocol

PLAIN = "plain"
ORDERS = (PLAIN, "unordered", "monotonic", "acquire", "release", "acq_rel", "seq_cst")
READS = ("load", "rmw", "cas", "memcpy", "memmove")
WRITES = ("store", "rmw", "cas", "memcpy", "memmove", "memset")


class UnknownAccessError(Exception):
    """An instruction that may touch memory and is not known. Instrumenting on would be blind."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where an access stands: the innermost function and line, and whom it was inlined into."""

    function: str
    line: int
    path: str = ""
    callers: tuple[tuple[str, int], ...] = ()  # (function, line), innermost first.

    def __str__(self) -> str:
        return " < ".join(f"{name}:{line}" for name, line in self.chain)

    @property
    def chain(self) -> tuple[tuple[str, int], ...]:
        """Return (function, line) from the access outwards."""
        return ((self.function, self.line), *self.callers)


@dataclass(frozen=True, slots=True)
class Access:
    """One access. Operands are LLVM text without their type: `%x`, `7`, `getelementptr (...)`.

    `width` is in bytes, 0 where `length` says it at run time; `space` the pointer's address space,
    0 for all that a CPU has.
    """

    kind: str
    line: str  # The instruction as it stands: what runs if the back end keeps it.
    site: Site
    number: int  # Of the site, in Rewriter.sites; small, for reports.
    order: str = PLAIN
    order_failed: str = PLAIN  # Of a cas that found something else.
    type: str = ""
    width: int = 0
    align: int = 1
    pointer: str = ""
    value: str = ""
    expected: str = ""
    source: str = ""
    length: str = ""
    operation: str = ""
    result: str = ""
    debug: str = ""  # ", !dbg !7", to be put behind calls that take the instruction's place.
    volatile: bool = False
    weak: bool = False
    space: int = 0
    reads_private: bool = False  # Of memcpy, memmove: the source is private memory,
    writes_private: bool = False  # the target is.

    @property
    def atomic(self) -> bool:
        """Return whether the access is ordered."""
        return self.order != PLAIN


class BackEnd(Protocol):
    """What an instrument gives to the rewriter.

    Lines are whole instructions, indented by two spaces. Names of new values: `%races.…`, unique
    in the function; `stem` begins them. No new blocks: put branches into an internal
    function of `declarations`.
    """

    scalar: bool  # Whether numba's vectorisation is to be off.

    def replace(self, access: Access, stem: str) -> list[str]:
        """Return the lines in the place of access.line. `stem`: "%races.12", for new names."""

    def enter(self, site: Site, number: int) -> list[str]:
        """Return lines for the begin of a function; `number` is its site's."""

    def leave(self) -> list[str]:
        """Return lines in front of each return."""

    def around_kernel(self) -> tuple[list[str], list[str]]:
        """Return lines in front of and behind the call of a kernel from Python."""

    def declarations(self) -> list[str]:
        """Return declarations and internal functions that the lines need, one element each.

        An element is put behind the module unless it declares a name that the module has already.
        """


class AccessesOnly:
    """What a back end says of functions and kernels for which only accesses count: nothing."""

    def enter(self, site: Site, number: int) -> list[str]:
        """Nothing: a site says whom it was inlined into."""
        return []

    def leave(self) -> list[str]:
        """Nothing: nothing was entered."""
        return []

    def around_kernel(self) -> tuple[list[str], list[str]]:
        """Nothing: kernels are told apart by what they access."""
        return [], []
