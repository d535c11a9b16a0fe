"""What capture does: frames of all sources in order of position, each with its fate or its layers.

Sections "Stamps, clock, position" and "Packets" of SEMANTICS.rst.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from engine.config import Config
from engine.reference.clock import STAMP_MIN, Clock, Step
from engine.reference.files import CaptureFile, Damage, Frame
from engine.reference.fragments import Fragments
from engine.reference.internet import UDP, Allowed, Layer, layer_of
from engine.reference.links import Network, NoDataError, RefusedError, Span, ethernet, network_of
from engine.reference.metering import has_wrong_checksum, settle
from engine.reference.tunnels import FABRICPATH_BYTES, INSIDE_MAX, Way, is_fabricpath, tunnel_of

SOURCE_SHIFT = 48  # A frame reference is source number << 48 | offset.


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run depends on. `matches` is the filter: link type, captured bytes, wire length."""

    config: Config = field(default_factory=Config)
    separate: bool = False
    matches: Callable[[int, bytes, int], bool] | None = None


class Metered(NamedTuple):
    """A packet, or inner layer, that a flow gets."""

    position: tuple[int, int]  # Time, frame reference.
    layer: Layer
    inner: bool = False


class Taken(NamedTuple):
    """A frame that was read: its fate, and the layers metered if it was accepted."""

    source: int
    frame: Frame
    time: int | None  # None: it has no position.
    step: Step | None
    fate: str
    metered: tuple[Metered, ...] = ()


@dataclass(slots=True)
class Source:
    """One source: name, number, the counters of its clock, its damage once it was read."""

    number: int
    name: bytes
    content: bytes
    clock: Clock = field(default_factory=Clock)
    damage: Damage | None = None
    packets: int = 0
    links: Counter = field(default_factory=Counter)  # Packets by link type.


def sources_of(contents: Iterable[tuple[str | bytes, bytes]]) -> list[Source]:
    """Return the sources of (name, file content) pairs, in order of their numbers."""
    named = [(n.encode() if isinstance(n, str) else n, content) for n, content in contents]
    ranked = sorted(named, key=lambda pair: pair[0])
    return [Source(number, name, content) for number, (name, content) in enumerate(ranked)]


class Capture:
    """The frames of some sources, merged; to be iterated once. Its counters are then complete."""

    def __init__(self, sources: list[Source], settings: Settings) -> None:
        self._sources = sources
        self._settings = settings
        self._fragments = Fragments()
        for source in sources:
            source.clock = Clock(settings.config.packet.clock == "hold")
        self.counters: Counter = Counter()

    def __iter__(self) -> Iterator[Taken]:
        timed = [_timed(source) for source in self._sources]
        for _, _, source, frame, time, step in heapq.merge(*timed, key=lambda row: row[:2]):
            yield self._take(source, frame, time, step)
        for source in self._sources:
            self.counters["time_regressions"] += source.clock.regressions
            self.counters["time_steps"] += source.clock.steps
            self.counters["sources"] += 1
            self.counters["sources_damaged"] += source.damage is not None
        self.counters["fragment_evicted"] = self._fragments.evicted

    def _take(self, source: Source, frame: Frame, time: int | None, step: Step | None) -> Taken:
        self.counters["read"] += 1
        self.counters["bytes"] += len(frame.captured)
        metered: tuple[Metered, ...] = ()
        if time is None:
            fate = "malformed_time"
        elif not self._matches(frame):
            fate = "filtered"
        else:
            try:
                layers = self._layers(frame, time)
            except RefusedError as refused:
                fate = refused.fate
            else:
                fate = "accepted"
                metered = self._metered(source, frame, time, layers)
        self.counters[fate if fate in ("accepted", "filtered") else f"refused_{fate}"] += 1
        return Taken(source.number, frame, time, step, fate, metered)

    def _matches(self, frame: Frame) -> bool:
        matches = self._settings.matches
        return matches is None or matches(frame.link_type, frame.captured, _wire_length(frame))

    def _metered(self, source: Source, frame: Frame, time: int, layers: list[Layer]) -> tuple:
        reference = source.number << SOURCE_SHIFT | frame.offset
        for layer in layers:
            settle(layer, self._settings.config, _wire_length(frame), len(frame.captured))
            if layer.fragment is not None and not layer.later_fragment:
                self._fragments.remember(layer, time)
            self.counters["tcp_header_cut"] += layer.tcp_header_cut
        self.counters["layers"] += len(layers) - 1
        return tuple(
            Metered((time, reference + layer.offset), layer, number > 0)
            for number, layer in enumerate(layers)
        )

    def _layers(self, frame: Frame, time: int) -> list[Layer]:
        """Return the layers of a packet that are metered, outermost first."""
        span = Span(frame.captured, _wire_length(frame))
        packet = self._settings.config.packet
        outer = self._layer(span, self._network(span, frame.link_type))
        outer.captured_bytes = len(frame.captured)
        if outer.later_fragment and not self._fragments.resolve(outer, time):
            raise RefusedError("fragment_orphan")
        layers = [outer]
        while packet.decapsulate != "outer":
            ways = tunnel_of(frame.captured, layers[-1], packet.tunnels)
            if not ways:
                break
            try:
                layers.append(self._inner(frame.captured, layers, ways, time))
            except RefusedError as refused:
                if packet.decapsulate != "inner":
                    self.counters["layers_unreadable"] += 1
                    break
                strict = packet.inner_not_ip == "drop" and not isinstance(refused, NoDataError)
                if strict or len(layers) > INSIDE_MAX:
                    raise
                break
        if packet.decapsulate == "udp":
            return [layer for layer in layers[:-1] if layer.protocol == UDP] + layers[-1:]
        return layers[-1:] if packet.decapsulate == "inner" else layers

    def _network(self, span: Span, link_type: int) -> Network:
        """Return where the outermost IP header is, in FabricPath where that is opened."""
        try:
            return network_of(span, link_type)
        except RefusedError as refused:
            opened = "fabricpath" in self._settings.config.packet.tunnels
            if refused.fate != "non_ip" or not opened or not is_fabricpath(span, link_type):
                raise
            return ethernet(span, FABRICPATH_BYTES)

    def _layer(self, span: Span, network: Network, vlan_outside: int = 0) -> Layer:
        """Return one layer, if settings do not refuse what its headers tell."""
        config = self._settings.config
        allowed = Allowed(
            config.packet.overlong == "keep",
            config.packet.short_transport == "zero",
            config.flow.vlan_in_key,
            vlan_outside,
        )
        layer = layer_of(span, network, allowed)
        if config.packet.cut == "skip" and layer.end > len(span.captured):
            raise RefusedError("malformed_cut")
        if config.packet.checksums == "verify" and has_wrong_checksum(layer, span.captured):
            raise RefusedError("malformed_checksum")
        if config.packet.fragments == "skip" and layer.later_fragment:
            raise RefusedError("fragment_orphan")
        return layer

    def _inner(
        self, captured: bytes, outside: list[Layer], ways: tuple[Way, ...], time: int
    ) -> Layer:
        """Return the layer inside the last, by the first way in which it can be read.

        RefusedError tells of the last way; NoDataError if no way leads to data.
        """
        if len(outside) > INSIDE_MAX:
            raise RefusedError("malformed_depth")
        span = Span(captured, outside[-1].end)
        refused: RefusedError = NoDataError("non_ip")
        for way in ways:
            try:
                layer = self._layer(span, way.read(span, way.at), outside[-1].vlan)
            except NoDataError:
                continue
            except RefusedError as error:
                refused = error
                continue
            layer.captured_bytes = min(span.end, len(span.captured)) - way.at
            if not layer.later_fragment or self._fragments.resolve(layer, time):
                return layer
            refused = RefusedError("fragment_orphan")
        raise refused


def _wire_length(frame: Frame) -> int:
    return max(frame.original_length, len(frame.captured))


def _timed(source: Source) -> Iterator[tuple]:
    """Yield (place in the merge, source number, source, frame, time, step) of its frames."""
    file, clock = CaptureFile(source.content), source.clock
    for frame in file:
        source.packets += 1
        source.links[frame.link_type] += 1
        before = clock.correction
        time = clock.take(frame.stamp)
        step = None
        if clock.correction != before:
            position = time, source.number << SOURCE_SHIFT | frame.offset
            step = Step(position, source.number, before, clock.correction)
        place = STAMP_MIN if clock.latest is None else clock.latest
        yield place, source.number, source, frame, time, step
    source.damage = file.damage
