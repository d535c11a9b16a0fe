"""Captures for scenarios, drawn from a seed: floods, scans, crowds, fragments, broken clocks."""

import random
from pathlib import Path

import numpy as np
from numba import njit

from engine.capture.synthetic.workloads import (
    ETHERNET_BYTES,
    MESSAGES,
    PCAP_HEADER,
    RECORD_BYTES,
    SCAN,
    STAMP_S,
    TCP,
    small_frames,
)
from engine.flows.slots import home_slot, tag_of
from engine.layouts import PACKET
from engine.memory.options import KERNEL
from engine.memory.pointers import pointer
from engine.packets.key import (
    DESTINATION_LOW,
    DESTINATION_PORT_SHIFT,
    KEY,
    PROTOCOL_SHIFT,
    SOURCE_LOW,
    flow_key,
    keyed_hash,
    secret_words,
    shard_of,
    side_of,
)
from stress.fuzz.parser import capture_of

HOME, OUTSIDE, SERVER = 0x0A000000, 0x20000000, 0xC0A80001
_FRAGMENT_AT = RECORD_BYTES + ETHERNET_BYTES + 4  # Identification, then flags and offset.
_MORE, _OFFSET_MASK = 0x2000, 0x1FFF
_PORTS = 1 << 16
_DAY_US = 86_400 * 10**6
_JUMPS_US = (0, 1, 999_999, 1_000_000, 1_000_001, 5_000_000, 3_600_000_000, _DAY_US)


def _flows(kind, client, client_port, server, server_port) -> dict[str, np.ndarray]:
    """Return flows as small_frames takes them, one for each packet."""
    columns = np.broadcast_arrays(kind, client, client_port, server, server_port)
    names = ("kind", "client", "client_port", "server", "server_port")
    flows = {name: np.array(column, np.int64) for name, column in zip(names, columns, strict=True)}
    return flows | {"client_first": flows["client_port"], "server_first": flows["server_port"]}


def _rows(dice: random.Random, flows: dict, number, stamps_us) -> np.ndarray:
    rng = np.random.default_rng(dice.getrandbits(62))
    count = len(flows["kind"])
    number = np.broadcast_to(np.asarray(number, np.int64), count)
    return small_frames(rng, flows, np.arange(count), number, np.asarray(stamps_us, np.int64))


def _write(path: Path, rows: np.ndarray) -> int:
    path.write_bytes(PCAP_HEADER + rows.tobytes())
    return len(rows)


def _stamps(count: int, seconds: float) -> np.ndarray:
    return (np.arange(count) * (seconds * 1e6 / count)).astype(np.int64)


def syn_flood(path: Path, dice: random.Random, count: int) -> int:
    """Write SYNs to one port of one host, each from an address of its own, nearly."""
    rng = np.random.default_rng(dice.getrandbits(62))
    sources = OUTSIDE + rng.integers(0, 1 << 28, count)
    flows = _flows(SCAN, sources, rng.integers(1024, _PORTS, count), SERVER, 80)
    return _write(path, _rows(dice, flows, 0, _stamps(count, 20)))


def vertical_scan(path: Path, dice: random.Random, count: int) -> int:
    """Write SYNs of one host to every port of another, which refuses."""
    pair = np.arange(count) // 2
    flows = _flows(
        SCAN, HOME + 1, 1024 + pair // _PORTS, SERVER, (pair + dice.randrange(9)) % _PORTS
    )
    return _write(path, _rows(dice, flows, np.arange(count) & 1, _stamps(count, 20)))


def horizontal_scan(path: Path, dice: random.Random, count: int) -> int:
    """Write SYNs of one host to one port of very many, some of which refuse."""
    pair = np.arange(count) // 2
    flows = _flows(SCAN, HOME + 1, 40_000 + pair % 100, SERVER + 1 + pair, dice.choice((22, 445)))
    return _write(path, _rows(dice, flows, np.arange(count) & 1, _stamps(count, 30)))


def many_flows(path: Path, dice: random.Random, count: int) -> int:
    """Write messages of as many flows as packets, all within the idle timeout."""
    number = np.arange(count)
    kind = np.where(number % 3 == 0, SCAN, MESSAGES)
    flows = _flows(kind, HOME + number % 1000, 1024 + number // 1000, SERVER + number % 7, 5060)
    return _write(path, _rows(dice, flows, 0, _stamps(count, 60)))


def many_hosts(path: Path, dice: random.Random, count: int, hosts: int) -> int:
    """Write messages between hosts inside and outside, each host again and again."""
    rng = np.random.default_rng(dice.getrandbits(62))
    inside = HOME + rng.integers(0, hosts, count)
    outside = OUTSIDE + rng.integers(0, max(1, hosts // 4), count)
    kind = np.where(rng.random(count) < 0.5, SCAN, MESSAGES)
    flows = _flows(kind, inside, rng.integers(1024, _PORTS, count), outside, 53)
    return _write(path, _rows(dice, flows, 0, _stamps(count, 90)))


def fragment_flood(path: Path, dice: random.Random, count: int) -> int:
    """Write first fragments without later ones, later without first, overlaps, in any order."""
    rng = np.random.default_rng(dice.getrandbits(62))
    flows = _flows(
        MESSAGES, HOME + rng.integers(0, 300, count), 4000, SERVER + rng.integers(0, 5, count), 53
    )
    rows = _rows(dice, flows, 0, _stamps(count, 50))
    identification = rng.integers(0, dice.choice((4, 300, _PORTS)), count)
    offset = np.where(rng.random(count) < 0.5, 0, rng.integers(0, _OFFSET_MASK + 1, count))
    flags = offset | np.where(rng.random(count) < 0.7, _MORE, 0)
    for at, values in ((0, identification), (2, flags)):
        rows[:, _FRAGMENT_AT + at] = values >> 8
        rows[:, _FRAGMENT_AT + at + 1] = values & 0xFF
    return _write(path, rows)


def malformed_flood(path: Path, dice: random.Random, count: int) -> int:
    """Write Ethernet frames that are changed anywhere."""
    path.write_bytes(capture_of(dice.getrandbits(31), dice.getrandbits(31), count))
    return count


def clock_jumps(path: Path, dice: random.Random, count: int) -> int:
    """Write packets whose stamps jump back and forth, by ms and by days."""
    rng = np.random.default_rng(dice.getrandbits(62))
    steps = rng.integers(0, 20_000, count)
    jumps = np.flatnonzero(rng.random(count) < dice.choice((0.001, 0.01, 0.2)))
    steps[jumps] += rng.choice(_JUMPS_US, len(jumps)) * rng.choice((-1, 1), len(jumps))
    stamps = np.clip(np.cumsum(steps), -STAMP_S * 10**6, (1 << 31) * 10**6)
    number = np.arange(count)
    flows = _flows(MESSAGES, HOME + number % 40, 4000 + number % 7, SERVER, 53)
    return _write(path, _rows(dice, flows, number % 6, stamps))


@njit(**KERNEL)
def _find_colliding(record, secrets, workers, slots, found):
    """Fill `found` with (client, client port) of flows of worker 0 with neighbouring slots."""
    words, secret = pointer(record), pointer(secrets)
    client = words[SOURCE_LOW]
    key = words[KEY]
    count, candidate = 0, 0
    while count < len(found):
        port = 1024 + (candidate & 0x7FFF)
        words[SOURCE_LOW] = client + (candidate >> 15)
        words[KEY] = key | port
        low, rest = flow_key(words, 0, side_of(words, 0), secret)
        near = home_slot(tag_of(keyed_hash(low, rest, secret)), slots) < slots >> 6
        if near and shard_of(words, 0, secret, workers) == 0:
            found[count, 0] = words[SOURCE_LOW]
            found[count, 1] = port
            count += 1
        candidate += 1


def colliding_flows(count: int, key: tuple[int, int], workers: int, slots: int) -> np.ndarray:
    """Return (client, port) of TCP flows to SERVER:80 that a key gives to worker 0."""
    found = np.zeros((count, 2), np.int64)
    record = np.zeros(PACKET.words, np.int64)
    record[SOURCE_LOW], record[DESTINATION_LOW] = HOME, SERVER
    record[KEY] = 80 << DESTINATION_PORT_SHIFT | TCP << PROTOCOL_SHIFT
    _find_colliding(record, secret_words(key), workers, slots, found)
    return found


def hash_flood(path: Path, colliding: np.ndarray) -> int:
    """Write a SYN of each of the flows that one hash key puts in one place."""
    flows = _flows(SCAN, colliding[:, 0], colliding[:, 1], SERVER, 80)
    return _write(path, _rows(random.Random(1), flows, 0, _stamps(len(colliding), 20)))
