"""Engine and twin side by side: events of both as plain values, and the first that differs."""

from collections.abc import Sequence
from functools import cache
from itertools import pairwise

import numpy as np

from engine.config import PANE_NS
from engine.features.services import SERVICES
from engine.layouts import MARKS, PACKET, ROW
from engine.layouts.records import (
    CLASS_DELTA,
    CONNECTION_STATES,
    DELTA,
    DELTA_EVENT,
    FACT,
    FACT_EVENT,
    FLOW_FEATURES,
    HISTORY_LETTERS,
    RANK_EARLY,
    RANK_FACT,
    RANK_FINAL,
    RECORD_EVENT,
)
from engine.reference import events as twin
from engine.reference.digest import validity, vector_bytes

# Features with a logarithm may differ by one float32 unit (SEMANTICS.rst, Numbers).
LOGARITHMS = (13, 82)
HOST_LOGARITHMS = (
    *(13, 84, 86, 87, 89, 90, 91, 92, 94, 97, 100),
    *(106, 108, 114, 119, 121, 122, 132),
)
assert (twin.FINAL_RANK, twin.FACT_RANK, twin.EARLY_RANK) == (RANK_FINAL, RANK_FACT, RANK_EARLY)
assert twin.MARKS == MARKS
_INCREASE = (
    "fwd_bytes",
    "bwd_bytes",
    "fwd_payload",
    "bwd_payload",
    "squares",
    "fwd_packets",
    "bwd_packets",
    "fwd_data_packets",
    "rsts",
    "fwd_impossible",
    "bwd_impossible",
)


_LAYOUTS = {layout.name: layout for layout in (DELTA_EVENT, FACT_EVENT, RECORD_EVENT)}


def _unsigned(word) -> int:
    return int(word) % 2**64


@cache
def _place(event: str, word: str, field: str) -> tuple[int, int, int]:
    """Return a field's word, shift and mask. Layouts search for them by name each time."""
    layout = _LAYOUTS[event]
    return layout.index(word), layout.shift(word, field), layout.mask(word, field)


def _field(layout, words: np.ndarray, word: str, field: str) -> int:
    at, shift, mask = _place(layout.name, word, field)
    return int(words[at]) >> shift & mask


@cache
def _index(event: str, word: str) -> int:
    return _LAYOUTS[event].index(word)


def _key(layout, words: np.ndarray) -> dict:
    version = 6 if _field(layout, words, "key", "version6") else 4
    size = 16 if version == 6 else 4
    sides = {}
    for side in ("initiator", "responder"):
        at = _index(layout.name, f"{side}_high")
        high, low = _unsigned(words[at]), _unsigned(words[at + 1])
        sides[side] = (high << 64 | low).to_bytes(size, "big").hex()
    return {
        "version": version,
        **sides,
        "ports": (
            _field(layout, words, "key", "initiator_port"),
            _field(layout, words, "key", "responder_port"),
        ),
        "vlan": _field(layout, words, "key", "vlan"),
        "protocol": _field(layout, words, "key", "protocol"),
        "one_way": bool(_field(layout, words, "key", "mark")),
    }


def _increase(layout, words: np.ndarray) -> dict:
    at = _index(layout.name, "fwd_bytes")
    values = [_unsigned(word) for word in words[at : at + 8]]
    halves = [half for word in values[5:] for half in (word & 0xFFFFFFFF, word >> 32)]
    return dict(zip(_INCREASE, values[:5] + halves, strict=True))


def _marks(words: np.ndarray) -> tuple[str, ...]:
    bits = _field(DELTA_EVENT, words, "head", "marks")
    return tuple(mark for at, mark in enumerate(MARKS) if bits >> at & 1)


def engine_row(words: np.ndarray) -> dict:
    """Return an event of a worker as plain values."""
    kind = _field(DELTA_EVENT, words, "head", "kind")
    position = (int(words[1]), int(words[2]))
    order = {
        "class": _field(DELTA_EVENT, words, "head", "class"),
        "rank": _field(DELTA_EVENT, words, "head", "rank"),
        "position": position,
    }
    if kind == DELTA:
        time = (position[0] // PANE_NS + 1) * PANE_NS
        assert order["class"] == CLASS_DELTA
        return {
            "kind": "delta",
            "time": time,
            **order,
            **_key(DELTA_EVENT, words),
            "service": _field(DELTA_EVENT, words, "head", "service"),
            "marks": _marks(words),
            **_increase(DELTA_EVENT, words),
        }
    if kind == FACT:
        return {"kind": "fact", "time": position[0], **order, **_fact(words)}
    return {
        "kind": "record",
        "time": int(words[_index(RECORD_EVENT.name, "time_ns")]),
        **order,
        **_record(words),
    }


def _fact(words: np.ndarray) -> dict:
    size = 16 if int(words[FACT_EVENT.index("version6")]) else 4
    high, low = (_unsigned(words[FACT_EVENT.index(f"host_{half}")]) for half in ("high", "low"))
    at = FACT_EVENT.index("classes")
    return {
        "host": (high << 64 | low).to_bytes(size, "big").hex(),
        "response": bool(_field(FACT_EVENT, words, "head", "response")),
        "code": _field(FACT_EVENT, words, "head", "code"),
        "name_hash": _unsigned(words[FACT_EVENT.index("name_hash")]),
        "parent_hash": _unsigned(words[FACT_EVENT.index("parent_hash")]),
        "classes": words[at : at + 5].tobytes().hex(),
    }


def _record(words: np.ndarray) -> dict:
    ended = _field(RECORD_EVENT, words, "head", "ended")
    remainder = bool(_field(RECORD_EVENT, words, "head", "remainder"))
    event = RECORD_EVENT.name
    floats = words[_index(event, "features_0") :].view(np.float32)[:FLOW_FEATURES]
    low, high = (_unsigned(words[_index(event, f"valid_{half}")]) for half in ("low", "high"))
    row = {
        **_key(RECORD_EVENT, words),
        "service": _field(RECORD_EVENT, words, "head", "service"),
        "reason": _field(RECORD_EVENT, words, "head", "reason"),
        "continued": bool(_field(RECORD_EVENT, words, "head", "continued")),
        "valid": low | high << 63,
        "features": floats.copy(),
        "remainder": _increase(RECORD_EVENT, words) if remainder else None,
        "marks": _marks(words),
        "ended": (bool(ended & 2), ended >> 2) if ended & 1 else None,
    }
    first = ("first_ns", "first_reference", "last_ns", "start_ns", "end_ns", "sequence")
    counts = ("fwd_packets", "bwd_packets", "fwd_total_bytes", "bwd_total_bytes")
    for name in (*first, *counts, "fwd_data_packets", "bwd_data_packets"):
        row[name] = int(words[_index(event, name)])
    row["connection"] = _connection(words)
    return row


def _connection(words: np.ndarray) -> tuple | None:
    """Return state, letters, streams and duration; None where nothing is known."""
    at = _index(RECORD_EVENT.name, "history_0")
    state = _field(RECORD_EVENT, words, "history_0", "state")
    if state == 0:
        assert not words[at : at + 6].any(), "a connection without a state says something"
        return None
    letters = ""
    for word in (_field(RECORD_EVENT, words, "history_0", "letters"), *words[at + 1 : at + 3]):
        for place in range(11, -1, -1):
            number = int(word) >> 5 * place & 31
            if number:
                letter = HISTORY_LETTERS[(number & 15) - 1]
                letters += letter.lower() if number & 16 else letter
    return CONNECTION_STATES[state - 1], letters, *(int(word) for word in words[at + 3 : at + 6])


def _twin_key(key: twin.Key) -> dict:
    return {
        "version": key.version,
        "initiator": key.initiator.hex(),
        "responder": key.responder.hex(),
        "ports": (key.initiator_port, key.responder_port),
        "vlan": key.vlan,
        "protocol": key.protocol,
        "one_way": key.one_way,
    }


def _twin_increase(increase: twin.Increase) -> dict:
    return {name: getattr(increase, name) for name in _INCREASE}


def twin_row(event: twin.Event) -> dict:
    """Return an event of the twin as plain values."""
    kind = type(event).__name__.lower()
    row = {
        "kind": kind,
        "time": event.time,
        "class": event.order_class,
        "rank": event.rank,
        "position": event.position,
    }
    if isinstance(event, twin.Fact):
        for name in ("response", "code", "name_hash", "parent_hash"):
            row[name] = getattr(event, name)
        return row | {"host": event.host.hex(), "classes": event.classes.hex()}
    row |= _twin_key(event.key) | {
        "service": SERVICES.index(event.key.service),
        "marks": event.marks,
    }
    if isinstance(event, twin.Delta):
        return row | _twin_increase(event.increase)
    ended = None
    if event.ended is not None:
        side = {"": 0, "forward": 1, "backward": 2}[event.ended.first_end]
        ended = (event.ended.proper, side)
    counts = event.counts
    return row | {
        "reason": event.reason,
        "continued": event.continued,
        "valid": event.valid,
        "features": np.frombuffer(event.features, np.float32),
        "remainder": None if event.remainder is None else _twin_increase(event.remainder),
        "ended": ended,
        "first_ns": event.first[0],
        "first_reference": event.first[1],
        "last_ns": event.last_ns,
        "start_ns": event.start_ns,
        "end_ns": event.end_ns,
        "sequence": event.sequence,
        "fwd_packets": counts.fwd_packets,
        "bwd_packets": counts.bwd_packets,
        "fwd_total_bytes": counts.fwd_bytes,
        "bwd_total_bytes": counts.bwd_bytes,
        "fwd_data_packets": counts.fwd_data_packets,
        "bwd_data_packets": counts.bwd_data_packets,
        "connection": None if event.connection is None else _twin_connection(event.connection),
    }


def _twin_connection(said: twin.Connection) -> tuple:
    return said.state, said.letters, said.fwd_stream, said.bwd_stream, said.lasting_ns


def order_of(row: dict, separate: bool) -> tuple:
    """Return what the rows of all workers are merged by."""
    source = row["position"][1] >> 48 if separate else 0
    return source, row["time"], row["class"], row["position"], row["rank"]


def merged(workers: Sequence[Sequence[np.ndarray]], separate: bool) -> list[dict]:
    """Return the events of all workers in order; each worker's are asserted to ascend already."""
    rows: list[dict] = []
    for events in workers:
        own = [engine_row(words) for words in events]
        orders = [order_of(row, separate) for row in own]
        for before, after in pairwise(orders):
            assert before < after, f"a worker sent {after} after {before}"
        rows += own
    return sorted(rows, key=lambda row: order_of(row, separate))


def _ulps(left: np.float32, right: np.float32) -> int:
    return abs(int(left.view(np.int32)) - int(right.view(np.int32)))


def difference(engine: dict, reference: dict) -> str | None:
    """Return which field of two events differs and how; None if none does."""
    for name in reference:
        if name not in engine:
            return f"{name} is missing"
        left, right = engine[name], reference[name]
        if name != "features":
            if left != right:
                return f"{name}: engine {left}, twin {right}"
            continue
        for at in np.flatnonzero(left.view(np.int32) != right.view(np.int32)):
            if at not in LOGARITHMS or _ulps(left[at], right[at]) > 1:
                return f"feature {at}: engine {left[at]!r}, twin {right[at]!r}"
    return None


def assert_same_events(engine: list[dict], reference: list[twin.Event]) -> None:
    """Assert that both made the same events in the same order, or say which differs first."""
    for at, (left, event) in enumerate(zip(engine, reference, strict=False)):
        right = twin_row(event)
        found = difference(left, right)
        if found:
            short = {name: value for name, value in left.items() if name != "features"}
            expected = {name: value for name, value in right.items() if name != "features"}
            raise AssertionError(f"event {at}: {found}\nengine {short}\ntwin   {expected}")
    assert len(engine) == len(reference), (
        f"engine made {len(engine)} events, twin {len(reference)}; "
        f"next {[*engine, None][min(len(engine), len(reference))]}"
    )


assert PACKET.size_bytes == 64


def assert_same_rows(rows: Sequence[np.ndarray], records: Sequence[twin.Record]) -> None:
    """Assert that rows of the classifier have the twin's 142 features and validity bits."""
    assert len(rows) == len(records), f"{len(rows)} rows, the twin has {len(records)} records"
    if not rows:
        return
    words = np.stack(rows)
    at, count = ROW.index("vector_0"), 142
    engine = words[:, at:].copy().view(np.float32)[:, :count]
    reference = np.frombuffer(b"".join(map(vector_bytes, records)), np.float32).reshape(-1, count)
    left, right = engine.view(np.int32).astype(np.int64), reference.view(np.int32).astype(np.int64)
    allowed = np.zeros(count, np.int64)
    allowed[list(HOST_LOGARITHMS)] = 1
    for number, feature in np.argwhere(abs(left - right) > allowed):
        found, wanted = engine[number, feature], reference[number, feature]
        raise AssertionError(
            f"row {number}: feature {feature}: engine {found!r}, twin {wanted!r}, "
            f"{_named(records[number])}"
        )
    bits = words[:, ROW.index("valid") : ROW.index("valid") + 3]
    for number, record in enumerate(records):
        found = sum(_unsigned(word) << 64 * place for place, word in enumerate(bits[number]))
        differ = found ^ validity(record)
        if differ:
            names = [feature for feature in range(count) if differ >> feature & 1]
            raise AssertionError(f"row {number}: validity of {names}, {_named(record)}")


def _named(record: twin.Record) -> str:
    return f"record {record.first}, {record.sequence} at {record.time}, {record.key}"
