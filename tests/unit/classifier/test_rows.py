"""Goal: a row holds a record's words and features in their places, wherever the ring wraps.

Method: records of random features and validity through the merge at every place of a ring of 16
slots, compared by name with the layouts.
"""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.classifier import lanes as lanes_of
from engine.classifier import merge
from engine.features.catalogue import FLOW_INDICES
from engine.layouts import (
    EVENT_SLOT_WORDS,
    FEATURES,
    FLOW_FEATURES,
    RECORD_EVENT,
    RECORD_SLOTS,
    RING,
    ROW,
    TOP_WEIGHT_WORDS,
)
from engine.rings import spsc
from tests.unit.classifier.builders import empty_hosts, plain_ring, publish_event, record

NAMES = [
    word.name
    for line in ROW.lines[:2]
    for word in line.words
    if word.name in {word.name for line in RECORD_EVENT.lines for word in line.words}
]


def row_of(event: np.ndarray, first_sequence: int) -> np.ndarray:
    """Return the row that the merge makes of a record at a place of the ring."""
    ring = plain_ring(16, EVENT_SLOT_WORDS)
    for word in ("head", "tail", "head_seen", "tail_seen"):
        ring.header[RING.index(word)] = first_sequence
    lanes = lanes_of.make_lanes([ring])
    publish_event(ring, event)
    rows = np.full((2, ROW.words), -1, np.int64)
    rows[:, ROW.index("vector_0") :] = 0
    views = (rows, rows.view(np.float32))
    count, slots = merge.merge(lanes, lanes_of.make_keys(lanes), views, empty_hosts(), False)
    merge.release_taken(lanes)
    assert (count, slots) == (1, RECORD_SLOTS)
    assert ring.header[spsc.HEAD] == first_sequence + RECORD_SLOTS
    return rows[0]


@given(
    st.lists(st.floats(width=32, allow_nan=False), min_size=FLOW_FEATURES, max_size=FLOW_FEATURES),
    st.integers(0, 2**FLOW_FEATURES - 1),
    st.integers(0, 31),
)
@settings(deadline=None)
def test_features_and_validity_stand_in_their_places(features, valid, first_sequence):
    row = row_of(record(7, (5, 6), features=features, valid=valid), first_sequence)
    vector = row[ROW.index("vector_0") :].view(np.float32)
    expected = np.zeros(vector.shape, np.float32)
    expected[list(FLOW_INDICES)] = features
    assert vector.tobytes() == expected.tobytes()
    at = ROW.index("valid")
    found = sum((int(word) & 2**64 - 1) << 64 * k for k, word in enumerate(row[at : at + 3]))
    assert found == sum(1 << index for k, index in enumerate(FLOW_INDICES) if valid >> k & 1)
    assert found >> FEATURES == 0


@given(st.data())
@settings(deadline=None)
def test_words_of_the_record_are_kept_and_there_is_no_verdict(drawn):
    content = {
        name: drawn.draw(st.integers(-(2**63), 2**63 - 1), name)
        for name in NAMES
        if name not in ("head", "position_time", "position_reference", "time_ns", "valid_low")
    }
    row = row_of(record(7, (5, 6), **content), drawn.draw(st.integers(0, 31)))
    assert {name: int(row[ROW.index(name)]) for name in content} == content
    assert row[ROW.index("time_ns")] == 7
    verdict = row[ROW.index("score_threshold") : ROW.index("top_weights") + TOP_WEIGHT_WORDS]
    assert not verdict.any()
