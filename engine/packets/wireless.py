"""802.11 data frames, and the two headers that capture programs put before them.

Who calls these has made sure of the first 4 bytes of radiotap, 8 of PPI.
"""

from numba import njit

from engine.memory.options import KERNEL
from engine.memory.pointers import load_u8, load_u16, load_u32
from engine.packets.fates import LENGTH, NON_IP, UNSUPPORTED_LINK, missing

WIRELESS, RADIOTAP, PPI = 105, 127, 192
_HEADER_BYTES_MIN = 8  # Of radiotap and of PPI.
_DATA_FRAME = 2
_NO_DATA, _QOS = 4, 8  # Bits of the subtype.
_BOTH_DS, _PROTECTED, _ORDER = 0x03, 0x40, 0x80  # Bits of the second byte of frame control.
_AGGREGATED = 0x80  # Of QoS control: an A-MSDU.
_MORE_WORDS = 1 << 31  # Of a radiotap presence word.
_PADDED = 0x20  # Of radiotap's flags: the 802.11 header is padded to 4 bytes.


@njit(**KERNEL)
def behind_wireless(frame, padded, at, limit, captured):
    """Return the offset of the LLC header of the data frame at `at`, or minus a fate."""
    fate = missing(at + 2, limit, captured)
    if fate:
        return -fate
    return behind_data(frame, load_u16(frame, at), padded, at, limit, captured)


@njit(**KERNEL)
def behind_data(frame, control, padded, at, limit, captured):
    """Return what behind_wireless does, for frame control bytes `control` (little endian)."""
    flags = control >> 8
    subtype = control >> 4 & 15
    if not carries_data(control) or flags & _PROTECTED:
        return -NON_IP
    size = 30 if flags & _BOTH_DS == _BOTH_DS else 24
    quality_at = at + size
    if subtype & _QOS:
        size += 6 if flags & _ORDER else 2
    fate = missing(at + size, limit, captured)
    if fate:
        return -fate
    if subtype & _QOS and load_u8(frame, quality_at) & _AGGREGATED:
        return -NON_IP
    return at + ((size + 3) & ~3 if padded else size)


@njit(**KERNEL)
def carries_data(control):
    """Return whether a frame with these frame control bytes (little endian) carries data."""
    return control >> 2 & 3 == _DATA_FRAME and control >> 4 & _NO_DATA == 0


@njit(**KERNEL)
def behind_radiotap(frame, at, limit, captured):
    """Return offset << 1 | padded of the 802.11 header behind radiotap, or minus a fate."""
    size = load_u16(frame, at + 2)
    if size < _HEADER_BYTES_MIN:
        return -LENGTH
    fate = missing(at + size, limit, captured)
    if fate:
        return -fate
    present = load_u32(frame, at + 4)
    field = 8
    more = present
    while more & _MORE_WORDS and field + 4 <= size:
        more = load_u32(frame, at + field)
        field += 4
    if present & 1:  # The time stamp: 8 bytes, aligned.
        field = ((field + 7) & ~7) + 8
    padded = 0
    if present & 2 and field < size and load_u8(frame, at + field) & _PADDED:
        padded = 1
    return (at + size) << 1 | padded


@njit(**KERNEL)
def link_of_ppi(frame, at):
    """Return size << 32 | link type of what a PPI header holds, or minus a fate."""
    size = load_u16(frame, at + 2)
    if size < _HEADER_BYTES_MIN:
        return -LENGTH
    link = load_u32(frame, at + 4)
    if link == PPI:
        return -UNSUPPORTED_LINK
    return size << 32 | link
