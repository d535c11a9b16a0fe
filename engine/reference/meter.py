"""Flows, their parts, and what they send (SEMANTICS.rst, "Flows" to "Deltas").

Memory is not limited here: nothing is ever evicted.
"""

import heapq
from collections import Counter
from collections.abc import Callable
from itertools import count

from engine.config import PANE_NS, WIDE_AGE_NS, Config
from engine.reference.capture import SOURCE_SHIFT
from engine.reference.clock import Step, StepLog
from engine.reference.events import (
    ACTIVE,
    EARLY,
    EARLY_RANK,
    ENDED,
    FINAL_RANK,
    FORCED,
    IDLE,
    PACKET_CLASS,
    PANE_CLASS,
    STOP_CLASS,
    TIMER_CLASS,
    Delta,
    Event,
    Fact,
    Position,
    Record,
)
from engine.reference.features import feature_vector
from engine.reference.flows import Flow, Part, flow_key, is_syn
from engine.reference.hashes import fixed_hash, name_words
from engine.reference.internet import TCP, UDP, Layer
from engine.reference.payload import dns_message

MINUTE_NS = 60 * 10**9
DNS_PORT = 53
OFF_NS = (1 << 63) - 1  # An active timeout that is off: what a clock of 64 bits can tell apart.
EARLY_PACKETS = frozenset(8**k for k in range(1, 21))


def pane_end(time: int) -> int:
    """Return the end of the pane that `time` lies in."""
    return (time // PANE_NS + 1) * PANE_NS


class Meter:
    """Applies packets, in order of position, to flows. Events leave through `emit`, in order."""

    def __init__(self, config: Config, emit: Callable[[Event], None], source: int = 0) -> None:
        self._config = config
        self._emit = emit
        self._source = source  # Under --separate.
        self._steps = StepLog()
        self._flows: dict[tuple, Flow] = {}
        self._deadlines: list[tuple[int, Position, int, Part]] = []
        self._serial = count()  # Tells apart entries of one part with the same deadline.
        self._pane_end: int | None = None  # Of the pane that has packets and is not over.
        self._pane_parts: list[Part] = []  # With packets in the pane, in order of the first.
        self._pane_begun: list[Part] = []  # Begun in the pane.
        self.counters: Counter = Counter()

    def step(self, step: Step) -> None:
        """Take a step of a source's clock: it is known to all records behind its position."""
        self.advance(step.position[0])
        self._steps.add(step)

    def advance(self, time: int) -> None:
        """Do all that is due before packets of `time`: panes up to it, deadlines before it."""
        while True:
            due = self._deadlines[0][0] if self._deadlines else time
            if self._pane_end is not None and self._pane_end <= min(time, due):
                self._end_pane()
            elif due < time:
                self._look_at_deadline()
            else:
                return

    def take(self, position: Position, layer: Layer, inner: bool = False) -> None:
        """Apply a packet to its flow."""
        time = position[0]
        self.advance(time)
        self.counters["layers" if inner else "accepted"] += 1
        key = flow_key(layer)
        flow = self._flows.get(key)
        if flow is not None:
            reason = self._end_by_packet(flow, layer, time)
            if reason is not None:
                self._final(flow.part, time, (PACKET_CLASS, FINAL_RANK, position), reason)
            if reason == ACTIVE:
                self._begin(flow, position, layer, continued=True)
            elif reason == ENDED:
                flow = None
        if flow is None:
            self.counters["flows"] += 1
            self._flows[key] = flow = Flow(key, layer, self._config)
            self._begin(flow, position, layer, continued=False)
        self._count(flow, position, layer)

    def stop(self, end: int) -> None:
        """End everything at `end`, the end of the pane of the last packet read."""
        self.advance(end)
        parts = [flow.part for flow in self._flows.values()]
        for part in sorted(parts, key=lambda part: part.first):
            self._final(part, end, (STOP_CLASS, FINAL_RANK, part.first), FORCED)

    def _end_by_packet(self, flow: Flow, layer: Layer, time: int) -> int | None:
        """Return the reason for which this packet ends the part it meets; None: it joins it."""
        age = time - flow.part.first[0]
        if flow.ended:
            too_old = age >= (OFF_NS + 1 if self._config.wide else WIDE_AGE_NS)
            return ENDED if is_syn(layer) or too_old else None
        return ACTIVE if age > (self._config.flow.active_timeout or OFF_NS) else None

    def _begin(self, flow: Flow, position: Position, layer: Layer, continued: bool) -> None:
        self.counters["parts"] += 1
        flow.part = Part(flow, position, continued)
        flow.part.begun_forward = flow.is_forward(layer)
        self._pane_begun.append(flow.part)
        if self._config.flow.history:
            flow.track(position[0])

    def _count(self, flow: Flow, position: Position, layer: Layer) -> None:
        """Count a packet in the part it belongs to: all that follows from it."""
        part, time = flow.part, position[0]
        tally = part.tally
        minutes_before = (tally.last - tally.first) // MINUTE_NS
        forward = flow.is_forward(layer)
        tally.count(time, layer, forward)
        flow.learn(layer, forward, self._config.flow.tcp_end)
        if flow.tracked is not None and flow.key.protocol == TCP:
            flow.tracked.take(layer, forward, time)
        self._queue(part)
        self._pane_end = pane_end(time)
        if part.pane_first is None:
            part.pane_first = position
            self._pane_parts.append(part)
        self._fact(position, layer)
        minutes = (tally.last - tally.first) // MINUTE_NS
        if tally.packets in EARLY_PACKETS or minutes > minutes_before:
            self._early(part, time, (PACKET_CLASS, EARLY_RANK, position))

    def _queue(self, part: Part) -> None:
        """See to it that the part's deadline is looked at in time."""
        timeout_ns = part.flow.timeout_ns(self._config)
        deadline = part.tally.last + timeout_ns
        if timeout_ns and (part.queued is None or deadline < part.queued):
            part.queued = deadline
            heapq.heappush(self._deadlines, (deadline, part.first, next(self._serial), part))

    def _look_at_deadline(self) -> None:
        """End the part whose deadline is the earliest, or put it back if that has moved."""
        time, _, _, part = heapq.heappop(self._deadlines)
        if not part.live or time != part.queued:
            return
        part.queued = None
        if time == part.tally.last + part.flow.timeout_ns(self._config):
            reason = ENDED if part.flow.ended else IDLE
            self._final(part, time, (TIMER_CLASS, FINAL_RANK, part.first), reason)
        else:
            self._queue(part)

    def _end_pane(self) -> None:
        """Send the deltas of the pane, then the early records of the parts begun in it."""
        end, parts, begun = self._pane_end, self._pane_parts, self._pane_begun
        self._pane_end, self._pane_parts, self._pane_begun = None, [], []
        for part in parts:
            if part.live:
                self.counters["deltas"] += 1
                increase, marks = part.new_increase(), part.flow.new_marks(part)
                key = part.flow.key
                self._emit(Delta(self._source, end, part.pane_first, key, increase, marks))
                part.pane_first = None
        for part in begun:
            if part.live:
                self._early(part, end, (PANE_CLASS, 0, part.first))

    def _fact(self, position: Position, layer: Layer) -> None:
        ports = layer.source_port, layer.destination_port
        if layer.protocol != UDP or DNS_PORT not in ports or layer.later_fragment:
            return
        message = dns_message(layer.payload)
        if message is None:
            return
        self.counters["facts"] += 1
        self._emit(
            Fact(
                self._source,
                position[0],
                position,
                layer.destination if message.response else layer.source,
                message.response,
                message.code,
                fixed_hash(name_words(message.name)),
                fixed_hash(name_words(message.parent)),
                message.classes,
            )
        )

    def _early(self, part: Part, time: int, place: tuple[int, int, Position]) -> None:
        self.counters["early"] += 1
        self._emit(self._record(part, time, place, EARLY, {}))

    def _final(self, part: Part, time: int, place: tuple[int, int, Position], reason: int) -> None:
        names = {IDLE: "idle", ACTIVE: "active", ENDED: "end", FORCED: "forced"}
        self.counters[f"finals_{names[reason]}"] += 1
        more = {}
        if place[0] == PACKET_CLASS:
            more = {"remainder": part.new_increase(), "marks": part.flow.new_marks(part)}
        part.live = False
        if reason != ACTIVE:
            more["ended"] = part.flow.how_ended
            del self._flows[part.flow.table_key]
        self._emit(self._record(part, time, place, reason, more))
        part.flow.part = None  # No cycle is left for the garbage collector.

    def _record(
        self, part: Part, time: int, place: tuple[int, int, Position], reason: int, more: dict
    ) -> Record:
        """Return a record of a part; `place` is its class, rank and position."""
        flow, tally, first_source = part.flow, part.tally, part.first[1] >> SOURCE_SHIFT
        features, valid = feature_vector(tally, flow.key.protocol, flow.nibbles, self._config.wide)
        part.sequence += 1
        if flow.tracked is not None:
            said = flow.tracked.said(flow.key.protocol, tally, part.begun_forward)
            more = more | {"connection": said}
        return Record(
            source=self._source,
            time=time,
            order_class=place[0],
            rank=place[1],
            position=place[2],
            reason=reason,
            key=flow.key,
            sequence=part.sequence - 1,
            continued=part.continued,
            first=part.first,
            last_ns=tally.last,
            start_ns=self._steps.stamp(tally.first, first_source),
            end_ns=self._steps.stamp(tally.last, first_source),
            counts=part.counts,
            features=features,
            valid=valid,
            **more,
        )
