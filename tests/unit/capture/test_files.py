"""What capture files hold, and how broken ones are reported.

Goal: SEMANTICS.rst, "Capture files": each rule with its smallest file; and as many packets as
libpcap or wiretap read in each of the edge captures. Method: files written by hand, expected damage
as (offset, reason). Formats that are whole are compared with the twin in tests/property.
"""

import csv
from pathlib import Path
from struct import pack

import pytest

from engine.capture.offline import capture
from engine.errors import CaptureError
from tests.unit.capture.files import (
    SECOND,
    block,
    datagram,
    enhanced,
    interface,
    pcap,
    read,
    section,
    steady,
    times,
)

PACKET = datagram()
HEADER, RECORD = pcap((5 * SECOND, PACKET))[:24], pcap((5 * SECOND, PACKET))[24:]
START = section() + interface()
ONE = START + enhanced(7, PACKET)
LONG = pack("<IIII", 0, 0, 262_145, 262_145)

DAMAGED = [  # Content, packets read before, offset, reason.
    (HEADER[:23], 0, 0, "cut"),
    (HEADER[:4], 0, 0, "cut"),
    (HEADER[:4] + b"\1\0\4\0" + HEADER[8:], 0, 0, "version"),
    (HEADER[:4] + b"\3\0\4\0" + HEADER[8:], 0, 0, "version"),
    (HEADER[:4] + pack("<HH", 543, 1) + HEADER[8:], 0, 0, "version"),
    (HEADER + RECORD + RECORD[:15], 1, 24 + len(RECORD), "cut"),
    (HEADER + RECORD + RECORD[:-1], 1, 24 + len(RECORD), "cut"),
    (HEADER + RECORD + LONG + bytes(262_145), 1, 24 + len(RECORD), "record_length"),
    (HEADER + RECORD + LONG, 1, 24 + len(RECORD), "record_length"),
    (ONE + b"\6\0\0\0\x20", 1, len(ONE), "cut"),
    (ONE + section()[:11], 1, len(ONE), "cut"),
    (section()[:8] + b"abcd" + section()[12:], 0, 0, "no_capture"),
    (ONE + section()[:8] + b"abcd" + section()[12:], 1, len(ONE), "block_content"),
    (ONE + block(5, b"", size=8), 1, len(ONE), "block_length"),
    (ONE + block(5, bytes(4), size=18), 1, len(ONE), "block_length"),
    (ONE + block(5, bytes(4), size=(1 << 24) + 4), 1, len(ONE), "block_length"),
    (ONE + block(6, bytes(16)), 1, len(ONE), "block_length"),
    (ONE + block(1, bytes(4)), 1, len(ONE), "block_length"),
    (ONE + block(3, b""), 1, len(ONE), "block_length"),
    (ONE + block(2, bytes(16)), 1, len(ONE), "block_length"),
    (ONE + block(5, bytes(400))[:-1], 1, len(ONE), "cut"),
    (ONE + block(5, bytes(4))[:-4] + pack("<I", 20), 1, len(ONE), "block_trailer"),
    (ONE + section(major=2), 1, len(ONE), "version"),
    (ONE + section(minor=1), 1, len(ONE), "version"),
    (ONE + interface(pack("<HHBxxx", 9, 2, 6)), 1, len(ONE), "block_content"),
    (ONE + interface(pack("<HHq", 14, 7, 6)), 1, len(ONE), "block_content"),
    (ONE + interface(pack("<HH", 2, 1)), 1, len(ONE), "block_content"),
    (section() + enhanced(7, PACKET), 0, 28, "interface"),
    (ONE + enhanced(7, PACKET, number=1), 1, len(ONE), "interface"),
    (ONE + section() + enhanced(7, PACKET), 1, len(ONE) + 28, "interface"),
    (section() + 1025 * interface(), 0, 28 + 1024 * 20, "interface"),
    (ONE + enhanced(7, PACKET, captured=262_145), 1, len(ONE), "record_length"),
    (ONE + enhanced(7, PACKET, captured=len(PACKET) + 4), 1, len(ONE), "block_content"),
    (ONE + block(3, pack("<I", 5) + bytes(4)), 1, len(ONE), "block_content"),
]


@pytest.mark.parametrize(("content", "packets", "offset", "reason"), DAMAGED)
def test_damage_has_place_and_reason_and_what_stands_before_it_is_read(
    tmp_path, content, packets, offset, reason
):
    try:
        made = read(tmp_path, content, HEADER)
    except CaptureError as error:
        pytest.fail(f"the other source can be read: {error}")
    (damage,) = made.told("damage")
    assert (damage["source"], damage["offset"]) == (0, offset)
    assert damage["reason"].partition(":")[0] == reason
    assert made.counters["read"] == packets
    assert made.counters["sources_damaged"] == 1


@pytest.mark.parametrize("content", (b"", b"\xd4", b"\xd4\xc3\xb2", b"text" * 10, b"\0" * 100))
def test_what_is_no_capture_is_damage_at_byte_0(tmp_path, content):
    made = read(tmp_path, HEADER, content)
    assert [(told["source"], told["offset"]) for told in made.told("damage")] == [(1, 0)]
    assert made.told("damage")[0]["reason"].startswith("no_capture")
    with pytest.raises(CaptureError, match="no source can be read"):
        read(tmp_path, content)


WHOLE = [  # Content, times of its packets.
    (HEADER, []),
    (HEADER[:4] + pack("<HH", 2, 4) + HEADER[8:] + RECORD, [5 * SECOND]),
    (HEADER[:4] + pack("<HH", 543, 0) + HEADER[8:] + RECORD, [5 * SECOND]),
    (HEADER[:16] + bytes(4) + HEADER[20:] + RECORD, [5 * SECOND]),
    (HEADER[:23] + b"\x14" + RECORD, [5 * SECOND]),
    (START, []),
    (section(), []),
    (section(minor=2) + interface() + enhanced(7, PACKET), [7000]),
    (ONE + block(0x40000BAD, bytes(12)) + block(5, b"") + enhanced(9, PACKET), [7000, 9000]),
    (ONE + section(">") + interface(order=">"), [7000]),
    (START + interface(b"\0\0\0\0junkjunk") + enhanced(7, PACKET, number=1), [7000]),
    (section() + interface(pack("<HHBxxx", 9, 1, 9)) + enhanced(7, PACKET), [7]),
    (section() + interface(pack("<HHBxxxHHBxxx", 9, 1, 3, 9, 1, 9)) + enhanced(7, PACKET), [7]),
    (section() + interface(pack("<HHBxxx", 9, 1, 0x80)) + enhanced(7, PACKET), [7 * SECOND]),
    (section() + interface(pack("<HHBxxx", 9, 1, 0x81)) + enhanced(7, PACKET), [35 * SECOND // 10]),
    (section() + interface(pack("<HHBxxx", 9, 1, 127)) + enhanced(1 << 63, PACKET), [0]),
    (section() + interface(pack("<HHBxxx", 9, 1, 0xFF)) + enhanced(1 << 63, PACKET), [0]),
    (section() + interface(pack("<HHq", 14, 8, -3)) + enhanced(7, PACKET), [7000 - 3 * SECOND]),
    (START + block(3, pack("<I", len(PACKET)) + PACKET + bytes(1)), [0]),
    (ONE + block(3, pack("<I", len(PACKET)) + PACKET + bytes(1)), [7000, 7000]),
    (
        section() + interface(snap=28) + block(3, pack("<I", 400) + PACKET[:28]),
        [0],
    ),
    (START + block(2, pack("<HHIIII", 0, 9, 0, 8, 35, 35) + PACKET + bytes(1)), [8000]),
]


@pytest.mark.parametrize(("content", "expected"), WHOLE)
def test_whole_files_are_read_to_their_end(tmp_path, content, expected):
    made = read(tmp_path, content)
    assert made.told("damage") == []
    assert times(made) == expected
    assert made.counters["published"] == len(expected)


def test_stamp_of_any_resolution_is_exact(tmp_path):
    ticks = 0xFFFF_FFFF_FFFF_FFFF
    for resolution, size in (
        (9, 10**9),
        (6, 10**6),
        (0x80 | 40, 1 << 40),
        (19, 10**19),
        (12, 10**12),
    ):
        options = pack("<HHBxxxHHq", 9, 1, resolution, 14, 8, -(ticks // size))
        made = read(tmp_path, section() + interface(options) + enhanced(ticks, PACKET))
        assert times(made) == [ticks * SECOND // size - ticks // size * SECOND]


def test_stamp_outside_int64_is_counted_and_moves_no_clock(tmp_path):
    options = pack("<HHBxxx", 9, 1, 0)
    content = section() + interface(options) + enhanced(9_223_372_037, PACKET)
    content += block(3, pack("<I", len(PACKET)) + PACKET + bytes(1)) + enhanced(5, PACKET)
    made = read(tmp_path, content)
    assert made.counters["refused_malformed_time"] == 2
    assert times(made) == [5 * SECOND]
    assert made.counters["time_steps"] == 0


def test_link_types_are_counted_by_type(tmp_path):
    content = section() + interface() + interface(link=147) + interface(link=147)
    content += enhanced(1, PACKET) + enhanced(2, PACKET, 1) + enhanced(3, PACKET, 2)
    (told,) = read(tmp_path, content).told("source")
    assert told["link_types"] == {101: 1, 147: 2}
    assert told["unsupported_links"] == {147: 2}
    assert (told["packets"], told["bytes"]) == (3, 3 * len(PACKET))


def test_more_link_types_than_are_told_apart_are_still_counted(tmp_path):
    content = section() + b"".join(interface(link=1000 + k) for k in range(99)) + interface()
    content += b"".join(enhanced(k, PACKET, k) for k in range(100))
    made = read(tmp_path, content)
    (told,) = made.told("source")
    assert sum(told["link_types"].values()) == 100
    assert made.counters["refused_unsupported_link"] == 99
    assert made.counters["published"] == 1


def test_original_length_below_the_captured_one_does_not_count(tmp_path):
    record = pack("<IIII", 5, 0, len(PACKET), 3) + PACKET
    assert read(tmp_path, HEADER + record).counters["published"] == 1


def test_block_beyond_the_size_of_a_window_is_read_from_a_stream_too(tmp_path):
    import gzip

    content = ONE + block(5, bytes(300_000)) + enhanced(9, PACKET)
    settings = {"capture.stream_buffer_bytes": 1 << 16, "capture.arena_bytes": 1 << 18}
    made = read(tmp_path, gzip.compress(content), settings=settings)
    assert times(made) == [7000, 9000]


def test_large_file_is_read_in_many_batches(tmp_path):
    made = read(tmp_path, steady(40_000, gap=3))
    assert times(made) == [3 * k for k in range(40_000)]


def test_packets_read_equal_libpcap_or_wiretap(test_data):
    folder = test_data / "edge"
    with open(folder / "EXPECT.tsv", newline="", encoding="utf-8") as table:
        rows = list(csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE))
    assert len(rows) > 1000
    for row in rows:
        allowed = {int(row["packets_libpcap"]), int(row["packets_wiretap"])}
        found, counters = packets_read(folder / row["path"])
        assert found in allowed, row["path"]
        refused = sum(value for name, value in counters.items() if name.startswith("refused"))
        assert found == counters.get("published", 0) + refused, row["path"]


def packets_read(path: Path) -> tuple[int, dict[str, int]]:
    """Return how many packets capture reads in a file, and its counters."""
    try:
        counters = capture([str(path)]).counters
    except CaptureError:
        return 0, {}
    return counters["read"], counters
