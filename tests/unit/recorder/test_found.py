"""Goal: the summary of alerts counts each kind exactly, and names who had most of them.

Method: drawn rows against counts by definition; more addresses than are kept, of which the largest
must stay, and the summary must say that some are missing.
"""

import ipaddress
from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.recorder import found
from engine.recorder.found import NAMED_MAX, Found
from engine.recorder.ledger import Ledger
from tests.unit.recorder.rows import LABELS, records, row_words, simple


def shown(record: dict, end: str) -> str:
    kind = ipaddress.IPv6Address if record["version6"] else ipaddress.IPv4Address
    return str(kind(record[end]))


@given(st.lists(st.lists(records(), max_size=20), max_size=4))
def test_kinds_and_addresses_are_counted_exactly(batches):
    tally = Found(Ledger.private(parquet=False))
    for batch in batches:
        tally.add(row_words(batch) if batch else np.zeros((0, 128), np.int64))
    alerts = [record for batch in batches for record in batch if record["alert"]]
    summary = tally.summary()
    expected = Counter(record["label"] for record in alerts)
    assert {kind["label"]: kind["alerts"] for kind in summary} == expected
    assert [kind["alerts"] for kind in summary] == sorted(expected.values(), reverse=True)
    for kind in summary:
        for end in ("initiator", "responder"):
            counts = Counter(shown(r, end) for r in alerts if r["label"] == kind["label"])
            told = kind[end]
            assert told["all"]
            assert told["count"] == len(counts)
            assert dict(map(tuple, told["named"])).items() <= counts.items()
            most = [count for _, count in counts.most_common(NAMED_MAX)]
            assert [count for _, count in told["named"]] == most


def test_largest_stay_when_there_are_too_many_addresses(monkeypatch):
    monkeypatch.setattr(found, "KEPT_MAX", 50)
    tally = Found(Ledger.private(parquet=False))
    for number in range(40):
        many = [simple(alert=True, label=1, initiator=1000 + 10 * number + k) for k in range(10)]
        tally.add(row_words([*many, simple(alert=True, label=1, initiator=7)]))
    (kind,) = tally.summary()
    assert (LABELS[kind["label"]], kind["alerts"]) == (LABELS[1], 440)
    assert kind["initiator"]["named"][0] == ["0.0.0.7", 40]
    assert not kind["initiator"]["all"]
    assert kind["initiator"]["count"] <= 50
    assert kind["responder"] == {"named": [["198.51.100.1", 440]], "count": 1, "all": True}
