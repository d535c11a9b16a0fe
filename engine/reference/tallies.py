"""What a flow part adds up, packet by packet: exact integers, from which its features follow."""

from engine.config import SECOND_NS
from engine.reference.internet import ACK, FIN, RST, SYN, Layer

ACTIVITY_TIMEOUT_NS = 5 * SECOND_NS
SUBFLOW_TIMEOUT_NS = SECOND_NS
BULK_GAP_NS_MAX = SECOND_NS
BULK_PACKETS_MIN = 4


class Series:
    """Count, sum, sum of squares, smallest and largest of some values."""

    __slots__ = ("count", "high", "low", "squares", "total")

    def __init__(self) -> None:
        self.count = self.total = self.squares = self.low = self.high = 0

    def add(self, value: int) -> None:
        """Take one value more."""
        if self.count == 0 or value < self.low:
            self.low = value
        if self.count == 0 or value > self.high:
            self.high = value
        self.count += 1
        self.total += value
        self.squares += value * value

    def with_value(self, value: int) -> "Series":
        """Return a series of these values and one more."""
        longer = Series()
        longer.count, longer.total, longer.squares = self.count, self.total, self.squares
        longer.low, longer.high = self.low, self.high
        longer.add(value)
        return longer


class Bulks:
    """The bulks of one side that are over, or the run in progress once it is one."""

    __slots__ = ("count", "duration", "packets", "payload")

    def __init__(self) -> None:
        self.count = self.packets = self.payload = self.duration = 0

    def add(self, run: "Run") -> None:
        """Take a run that has ended, if it was long enough to be a bulk."""
        if run.packets >= BULK_PACKETS_MIN:
            self.count += 1
            self.packets += run.packets
            self.payload += run.payload
            self.duration += run.last - run.first

    def with_run(self, run: "Run") -> "Bulks":
        """Return these bulks and the run in progress."""
        longer = Bulks()
        longer.count, longer.packets = self.count, self.packets
        longer.payload, longer.duration = self.payload, self.duration
        longer.add(run)
        return longer


class Run:
    """Consecutive data packets of one side without a long gap: a bulk, when there are enough."""

    __slots__ = ("first", "last", "packets", "payload", "side")

    def __init__(self, side: "Side", time: int) -> None:
        self.side, self.first, self.last = side, time, time
        self.packets = self.payload = 0


class Side:
    """The packets of one side: the initiator's (forward) or the responder's (backward)."""

    __slots__ = ("bulks", "data_packets", "flags", "gaps", "headers", "impossible", "last")
    __slots__ += ("lengths", "payload_bytes", "window")

    def __init__(self) -> None:
        self.lengths = Series()
        self.headers = Series()
        self.gaps = Series()
        self.bulks = Bulks()
        self.payload_bytes = self.data_packets = self.impossible = self.last = 0
        self.flags = [0] * 8  # Packets with FIN, SYN, RST, PSH, ACK, URG, ECE, CWR.
        self.window = 0  # Of the first packet.

    def count(self, time: int, layer: Layer) -> None:
        """Count a packet of this side."""
        if self.lengths.count:
            self.gaps.add(time - self.last)
        else:
            self.window = layer.window or 0
        self.last = time
        self.lengths.add(layer.length)
        self.headers.add(layer.header_length)
        self.payload_bytes += layer.payload_length
        self.data_packets += layer.payload_length > 0
        if layer.flags is not None:
            flags, bit = layer.flags, 0
            while flags:
                self.flags[bit] += flags & 1
                flags, bit = flags >> 1, bit + 1
            self.impossible += layer.window is not None and is_impossible(layer.flags)


def is_impossible(flags: int) -> bool:
    """Return whether no TCP stack sends these flags."""
    if flags & SYN and flags & (FIN | RST):
        return True
    return flags == 0 or flags & (FIN | ACK) == FIN  # FIN+PSH+URG without ACK is one of these.


class Tally:
    """All packets of one flow part."""

    __slots__ = ("active_since", "actives", "backward", "first", "forward", "gaps", "idles")
    __slots__ += ("last", "packets", "run", "subflows")

    def __init__(self, time: int) -> None:
        self.first = self.last = self.active_since = time
        self.forward, self.backward = Side(), Side()
        self.packets = 0
        self.gaps, self.actives, self.idles = Series(), Series(), Series()
        self.subflows = 1
        self.run = Run(self.forward, time)

    def count(self, time: int, layer: Layer, forward: bool) -> None:
        """Count a packet of the part."""
        if self.packets:
            self._gap(time, time - self.last)
        self.packets += 1
        self.last = time
        side = self.forward if forward else self.backward
        side.count(time, layer)
        if layer.payload_length > 0:
            self._extend_run(side, time, layer.payload_length)

    def _gap(self, time: int, gap: int) -> None:
        self.gaps.add(gap)
        self.subflows += gap > SUBFLOW_TIMEOUT_NS
        if gap > ACTIVITY_TIMEOUT_NS:
            self.actives.add(self.last - self.active_since)
            self.idles.add(gap)
            self.active_since = time

    def _extend_run(self, side: Side, time: int, payload_length: int) -> None:
        run = self.run
        if run.packets == 0 or run.side is not side or time - run.last > BULK_GAP_NS_MAX:
            run.side.bulks.add(run)
            self.run = run = Run(side, time)
        run.last = time
        run.packets += 1
        run.payload += payload_length

    @property
    def actives_so_far(self) -> Series:
        """Return the active periods, the one in progress up to the last packet."""
        return self.actives.with_value(self.last - self.active_since)

    def bulks_so_far(self, side: Side) -> Bulks:
        """Return the bulks of a side, with the one in progress."""
        return side.bulks.with_run(self.run) if self.run.side is side else side.bulks
