"""A worker as compiled, over its table and rings: WORKER and CRAMPED, for killpoint.

    WORKER    batches of 32; what is left is compared with its table full of flows
    CRAMPED   an event ring of 16 slots, so that batches break off for want of room; to the end

Table, counters and rings are the scenario's words. Records are drawn from a seed, a few at a time
with a purpose: flows begin, go on in both directions, split, end by silence and by TCP, and are
evicted for want of rows and of cold blocks; panes end, and the clock steps. Events are taken as
they are published and laid down by their sequence, so that each is there once, or the words differ
from those that a worker leaves whom nobody kills. Compared is all but versions of rows, what
recovery derives, and what lies behind a count.
"""

import functools
import random
from collections.abc import Iterator

import numpy as np

from engine.config import PANE_NS, SECOND_NS, Config, with_settings
from engine.events import COUNTERS_MAX
from engine.events import WORKER as COUNTERS
from engine.flows.check import check
from engine.flows.table import initialise, table_shape
from engine.layouts import END, PACKET, SOURCE_END, TICK
from engine.layouts.records import EVENT_SLOT_BYTES, EVENT_SLOT_WORDS
from engine.layouts.table import NO_REWRITE, TABLE
from engine.offline import PrivateLine
from engine.rings import spsc
from engine.rings.plan import RunPlan, SourceFile
from engine.rings.waiting import FINISHED, IDLE
from engine.worker.main import Worker
from stress.deaths.memory import Parts, RingView, ring_words
from stress.races.killpoint_code import watched
from stress.races.scenario import Role, Scenario
from tests.unit.flows.driving import control, packet
from tests.unit.flows.dying import assert_same_table
from tests.unit.flows.test_recovery import step_record

ROWS, PACKET_SLOTS, TAKEN_SLOTS = 16, 256, 1024
START = 1_700_000_000 * SECOND_NS
SETTINGS = {
    "flow.max_flows": 64,
    "flow.idle_timeout": "30 s",
    "flow.active_timeout": "12 s",
    "flow.history": True,
    "engine.workers": 1,
}
SEED = 5
_SHAPE = table_shape(ROWS, 1, history=True)
_FILES = (SourceFile("none", mapped=False, bytes=1),)
_PURPOSES = (
    *("finals_idle", "finals_active", "finals_end", "finals_evicted"),
    *("evicted_row", "evicted_cold"),
)


def records(to_the_end: bool) -> Iterator[np.ndarray]:
    """Yield packet and control records; references are given by who sends them."""
    dice, now = random.Random(SEED), START
    for flow in range(4):
        now += 1000
        yield packet(now, flow, flags=0x02, version6=flow % 2)
        yield packet(now + 1, flow, True, flags=0x12, version6=flow % 2)
    for _ in range(10):
        now += dice.choice((1000, 1_000_000, SECOND_NS, 2 * SECOND_NS))
        flow = dice.randrange(4)
        fields = {"flags": dice.choice((0x18, 0x10, 0xFB)), "payload": dice.choice((0, 100, 1400))}
        yield packet(now, flow, dice.randrange(2) == 1, version6=flow % 2, **fields)
    yield packet(now, 0, flags=0x11)
    yield packet(now, 0, True, flags=0x11)
    yield step_record(now, 0, 7)
    now += PANE_NS
    yield control(TICK, now)
    for flow in range(1, 4):  # Splits, cold blocks.
        for k in range(5):
            now += 1_500_000_000 * (k == 0)
            yield packet(now + k, flow, flags=0xFF, payload=1400, version6=flow % 2)
    for flow in range(10, 26):  # More than there are rows.
        now += 1000
        yield packet(now, flow, flags=dice.choice((0x02, 0x10)), version6=flow % 2)
    now += PANE_NS
    for flow in range(14, 26):  # They go on after a pause: more than there are cold blocks.
        now += 1000
        yield packet(now, flow, flow % 3 == 0, flags=0x10, version6=flow % 2)
    now += 31 * SECOND_NS
    yield control(TICK, now)
    for flow in range(40, 46):
        yield packet(now + flow, flow, flags=0x10)
    if to_the_end:
        yield control(SOURCE_END, now + 100)
        yield packet(now + 200, 50)
        yield control(END, now + 300)


@functools.cache
def _plan() -> RunPlan:
    return RunPlan("deaths", with_settings(Config(), SETTINGS), ("none",), (1, 2), 1, files=_FILES)


class _Scene:
    """The scenario over an event ring of so many slots."""

    def __init__(self, event_slots: int, to_the_end: bool) -> None:
        self._slots, self._to_the_end = event_slots, to_the_end
        self._parts = Parts(
            {
                "table": _SHAPE.words,
                "packets": ring_words(PACKET_SLOTS, PACKET.size_bytes, PACKET_SLOTS),
                "events": ring_words(event_slots, EVENT_SLOT_BYTES),
                "counters": COUNTERS_MAX,
                "taken": TAKEN_SLOTS * EVENT_SLOT_WORDS,
            }
        )
        self._arena = np.zeros(64, np.uint8)

    def _packets(self, words: np.ndarray) -> RingView:
        part = self._parts.of(words, "packets")
        return RingView(part, PACKET_SLOTS, PACKET.size_bytes)

    def _events(self, words: np.ndarray) -> RingView:
        return RingView(self._parts.of(words, "events"), self._slots, EVENT_SLOT_BYTES)

    @functools.cached_property
    def fresh(self) -> np.ndarray:
        """Return the words of a worker that has been given its records and has taken none."""
        words = np.zeros(self._parts.words, np.int64)
        settings = {"hash_key": (1, 2), "separate": False, "facts": True}
        initialise(self._parts.of(words, "table"), _plan().config, _SHAPE, settings)
        packets = self._packets(words).prepare()
        self._events(words).prepare()
        sent = 0
        for number, record in enumerate(records(self._to_the_end)):
            if record[PACKET.index("lengths")]:
                sent += 1
                record[PACKET.index("reference")] = sent
            packets.slots[number] = record
            spsc.publish(packets.header, number + 1)
        return words

    def _worker(self, words: np.ndarray) -> Worker:
        line = PrivateLine([counter.name for counter in COUNTERS])
        line.counters = self._parts.of(words, "counters")
        table = self._parts.of(words, "table")
        return Worker(_plan(), line, table, self._packets(words), self._events(words), self._arena)

    def _take(self, words: np.ndarray) -> None:
        """Lay down what is published where its sequence says, and give it back."""
        events, taken = self._events(words), self._parts.of(words, "taken")
        first, count = spsc.peek(events.header)
        taken = taken.reshape(TAKEN_SLOTS, EVENT_SLOT_WORDS)
        for sequence in range(first, first + count):
            taken[sequence] = events.slots[sequence % self._slots]
        spsc.release(events.header, first + count)

    def _go_on(self, words: np.ndarray, worker: Worker) -> int:
        """Step until all records are taken."""
        table = self._parts.of(words, "table")
        packets = self._packets(words)
        found = 0
        while found != FINISHED:
            found = worker.step()
            self._take(words)
            is_done = packets.header[spsc.HEAD] == packets.header[spsc.TAIL]
            if is_done and table[TABLE.index("pending")] == NO_REWRITE and found == IDLE:
                break
        return 0

    def work(self, words: np.ndarray) -> int:
        """Be a worker."""
        return self._go_on(words, self._worker(watched(words)))

    def replace(self, words: np.ndarray) -> int:
        """Be a worker that takes a dead one's place."""
        worker = self._worker(watched(words))
        worker.recover()
        return self._go_on(words, worker)

    @functools.cached_property
    def _undisturbed(self) -> np.ndarray:
        words = self.fresh.copy()
        self.work(words)
        line = PrivateLine([counter.name for counter in COUNTERS])
        line.counters = self._parts.of(words, "counters")
        missing = [name for name in _PURPOSES if not line.values()[name]]
        assert not missing, f"the records do not come to {missing}"
        return words

    def check(self, words: np.ndarray, results: dict) -> list[str]:
        """Return how the words differ from those of a worker that nobody killed."""
        of, wanted = self._parts.of, self._undisturbed
        try:
            assert_same_table(of(words, "table"), of(wanted, "table"))
            check(of(words, "table"))
        except AssertionError as error:
            return [str(error)]
        ends = [
            (packets.header[spsc.HEAD], *events.header[[spsc.TAIL, *_MARK]])
            for packets, events in (
                (self._packets(one), self._events(one)) for one in (words, wanted)
            )
        ]
        if ends[0] != ends[1]:
            return [f"packets taken, events published, watermark: {ends[0]}, should be {ends[1]}"]
        parts = ("taken", "counters")
        return [f"{p} differ" for p in parts if not np.array_equal(of(words, p), of(wanted, p))]

    def prepare(self) -> None:
        """Compile what the roles call."""
        words = self.fresh.copy()
        self.replace(words)
        assert not self.check(words, {})

    def scenario(self) -> Scenario:
        """Return it, as instruments take it."""
        return Scenario(
            lambda: self.fresh,
            {"worker": Role(self.work)},
            self.check,
            {"worker": Role(self.replace)},
            prepare=self.prepare,
        )


_MARK = (spsc.MARK_TIME, spsc.MARK_REFERENCE)
WORKER = _Scene(1024, False).scenario()
CRAMPED = _Scene(16, True).scenario()
