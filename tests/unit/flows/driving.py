"""A worker of its own for tests: packet records in, events as plain values out, its table at hand.

The stage and its kernels are the real ones; rings and table are private memory. No payload is
captured, so no source is ever read.
"""

import numpy as np

from engine.config import Config, with_settings
from engine.events import WORKER
from engine.flows.check import check
from engine.flows.table import initialise, table_shape
from engine.layouts import PACKET
from engine.layouts.records import EVENT_SLOT_BYTES, EVENT_SLOT_WORDS, RECORD, RECORD_SLOTS
from engine.layouts.table import TABLE
from engine.offline import PrivateLine
from engine.packets.key import PROTOCOL_SHIFT
from engine.rings import spsc
from engine.rings.plan import RunPlan, SourceFile
from engine.rings.private import PrivateRing
from engine.rings.waiting import FINISHED
from engine.worker.main import Worker
from tests.property.compare import engine_row

TCP, UDP = 6, 17
AT_ONCE = 512  # Records given to the worker before it steps.
HOST = 0x0A000001
_FILES = (SourceFile("none", mapped=False, bytes=1),)


def bits(word: str, **fields: int) -> int:
    """Return a packed word of a packet record as int64."""
    packed = sum(int(value) << PACKET.shift(word, name) for name, value in fields.items())
    return packed - (1 << 64) if packed >> 63 else packed


def packet(time: int, flow: int, back: bool = False, **fields: int) -> np.ndarray:
    """Return the record of a packet of TCP flow number `flow`, from HOST or back.

    Fields: payload, header, flags, protocol, version6, reference (of the first packet: 0).
    """
    words = np.zeros(PACKET.words, np.int64)
    near, far = HOST, 0x0B000000 + flow
    ends = (far, near) if back else (near, far)
    ports = (80, 4000) if back else (4000, 80)
    names = ("source", "destination")
    for name, end in zip(names, ends, strict=True):
        words[PACKET.index(f"{name}_low")] = end
        if fields.get("version6"):
            words[PACKET.index(f"{name}_high")] = -end
    words[PACKET.index("time_ns")] = time
    words[PACKET.index("reference")] = fields.get("reference", 0)
    words[PACKET.index("lengths")] = bits(
        "lengths", payload=fields.get("payload", 0), header=fields.get("header", 40), window=1024
    )
    words[PACKET.index("key")] = bits(
        "key",
        source_port=ports[0],
        destination_port=ports[1],
        version6=fields.get("version6", 0),
        protocol=fields.get("protocol", TCP),
        flags=fields.get("flags", 0x10),
    )
    return words


def control(kind: int, time: int, reference: int = 0) -> np.ndarray:
    """Return a control record: TICK, END, SOURCE_END."""
    words = np.zeros(PACKET.words, np.int64)
    words[PACKET.index("time_ns")] = time
    words[PACKET.index("reference")] = reference
    words[PACKET.index("key")] = kind << PROTOCOL_SHIFT
    return words


class Shard:
    """A worker with a table of `rows` rows. References count up by themselves."""

    def __init__(
        self,
        rows: int = 64,
        event_capacity: int = 1 << 12,
        packet_slots: int = 1 << 10,
        **changed: object,
    ) -> None:
        """`changed`: settings, as flow_idle_timeout="5 s"."""
        dotted = {name.replace("_", ".", 1): value for name, value in changed.items()}
        config = with_settings(Config(), {"engine.workers": 1, "flow.max_flows": rows} | dotted)
        shape = table_shape(rows, 1, config.flow.history)
        self.config = config
        self.table = np.zeros(shape.words, np.int64)
        settings = {"hash_key": (1, 2), "separate": False, "facts": True}
        initialise(self.table, config, shape, settings)
        self.packets = PrivateRing(packet_slots, PACKET.size_bytes, packet_slots)
        self.ring = PrivateRing(event_capacity, EVENT_SLOT_BYTES)
        self.line = PrivateLine([counter.name for counter in WORKER])
        plan = RunPlan("private", config, ("none",), (1, 2), 1, files=_FILES)
        arena = np.zeros(64, np.uint8)
        self.worker = Worker(plan, self.line, self.table, self.packets, self.ring, arena)
        self.sent = 0
        self.held = 0  # Packets in live rows at the last check.
        self.finished = False

    def word(self, name: str) -> int:
        """Return a control word of the table."""
        return int(self.table[TABLE.index(name)])

    def counter(self, name: str) -> int:
        """Return a counter of the worker."""
        return self.line.values()[name]

    def put(self, record: np.ndarray) -> None:
        """Publish a record; it gets the next reference if it is a packet without one."""
        if record[PACKET.index("lengths")] and not record[PACKET.index("reference")]:
            self.sent += 1
            record[PACKET.index("reference")] = self.sent
        tail = spsc.claim(self.packets.header, 1)
        assert tail != spsc.FULL
        self.packets.slots[tail % self.packets.capacity] = record
        spsc.publish(self.packets.header, tail + 1)

    def step(self) -> None:
        """Let the worker take a step, which may end for want of room; check its table."""
        self.finished |= self.worker.step() == FINISHED
        self.held = check(self.table)

    def take(self, slots_max: int = 1 << 30) -> list[dict]:
        """Take events off the event ring: whole ones, while they are within so many slots."""
        first, count = spsc.peek(self.ring.header)
        at, events = 0, []
        while at < count:
            head = int(self.ring.slots[(first + at) % self.ring.capacity, 0])
            slots = RECORD_SLOTS if head & 15 == RECORD else 1
            if at + slots > slots_max:
                break
            rows = (first + at + np.arange(slots)) % self.ring.capacity
            events.append(
                engine_row(self.ring.slots[rows].reshape(slots * EVENT_SLOT_WORDS).copy())
            )
            at += slots
        if at:
            spsc.release(self.ring.header, first + at)
        return events

    def send(self, *records: np.ndarray) -> list[dict]:
        """Publish records, many at once; step until they are taken; return what came of them."""
        events = []
        for begin in range(0, len(records), AT_ONCE):
            for record in records[begin : begin + AT_ONCE]:
                self.put(record)
            while spsc.peek(self.packets.header)[1]:
                self.step()
                events += self.take()
        while more := self.take():  # What is seen at once may not be all there is.
            events += more
        return events


def packets_in(events: list[dict]) -> int:
    """Return how many packets the finals among events have."""
    finals = (event for event in events if event["kind"] == "record" and event["reason"])
    return sum(event["fwd_packets"] + event["bwd_packets"] for event in finals)
