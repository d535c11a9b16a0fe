"""Goal: a model file is read whole or refused with a reason; nothing unchecked reaches a kernel.

Method: each rule of the format broken once; random damage to a right file; the shipped model. It
does not show that a model is any good: that is measured by tools/train.
"""

import io
import random
import zipfile

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.classifier import model, model_file
from engine.cli.model import model as command
from engine.errors import ModelError
from engine.features import catalogue
from tests.unit.classifier.models import NOTHING, small_arrays, small_card, write_small


@pytest.fixture
def path(tmp_path):
    """Return where a model may be written."""
    return tmp_path / "small.model"


def refusal(path) -> str:
    """Return why a file is refused."""
    with pytest.raises(ModelError) as caught:
        model.read(path)
    assert caught.value.exit_code == 2
    assert model.check(path) == [str(caught.value)]
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_written_model_is_read_back(path):
    card = small_card()
    write_small(path, card)
    found = model.read(path)
    assert found.card == model.read_card(path) == card
    assert model.check(path) == []
    assert found.label_of(2) == "flood"


def test_equal_models_are_equal_files(path, tmp_path):
    write_small(path)
    write_small(tmp_path / "again")
    assert path.read_bytes() == (tmp_path / "again").read_bytes()


def test_show_tells_what_the_card_says_and_how_large_it_is(path):
    write_small(path)
    shown = model.show(path)
    assert (shown["name"], shown["features"]) == ("small", 142)
    assert shown["trees"] == shown["gate_trees"] == {"scan": 3, "flood": 3}
    msgspec.json.encode(shown)


def test_other_features_are_refused_by_name(path):
    features = small_card().features
    features[37][4] += " (in ns)"
    features[141][0] = "other"
    write_small(path, msgspec.structs.replace(small_card(), features=features))
    assert "2 features differ: 37 iat_std_us, 141 syn_unanswered_ratio" in refusal(path)
    write_small(path, msgspec.structs.replace(small_card(), features=features[:36]))
    assert "106 features differ" in refusal(path)


def _kind(**changed) -> model.Kind:
    return msgspec.structs.replace(small_card(("a",)).kinds[0], **changed)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"feature_digest": "0" * 64}, "feature_digest must be"),
        ({"schema": 2}, "schema must be 1, is 2"),
        ({"labels": ["ordinary", "scan"]}, "labels"),
        ({"threshold": 0.6}, "threshold must be 0.5"),
        ({"kinds": [], "labels": ["ordinary"]}, "1 to 64 kinds"),
        ({"kinds": [_kind(scale=0.0), _kind()], "labels": ["", "a", "a"]}, "scale from"),
        ({"kinds": [_kind(gate_limit=1e7), _kind()], "labels": ["", "a", "a"]}, "limits of"),
    ],
)
def test_card_with_a_wrong_value_is_refused(path, changed, reason):
    arrays = small_arrays(small_card())
    card = msgspec.structs.replace(small_card(), **changed)
    model_file.write_members(path, msgspec.json.encode(card), arrays)
    assert reason in refusal(path)


def _changed(name, at, value):
    array = small_arrays(small_card())[name].copy()
    array[at] = value
    return {name: array}


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (_changed("node_feature", 0, 142), "compares feature 142"),
        (_changed("node_left", 0, 0), "forward and inside"),
        (_changed("node_left", 0, 300), "forward and inside"),
        (_changed("node_right", 0, -300), "each of its nodes and leaves once"),
        (_changed("leaf_value", 0, np.nan), "not finite"),
        (_changed("leaf_value", 0, np.inf), "not finite"),
        (_changed("leaf_value", 0, 1e7), "beyond 1e+06"),
        (_changed("node_threshold", 0, np.inf), "not finite"),
        (_changed("node_value", 0, np.nan), "not finite"),
        (_changed("tree_nodes", 0, -1), "a tree has 0 to"),
        (_changed("tree_nodes", 0, 256), "a tree has 0 to"),
        (_changed("forest_trees", 0, 0), "forest_trees"),
        (_changed("forest_trees", 0, 2**31 - 1), "tree_nodes must name"),
        ({"forest_trees": np.asarray([3, 9])}, "forest_trees"),
        ({"node_left": np.zeros(0)}, "node_left must have"),
        ({"leaf_value": np.zeros(0)}, "leaf_value must have"),
        ({"reference_vector": np.zeros((20, 141))}, "reference vectors"),
        ({"reference_score": np.zeros(19)}, "19 scores"),
        ({"reference_label": np.full(20, 3)}, "reference label"),
    ],
)
def test_array_with_a_wrong_value_is_refused(path, changed, reason):
    write_small(path, **changed)
    assert reason in refusal(path)


def test_tree_deeper_than_allowed_is_refused(path):
    nodes = 9
    children = np.arange(1, nodes + 1)
    children[-1] = ~nodes
    chain = {
        "forest_trees": [1, 1, 1, 1],
        "tree_nodes": [nodes, 0, 0, 0],
        "node_feature": np.zeros(nodes),
        "node_threshold": np.zeros(nodes),
        "node_left": ~np.arange(nodes),
        "node_right": children,
        "node_value": np.zeros(nodes),
        "leaf_value": np.zeros(nodes + 4),
    }
    write_small(path, **{name: np.asarray(values) for name, values in chain.items()})
    assert "is 9 deep, at most 8" in refusal(path)


def test_wrong_reference_score_is_a_finding(path):
    write_small(path, **_changed("reference_score", 3, 0.123))
    findings = model.check(path)
    assert len(findings) == 1
    assert "reference vector 3 scores" in findings[0]


def test_card_that_hides_a_feature_is_a_finding(path):
    card = msgspec.structs.replace(small_card(), features_used=list(catalogue.NAMES[1:]))
    write_small(path, card, **_changed("node_feature", 0, 0))
    assert any("duration_us" in finding for finding in model.check(path))


def rezip(path, change) -> None:
    """Write the file's members again after `change` of {name: bytes}."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def test_zip_bomb_is_refused_unread(path):
    write_small(path)
    rezip(path, lambda members: members.update({"card.json": bytes(40 << 20)}))
    assert path.stat().st_size < 100_000
    assert "card.json may have 1,048,576 bytes, it announces 41,943,040" in refusal(path)


def test_array_that_announces_more_than_it_holds_is_refused(path):
    write_small(path)

    def change(members):
        inner = io.BytesIO(members["forest.npz"])
        with zipfile.ZipFile(inner) as archive:
            arrays = {name: archive.read(name) for name in archive.namelist()}
        header = io.BytesIO()
        huge = {"descr": "<f8", "fortran_order": False, "shape": (1 << 40,)}
        np.lib.format.write_array_header_1_0(header, huge)
        arrays["leaf_value.npy"] = header.getvalue()
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            for name, content in arrays.items():
                archive.writestr(name, content)
        members["forest.npz"] = out.getvalue()

    rezip(path, change)
    assert "leaf_value has the impossible shape" in refusal(path)


def test_pickled_array_is_refused_unread(path):
    write_small(path)

    def change(members):
        inner = io.BytesIO()
        np.savez(inner, **{name: np.array([{}], object) for name in model_file.ARRAYS})
        members["forest.npz"] = inner.getvalue()

    rezip(path, change)
    assert "must be int32 of rank 1, is object" in refusal(path)


def test_members_that_do_not_belong_are_refused(path):
    write_small(path)
    rezip(path, lambda members: members.update({"../evil.py": b""}))
    assert "must hold card.json, forest.npz" in refusal(path)


def test_files_that_are_no_model_are_refused(path, tmp_path):
    path.write_bytes(b"")
    assert "not a readable zip" in refusal(path)
    with path.open("wb") as file:
        file.truncate(model_file.FILE_BYTES_MAX + 1)
    assert "at most 16,777,216 bytes" in refusal(path)
    with pytest.raises(ModelError, match="cannot read model"):
        model.read(tmp_path / "absent")
    with pytest.raises(ModelError, match="cannot read model"):
        model.read(tmp_path)
    write_small(path)
    rezip(path, lambda members: members.update({"card.json": b"[" * 500_000}))
    assert "card.json cannot be read" in refusal(path)
    card = msgspec.json.encode(small_card()).replace(b'"small"', b'"small\xff"')
    rezip(path, lambda members: members.update({"card.json": card}))
    assert "card.json cannot be read" in refusal(path)


def test_array_header_that_python_cannot_take_apart_is_refused(path):
    write_small(path)

    def change(members):
        inner = io.BytesIO(members["forest.npz"])
        with zipfile.ZipFile(inner) as archive:
            arrays = {name: archive.read(name) for name in archive.namelist()}
        arrays["node_left.npy"] = arrays["node_left.npy"].replace(b"'shape': (", b"'shape': ((")
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            for name, content in arrays.items():
                archive.writestr(name, content)
        members["forest.npz"] = out.getvalue()

    rezip(path, change)
    assert "node_left has no readable .npy header" in refusal(path)


@given(st.integers(0, 2**32))
@settings(
    deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_damaged_file_is_refused_or_a_model(tmp_path, seed):
    path = tmp_path / "damaged.model"
    draw = random.Random(seed)
    write_small(path)
    content = bytearray(path.read_bytes())
    for _ in range(draw.randrange(1, 4)):
        at = draw.randrange(len(content))
        content[at] = draw.randrange(256)
        if draw.random() < 0.2:
            del content[at : at + draw.randrange(1, 100)]
    path.write_bytes(content)
    assert isinstance(model.check(path), list)


def test_members_damaged_behind_their_checksums_are_refused_or_a_model(path):
    draw = random.Random(4)
    write_small(path)
    with zipfile.ZipFile(path) as archive:
        card = archive.read("card.json")
    arrays = small_arrays(small_card())
    for _ in range(150):
        name = draw.choice(sorted(model_file.ARRAYS))
        array = np.ascontiguousarray(arrays[name], model_file.ARRAYS[name][0])
        damaged = bytearray(array.tobytes())
        damaged[draw.randrange(len(damaged))] = draw.randrange(256)
        changed = np.frombuffer(bytes(damaged), array.dtype).reshape(array.shape)
        model_file.write_members(path, card, arrays | {name: changed})
        assert isinstance(model.check(path), list)


def test_shipped_model_is_small_checks_and_uses_no_initial_window():
    assert model.check(model.DEFAULT_PATH) == []
    shown = model.show(model.DEFAULT_PATH)
    assert shown["bytes"] <= 1_500_000
    assert {"scan", "flood", "brute force", "beacon", "exfiltration"} <= set(shown["labels"])
    assert not {"fwd_init_window_bytes", "bwd_init_window_bytes"} & set(shown["features_used"])


@pytest.mark.parametrize("arguments", [(), ("--json",)])
def test_show_prints_what_people_or_programs_read(path, arguments):
    write_small(path)
    shown = CliRunner().invoke(command, ["show", str(path), *arguments], catch_exceptions=False)
    assert shown.exit_code == 0
    if arguments:
        assert msgspec.json.decode(shown.stdout) == msgspec.to_builtins(model.show(path))
        return
    lines = shown.stdout.splitlines()
    assert lines[0] == "small 1, 2026-01-01, Apache-2.0"
    rows = [line.split() for line in lines]
    assert ["scan", *["0", "of", "0"] * 6] in rows
    assert ["flood", "1", "1", "1", "3", "3"] in rows  # Captures, sources, flows, trees of both.


def test_show_tells_what_a_counter_asks_and_what_flow_features_alone_find(path):
    card = small_card()
    kinds = [
        msgspec.structs.replace(card.kinds[0], flow_only=NOTHING),
        msgspec.structs.replace(card.kinds[1], conditions=["syn_count > 0: a reason"]),
    ]
    write_small(path, msgspec.structs.replace(card, kinds=kinds, together_flow_only=NOTHING))
    lines = CliRunner().invoke(command, ["show", str(path)], catch_exceptions=False).stdout
    rows = [line.strip() for line in lines.splitlines()]
    alone = rows[rows.index("by flow features only:") + 1 :]
    assert [row.split()[0] for row in alone[:2]] == ["scan", "all"]
    assert rows[rows.index("A counter: flood, where") + 1] == "- syn_count > 0: a reason"
    assert "A counter: scan, where" not in rows


def test_check_exits_with_1_where_something_is_wrong(path):
    write_small(path)
    assert CliRunner().invoke(command, ["check", str(path)]).exit_code == 0
    path.write_bytes(path.read_bytes()[:-1])
    checked = CliRunner().invoke(command, ["check", str(path)])
    assert (checked.exit_code, checked.stdout.startswith("wrong: ")) == (1, True)
