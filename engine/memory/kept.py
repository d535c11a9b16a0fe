"""Pointers that keep what they overwrite: every store through one can be taken back.

For memory that outlives its writer. A *region* begins at a multiple of REGION_BYTES of addresses:
control words, a cache of the lines that were kept lately, the journal, and the content; one process
writes all of it. From any address in a region its beginning follows by a mask, so such a pointer is
one machine word, as others are; kernels take it like any other.

    process                                   its replacement
    --------------------------------------    --------------------------------------
    words = kept(array)                       undo(region)
    words[place] = ...   any number of times  go on
    commit(region)

A store through a kept pointer looks whether its line of 64 bytes has been kept since the last
commit, as far as the cache knows, and keeps it if not. So no line can be forgotten: what is not
to be kept is written through `plain(pointer)`, or `span(pointer, count)` after keeping all of it at
once, and these are few. Keeping a line twice is harmless: undoing runs backwards, and the oldest
copy comes last.

Why after `undo` the content is that of the last commit, wherever the process was killed
  1. Before USED counts an entry nothing that the entry is for has changed; it is ignored.
  2. After that, until the commit, whatever has changed is in an entry that USED counts.
  3. The commit is one store, USED = 0: before it all is taken back, after it nothing. The cache is
     emptied before: a line that it does not know is kept again.
  4. `undo` lowers USED when an entry's line is back; killed in between, it restores it again.

What is promised is the death of a process, not that of the machine: its stores are there, in
program order, for whoever comes after; a compiler's fence keeps that order and costs nothing.
"""

import ctypes
import operator

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core.datamodel import models, register_default
from numba.core.imputils import lower_builtin

from engine.memory.addresses import words_at
from engine.memory.atomics import fence_program
from engine.memory.intrinsic import I64, twinned
from engine.memory.options import HOT, KERNEL

REGION_BITS = 36
REGION_BYTES = 1 << REGION_BITS
# Control words of a region, by place; its owner has those from OWN_WORDS to CONTROL_WORDS.
USED, IS_ON, KEPT_IN_ALL = range(3)
OWN_WORDS, CONTROL_WORDS = 8, 512
LINE_WORDS = 8
LINE_BYTES = 8 * LINE_WORDS
CACHE_LINES = 4096  # A power of two: a step changes some thousand lines.
JOURNAL_LINES = 1 << 24  # More than an end of a pane with a million hosts keeps.
_CACHE_AT = 8 * CONTROL_WORDS
_NUMBERS_AT = _CACHE_AT + 8 * CACHE_LINES
_LINES_AT = _NUMBERS_AT + 8 * JOURNAL_LINES
CONTENT_AT = _LINES_AT + LINE_BYTES * JOURNAL_LINES  # Bytes from the region's beginning.
assert CONTENT_AT % 4096 == 0
_OFFSET_MASK = REGION_BYTES - 1
_LINE_SHIFT = LINE_BYTES.bit_length() - 1
_KEEP_LINE = "engine.kept.keep_line"


class Kept(types.CPointer):
    """The numba type of such a pointer."""

    def __init__(self, dtype):
        super().__init__(dtype)
        self.name = f"kept {dtype}*"


register_default(Kept)(models.PointerModel)


class KeptWords(np.ndarray):
    """What such a pointer is in Python: an array in a region, whose stores keep."""

    def __setitem__(self, index, value):
        """Keep the lines that change, then change them."""
        place = super().__getitem__(slice(index, index + 1) if np.isscalar(index) else index)
        _keep_bytes(place.__array_interface__["data"][0], place.nbytes)
        super().__setitem__(index, value)


def _keep_bytes(address: int, size: int) -> None:
    """Keep the lines of `size` bytes, unless the cache knows them."""
    region = address & ~_OFFSET_MASK
    cache = words_at(region + _CACHE_AT, CACHE_LINES)
    first, end = address & _OFFSET_MASK, (address & _OFFSET_MASK) + size
    for line in range(first >> _LINE_SHIFT, (end + LINE_BYTES - 1) >> _LINE_SHIFT):
        if cache[line % CACHE_LINES] != line:
            _keep_line(region, line)


def _keep_line(region: int, line: int) -> None:
    """Keep a line; the same steps as the compiled function of that name."""
    control = words_at(region, CONTROL_WORDS)
    if control[IS_ON]:
        used = int(control[USED])
        assert used < JOURNAL_LINES, "the journal is full"
        content = words_at(region + line * LINE_BYTES, LINE_WORDS)
        words_at(region + _LINES_AT + used * LINE_BYTES, LINE_WORDS)[:] = content
        words_at(region + _NUMBERS_AT + 8 * used, 1)[0] = line
        control[USED] = used + 1
    words_at(region + _CACHE_AT, CACHE_LINES)[line % CACHE_LINES] = line


def _kept_twin(array):
    """Return the kept pointer to the first element of an array in a region."""
    return array.view(KeptWords)


def _plain_twin(pointer):
    """Return the same pointer as one whose stores keep nothing."""
    return pointer.view(np.ndarray)


def _keep_twin(pointer, index):
    """Keep the line of element `index` of a kept pointer; of another pointer nothing."""
    if isinstance(pointer, KeptWords):
        _keep_bytes(pointer[index:].__array_interface__["data"][0], pointer.itemsize)


def _words(builder, address):
    return builder.inttoptr(address, I64.as_pointer())


def _fence(builder):
    """Emit a fence for the compiler alone."""
    builder.fence("seq_cst", targetscope="singlethread")


def _function(builder):
    """Return the function that keeps a line, (region, line): made once in a module, not inlined."""
    module = builder.module
    if _KEEP_LINE in module.globals:
        return module.globals[_KEEP_LINE]
    kind = ir.FunctionType(ir.VoidType(), [I64, I64])
    function = ir.Function(module, kind, _KEEP_LINE)
    function.linkage = "internal"
    function.attributes.add("noinline")
    region, line = function.args
    inside = ir.IRBuilder(function.append_basic_block())
    control = _words(inside, region)
    is_on = inside.load(inside.gep(control, [I64(IS_ON)]))
    with inside.if_then(inside.icmp_signed("!=", is_on, I64(0))):
        _emit_entry(inside, region, line)
    inside.store(line, _cache_slot(inside, region, line))
    _fence(inside)
    inside.ret_void()
    return function


def _emit_entry(builder, region, line):
    """Emit the entry of a line: its words and number, then USED, in that order."""
    used_at = builder.gep(_words(builder, region), [I64(USED)])
    used = builder.load(used_at)
    with builder.if_then(builder.icmp_signed(">=", used, I64(JOURNAL_LINES)), likely=False):
        trap = builder.module.declare_intrinsic("llvm.trap", (), ir.FunctionType(ir.VoidType(), []))
        builder.call(trap, [])
    kind = ir.VectorType(I64, LINE_WORDS).as_pointer()
    content = builder.add(region, builder.mul(line, I64(LINE_BYTES)))
    copy = builder.add(region, I64(_LINES_AT))
    copy = builder.add(copy, builder.mul(used, I64(LINE_BYTES)))
    words = builder.load(builder.inttoptr(content, kind))
    words.align = LINE_BYTES
    builder.store(words, builder.inttoptr(copy, kind)).align = LINE_BYTES
    number = builder.add(region, I64(_NUMBERS_AT))
    builder.store(line, builder.gep(_words(builder, number), [used]))
    _fence(builder)
    builder.store(builder.add(used, I64(1)), used_at)
    _fence(builder)


def _cache_slot(builder, region, line):
    """Emit the place of a line in the cache."""
    cache = _words(builder, builder.add(region, I64(_CACHE_AT)))
    return builder.gep(cache, [builder.and_(line, I64(CACHE_LINES - 1))])


def _emit_keep(builder, place):
    """Emit: keep the line of an address, unless the cache knows it."""
    address = builder.ptrtoint(place, I64)
    region = builder.and_(address, I64(~_OFFSET_MASK))
    line = builder.lshr(builder.and_(address, I64(_OFFSET_MASK)), I64(_LINE_SHIFT))
    known = builder.load(_cache_slot(builder, region, line))
    with builder.if_then(builder.icmp_signed("!=", known, line), likely=False):
        builder.call(_function(builder), [region, line])


@lower_builtin(operator.setitem, Kept, types.Integer, types.Any)
def _store(context, builder, signature, args):
    """Emit a store through a kept pointer."""
    pointer, index, value = args
    kind = signature.args[0]
    place = builder.gep(pointer, [context.cast(builder, index, signature.args[1], types.int64)])
    _emit_keep(builder, place)
    value = context.cast(builder, value, signature.args[2], kind.dtype)
    context.pack_value(builder, kind.dtype, value, place)
    return context.get_dummy_value()


@twinned(_kept_twin)
def kept(typingctx, array):
    """Define the cast."""

    def codegen(context, builder, signature, args):
        return context.make_array(signature.args[0])(context, builder, args[0]).data

    return Kept(array.dtype)(array), codegen


@twinned(_plain_twin)
def plain(typingctx, pointer):
    """Define the cast."""

    def codegen(context, builder, signature, args):
        return args[0]

    return types.CPointer(pointer.dtype)(pointer), codegen


@twinned(_keep_twin)
def keep(typingctx, pointer, index):
    """Define the look and the entry."""

    def codegen(context, builder, signature, args):
        if isinstance(pointer, Kept):
            _emit_keep(builder, builder.gep(args[0], [args[1]]))
        return context.get_dummy_value()

    return types.void(pointer, types.int64), codegen


@njit(**HOT)
def span(pointer, count):
    """Keep `count` words from a pointer on, if it is a kept one; return it as a plain one."""
    for at in range(0, count, LINE_WORDS):
        keep(pointer, at)
    if count > 0:
        keep(pointer, count - 1)
    return plain(pointer)


@njit(**KERNEL)
def clear(pointer, count):
    """Make words 0: whole lines. Those that are 0 already are neither kept nor written."""
    words = plain(pointer)
    for at in range(0, count, LINE_WORDS):
        found = np.int64(0)
        for word in range(at, at + LINE_WORDS):
            found |= words[word]
        if found != 0:
            keep(pointer, at)
            for word in range(at, at + LINE_WORDS):
                words[word] = 0


@njit(**KERNEL)
def commit(region):
    """Make final what has changed since the last commit. `region`: its address."""
    control = words_at(region, CONTROL_WORDS)
    cache, used = words_at(region + _CACHE_AT, CACHE_LINES), control[USED]
    numbers = words_at(region + _NUMBERS_AT, JOURNAL_LINES)
    if used < CACHE_LINES:
        for entry in range(used):
            cache[numbers[entry] & (CACHE_LINES - 1)] = 0
    else:
        for slot in range(CACHE_LINES):
            cache[slot] = 0
    control[KEPT_IN_ALL] += used
    fence_program()  # Every change is made.
    control[USED] = 0
    fence_program()  # And is final before anybody is told of it.


@njit(**KERNEL)
def undo(region):
    """Take back what has changed since the last commit; return how many lines were kept."""
    control = words_at(region, CONTROL_WORDS)
    numbers = words_at(region + _NUMBERS_AT, JOURNAL_LINES)
    cache, used = words_at(region + _CACHE_AT, CACHE_LINES), control[USED]
    for slot in range(CACHE_LINES):
        cache[slot] = 0
    for entry in range(used - 1, -1, -1):
        copy = words_at(region + _LINES_AT + entry * LINE_BYTES, LINE_WORDS)
        line = words_at(region + numbers[entry] * LINE_BYTES, LINE_WORDS)
        for word in range(LINE_WORDS):
            line[word] = copy[word]
        fence_program()  # The line is back before its entry is given up.
        control[USED] = entry
    return used


def region_of(array: np.ndarray) -> int:
    """Return the address of the region in which an array lies."""
    return array.ctypes.data & ~_OFFSET_MASK


def control_of(array: np.ndarray) -> np.ndarray:
    """Return the control words of the region in which an array lies; who uses them holds it."""
    words = (ctypes.c_int64 * CONTROL_WORDS).from_address(region_of(array))
    return np.ctypeslib.as_array(words)
