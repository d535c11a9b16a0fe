"""Goal: on real captures the twin reads what libpcap or wiretap reads, and loses nothing.

Method: every capture of the robustness set, of the training set and of other tools' test data, when
they are at hand: counts against EXPECT.tsv, accounting in each, Community IDs against the baseline.
"""

import base64
import hashlib
import ipaddress
import json
from pathlib import Path
from struct import pack

import pytest

from engine.config import Config, with_settings
from engine.reference import Run, Settings, run
from engine.reference.events import Key

MAGICS = ("d4c3b2a1", "a1b2c3d4", "4d3cb2a1", "a1b23c4d", "34cdb2a1", "0a0d0d0a")
EVERY_LAYER = Settings(with_settings(Config(), {"packet.decapsulate": "all"}))


def _captures(folder: Path) -> list[Path]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [path for path in files if path.open("rb").read(4).hex() in MAGICS]


def _assert_accounted(done: Run) -> None:
    counters = done.counters
    refused = sum(n for name, n in counters.items() if name.startswith("refused_"))
    assert counters["read"] == counters["accepted"] + refused
    finals = [record for record in done.records if record.final]
    packets = sum(record.counts.fwd_packets + record.counts.bwd_packets for record in finals)
    assert packets == counters["accepted"] + counters["layers"]


def test_packet_counts_are_those_of_libpcap_or_wiretap(test_data: Path) -> None:
    lines = (test_data / "edge" / "EXPECT.tsv").read_text().splitlines()[1:]
    differ = []
    for line in lines:
        path, libpcap, _, wiretap, *_ = line.split("\t")
        done = run([test_data / "edge" / path])
        _assert_accounted(done)
        if str(done.counters["read"]) not in (libpcap, wiretap):
            differ.append(path)
    assert differ == []
    assert len(lines) > 1000


def test_what_both_call_broken_has_damage(test_data: Path) -> None:
    silent = []
    for line in (test_data / "edge" / "EXPECT.tsv").read_text().splitlines()[1:]:
        path, _, libpcap, _, wiretap, *_ = line.split("\t")
        if libpcap and wiretap and not run([test_data / "edge" / path]).damage:
            silent.append(path)
    assert silent == []


@pytest.mark.slow
@pytest.mark.parametrize("separate", [False, True])
def test_training_captures_are_accounted_for(test_data: Path, separate: bool) -> None:
    captures = _captures(test_data / "train")
    done = run(captures, Settings(separate=separate))
    _assert_accounted(done)
    assert done.counters["sources"] == len(captures)


@pytest.mark.slow
def test_captures_of_other_tools_are_accounted_for(test_data: Path) -> None:
    for path in _captures(test_data / "peers"):
        _assert_accounted(run([path]))
        _assert_accounted(run([path], EVERY_LAYER))


def _community_id(key: Key, seed: int) -> str:
    here, there = (key.initiator, key.initiator_port), (key.responder, key.responder_port)
    if there < here and not key.one_way:
        here, there = there, here
    hashed = pack(">H", seed) + here[0] + there[0] + bytes((key.protocol, 0))
    if key.protocol in (1, 6, 17, 58, 132):
        hashed += pack(">HH", here[1], there[1])
    return "1:" + base64.b64encode(hashlib.sha1(hashed).digest()).decode()


@pytest.mark.parametrize(("seed", "baseline"), [(0, "deflt"), (1, "seed1")])
def test_community_ids_are_those_of_the_baseline(test_data: Path, seed: int, baseline: str) -> None:
    folder = test_data / "peers" / "community-id"
    expected = {}
    for row in json.loads((folder / "baseline" / f"baseline_{baseline}.json").read_text()):
        ends = tuple(ipaddress.ip_address(row[name]).packed for name in ("saddr", "daddr"))
        expected[(row["proto"], frozenset(ends), row["communityid"])] = row
    found = set()
    for path in _captures(folder / "pcaps"):
        for record in run([path]).records:
            key = record.key
            ends = frozenset((key.initiator, key.responder))
            found.add((key.protocol, ends, _community_id(key, seed)))
    assert found == set(expected)
