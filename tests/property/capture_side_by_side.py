"""Capture beside its twin: every record, clock step, counter and damage of the same files."""

import os
from collections import Counter
from pathlib import Path

from engine.capture.offline import Captured, capture
from engine.errors import CaptureError
from engine.events import CAPTURE
from engine.layouts import CONTROL_KINDS, END, PACKET, SOURCE_END, STEP
from engine.reference import Settings
from engine.reference.capture import Capture, Metered, sources_of
from tests.property.strategies import RunInput

TCP, ICMP, ICMP6 = 6, 1, 58
COMPARED = [
    counter.name
    for counter in CAPTURE
    if counter.name not in ("published", "control", "waits", "dropped_ring", "dropped_arena")
]


def bits(word: str, **values: int) -> int:
    """Return a packed word of a packet record as int64."""
    packed = sum(value << PACKET.shift(word, name) for name, value in values.items())
    return packed - (1 << 64) if packed >> 63 else packed


def signed(value: int) -> int:
    """Return `value` modulo 2^64 as int64."""
    return (value + (1 << 63)) % (1 << 64) - (1 << 63)


def expected_record(metered: Metered) -> tuple[int, ...]:
    """Return the words of the record of a layer that the twin meters."""
    layer = metered.layer
    addresses = [int.from_bytes(address) for address in (layer.source, layer.destination)]
    one_way = layer.protocol in (ICMP, ICMP6) and layer.one_way
    return (
        metered.position[0],
        *(signed(half) for address in addresses for half in (address >> 64, address % (1 << 64))),
        metered.position[1],
        bits(
            "lengths",
            payload=layer.payload_length,
            header=layer.header_length,
            captured=len(layer.payload) if layer.length else 1,  # Never a control record.
            window=layer.window or 0,
        ),
        bits(
            "key",
            source_port=layer.source_port,
            destination_port=layer.destination_port,
            vlan=layer.vlan,
            version6=layer.version == 6,
            fragment=layer.later_fragment,
            mark=one_way or layer.tcp_header_cut,
            layer=metered.inner,
            protocol=layer.protocol,
            flags=layer.flags or 0,
        ),
    )


class Expected:
    """What the twin makes of named contents."""

    def __init__(self, contents: list[tuple[str, bytes]], settings: Settings) -> None:
        sources = sources_of(contents)
        self.records: list[tuple[int, ...]] = []
        self.steps: list[tuple[int, ...]] = []
        self.ends: list[tuple[int, int]] = []
        self.counters: Counter = Counter()
        for part in [[source] for source in sources] if settings.separate else [sources]:
            self._take(part, settings)
        self.damage = [(s.number, *s.damage) for s in sources if s.damage is not None]
        self.packets = {s.number: s.packets for s in sources}
        self.links = {s.number: dict(s.links) for s in sources}

    def _take(self, sources, settings: Settings) -> None:
        taking = Capture(sources, settings)
        last = None
        for taken in taking:
            last = taken.time if taken.time is not None else last
            if taken.step is not None:
                step = taken.step
                self.steps.append(
                    (taken.time, step.source, signed(step.before), signed(step.after))
                )
            self.records += [expected_record(metered) for metered in taken.metered]
        self.counters.update(taking.counters)
        self.ends.append((sources[0].number, last))


def compare(folder: Path, run: RunInput, workers: int, **options) -> Captured:
    """Write the contents, run capture over them, compare everything; return what capture made."""
    expected = Expected(run.contents, run.settings)
    paths = []
    for name, content in run.contents:
        paths.append(str(folder / name))
        Path(paths[-1]).write_bytes(content)
    try:
        made = capture(
            paths, run.settings.config, workers, separate=run.settings.separate, **options
        )
    except CaptureError as error:
        assert "no source can be read" in str(error)
        assert expected.counters["read"] == 0
        return None
    finally:
        for path in paths:
            os.unlink(path)
    found = {name: made.counters[name] for name in COMPARED}
    assert found == {name: expected.counters[name] for name in COMPARED}
    assert made.counters["published"] == expected.counters["accepted"]
    compare_records(made, expected, run.settings.separate)
    damage = sorted(
        (told["source"], told["offset"], told["reason"].partition(":")[0])
        for told in made.told("damage")
    )
    assert damage == expected.damage
    told = {report["source"]: report for report in made.told("source")}
    assert {number: told[number]["packets"] for number in told} == expected.packets
    assert {number: told[number]["link_types"] for number in told} == expected.links
    return made


def compare_records(made: Captured, expected: Expected, separate: bool) -> None:
    """Compare what each worker got, in its order."""
    kind_at, key, lengths = (
        PACKET.shift("key", "protocol"),
        PACKET.index("key"),
        PACKET.index("lengths"),
    )
    together = []
    for rows in made.records:
        control = rows[rows[:, lengths] == 0].tolist()
        packets = rows[rows[:, lengths] != 0].tolist()
        order = [(row[5] >> 48 if separate else 0, row[0], row[5]) for row in packets]
        assert order == sorted(set(order)), "positions do not increase"
        together += [tuple(row) for row in packets]
        by_kind = {kind: [] for kind in CONTROL_KINDS.values()}
        for row in control:
            by_kind[row[key] >> kind_at].append(row)
        steps = [(row[0], row[4], row[2], row[1]) for row in by_kind[STEP]]
        assert steps == expected.steps
        ends = [(row[4], row[0]) for row in by_kind[SOURCE_END]]
        assert ends == ([(n, t or 0) for n, t in expected.ends] if separate else [])
        assert len(by_kind[END]) == 1 and rows[-1, key] >> kind_at == END
        assert rows[-1, 0] == (expected.ends[-1][1] or 0)
    together.sort(key=lambda row: (row[5] >> 48 if separate else 0, row[0], row[5]))
    assert together == expected.records
