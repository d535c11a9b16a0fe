"""Goal: whatever packets come, the flow table keeps all its invariants and loses no packet.

Method: a state machine over a worker with 64 rows: packets of few and of many flows, silences to
the ns of the limits, floods, event rings that are full, the end. After each step check() (rows,
cold blocks, slots, deadlines, due and pane list), packets in rows + packets in finals = accepted,
and the model's own few lines: who is live, and whom an eviction may end. Values of events are
compared with the twin's in tests/property; planted bugs that this must find are in
tests/property/canaries.py. What it cannot show: tables of millions.
"""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from engine.config import PANE_NS, SECOND_NS
from engine.flows.check import deadlines_of, regions
from engine.flows.deadlines import AHEAD_MAX
from engine.layouts import END, EVICTED, TICK, places
from engine.rings import spsc
from tests.unit.flows.driving import Shard, control, packet, packets_in

START = 1_700_000_000 * SECOND_NS
FLAGS = (0x10, 0x02, 0x12, 0x11, 0x04, 0x18, 0x00, 0xFF)
ROWS = 64
EXAMPLES_MAX = 80  # Some 400 packets each, a check() after every one: a quarter of a second.


class TableMachine(RuleBasedStateMachine):
    """A worker, and how many packets it has been given."""

    shard_type = Shard

    @initialize(
        idle=st.sampled_from(("5 s", "120 s", "2000 s", "off")),
        active=st.sampled_from(("5 s", "1800 s", "off")),
        linger=st.sampled_from(("5 s", "20 s")),
        tcp_end=st.booleans(),
        room=st.sampled_from((16, 64, 4096)),
        history=st.booleans(),
    )
    def begin(self, idle, active, linger, tcp_end, room, history):
        """Make an empty table."""
        limits = {"flow_idle_timeout": idle, "flow_active_timeout": active}
        limits |= {"flow_tcp_linger": linger, "flow_tcp_end": tcp_end}
        self.shard = self.shard_type(ROWS, room, flow_history=history, **limits)
        self.now, self.given, self.ended = START, 0, 0
        flow = self.shard.config.flow
        self.gaps = (0, 1, 1_000_000, SECOND_NS, PANE_NS, flow.tcp_linger)
        self.gaps += (flow.idle_timeout, flow.active_timeout, 2 * PANE_NS)

    def give(self, record) -> None:
        """Send one record, step by step; check everything after each."""
        shard = self.shard
        table = regions(shard.table)
        references = table.rows[table.live, places.FIRST_REFERENCE].tolist()
        deadlines = dict(zip(references, deadlines_of(table).tolist(), strict=True))
        evicted = shard.counter("evicted_row")
        events = shard.send(record)
        self.ended += packets_in(events)
        assert shard.held + self.ended == shard.counter("accepted") == self.given
        if shard.counter("evicted_row") > evicted:
            (final,) = [event for event in events if event.get("reason") == EVICTED]
            last = shard.word("pane") + AHEAD_MAX  # Beyond it all deadlines are alike.
            panes = {first: min(at // PANE_NS, last) for first, at in deadlines.items()}
            assert len(panes) == ROWS, "there was a free row"
            assert panes[final["first_reference"]] == min(panes.values())

    def give_packet(self, flow: int, back: bool = False, **fields: int) -> None:
        """Send a packet of a flow at the present time."""
        self.given += 1
        self.give(packet(self.now, flow, back, **fields))

    @rule(
        flow=st.integers(0, 5) | st.integers(0, 200),
        back=st.booleans(),
        flags=st.sampled_from(FLAGS),
        payload=st.sampled_from((0, 0, 1, 1400)),
        version6=st.sampled_from((0, 0, 1)),
    )
    def send_packet(self, flow, back, flags, payload, version6):
        """Send a packet of a flow that is live, or of another."""
        self.give_packet(flow, back, flags=flags, payload=payload, version6=version6)

    @rule(which=st.integers(0, 8), more=st.sampled_from((0, 0, 1, -1)))
    def be_silent(self, which, more):
        """Let time pass, often exactly to a limit."""
        self.now += max(0, self.gaps[which] + more)

    @rule(seconds=st.sampled_from((1000, 3600, 50 * 365 * 86_400)))
    def jump(self, seconds):
        """Let the clock jump ahead."""
        if self.now < 1 << 62:
            self.now += seconds * SECOND_NS

    @rule(count=st.integers(1, 100), first=st.integers(0, 1 << 20))
    def flood(self, count, first):
        """Send the first packet of many flows, some of them live."""
        for number in range(count):
            self.now += 1000
            self.give_packet(first + number, flags=0x02)

    @rule(flow=st.integers(0, 5), count=st.integers(2, 40))
    def send_bulk(self, flow, count):
        """Send data packets of one flow with all flags, so that counters spill."""
        for number in range(count):
            self.now += 1_000_000
            self.give_packet(flow, number % 5 == 4, flags=0xFB, payload=100)

    @rule()
    def tick(self):
        """Tell the worker the time, and nothing else."""
        self.give(control(TICK, self.now, self.shard.sent))

    @rule(count=st.integers(1, 30))
    def fill_the_event_ring(self, count):
        """Let the worker wait for room, again and again, while packets and time go on."""
        for number in range(count):
            self.given += 1
            self.shard.put(packet(self.now, number % 7, flags=FLAGS[number % len(FLAGS)]))
            self.now += self.gaps[number % 5]
        while spsc.peek(self.shard.packets.header)[1]:
            self.shard.step()
            if not self.take(count):
                self.take(1 << 30)
        while self.take(1 << 30):
            pass
        assert self.shard.held + self.ended == self.shard.counter("accepted") == self.given

    def take(self, slots_max: int) -> bool:
        """Take some events, however few are seen at once; return whether there were any."""
        events = self.shard.take(slots_max)
        self.ended += packets_in(events)
        return bool(events)

    def teardown(self):
        """End the run: nothing is left, nothing is lost."""
        if not hasattr(self, "shard"):
            return
        shard = self.shard
        shard.put(control(END, self.now))
        while not shard.finished:
            shard.step()
            self.take(1 << 30)
        while self.take(1 << 30):
            pass
        assert self.ended == self.given
        assert shard.word("live") == 0
        assert shard.word("cold_left") == shard.word("blocks")


TestTable = TableMachine.TestCase
TestTable.settings = settings(
    max_examples=min(EXAMPLES_MAX, settings().max_examples),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
