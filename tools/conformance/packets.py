"""The packets of each metered flow, in order: what peers say of single packets.

Read by the engine's own capture under the same settings. The packets of a key are dealt to its
records in the order of their starts, as many to each as it counts: finals cover every packet once
and parts of one key do not overlap.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from engine.capture.offline import capture
from engine.config import load
from engine.layouts import PACKET
from engine.profiles import profile_settings
from tools.conformance.metered import Record

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
ICMP = (1, 58)
OFFSET_MASK = (1 << 48) - 1
WORD = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet of a flow."""

    is_forward: bool
    time_ns: int
    length: int  # As flow.length says.
    payload: int
    flags: int
    offset: int  # Of its IP header in the file.


def packets_of(
    path: Path, profile: str, records: Sequence[Record], settings: tuple[str, ...] = ()
) -> list[list[Packet]]:
    """Return the packets of each of a capture's records."""
    config = load(None, settings, profile_settings(profile or None))
    streams = defaultdict(list)
    for row in capture([str(path)], config, separate=True).packets():
        name, packet = _packet(row.tolist())
        streams[_turned(name)].append((name, packet))
    dealt = {}
    order = sorted(range(len(records)), key=lambda at: _place(records[at]))
    for at in order:
        record = records[at]
        one_way = record.values["one_way"] == "true"
        name = (*record.key, record.vlan, one_way)
        stream = streams[_turned(name)]
        mine, streams[_turned(name)] = stream[: record.packets], stream[record.packets :]
        dealt[at] = [replace(packet, is_forward=its == name) for its, packet in mine]
    assert not any(streams.values()), f"packets without a record in {path}"
    return [dealt[at] for at in range(len(records))]


def _place(record: Record) -> tuple[int, int, int]:
    """Return where a part stands among those of its key: by its end, then its sequence."""
    return int(record.values["record_time_ns"]), int(record.values["order_class"]), record.offset


def _turned(name: tuple) -> tuple:
    """Return the same for both directions of a key."""
    protocol, source, source_port, target, target_port, vlan, one_way = name
    ends = ((source, source_port), (target, target_port))
    return protocol, *(ends if one_way else sorted(ends)), vlan, one_way


def _packet(row: list[int]) -> tuple[tuple, Packet]:
    """Return the key, from the sender's side, and the packet of a row of PACKET."""

    def word(name: str) -> int:
        return row[PACKET.index(name)]

    def part(name: str, of: str) -> int:
        return word(of) >> PACKET.shift(of, name) & PACKET.mask(of, name)

    def address(side: str) -> str:
        high, low = word(f"{side}_high") & WORD, word(f"{side}_low") & WORD
        if part("version6", "key"):
            return str(IPv6Address(high << 64 | low))
        return str(IPv4Address(low))

    key = (
        part("protocol", "key"),
        address("source"),
        part("source_port", "key"),
        address("destination"),
        part("destination_port", "key"),
        part("vlan", "key"),
        bool(part("protocol", "key") in ICMP and part("mark", "key")),
    )
    payload = part("payload", "lengths")
    length = payload + part("header", "lengths")
    offset = word("reference") & OFFSET_MASK
    return key, Packet(True, word("time_ns"), length, payload, part("flags", "key"), offset)
