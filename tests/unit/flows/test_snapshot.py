"""Goal: a reader of live rows sees each row whole, or not at all.

Method: what a snapshot says of each live flow against the finals that follow at once; then a worker
at full speed beside a reader, whose every row must fit a load in which each packet has 100 bytes
of payload. The broken twin copies rows without looking at their version, and must see torn ones in
the same run. What it cannot show: reorderings that this CPU does not make.
"""

import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from engine.config import SECOND_NS, Config
from engine.errors import SegmentError
from engine.flows.consume import SCRATCH_WORDS, consume
from engine.flows.emit import EVENT_TAIL, emit_record
from engine.flows.shard import RECORD_WORDS, row_at, shard_of_arrays
from engine.flows.snapshot import (
    as_flows,
    copy_part,
    flows_of,
    live_flows,
    private_shard,
    read_rows,
)
from engine.flows.table import initialise, table_shape
from engine.layouts import END, PACKET, places
from engine.layouts.records import CLASS_PANE, RECORD_EVENT
from engine.memory.atomics import load_relaxed
from engine.memory.pointers import pointer
from engine.rings import spsc
from engine.rings.segment import Segment, segment_name
from tests.unit.flows.driving import Shard, control, packet

START = 1_700_000_000 * SECOND_NS
GAPS = (0, 1_000, 300_000_000, SECOND_NS + 1, 6 * SECOND_NS)
NUMBERS = ("first_ns", "last_ns", "fwd_packets", "bwd_packets", "fwd_total_bytes")
NUMBERS += ("bwd_total_bytes", "fwd_data_packets", "bwd_data_packets", "first_reference")
packets_drawn = st.lists(
    st.tuples(
        st.integers(0, 4),
        st.booleans(),
        st.sampled_from((0x02, 0x10, 0xFB, 0x29)),
        st.sampled_from((0, 100)),
        st.sampled_from(GAPS),
        st.integers(0, 1),
    ),
    min_size=1,
    max_size=60,
)


@settings(deadline=None)
@given(packets_drawn, st.sampled_from(("1800 s", "off")))
def test_live_flows_are_what_their_finals_say(drawn, active):
    shard = Shard(flow_active_timeout=active, flow_tcp_end=False)
    now = START
    for flow, back, flags, payload, gap, version6 in drawn:
        now += gap
        fields = {"flags": flags, "payload": payload, "version6": version6}
        shard.send(packet(now, flow, back, **fields))
    before = shard.table.copy()
    flows, busy = flows_of(shard.table)
    assert busy == 0
    assert np.array_equal(before, shard.table), "a reader has written"
    finals = [event for event in shard.send(control(END, now)) if event.get("reason")]
    finals = {event["first_reference"]: event for event in finals}
    assert len(flows) == len(finals)
    for flow in flows:
        final = finals[int(flow["first_reference"])]
        assert {name: int(flow[name]) for name in NUMBERS} == {n: final[n] for n in NUMBERS}
        assert sum(int(bit) << k for k, bit in enumerate(flow["valid"])) == final["valid"]
        assert flow["features"].tobytes() == final["features"].tobytes()
        key = (flow["version"], flow["protocol"], flow["vlan"])
        assert key == (final["version"], final["protocol"], final["vlan"])
        assert (flow["initiator_port"], flow["responder_port"]) == final["ports"]
        size = 4 if flow["version"] == 4 else 16
        assert flow["initiator"].tobytes()[-size:].hex() == final["initiator"]
        assert flow["responder"].tobytes()[-size:].hex() == final["responder"]


@njit
def read_carelessly(words, arrays, made, row):
    """Make a record of whatever a row holds, as if nobody wrote to it. Broken."""
    table, shard = pointer(words), shard_of_arrays(arrays)
    copy_part(table, row, shard.table)
    line = row_at(shard.table, 1)
    if line[places.FIRST_REFERENCE] < 0 or line[places.SIDE_A + places.PACKETS] == 0:
        return False
    shard.table[EVENT_TAIL] = 0
    emit_record(shard, 1, 0, CLASS_PANE, (0, 0, 0))
    for word in range(RECORD_WORDS):
        made[word] = shard.slots[word]
    return True


def careless_flow(words, arrays) -> dict | None:
    """Return counts of row 1, torn or not."""
    made = np.zeros(RECORD_WORDS, np.int64)
    if not read_carelessly(words, arrays, made, 1):
        return None
    return {name: int(made[RECORD_EVENT.index(name)]) for name in NUMBERS}


PAYLOAD, HEADER, GAP_NS = 100, 40, 1000
AT_ONCE = 512  # Packets published at once.
REFERENCE = PACKET.index("reference")


def is_torn(flow) -> bool:
    """Return whether counts cannot be those of so many packets of the load."""
    packets = int(flow["fwd_packets"])
    return (
        int(flow["fwd_total_bytes"]) != packets * (PAYLOAD + HEADER)
        or int(flow["fwd_data_packets"]) != packets
        or int(flow["last_ns"]) - int(flow["first_ns"]) != (packets - 1) * GAP_NS
    )


@njit(nogil=True)
def work(arrays, packet_ring, packet_words, scratch, sample, stopped):
    """Be a worker that takes packets of one flow as fast as it can, until told to stop."""
    ring, words, events = pointer(packet_ring), pointer(packet_words), pointer(arrays.ring)
    time, number = START, 0
    while load_relaxed(pointer(stopped), 0) == 0:
        tail = spsc.claim(ring, AT_ONCE)
        for k in range(AT_ONCE):
            at = ((tail + k) & (ring[spsc.CAPACITY] - 1)) * len(sample)
            for word in range(len(sample)):
                words[at + word] = sample[word]
            number += 1
            time += GAP_NS
            words[at], words[at + REFERENCE] = time, number
        spsc.publish(ring, tail + AT_ONCE)
        while spsc.peek(ring)[1]:
            consume(arrays, packet_ring, packet_words, scratch, AT_ONCE)
            first, count = spsc.peek(events)
            if count:
                spsc.release(events, first + count)


class Load:
    """A worker in a thread that never needs the interpreter's lock."""

    def __init__(self):
        self.shard = Shard(flow_idle_timeout="2000 s", flow_active_timeout="off")
        self._stopped = np.ones(1, np.int64)
        self.run()  # Compiled before a reader begins.
        self._stopped[0] = 0

    def run(self):
        """Work until stopped."""
        shard = self.shard
        rings = (shard.packets.header, shard.packets.slots.reshape(-1))
        scratch, sample = np.zeros(SCRATCH_WORDS, np.int64), packet(0, 0, payload=PAYLOAD)
        work(shard.worker._arrays, *rings, scratch, sample, self._stopped)

    def stop(self):
        """Let the worker return."""
        self._stopped[0] = 1


@pytest.mark.compiled
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores")
def test_no_row_is_torn_and_without_versions_some_are():
    load = Load()
    arrays = private_shard(load.shard.table)
    careless_flow(load.shard.table, arrays)  # Compiled before the worker begins.
    made = np.zeros((4, RECORD_WORDS), np.int64)
    writer = threading.Thread(target=load.run)
    writer.start()
    whole = torn = careless_torn = 0
    counts = set()
    end_s = time.monotonic() + 60
    try:
        while (careless_torn < 3 or whole < 2000) and time.monotonic() < end_s:
            for _ in range(50):
                count, _, _ = read_rows(load.shard.table, arrays, made, 1)
                for flow in as_flows(made[:count]):
                    whole += 1
                    torn += is_torn(flow)
                    counts.add(int(flow["fwd_packets"]))
                seen = careless_flow(load.shard.table, arrays)
                careless_torn += seen is not None and is_torn(seen)
    finally:
        load.stop()
        writer.join()
    assert torn == 0
    print(f"{whole} whole rows, {len(counts)} states; the broken reader saw {careless_torn} torn")
    assert careless_torn >= 3, f"the broken reader saw nothing torn; {whole} whole rows"
    assert whole >= 200 and len(counts) > 20


def test_rows_that_do_not_settle_are_left_out_and_counted():
    shard = Shard()
    shard.send(packet(START, 1), packet(START, 2))
    rows = shard.table[shard.word("rows_at") :].reshape(-1)
    rows[places.ROW_WORDS + places.PACE] |= places.VERSION_ONE
    flows, busy = flows_of(shard.table)
    assert (len(flows), busy) == (1, 1)


def test_references_of_a_torn_row_are_not_followed_beyond_the_table():
    shard = Shard()
    shard.send(packet(START, 1))
    row = shard.table[shard.word("rows_at") + places.ROW_WORDS :]
    row[places.COLD_FLOW] = row[places.COLD_SIDE] = -1
    arrays = private_shard(shard.table)
    assert careless_flow(shard.table, arrays)["fwd_packets"] == 1


def test_live_flows_of_a_run_are_read_by_another_process(new_run):
    run, workers = new_run(), 2
    shape = table_shape(128, workers)
    segments = []
    try:
        for number in range(workers):
            name = segment_name(run, "table", number)
            segments.append(Segment.create(name, "table", 8 * shape.words, number))
            plan = {"hash_key": (1, 2), "separate": False, "facts": True}
            initialise(segments[-1].words, Config(), shape, plan)
            shard = Shard()
            shard.send(*(packet(START + flow, flow) for flow in range(5 + number)))
            segments[-1].words[: len(shard.table)] = shard.table[: shape.words]
            segments[-1].publish()
        assert live_flows(run)["fwd_packets"].tolist() == [1] * 11
        program = "import sys; from engine.flows.snapshot import live_flows as f; "
        program += "print(len(f(sys.argv[1])), sorted(set(f(sys.argv[1])['responder_port'])))"
        command = [sys.executable, "-c", program, run]
        seen = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert seen.startswith("11 ") and "80" in seen
    finally:
        for segment in segments:
            segment.unlink()
            segment.close()
    with pytest.raises(SegmentError, match="has no flow table"):
        live_flows(run)
