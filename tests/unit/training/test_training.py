"""Goal: nothing of a laboratory that is left out reaches what is measured on it; training repeats.

Method: small made-up records of made-up laboratories: folds, limits and counts by definition, and
the whole of training, twice. It does not show that the shipped model is any good: its card does.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.classifier import model, model_file
from engine.classifier.forest import Tree, tree_depth
from engine.features.catalogue import FLOW_INDICES, index
from tools.training import measure, plan
from tools.training.counters import COUNTERS, FAILED, HELD, LIMIT, trees_of_counter
from tools.training.folds import folds_of
from tools.training.manifest import BENIGN, PROTOCOL_SUITES, Capture, flow_key, read_manifest
from tools.training.records import NEGATIVE, POSITIVE, Records
from tools.training.vary import varied

KINDS = [detector.kind for detector in plan.DETECTORS]
SCAN = plan.DETECTORS[0]


def capture_of(number: int, laboratory: str, kind: str) -> Capture:
    """Return a capture of a laboratory with one source."""
    finer = {"flood": "syn-flood"}.get(kind, kind)
    return Capture(f"{number}.pcap", f"{laboratory}/source", laboratory, kind, finer, "")


def records_of(captures: list[Capture], parts: int, seed: int = 1) -> Records:
    """Return records of `parts` flow parts a capture, two each; attacks of a kind look alike."""
    noise = np.random.default_rng(seed)
    number = np.repeat(np.arange(len(captures) * parts), 2)
    capture = number // parts
    vectors = np.zeros((len(number), 142), np.float32)
    vectors[:, :60] = noise.lognormal(2, 1, (len(number), 60))
    kinds = np.asarray([one.kind for one in captures])[capture]
    for place, kind in enumerate(KINDS):
        vectors[kinds == kind, index("syn_count") + place] += 300
    target = np.where(kinds == BENIGN, NEGATIVE, POSITIVE)
    return Records(vectors, capture, number, target, captures)


LABORATORIES = st.lists(
    st.tuples(st.sampled_from("abcdefghijkl"), st.sampled_from([*KINDS, BENIGN, ""])), min_size=1
)


@given(LABORATORIES)
@settings(deadline=None)
def test_each_laboratory_is_in_one_fold(drawn):
    captures = [capture_of(at, name, kind) for at, (name, kind) in enumerate(drawn)]
    folds = folds_of(records_of(captures, 1))
    assert set(folds.tolist()) <= set(range(plan.FOLDS))
    for name in {capture.laboratory for capture in captures}:
        mine = [fold for fold, one in zip(folds, captures, strict=True) if one.laboratory == name]
        assert len(set(mine)) == 1


def test_attacks_of_a_kind_are_dealt_to_as_many_folds_as_laboratories():
    captures = [capture_of(at, name, KINDS[0]) for at, name in enumerate("abcdef")]
    assert len(set(folds_of(records_of(captures, 1)).tolist())) == 6


HEAD = "path\tsource\tlabel\tkind\tlabel_scope\tlabel_file\tgroup\thome_networks\n"


def test_sources_with_a_common_recording_or_author_are_one_laboratory(tmp_path):
    rows = [
        ("a.pcap", "one/first:a", "benign", "", "", "", "copies", "10.0.0.0/8,1.1.1.0/24"),
        ("b.pcap", "two/second:b", "malicious", "port-scan", "", "", "copies", ""),
        ("c.pcap", "three/third:c", "mixed", "port-scan", "", "", "", ""),
        ("d.pcap", "ntop/nDPI:d", "benign", "", "", "", "", ""),
        ("e.pcap", "nfstream/nfstream:e", "benign", "", "", "", "", ""),
    ]
    text = HEAD + "".join("\t".join(row) + "\n" for row in rows)
    (tmp_path / "MANIFEST.tsv").write_text(text, encoding="utf-8")
    first, second, third, suite, near = read_manifest(tmp_path)
    assert first.laboratory == second.laboratory != third.laboratory
    assert suite.laboratory == near.laboratory
    assert [one.kind for one in (first, second, third)] == [BENIGN, "scan", ""]
    assert [one.is_ordinary for one in (first, second, suite, near)] == [True, False, False, True]
    assert suite.source in PROTOCOL_SUITES
    assert [one.home_networks for one in (first, second)] == [("10.0.0.0/8", "1.1.1.0/24"), ()]


def test_flow_has_one_key_whoever_began_it():
    one, other = ("10.0.0.1", 5000), ("10.0.0.2", 53)
    assert flow_key(one, other, 17) == flow_key(other, one, 17) != flow_key(one, other, 6)


@given(st.integers(0, 2**32), st.integers(0, 200_000))
@settings(deadline=None)
def test_limit_lets_no_more_ordinary_parts_alarm_than_allowed(seed, allowed):
    captures = [capture_of(0, "a", BENIGN), capture_of(1, "b", SCAN.kind)]
    captures += [capture_of(2, "c", SCAN.kind), capture_of(3, "d", BENIGN)]
    parts = measure.Parts(records_of(captures, 20))
    margins = np.round(np.random.default_rng(seed).normal(0, 1, 80), 1)
    detector = plan.Detector(SCAN.kind, allowed)
    limit = measure.limit_of(parts, margins, detector)
    assert (margins[parts.ordinary] >= limit).sum() <= 40 * allowed // 1_000_000
    left = measure.limits_without(parts, margins, detector)
    changed = np.where(parts.capture == 1, 99.0, margins)  # Whatever is of b says nothing of b.
    again = measure.limits_without(parts, changed, detector)
    assert (left[parts.capture == 1] == again[parts.capture == 1]).all()


def test_limit_is_raised_only_where_two_laboratories_show_attacks_above_it():
    captures = [capture_of(0, "a", BENIGN), capture_of(1, "b", SCAN.kind)]
    captures += [capture_of(2, "c", SCAN.kind)]
    parts = measure.Parts(records_of(captures, 10))
    margins = np.zeros(30)
    margins[10:20] = 8.0
    detector = plan.Detector(SCAN.kind, 0)
    assert measure.limit_of(parts, margins, detector) == np.nextafter(0.0, 1.0)
    margins[20:30] = 6.0
    assert measure.limit_of(parts, margins, detector) == pytest.approx(3.0)
    assert measure.limit_of(parts, margins, detector, without="c") == np.nextafter(0.0, 1.0)


def test_measures_count_parts_captures_and_sources():
    captures = [capture_of(at, name, SCAN.kind) for at, name in enumerate("abb")]
    captures += [capture_of(3, "c", BENIGN), capture_of(4, "d", BENIGN)]
    parts = measure.Parts(records_of(captures, 4))
    found = np.zeros(20, bool)
    found[[0, 1, 4, 12]] = True  # Two of a's, one of b's first capture, one of c's.
    measured = measure.validation_of(parts, (SCAN.kind,), found)
    assert measured.flows == model.Count(12, 3)
    assert measured.captures == model.Count(3, 2)
    assert measured.sources == model.Count(2, 2)
    assert measured.ordinary_flows == model.Count(8, 1)
    assert measured.ordinary_captures == model.Count(2, 1)
    assert measured.suite_flows == model.Count(0, 0)


def test_varied_copies_keep_counts_and_what_is_computed_from_others():
    vectors = np.zeros((50, 142), np.float32)
    for side in ("fwd", "bwd"):
        vectors[:, index(f"{side}_packet_count")] = 5
        vectors[:, index(f"{side}_header_byte_count")] = 200
        vectors[:, index(f"{side}_payload_byte_count")] = 1_000
        vectors[:, index(f"{side}_byte_count")] = 1_200
    vectors[:, index("packet_count")] = 10
    out = varied(vectors, np.random.default_rng(1))
    column = {name: out[:, index(name)] for name in ("fwd_byte_count", "bwd_byte_count")}
    assert (out[:, index("byte_count")] == sum(column.values())).all()
    assert (out[:, index("packet_count")] == 10).all()
    assert (out[:, index("fwd_header_byte_count")] == 200).all()
    payload = out[:, index("fwd_payload_byte_count")]
    assert (column["fwd_byte_count"] == 200 + payload).all()
    assert len(set(payload.tolist())) > 20
    assert 800 < payload.mean() < 1_250


@given(st.integers(0, 2**32), st.sampled_from(COUNTERS))
@settings(deadline=None)
def test_tree_of_a_counter_finds_what_meets_all_its_conditions(seed, counter):
    noise = np.random.default_rng(seed)
    vectors = np.repeat(counter.example(), 40, axis=0)
    for condition in counter.conditions:
        column = vectors[:, index(condition.feature)]
        edge = np.float32(condition.value)
        near = (edge, np.nextafter(edge, np.float32(np.inf)), np.float32(0), edge + 2)
        column[:] = np.where(noise.random(40) < 0.3, noise.choice(near, 40), column)
    gate, forest = (tree[0] for tree in trees_of_counter(counter))
    found = counter.finds(vectors)
    assert found.tolist() == [margin_of(forest, vector) >= LIMIT for vector in vectors]
    assert counter.finds(counter.example()).all()
    kept = np.asarray([margin_of(gate, vector) >= LIMIT for vector in vectors])
    assert kept[found].all()


def margin_of(tree: Tree, vector: np.ndarray) -> float:
    """Return the leaf that a vector falls into, by definition."""
    node = 0
    while node >= 0:
        low = vector[tree.features[node]] <= tree.thresholds[node]
        node = int(tree.left[node] if low else tree.right[node])
    return float(tree.leaves[~node])


@pytest.mark.parametrize("counter", COUNTERS, ids=lambda counter: counter.kind)
def test_reasons_of_a_counter_are_its_conditions_in_their_order(counter):
    (tree,) = trees_of_counter(counter)[1]
    steps = np.diff([*tree.values, tree.leaves[-1]])
    assert steps.sum() == pytest.approx(HELD - FAILED)
    assert (np.diff(steps) < 0).all() and steps[-1] > 0
    assert tree_depth(tree) == len(counter.conditions)


def test_host_features_are_used_one_way_only_and_gone_from_the_comparison():
    for detector in plan.DETECTORS:
        alone = detector.flow_only()
        named = {*detector.rising, *detector.falling}
        assert set(detector.features) - set(alone.features) == set(map(index, named))
        assert not any(alone.signs)
        assert {at for at, sign in enumerate(detector.signs) if sign} == set(map(index, named))
        assert set(alone.features) <= set(FLOW_INDICES)


@pytest.mark.compiled
@pytest.mark.slow
def test_training_twice_gives_one_file_that_checks_and_finds_what_it_should(tmp_path):
    pytest.importorskip("lightgbm", reason="extra 'train' is not installed")
    from tools.training.__main__ import grow_model
    from tools.training.cross import cross_validate

    captures = [capture_of(at, name, KINDS[at % 4]) for at, name in enumerate("abcdefgh" * 2)]
    captures += [capture_of(16 + at, name, BENIGN) for at, name in enumerate("ijklmnop")]
    records = records_of(captures, 30)
    for name in ("first", "second"):
        crossed = cross_validate(records, lambda line: None)
        model_file.write_members(tmp_path / name, *grow_model(records, crossed, "2026-01-01"))
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()
    assert model.check(tmp_path / "first") == []
    card = model.read_card(tmp_path / "first")
    assert [kind.label for kind in card.kinds] == KINDS + [one.kind for one in COUNTERS]
    assert [kind.conditions for kind in card.kinds[len(KINDS) :]] == [one.rules for one in COUNTERS]
    for kind in card.kinds[: len(KINDS)]:
        assert kind.flow_only.captures.all == 4
        assert kind.validation.captures == model.Count(4, 4)
        assert kind.validation.ordinary_flows.found <= 2
