"""Goal: hosts are those of the twin, and every structure is sound after every event.

Method: a stateful machine gives the same events to the kernels, behind the classifier's merge, and
to the twin, under limits that are met within a few steps: hosts and pairs are refused and
forgotten, rows given up. After each step `check` looks at the whole segment; features of every
record, the counters and the hosts that are there are the twin's. It cannot show what both get
wrong alike; the twin's own tests can.
"""

import ipaddress

import hypothesis.strategies as st
import numpy as np
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from engine.config import PANE_NS
from engine.hosts.check import check
from engine.layouts import ROW
from engine.reference.events import Fact, Increase
from engine.reference.hosts import Hosts
from tests.conftest import WITHOUT_JIT
from tests.unit.hosts.slots import EngineHosts, halves, host_features
from tests.unit.reference.host_scenes import Scene, key

HOME = [bytes((10, 0, 0, number)) for number in range(1, 25)]
AWAY = [bytes((9, 9, number, 9)) for number in range(1, 20)]
SIX = [ipaddress.ip_address(f"fd00::{number}").packed for number in (1, 2)]
NOBODY = [b"\xe0\0\0\xfb", b"\xff\xff\xff\xff", bytes(4)]
ADDRESSES = st.sampled_from([*HOME, *AWAY, *NOBODY])
ENDS = st.one_of(
    st.tuples(ADDRESSES, ADDRESSES), st.tuples(st.sampled_from(SIX), st.sampled_from(SIX))
)
PORTS = st.sampled_from([22, 53, 80, 139, 443, 445, 3389, 7777])
MARKS = st.sets(st.sampled_from(["syn", "answered", "handshake", "refused", "upload", "http"]))
OF_TCP = {"syn", "handshake", "refused", "http"}
COUNTED = (
    "hosts_made",
    "hosts_forgotten",
    "host_refused",
    "pairs_forgotten",
    "pairs_refused",
    "starts_left_out",
    "host_rows",
    "host_rows_joined",
    "host_rows_none",
    "host_rows_gone",
)


class Both(Scene):
    """A scene that the kernels take too."""

    def __init__(self, **limits: object) -> None:
        super().__init__(**limits)
        self.engine = EngineHosts(**limits)

    def _take(self, event):
        row = self.engine.take(event)
        record = super()._take(event)
        if row is not None:
            values, valid = host_features(row)
            assert np.frombuffer(values, np.float32).tolist() == (
                np.frombuffer(record.host_features, np.float32).tolist()
            )
            assert valid == record.host_valid
        return record


class HostMachine(RuleBasedStateMachine):
    """Events in order of time: deltas of the pane that ends, then packets of the next one."""

    scene: Both | None = None

    @initialize(
        hosts=st.sampled_from([16, 20]),
        pairs=st.sampled_from([16, 17]),
        rows=st.sampled_from([16, 40]),
    )
    def begin(self, hosts, pairs, rows):
        self.scene = Both(max_hosts=hosts, max_pairs=pairs, rows=rows)
        self.pane = 100
        self.at = 0  # Of the next event in the pane, ns.
        self.packets = False  # Whether the packets of the next pane have begun.

    def _next(self, is_delta: bool) -> int:
        """Return the time in the pane of the next event."""
        if is_delta and self.packets:
            self.pane, self.at, self.packets = self.pane + 1, 0, False
        elif not is_delta and not self.packets:
            self.at, self.packets = 0, True
        self.at += 1000
        return self.at

    @rule(
        ends=ENDS, port=PORTS, protocol=st.sampled_from([6, 17]), marks=MARKS, started=st.booleans()
    )
    def delta(self, ends, port, protocol, marks, started):
        at = self._next(True)
        backward = at // 1000 % 3
        counts = {"fwd_packets": 3, "bwd_packets": backward, "fwd_payload": 180}
        counts |= {"fwd_bytes": 300, "bwd_bytes": 45 * backward, "fwd_data_packets": 2}
        counts["squares"] = 3 * 100**2 + backward * 45**2
        named = (
            *(("started",) if started else ()),
            *sorted(marks - (set() if protocol == 6 else OF_TCP)),
        )
        whose = key(*ends, port, protocol), Increase(**counts)
        self.scene.delta(self.pane, whose, named, at)

    @rule(ends=ENDS, port=PORTS, remainder=st.booleans(), proper=st.booleans())
    def final(self, ends, port, remainder, proper):
        time = (self.pane + 1) * PANE_NS + self._next(False)
        more = {"remainder": Increase(fwd_packets=2, fwd_bytes=120, squares=7200)}
        more |= {"marks": ("started", "syn")}
        self.scene.final(time, key(*ends, port), 1000, proper=proper, **(more if remainder else {}))

    @rule(
        host=st.sampled_from([*HOME, *AWAY]),
        name=st.integers(0, (1 << 64) - 1),
        code=st.integers(0, 3),
    )
    def message(self, host, name, code):
        at = self._next(False)
        scene = self.scene
        scene._number += 1
        time = (self.pane + 1) * PANE_NS + at
        content = (code > 1, code, name, name, bytes([code, 1] + [0] * 38))
        scene._take(Fact(0, time, (time, scene._number), host, *content))

    @rule(ends=ENDS, port=PORTS, ago=st.integers(0, 4))
    def record(self, ends, port, ago):
        time = (self.pane + 1) * PANE_NS + self._next(False)
        self.scene.early(time, key(*ends, port), last=time - (1 + ago) * PANE_NS)

    @rule(panes=st.sampled_from([1, 2, 3, 31, 40, 800]))
    def silence(self, panes):
        self.pane, self.at, self.packets = self.pane + panes, 0, False

    @rule()
    def counters_are_the_twins(self):
        self._end()
        found, wanted = self.scene.engine.counters, self.scene.counters
        assert {name: found[name] for name in COUNTED} == {
            name: wanted.get(name, 0) for name in COUNTED
        }

    @rule()
    def hosts_are_the_twins(self):
        self._end()
        low = self.scene.engine.listed()[:, ROW.index("initiator_low")]
        twin: Hosts = self.scene.hosts
        wanted = [halves(address)[1] for address in twin._hosts]
        assert sorted(map(int, low)) == sorted(wanted)

    def _end(self):
        self.scene.engine.end_pane()
        self.scene.hosts.end_pane()
        self.pane, self.at, self.packets = self.pane + 1 + self.packets, 0, False

    def teardown(self):
        self.scene = None  # The machine is a cycle: its region would stay until that is collected.

    @invariant()
    def segment_is_sound(self):
        if self.scene is not None:
            check(self.scene.engine.words)


TestHostMachine = HostMachine.TestCase
TestHostMachine.settings = settings(
    max_examples=5 if WITHOUT_JIT else 60,
    stateful_step_count=20 if WITHOUT_JIT else 60,
    deadline=None,
)
