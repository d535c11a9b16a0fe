"""Rows as a test wants them, and what every output must show of them, by plain Python.

A record is a dict of plain values; row_words() packs it as the classifier would; shown() says what
its columns are. They share nothing with the kernels but the layout and the catalogue's names.
"""

import datetime
import ipaddress
import struct

import numpy as np
from hypothesis import strategies as st

from engine.config import Config, with_settings
from engine.features.services import SERVICES
from engine.layouts import (
    CONNECTION_STATES,
    FEATURES,
    HISTORY_LETTERS,
    REASONS,
    ROW,
    TOP_FEATURES,
)
from engine.packets.fixed_hash import plain_hash
from engine.recorder.community_id import plain_community_id
from engine.recorder.outputs import WITH_HISTORY
from engine.rings.plan import RunPlan

LABELS = ("scan", "brute force", "flood")
SOURCES = ("a.pcap", "=2+3.pcap", 'quote".pcap', "esc\x1b[2J,\u202e.pcap", "b\udcff.pcap", "-")
LETTERS = HISTORY_LETTERS + HISTORY_LETTERS[:-1].lower()
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def plan_of(folder=None, formats=(), rows="alerts", run="recordertest", sources=SOURCES) -> RunPlan:
    """Return the plan of a run."""
    history = bool(set(formats) & set(WITH_HISTORY))
    return RunPlan(
        run,
        with_settings(Config(), {"flow.history": history}),
        sources,
        (0, 0),
        1,
        rows=rows,
        folder=None if folder is None else str(folder),
        flow_formats=tuple(formats),
        model="test model",
        model_version="1",
        labels=LABELS,
    )


def float32(value: float) -> float:
    """Return the nearest float32."""
    return float(np.float32(value))


NUMBERS = st.one_of(
    st.floats(width=32, allow_nan=False, allow_infinity=False).map(lambda x: x + 0.0),
    st.integers(0, 10**7).map(float32),
)
TIMES = st.one_of(
    st.integers(0, 2**62),
    st.integers(-(2**62), 2**62),
    st.integers(1_600_000_000, 1_700_000_000).map(lambda s: s * 10**9),
)
TOPS = st.tuples(st.integers(0, FEATURES - 1), NUMBERS)
COUNTS = st.one_of(st.integers(0, 20), st.integers(0, 2**53))


@st.composite
def records(draw) -> dict:
    """Draw a record."""
    version6 = draw(st.booleans())
    addresses = st.integers(0, 2**128 - 1) if version6 else st.integers(0, 2**32 - 1)
    if version6:
        sparse = st.lists(st.sampled_from([0, 0, 0, 1, 0xFFFF]), min_size=8, max_size=8)
        addresses = addresses | sparse.map(lambda gs: sum(g << 16 * k for k, g in enumerate(gs)))
    scored = draw(st.booleans())
    features = draw(st.dictionaries(st.integers(0, FEATURES - 1), NUMBERS, max_size=12))
    return {
        "reason": draw(st.integers(0, 5)),
        "order_class": draw(st.integers(0, 4)),
        "order_rank": draw(st.integers(0, 2)),
        "service": draw(st.integers(0, len(SERVICES) - 1)),
        "continued": draw(st.booleans()),
        "version6": version6,
        "protocol": draw(st.sampled_from([1, 2, 6, 6, 17, 17, 33, 47, 58, 132, 136, 255])),
        "initiator": draw(addresses),
        "responder": draw(addresses),
        "initiator_port": draw(st.integers(0, 65535)),
        "responder_port": draw(st.integers(0, 65535)),
        "vlan": draw(st.sampled_from([0, 0, 7, 4095])),
        "one_way": draw(st.booleans()),
        "time_ns": draw(TIMES),
        "first_ns": draw(TIMES),
        "start_ns": draw(TIMES),
        "end_ns": draw(TIMES),
        "position_ns": draw(TIMES),
        "position_reference": draw(st.integers(0, 2**63 - 1)),
        "source_number": draw(st.integers(0, len(SOURCES) - 1)),
        "first_offset": draw(st.integers(0, 2**48 - 1)),
        "sequence": draw(st.integers(0, 2**32 - 1)),
        "packets": (draw(COUNTS), draw(COUNTS)),
        "bytes": (draw(COUNTS), draw(COUNTS)),
        "scored": scored,
        "alert": scored and draw(st.booleans()),
        "alerted": scored and draw(st.booleans()),
        "label": draw(st.integers(0, len(LABELS) - 1)),
        "score": draw(NUMBERS),
        "threshold": draw(NUMBERS),
        "features": features,
        "top": draw(st.lists(TOPS, max_size=TOP_FEATURES)),
        "conn_state": draw(st.sampled_from(("", *CONNECTION_STATES))),
        "history": draw(st.text(LETTERS, max_size=36)),
        "streams": (draw(COUNTS), draw(COUNTS)),
        "lasting_ns": draw(st.sampled_from((0, 1, 999, 10**9, 2**63 - 1)) | st.integers(0, 2**62)),
    }


def simple(**changes) -> dict:
    """Return a record of an ordinary TCP flow, with changes."""
    return {
        "reason": 1,
        "order_class": 3,
        "order_rank": 0,
        "service": 0,
        "continued": False,
        "version6": False,
        "protocol": 6,
        "initiator": 0xC0000201,
        "responder": 0xC6336401,
        "initiator_port": 40000,
        "responder_port": 80,
        "vlan": 0,
        "one_way": False,
        "time_ns": 1_700_000_120_000_000_000,
        "first_ns": 1_700_000_000_000_000_000,
        "start_ns": 1_700_000_000_000_000_000,
        "end_ns": 1_700_000_120_000_000_000,
        "position_ns": 1_700_000_000_000_000_000,
        "position_reference": 54,
        "source_number": 0,
        "first_offset": 54,
        "sequence": 0,
        "packets": (3, 2),
        "bytes": (300, 200),
        "scored": True,
        "alert": False,
        "alerted": False,
        "label": 0,
        "score": 0.25,
        "threshold": 0.5,
        "features": {0: 120e6, 1: 5.0, 51: 2.0, 54: 4.0},
        "top": [],
        "conn_state": "SF",
        "history": "ShADadFf",
        "streams": (120, 80),
        "lasting_ns": 120_000_000_000,
    } | changes


def _signed(word: int) -> int:
    return word - 2**64 if word >> 63 else word


def _bits(value: float) -> int:
    return struct.unpack("<I", struct.pack("<f", value))[0]


def _packed(word: str, **fields: int) -> int:
    total = 0
    for name, value in fields.items():
        assert 0 <= value <= ROW.mask(word, name), f"{word}.{name} = {value}"
        total |= int(value) << ROW.shift(word, name)
    return _signed(total)


def _words(record: dict) -> dict[str, int]:
    top = record["top"]
    return {
        "head": _packed(
            "head",
            kind=3,
            rank=record["order_rank"],
            reason=record["reason"],
            service=record["service"],
            continued=record["continued"],
            **{"class": record["order_class"]},
        ),
        "position_time": record["position_ns"],
        "position_reference": record["position_reference"],
        "initiator_high": _signed(record["initiator"] >> 64),
        "initiator_low": _signed(record["initiator"] % 2**64),
        "responder_high": _signed(record["responder"] >> 64),
        "responder_low": _signed(record["responder"] % 2**64),
        "key": _packed(
            "key",
            initiator_port=record["initiator_port"],
            responder_port=record["responder_port"],
            vlan=record["vlan"],
            version6=record["version6"],
            mark=record["one_way"],
            protocol=record["protocol"],
        ),
        "time_ns": record["time_ns"],
        "first_ns": record["first_ns"],
        "last_ns": record["end_ns"],
        "start_ns": record["start_ns"],
        "end_ns": record["end_ns"],
        "first_reference": record["source_number"] << 48 | record["first_offset"],
        "sequence": record["sequence"],
        "fwd_packets": record["packets"][0],
        "bwd_packets": record["packets"][1],
        "fwd_total_bytes": record["bytes"][0],
        "bwd_total_bytes": record["bytes"][1],
        "score_threshold": _signed(_bits(record["threshold"]) << 32 | _bits(record["score"])),
        "verdict": _packed(
            "verdict",
            scored=record["scored"],
            alert=record["alert"],
            alerted=record["alerted"],
            label=record["label"],
            top_count=len(top),
        ),
        **_connection_words(record),
        "top_features": _signed(sum(feature << 8 * k for k, (feature, _) in enumerate(top))),
    }


def _connection_words(record: dict) -> dict[str, int]:
    numbers = [
        HISTORY_LETTERS.index(letter.upper()) + 1 + 16 * letter.islower()
        for letter in record["history"]
    ]
    words = [0, 0, 0]
    for place, number in enumerate(numbers):
        words[place // 12] = words[place // 12] << 5 | number
    state = ("", *CONNECTION_STATES).index(record["conn_state"])
    words[0] |= state << 60
    return {
        **{f"history_{k}": _signed(word) for k, word in enumerate(words)},
        "fwd_stream": record["streams"][0],
        "bwd_stream": record["streams"][1],
        "lasting_ns": record["lasting_ns"],
    }


def row_words(wanted: list[dict]) -> np.ndarray:
    """Return rows as they stand in the ring."""
    rows = np.zeros((len(wanted), ROW.words), np.int64)
    floats = rows.view(np.float32)
    for row, line, record in zip(rows, floats, wanted, strict=True):
        for word, value in _words(record).items():
            row[ROW.index(word)] = value
        valid = sum(1 << feature for feature in record["features"])
        for k in range(3):
            row[ROW.index("valid") + k] = _signed(valid >> 64 * k & 2**64 - 1)
        for feature, value in record["features"].items():
            line[2 * ROW.index("vector_0") + feature] = value
        for k, (_, weight) in enumerate(record["top"]):
            line[2 * ROW.index("top_weights") + k] = weight
    return rows


def host_words(count: int, source: int = 0) -> np.ndarray:
    """Return rows of hosts 10.0.0.1 and on: initiators, and each second a responder too."""
    rows = np.zeros((count, ROW.words), np.int64)
    floats = rows.view(np.float32)[:, 2 * ROW.index("vector_0") :]
    rows[:, ROW.index("initiator_low")] = 0x0A000001 + np.arange(count)
    rows[:, ROW.index("first_reference")] = source << 48
    rows[:, ROW.index("verdict")] = 1 << ROW.shift("verdict", "host")
    rows[:, ROW.index("first_ns")] = 5 * 10**9
    rows[:, ROW.index("last_ns")] = rows[:, ROW.index("start_ns")] = 10 * 10**9
    flags = 2 | 4 * (np.arange(count) % 2) | np.arange(count) % 3 // 2
    rows[:, ROW.index("sequence")] = flags
    rows[:, ROW.index("end_ns")] = np.where(flags & 4, 10 * 10**9, 0)
    rows[:, ROW.index("valid") + 1] = 1 << (103 - 64)
    floats[:, 103] = 0.1 * np.arange(count)
    return rows


def address_text(record: dict, end: str) -> str:
    """Return an endpoint's address as text."""
    kind = ipaddress.IPv6Address if record["version6"] else ipaddress.IPv4Address
    return str(kind(record[end]))


def flow_hash(record: dict) -> int:
    """Return the hash that identifies the record's flow part."""
    version = 6 if record["version6"] else 4
    words = []
    for end in ("initiator", "responder"):
        words += [version, record[end] >> 64, record[end] % 2**64]
    words += [
        record["protocol"] << 16 | record[f"{end}_port"] for end in ("initiator", "responder")
    ]
    words += [record["vlan"], record["first_ns"]]
    return plain_hash([*words, record["source_number"] << 48 | record["first_offset"]])


def uid_text(number: int) -> str:
    """Return a flow's uid."""
    digits = ""
    for _ in range(11):
        number, digit = divmod(number, 62)
        digits = DIGITS[digit] + digits
    return "C" + digits


def iso_text(time_ns: int) -> str:
    """Return a time in UTC with nanoseconds."""
    epoch = datetime.datetime(1970, 1, 1)
    moment = epoch + datetime.timedelta(microseconds=time_ns // 1000)
    return f"{moment.isoformat(timespec='microseconds')}{time_ns % 1000:03}Z"


def shown(record: dict) -> dict[str, object]:
    """Return the columns of a record but its source and features; None: an empty cell."""
    one, other = (
        (address_text(record, end), record[f"{end}_port"]) for end in ("initiator", "responder")
    )
    scored = record["scored"]
    return {
        "record": "final" if record["reason"] else "early",
        "reason": REASONS[record["reason"]],
        "sequence": record["sequence"],
        "record_time_ns": record["time_ns"],
        "order_class": record["order_class"],
        "order_rank": record["order_rank"],
        "position_ns": record["position_ns"],
        "position_reference": record["position_reference"],
        "start_ns": record["start_ns"],
        "end_ns": record["end_ns"],
        "start": iso_text(record["start_ns"]),
        "end": iso_text(record["end_ns"]),
        "source_number": record["source_number"],
        "first_offset": record["first_offset"],
        "version": 6 if record["version6"] else 4,
        "protocol": record["protocol"],
        "initiator": one[0],
        "initiator_port": one[1],
        "responder": other[0],
        "responder_port": other[1],
        "vlan": record["vlan"],
        "one_way": record["one_way"],
        "service": SERVICES[record["service"]],
        "continued": record["continued"],
        "flow_id": flow_hash(record) >> 13,
        "uid": uid_text(flow_hash(record)),
        "community_id": plain_community_id(record["protocol"], one, other, 0, record["one_way"]),
        "fwd_packets": record["packets"][0],
        "bwd_packets": record["packets"][1],
        "fwd_bytes": record["bytes"][0],
        "bwd_bytes": record["bytes"][1],
        "score": record["score"] if scored else None,
        "threshold": record["threshold"] if scored else None,
        "label": LABELS[record["label"]] if scored else None,
        "alert": record["alert"],
    }


def some_rows(count: int) -> np.ndarray:
    """Return rows with alerts of every kind, early ones, and hosts at the end."""
    wanted = [
        simple(
            reason=k % 3,
            alert=k % 2 == 0,
            sequence=k,
            first_offset=k,
            label=k % len(LABELS),
            initiator=0x0A000000 + k % 5,
        )
        for k in range(count - 2)
    ]
    return np.concatenate([row_words(wanted), host_words(2)])
