"""Compile filter words ("tcp port 80") with libpcap, per link type, into verified programs.

libpcap is a system library and optional: only a run with a filter needs it.
"""

import ctypes

import numpy as np

from engine.capture.bpf_machine import INSTRUCTION_BYTES, verified
from engine.capture.state import CAPTURED_MAX
from engine.errors import ConfigError
from engine.packets.link import ETHERNET, RAW, RAW_BSD, RAW_OPENBSD

LIBRARY = "libpcap.so.0.8"
_NETMASK_UNKNOWN = 0xFFFFFFFF
# libpcap compiles for the link types of the system it runs on; elsewhere these have other numbers.
_SYSTEM_TYPES = {RAW: 12, RAW_BSD: 12, RAW_OPENBSD: 12}


class _Program(ctypes.Structure):
    _fields_ = (("count", ctypes.c_uint), ("instructions", ctypes.c_void_p))


def _library() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL(LIBRARY)
    except OSError:
        raise ConfigError(
            f"a filter needs {LIBRARY}, which is not installed: apt-get install libpcap0.8"
        ) from None
    handle = ctypes.c_void_p
    library.pcap_open_dead.restype = handle
    library.pcap_open_dead.argtypes = (ctypes.c_int, ctypes.c_int)
    library.pcap_compile.argtypes = (
        handle,
        ctypes.POINTER(_Program),
        ctypes.c_char_p,
        ctypes.c_int,
        ctypes.c_uint32,
    )
    library.pcap_geterr.restype = ctypes.c_char_p
    library.pcap_geterr.argtypes = (handle,)
    library.pcap_freecode.argtypes = (ctypes.POINTER(_Program),)
    library.pcap_close.argtypes = (handle,)
    return library


def compile_filter(words: str, link_type: int = ETHERNET) -> np.ndarray:
    """Return the program for frames of `link_type`; ConfigError has libpcap's own message."""
    if "\0" in words:
        raise ConfigError(f"a filter is text without zero bytes, is {words!r}")
    library = _library()
    handle = library.pcap_open_dead(_SYSTEM_TYPES.get(link_type, link_type), CAPTURED_MAX)
    if not handle:
        raise ConfigError("libpcap has no memory for a filter")
    try:
        program = _Program()
        text = words.encode(errors="surrogateescape")
        if library.pcap_compile(handle, ctypes.byref(program), text, 1, _NETMASK_UNKNOWN):
            message = library.pcap_geterr(handle).decode(errors="replace")
            raise ConfigError(f"filter {words!r}: {message}")
        code = ctypes.string_at(program.instructions, program.count * INSTRUCTION_BYTES)
        library.pcap_freecode(ctypes.byref(program))
        return verified(code)
    finally:
        library.pcap_close(handle)
