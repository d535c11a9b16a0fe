"""Which flow later fragments belong to (SEMANTICS.rst, "Packets": Fragments)."""

from typing import NamedTuple

from engine.config import SECOND_NS
from engine.reference.internet import Layer

ENTRIES_MAX = 4096
AGE_NS_MAX = 30 * SECOND_NS


class _Entry(NamedTuple):
    protocol: int
    source_port: int
    destination_port: int
    one_way: bool
    time: int


class Fragments:
    """First fragments seen, oldest first."""

    def __init__(self) -> None:
        self._entries: dict[tuple, _Entry] = {}
        self.evicted = 0

    def remember(self, layer: Layer, time: int) -> None:
        """Remember a first fragment; it takes the place of its own entry, or of the oldest."""
        key = _key(layer)
        self._entries.pop(key, None)
        if len(self._entries) == ENTRIES_MAX:
            oldest = self._entries.pop(next(iter(self._entries)))
            self.evicted += time - oldest.time < AGE_NS_MAX
        self._entries[key] = _Entry(
            layer.protocol, layer.source_port, layer.destination_port, layer.one_way, time
        )

    def resolve(self, layer: Layer, time: int) -> bool:
        """Give a later fragment the ports of its first; return whether that one is known."""
        entry = self._entries.get(_key(layer))
        if entry is None or time - entry.time > AGE_NS_MAX:
            return False
        layer.protocol, layer.source_port, layer.destination_port, layer.one_way, _ = entry
        return True


def _key(layer: Layer) -> tuple:
    fragment = layer.fragment
    assert fragment is not None, "only fragments have a key"
    number, protocol = fragment.identification, fragment.protocol
    return layer.version, layer.source, layer.destination, layer.vlan, number, protocol
