"""Parse one frame with capture's kernels, for tests."""

from typing import NamedTuple

import numpy as np
from numba import njit

from engine.config import Config
from engine.layouts import PACKET
from engine.memory.options import KERNEL
from engine.memory.pointers import pointer, shifted
from engine.packets import fragments, layers, lines
from engine.packets.fates import FATES
from engine.packets.key import secret_words
from engine.packets.metering import demands_word, metering_word, vlan_word
from engine.packets.plain import IP_AT, parse_plain
from engine.packets.tunnels import KIND_BITS

DEFAULTS = Config()
LINES_AT = layers.PARSER.words
MODES = ("outer", "inner", "all", "udp")


class Layer(NamedTuple):
    """A metered layer: every field of its record, and where its IP header is in the frame."""

    source: int
    destination: int
    payload: int
    header: int
    captured: int
    window: int
    source_port: int
    destination_port: int
    vlan: int
    version6: int
    fragment: int
    mark: int
    layer: int
    protocol: int
    flags: int
    offset: int
    tcp_header_cut: int


class Parsed(NamedTuple):
    """What came of a frame: its fate without "refused_", and the layers that are metered."""

    fate: str
    layers: tuple[Layer, ...] = ()
    unreadable: int = 0

    @property
    def only(self) -> Layer:
        """Return the only layer of an accepted frame."""
        assert self.fate == "accepted" and len(self.layers) == 1, self
        return self.layers[0]


@njit(**KERNEL)
def _parse(frame, link, wire, captured, words):
    line_words = shifted(pointer(words), LINES_AT)
    return layers.parse_frame(pointer(frame), link, wire, captured, line_words, pointer(words))


@njit(**KERNEL)
def _remember(cache, secrets, words, line, time):
    at = shifted(pointer(words), line)
    return fragments.remember(pointer(cache), pointer(secrets), at, time)


@njit(**KERNEL)
def plain(frame, captured, wire, record):
    """Call the shortcut."""
    return parse_plain(pointer(frame), captured, wire, 1, pointer(record))


def field(row, word: str, name: str) -> int:
    """Return a field of a record's words."""
    return int(row[PACKET.index(word)]) >> PACKET.shift(word, name) & PACKET.mask(word, name)


def as_layer(row) -> Layer:
    """Return a parsed line as a Layer."""
    halves = [int(row[at]) & (1 << 64) - 1 for at in range(1, 5)]
    names = Layer._fields
    values = {name: field(row, "lengths", name) for name in names[2:6]}
    values |= {name: field(row, "key", name) for name in names[6:15]}
    return Layer(
        halves[0] << 64 | halves[1],
        halves[2] << 64 | halves[3],
        **values,
        offset=int(row[lines.HEADER_AT]),
        tcp_header_cut=int(row[lines.TCP_HEADER_CUT]),
    )


class FrameParser:
    """A parser with its fragment cache, as a run of capture has it."""

    def __init__(
        self,
        decapsulate: str = "outer",
        tunnels: tuple[str, ...] | None = None,
        config: Config = DEFAULTS,
    ) -> None:
        self.cache = fragments.new_cache()
        self.secrets = secret_words((1, 2))
        size = LINES_AT + lines.LAYERS_MAX * lines.LINE_WORDS
        self._words = np.zeros(size, np.int64)
        self._words[layers.DECAPSULATE] = MODES.index(decapsulate)
        self._words[layers.METERING] = metering_word(config)
        self._words[layers.DEMANDS] = demands_word(config)
        self._words[layers.VLAN_AT] = vlan_word(config)
        self._words[layers.TUNNELS] = sum(KIND_BITS[kind] for kind in tunnels or KIND_BITS)
        self._words[layers.FRAGMENTS] = self.cache.ctypes.data
        self._words[layers.SECRET_WORDS] = self.secrets.ctypes.data
        self.evicted = 0

    def parse(self, frame: bytes, link: int = 1, wire: int = 0, time: int = 0) -> Parsed:
        """Parse a frame of `wire` bytes (0: all are captured) and remember a first fragment."""
        content = np.frombuffer(frame + bytes(1), np.uint8)
        self._words[layers.FRAME_TIME] = time
        result = _parse(content, link, max(wire, len(frame)), len(frame), self._words)
        fate = FATES[result & layers.RESULT_MASK]
        if fate != "accepted":
            return Parsed(fate.removeprefix("refused_"))
        first = result >> layers.FIRST_SHIFT & layers.RESULT_MASK
        count = result >> layers.COUNT_SHIFT & layers.RESULT_MASK
        rows = self._words[LINES_AT:].reshape(lines.LAYERS_MAX, lines.LINE_WORDS)
        for number in range(first, first + count):
            if rows[number, lines.FRAGMENT] == lines.FIRST_FRAGMENT:
                at = LINES_AT + number * lines.LINE_WORDS
                self.evicted += _remember(self.cache, self.secrets, self._words, at, time)
        return Parsed(
            fate,
            tuple(as_layer(row) for row in rows[first : first + count]),
            result >> layers.UNREADABLE_SHIFT & layers.RESULT_MASK,
        )


def shortcut(frame: bytes, wire: int = 0) -> Layer | None:
    """Return what the shortcut makes of an Ethernet frame; None if it leaves it alone."""
    content = np.frombuffer(frame + bytes(64), np.uint8)
    row = np.zeros(lines.LINE_WORDS, np.int64)
    if not plain(content, len(frame), max(wire, len(frame)), row):
        return None
    row[lines.HEADER_AT] = IP_AT
    return as_layer(row)
