"""The words of a packet record as the twin has it: written out of the definition, for many."""

from engine.layouts import PACKET
from engine.reference.capture import Metered

_ICMP, _ICMP6 = 1, 58
_LENGTHS = {name: PACKET.shift("lengths", name) for name in ("header", "captured", "window")}
_KEY = {
    name: PACKET.shift("key", name)
    for name in (
        *("source_port", "destination_port", "vlan", "version6", "fragment"),
        *("mark", "layer", "protocol", "flags"),
    )
}
_HEADER, _CAPTURED, _WINDOW = _LENGTHS.values()
_SOURCE, _DESTINATION, _VLAN, _VERSION6, _FRAGMENT, _MARK, _LAYER, _PROTOCOL, _FLAGS = _KEY.values()
_HALF, _TOP, _ALL = (1 << 64) - 1, 1 << 63, 1 << 64
assert PACKET.shift("lengths", "payload") == 0


def _signed(value: int) -> int:
    return value - _ALL if value & _TOP else value


def record_words(metered: Metered, base: int) -> tuple[int, ...]:
    """Return addresses, place of the IP header in the frame at `base`, lengths and key."""
    layer = metered.layer
    source, destination = int.from_bytes(layer.source), int.from_bytes(layer.destination)
    one_way = layer.one_way and layer.protocol in (_ICMP, _ICMP6)
    lengths = (
        layer.payload_length
        | layer.header_length << _HEADER
        | (len(layer.payload) if layer.length else 1) << _CAPTURED
        | (layer.window or 0) << _WINDOW
    )
    key = (
        layer.source_port << _SOURCE
        | layer.destination_port << _DESTINATION
        | layer.vlan << _VLAN
        | (layer.version == 6) << _VERSION6
        | layer.later_fragment << _FRAGMENT
        | (one_way or layer.tcp_header_cut) << _MARK
        | metered.inner << _LAYER
        | layer.protocol << _PROTOCOL
        | (layer.flags or 0) << _FLAGS
    )
    return (
        *(_signed(half) for half in (source >> 64, source & _HALF)),
        *(_signed(half) for half in (destination >> 64, destination & _HALF)),
        metered.position[1] - base,
        _signed(lengths),
        _signed(key),
    )
