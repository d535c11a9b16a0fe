"""Suricata: checks of its tests that say something of flows (suricata-verify/*/checks.json).

A check names keys of EVE events and how many events have them all. Ours are the flow events of
`--flows jsonl`; a netflow event is one direction of a flow event. Three things are added from the
capture: TCP flags each way, codes of ICMP messages, and the list of VLAN tags, of which our events
have one number. An age is the difference of whole seconds, as Suricata counts it.
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from functools import reduce
from ipaddress import ip_address
from operator import or_
from pathlib import Path

from tools.conformance.compare import Comparison, Difference
from tools.conformance.index import Pair, pairs
from tools.conformance.metered import SECOND_NS, Record, meter
from tools.conformance.packets import ICMP, Packet, packets_of

PEER, PROFILE = "suricata-verify", "suricata"
# They stand in files of the tests that are not at hand.
SEEDS = {"community-id-ipv4": 7, "community-id-ipv6": 7, "community-id-sameip": 1}
TAGS = (b"\x81\x00", b"\x88\xa8", b"\x91\x00")
TAG_BYTES, TYPE_BYTES = 4, 2


def compare_all(corpus: Path) -> Comparison:
    """Return what evaluating every check finds; the records of this peer are checks."""
    result = Comparison(PEER)
    groups = defaultdict(list)
    for pair in pairs(corpus, PEER):
        if _checks(pair):
            groups[_settings(pair)].append(pair)
    for settings, group in groups.items():
        found = meter((pair.capture for pair in group), PROFILE, settings, "jsonl")
        for pair in group:
            packets = packets_of(pair.capture, PROFILE, found[pair.capture], settings)
            events = _events(pair.capture, found[pair.capture], packets)
            _evaluate(result, pair, list(events))
    return result


def _checks(pair: Pair) -> list[dict]:
    return json.loads(pair.expected.read_text(encoding="utf-8"))["flow_checks"]


def _settings(pair: Pair) -> tuple[str, ...]:
    """Return the settings that stand for the options of the test."""
    test = json.loads(pair.expected.read_text(encoding="utf-8"))["from_test"]
    return (f"recorder.community_id_seed={SEEDS[test]}",) if test in SEEDS else ()


def _evaluate(result: Comparison, pair: Pair, events: list[dict]) -> None:
    """Count the checks of one test that hold."""
    result.captures += 1
    for check in _checks(pair):
        wanted = check["match"]
        hits = sum(
            _holds(event, wanted) for event in events if event["event_type"] == check["event_type"]
        )
        is_equal = hits >= check["count"] if check["not_compared"] else hits == check["count"]
        result.records += 1
        result.equal += is_equal
        if not is_equal:
            text = f"{check['event_type']} {check['count']} {json.dumps(wanted, sort_keys=True)}"
            result.differences.append(Difference(pair.name, "missing", text))


def _events(
    path: Path, records: list[Record], packets: list[list[Packet]]
) -> Iterator[dict[str, object]]:
    """Yield flow and netflow events of a capture's records, flat: dotted keys."""
    content = path.read_bytes()
    for record, its in zip(records, packets, strict=True):
        event = dict(_flat(record.further, ""))
        event["flow.age"] = record.end_ns // SECOND_NS - record.start_ns // SECOND_NS
        if record.vlan:
            event["vlan"] = _tags(content, record.offset)
            event["vlan[0]"] = event["vlan"][0]
        if record.key[0] == 6:
            for name, is_forward in (("ts", True), ("tc", False)):
                flags = (one.flags for one in its if one.is_forward == is_forward)
                event[f"tcp.tcp_flags_{name}"] = f"{reduce(or_, flags, 0):02x}"
        if record.key[0] in ICMP:
            for name, is_forward in (("icmp_code", True), ("response_icmp_code", False)):
                offsets = [one.offset for one in its if one.is_forward == is_forward]
                if offsets:
                    event[name] = _code(content, offsets[0])
        yield event
        yield from _directions(event)


def _directions(event: dict[str, object]) -> Iterator[dict[str, object]]:
    """Yield the two netflow events of a flow event."""
    turned = {
        "src_ip": event["dest_ip"],
        "src_port": event.get("dest_port"),
        "dest_ip": event["src_ip"],
        "dest_port": event.get("src_port"),
    }
    for ends, side in ((event, "toserver"), (turned, "toclient")):
        counts = {f"netflow.{name}": event[f"flow.{name}_{side}"] for name in ("pkts", "bytes")}
        yield {**event, **ends, **counts, "event_type": "netflow"}


def _flat(value: object, name: str) -> Iterator[tuple[str, object]]:
    """Yield (dotted key, value) of an event."""
    if isinstance(value, dict):
        for key, below in value.items():
            yield from _flat(below, f"{name}.{key}" if name else key)
    else:
        yield name, value


def _code(content: bytes, offset: int) -> int:
    """Return the code of the ICMP message in the IP packet at an offset, without extensions."""
    first = content[offset]
    return content[offset + (40 if first >> 4 == 6 else (first & 15) * 4) + 1]


def _tags(content: bytes, offset: int) -> list[int]:
    """Return the VLAN ids before the IP header at an offset, outermost first."""
    at, found = offset - TYPE_BYTES - TAG_BYTES, []
    while at >= 0 and content[at : at + TYPE_BYTES] in TAGS:
        found.append(int.from_bytes(content[at + 2 : at + 4], "big") & 0xFFF)
        at -= TAG_BYTES
    return found[::-1]


def _holds(event: dict[str, object], wanted: dict[str, object]) -> bool:
    """Return whether an event has all that a check wants."""
    return all(_same(name, event.get(name), value) for name, value in wanted.items())


def _same(name: str, ours: object, theirs: object) -> bool:
    if name in ("src_ip", "dest_ip"):
        return ip_address(ours) == ip_address(theirs)
    return ours == theirs
