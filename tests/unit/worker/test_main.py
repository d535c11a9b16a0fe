"""Goal: a worker's steps are bounded, say truly what they found, and read payload where it lies.

Method: a worker over private rings (tests/unit/flows/driving.py) and MappedSources over small
files, in this process. Whole processes are for tests/process, values for tests/property.
"""

import numpy as np
import pytest

from engine.config import SECOND_NS
from engine.flows.consume import consume
from engine.flows.shard import ARENA_ADDRESS, ARENA_MASK, IN_ARENA, NOT_MAPPED, SOURCES_AT
from engine.layouts import END, PACKET, TICK
from engine.memory.pointers import bytes_at
from engine.rings import spsc
from engine.rings.plan import SourceFile
from engine.rings.waiting import BUSY, FINISHED, IDLE, SOME
from engine.worker.load import load_kernels
from engine.worker.main import BUSY_RECORDS, STEP_RECORDS
from engine.worker.sources import MappedSources
from tests.unit.flows.driving import Shard, control, packet

START = 1_700_000_000 * SECOND_NS


def fill(shard: Shard, count: int) -> None:
    """Publish packets of one flow."""
    for number in range(count):
        shard.put(packet(START + number, 1))


@pytest.mark.parametrize("slots", [2, 4, 1024])
def test_step_without_packets_is_idle_and_changes_nothing(slots):
    shard = Shard(packet_slots=slots)
    before = shard.table.copy()
    assert shard.worker.step() == IDLE
    assert np.array_equal(before, shard.table)
    assert not any(shard.line.values().values())


def test_step_says_how_much_it_found():
    shard = Shard()
    few = min(BUSY_RECORDS, shard.packets.capacity // 4)
    fill(shard, few - 1)
    assert shard.worker.step() == SOME
    fill(shard, few)
    assert shard.worker.step() == BUSY
    assert few < STEP_RECORDS
    shard.put(control(END, START + few))
    assert shard.worker.step() == FINISHED
    assert shard.counter("accepted") == 2 * few - 1


def test_step_waits_for_room_and_goes_on_where_it_stopped():
    shard = Shard(event_capacity=16)
    for flow in range(30):
        shard.put(packet(START + flow, flow))
    shard.put(packet(START + 7 * SECOND_NS, 0))  # The pane ends: 30 deltas, 30 early records.
    found, rounds, events = SOME, 0, []
    while shard.counter("accepted") < 31:
        found = shard.worker.step()
        events += shard.take()
        rounds += 1
        assert rounds < 1000
    assert found in (IDLE, SOME)
    assert shard.counter("waits") > 10
    while more := shard.take():
        events += more
    kinds = [event["kind"] for event in events]
    assert (kinds.count("delta"), kinds.count("record")) == (30, 30)


def test_full_event_ring_is_idle():
    shard = Shard(event_capacity=16)
    for flow in range(30):
        shard.put(packet(START + flow, flow))
    shard.put(packet(START + 7 * SECOND_NS, 0))
    shard.worker.step()
    for _ in range(3):
        shard.worker.step()
    tail = int(shard.ring.header[spsc.TAIL])
    assert shard.worker.step() == IDLE
    assert int(shard.ring.header[spsc.TAIL]) == tail


def test_line_shows_clock_and_live_flows():
    shard = Shard()
    shard.send(packet(START, 1), packet(START + 5, 2))
    assert (shard.line["time_ns"], shard.line["live"]) == (START + 5, 2)


def test_watermark_is_behind_the_events_it_promises():
    shard = Shard()
    shard.send(packet(START, 1))
    shard.send(control(TICK, START + 6 * SECOND_NS, 77))
    time, reference, whole = spsc.read_watermark(shard.ring.header)
    assert (time, reference, whole) == (START + 6 * SECOND_NS, 77, True)
    shard.send(control(END, START + 6 * SECOND_NS))
    time, reference, _ = spsc.read_watermark(shard.ring.header)
    assert (time, reference) == ((1 << 63) - 1, (1 << 63) - 1)


@pytest.fixture
def files(tmp_path) -> tuple[SourceFile, ...]:
    """Return three sources: two files, the second empty, and a stream."""
    found = []
    for name, content in (("a", b"abc" * 100), ("b", b""), ("c", b"")):
        path = tmp_path / name
        path.write_bytes(content)
        status = path.stat()
        file = SourceFile(str(path), name != "c", len(content), status.st_dev, status.st_ino)
        found.append(file)
    return tuple(found)


def record_of(source: int) -> np.ndarray:
    """Return a packet record of a source."""
    words = np.zeros(PACKET.words, np.int64)
    words[PACKET.index("reference")] = source << 48 | 40
    return words


def test_sources_are_mapped_when_they_first_occur(files):
    arena = np.zeros(64, np.uint8)
    sources = MappedSources(files, arena, separate=False)
    words = sources.addresses
    assert words[SOURCES_AT:].tolist() == [NOT_MAPPED, NOT_MAPPED, IN_ARENA]
    assert (words[ARENA_ADDRESS], words[ARENA_MASK]) == (arena.ctypes.data, 63)
    sources.map_source_of(record_of(0))
    address = int(words[SOURCES_AT])
    assert bytes(bytes_at(address, 6)) == b"abcabc"
    sources.map_source_of(record_of(1))
    assert words[SOURCES_AT] == address
    assert words[SOURCES_AT + 1] not in (NOT_MAPPED, IN_ARENA)


def test_separate_sources_are_let_go_of(files):
    sources = MappedSources(files, None, separate=True)
    sources.map_source_of(record_of(0))
    sources.map_source_of(record_of(1))
    assert sources.addresses[SOURCES_AT] == NOT_MAPPED
    sources.map_source_of(record_of(0))
    assert bytes(bytes_at(int(sources.addresses[SOURCES_AT]), 3)) == b"abc"


@pytest.mark.compiled
def test_loading_kernels_leaves_nothing_to_compile_for_the_first_packet():
    load_kernels()
    compiled = list(consume.signatures)
    assert len(compiled) >= 1
    shard = Shard()
    shard.send(packet(START, 1), control(END, START))
    assert shard.finished
    assert consume.signatures == compiled
