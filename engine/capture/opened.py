"""A source that is open: its row of words, and the memory and file behind it."""

import numpy as np

from engine.capture import pcap
from engine.capture.pcapng import SECTION
from engine.capture.state import (
    BASE,
    BYTES,
    COMPRESSION,
    COPIED,
    CURSOR,
    CUT_SHORT,
    DAMAGE,
    DAMAGES,
    END,
    FINAL,
    INTERFACE_WORDS,
    INTERFACES,
    INTERFACES_MAX,
    KIND,
    LINK_COUNT,
    LINK_WORDS,
    LINKS,
    LINKS_MAX,
    NO_CAPTURE,
    NUMBER,
    PACKET_LINK,
    PACKETS,
    PCAP,
    PCAPNG,
    ROW_PACKETS,
    ROW_PROGRAM,
    ROW_PROGRAM_SIZE,
    ROW_TYPE,
    ROW_UNSUPPORTED,
    TRAILING,
    UNKNOWN,
)
from engine.capture.streams import Stream, Window
from engine.rings.mapping import Mapping
from engine.rings.plan import SourceFile

_FAULTS = {"compression": COMPRESSION, "trailing": TRAILING}


class OpenSource:
    """A source from its opening to its end. `row` is its line of state.SOURCE."""

    def __init__(self, source: SourceFile, number: int, row: np.ndarray, window_bytes: int) -> None:
        """Open the source; CaptureError if it is not there any more as it was found."""
        self.source = source
        self.row = row
        self._window_bytes = window_bytes
        self._window: Window | None = None
        self._mapping: Mapping | None = None
        self._links = np.zeros((1, LINK_WORDS), np.int64)
        self._interfaces: np.ndarray | None = None
        self._programs: list[np.ndarray] = []
        self.parked = False
        row[:] = 0
        row[NUMBER] = number
        row[LINKS] = self._links.ctypes.data
        row[COPIED] = int(not source.mapped)
        if source.mapped:
            self._mapping = Mapping(source)
            row[BASE] = self._mapping.address
            row[END] = source.bytes
            row[FINAL] = 1
        else:
            self._open_stream()

    def _open_stream(self) -> None:
        self._window = Window(Stream(self.source), self._window_bytes)
        self.parked = False

    @property
    def is_file_stream(self) -> bool:
        """Return whether this is a compressed file, which can be opened again."""
        return self._window is not None and self._window.stream.seekable

    def park(self) -> None:
        """Close a compressed file of which no packet was sent, until its time comes."""
        self._window.stream.close()
        self._window = None
        self.row[END] = self.row[CURSOR]
        self.row[FINAL] = 0
        self.parked = True

    def refill(self) -> bool:
        """Read on; return False if there was nothing to read now."""
        if self.parked:
            self._open_stream()
        return self._window.refill(self.row)

    def read_header(self) -> bool:
        """Set the row by the file's header; False if it is damaged, or no capture file."""
        row = self.row
        head = self._bytes(pcap.FILE_HEADER_BYTES)
        if head[:4] == SECTION.to_bytes(4, "big"):
            row[KIND] = PCAPNG
            self._links = np.zeros((LINKS_MAX, LINK_WORDS), np.int64)
            self._interfaces = np.zeros((INTERFACES_MAX, INTERFACE_WORDS), np.int64)
            row[LINKS] = self._links.ctypes.data
            row[INTERFACES] = self._interfaces.ctypes.data
            return True
        if pcap.byte_order(head[:4]) is None:
            short = len(head) < 4 and self._window and self._window.stream.fault == "compression"
            row[DAMAGE] = COMPRESSION if short else NO_CAPTURE
            return False
        words, link_type = pcap.read_header(head)
        if link_type < 0:
            row[DAMAGE] = -link_type
            return False
        for word, value in words.items():
            row[word] = value
        self._links[0, ROW_TYPE] = link_type
        row[PACKET_LINK] = link_type
        row[LINK_COUNT] = 1
        row[KIND] = PCAP
        return True

    def _bytes(self, count: int) -> bytes:
        """Return the first bytes of the stream, as far as there are so many."""
        if self._window:
            return self._window.head(count)
        return self._mapping.head(count)

    def set_program(self, link: int, program: np.ndarray | None) -> None:
        """Have the packets of a row of links filtered by a program; None matches none."""
        if program is None:
            program = np.zeros(1, np.int64)
            size = 0
        else:
            size = len(program)
        self._programs.append(program)
        self._links[link, ROW_PROGRAM] = program.ctypes.data
        self._links[link, ROW_PROGRAM_SIZE] = size

    def link_type(self, link: int) -> int:
        """Return the link type of a row of links."""
        return int(self._links[link, ROW_TYPE])

    @property
    def readable(self) -> bool:
        """Return whether a header was read."""
        return int(self.row[KIND]) != UNKNOWN

    def damage(self) -> tuple[int, str] | None:
        """Return (offset, reason) of the damage that ended the source, None if there is none."""
        reason = int(self.row[DAMAGE])
        fault = _FAULTS.get(self._window.stream.fault, 0) if self._window else 0
        if fault == COMPRESSION and reason == CUT_SHORT:
            reason = COMPRESSION
        if reason:
            return int(self.row[CURSOR]), DAMAGES[reason]
        if fault:
            return int(self.row[END]), DAMAGES[fault]
        return None

    def prepare(self) -> None:
        """Make ready what the next batch will touch, and see that the file is still whole."""
        if self._mapping:
            self._mapping.check()
            self._mapping.populate(int(self.row[CURSOR]))

    @property
    def bytes_behind(self) -> int:
        """Return how many bytes of the file have been read."""
        if self._mapping:
            return int(self.row[CURSOR])
        return self._window.stream.bytes_read if self._window else 0

    def report(self) -> dict:
        """Return what events.REPORTS["source"] tells, but for number and path."""
        count = int(self.row[LINK_COUNT])
        links = {int(link[ROW_TYPE]): int(link[ROW_PACKETS]) for link in self._links[:count]}
        refused = {int(link[ROW_TYPE]): int(link[ROW_UNSUPPORTED]) for link in self._links[:count]}
        return {
            "packets": int(self.row[PACKETS]),
            "bytes": int(self.row[BYTES]),
            "link_types": {kind: packets for kind, packets in links.items() if packets},
            "unsupported_links": {kind: packets for kind, packets in refused.items() if packets},
            "grown_bytes": self._mapping.grown_bytes if self._mapping else 0,
        }

    def close(self) -> None:
        """Give up file and memory."""
        if self._window:
            self._window.stream.close()
        if self._mapping:
            self._mapping.close()
        self._window = self._mapping = self._interfaces = None
        self._programs = []
