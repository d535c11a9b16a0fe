"""Where a worker finds payload: in files that it maps when they first occur, or in the arena."""

import numpy as np

from engine.flows.shard import ARENA_ADDRESS, ARENA_MASK, IN_ARENA, NOT_MAPPED, SOURCES_AT
from engine.layouts import PACKET
from engine.rings.mapping import Mapping
from engine.rings.plan import SourceFile

_REFERENCE = PACKET.index("reference")
_EMPTY_FILE = 2  # An address that nothing is ever read from.


class MappedSources:
    """The sources of a run as kernels see them: `addresses` holds a word for each."""

    def __init__(
        self,
        files: tuple[SourceFile, ...],
        arena: np.ndarray | None,
        separate: bool,
        copied: bool = False,
    ) -> None:
        """`copied`: payload of all sources is in the arena."""
        self._files = files
        self._separate = separate
        self._mapped: dict[int, Mapping] = {}
        self._arena = arena  # Kernels hold its address.
        self.addresses = np.zeros(SOURCES_AT + len(files), np.int64)
        if arena is not None:
            self.addresses[ARENA_ADDRESS] = arena.ctypes.data
            self.addresses[ARENA_MASK] = len(arena) - 1
        for number, file in enumerate(files):
            mapped = file.mapped and not copied
            self.addresses[SOURCES_AT + number] = NOT_MAPPED if mapped else IN_ARENA

    def map_source_of(self, packet: np.ndarray) -> None:
        """Map the source of a packet record; those behind it are let go of under --separate."""
        number = int(packet[_REFERENCE]) >> 48
        if self._separate:
            for old in list(self._mapped):
                self.addresses[SOURCES_AT + old] = NOT_MAPPED
                self._mapped.pop(old).close()
        mapping = Mapping(self._files[number])
        self._mapped[number] = mapping
        self.addresses[SOURCES_AT + number] = mapping.address or _EMPTY_FILE
