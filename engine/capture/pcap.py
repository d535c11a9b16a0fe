"""Find the next packet record of a pcap file (SEMANTICS.rst, "Capture files").

`read_header` is called once, from Python; `find_record` for every packet, in a kernel.
"""

from numba import njit

from engine.capture.state import (
    BASE,
    CAPTURED,
    CAPTURED_MAX,
    CURSOR,
    CUT_SHORT,
    DAMAGE,
    DAMAGED,
    END,
    ENDED,
    FINAL,
    FOUND,
    FRACTION,
    FRAME,
    HEADER_BYTES,
    LENGTHS_JUDGED,
    LENGTHS_ORDER,
    LENGTHS_PLAIN,
    LENGTHS_TURNED,
    LINK,
    NEED_BYTES,
    NEXT,
    RECORD_LENGTH,
    STAMP,
    STAMP_BAD,
    SWAPPED,
    VERSION,
    WANTED,
    WIRE,
)
from engine.config import SECOND_NS
from engine.memory.options import KERNEL
from engine.memory.pointers import bytes_at, load_u32, swap_u32

FILE_HEADER_BYTES = 24
LINK_TYPE_MASK = (1 << 26) - 1
# Magic number: (ns of a unit of the fraction, bytes of a record header).
MAGICS = {0xA1B2C3D4: (1000, 16), 0xA1B23C4D: (1, 16), 0xA1B2CD34: (1000, 24)}


def read_header(content: bytes) -> tuple[dict[int, int], int]:
    """Return ({word of SOURCE: value}, link type) of a file header, or ({}, minus a damage).

    `content` begins with the file's first bytes; it is shorter than a header only if the file is.
    """
    order = byte_order(content[:4])
    assert order is not None
    if len(content) < FILE_HEADER_BYTES:
        return {}, -CUT_SHORT
    magic = int.from_bytes(content[:4], order)
    major = int.from_bytes(content[4:6], order)
    minor = int.from_bytes(content[6:8], order)
    if major not in (2, 543) or (major == 543 and minor != 0):
        return {}, -VERSION
    fraction, header_bytes = MAGICS[magic]
    lengths = LENGTHS_PLAIN
    if major == 543 or minor < 3:
        lengths = LENGTHS_TURNED
    elif minor == 3:
        lengths = LENGTHS_JUDGED
    words = {
        SWAPPED: int(order == "big"),
        FRACTION: fraction,
        HEADER_BYTES: header_bytes,
        LENGTHS_ORDER: lengths,
        CURSOR: FILE_HEADER_BYTES,
    }
    return words, int.from_bytes(content[20:24], order) & LINK_TYPE_MASK


def byte_order(magic: bytes) -> str | None:
    """Return "little" or "big" when `magic` begins a pcap file, else None."""
    for order in ("little", "big"):
        if len(magic) == 4 and int.from_bytes(magic, order) in MAGICS:
            return order
    return None


@njit(**KERNEL)
def find_record(source):
    """Find the record at the cursor: FOUND, NEED_BYTES, ENDED or DAMAGED."""
    at = source[CURSOR]
    end = source[END]
    header = source[HEADER_BYTES]
    if at + header > end:
        if at == end and source[FINAL]:
            return ENDED
        return beyond(source, at + header)
    record = bytes_at(source[BASE] + at, header)
    seconds, fraction = load_u32(record, 0), load_u32(record, 4)
    captured, original = load_u32(record, 8), load_u32(record, 12)
    if source[SWAPPED]:
        seconds, fraction = swap_u32(seconds), swap_u32(fraction)
        captured, original = swap_u32(captured), swap_u32(original)
    order = source[LENGTHS_ORDER]
    if order == LENGTHS_TURNED or (order == LENGTHS_JUDGED and captured > original):
        captured, original = original, captured
    if captured > CAPTURED_MAX:
        source[DAMAGE] = RECORD_LENGTH
        return DAMAGED
    if at + header + captured > end:
        return beyond(source, at + header + captured)
    source[STAMP] = seconds * SECOND_NS + fraction * source[FRACTION]
    source[STAMP_BAD] = 0
    source[FRAME] = at + header
    source[CAPTURED] = captured
    source[WIRE] = max(original, captured)
    source[NEXT] = at + header + captured
    source[LINK] = 0
    return FOUND


@njit(**KERNEL)
def beyond(source, wanted):
    """Ask for bytes up to `wanted`, or say that the file is cut."""
    if source[FINAL]:
        source[DAMAGE] = CUT_SHORT
        return DAMAGED
    source[WANTED] = wanted
    return NEED_BYTES
