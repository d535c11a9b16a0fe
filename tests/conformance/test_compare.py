"""Goal: the comparison itself sees what is missing, what is extra, and which fields differ.

Method: records drawn by Hypothesis as multisets, counted by brute force; examples for pairing and
for the lists of known differences. What it cannot show: that a comparator reads a peer's file
rightly, for which the numbers of equal records speak.
"""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.conformance import known
from tools.conformance.compare import Comparison, Difference, Expected, compare

NAMES = st.lists(st.sampled_from("abcde"), max_size=12)


def found(expected, ours, fields=None) -> Comparison:
    result = Comparison("peer")
    wanted = [Expected(name, name, {"value": value}) for name, value in expected]
    have = [(name, f"our {name}", value) for name, value in ours]
    compare(result, "capture", wanted, have, fields)
    return result


@given(NAMES, NAMES)
def test_records_are_compared_as_multisets(expected, ours) -> None:
    result = found([(name, 0) for name in expected], [(name, 0) for name in ours])
    theirs, mine = Counter(expected), Counter(ours)
    assert (result.records, result.equal) == (len(expected), (theirs & mine).total())
    assert result.extra == (mine - theirs).total()
    kinds = Counter((one.kind, one.text[-1]) for one in result.differences)
    missing = {("missing", name): count for name, count in (theirs - mine).items()}
    extra = {("extra", name): count for name, count in (mine - theirs).items()}
    assert kinds == missing | extra


def same(expected, ours) -> dict[str, bool]:
    return {"value": expected.values["value"] == ours}


@given(st.permutations([1, 2, 3, 4]))
def test_equal_records_pair_so_that_their_fields_agree(values) -> None:
    result = found(
        [("a", value) for value in values], [("a", value) for value in (1, 2, 3, 4)], same
    )
    assert result.fields == {"value": [4, 4]}
    assert result.differences == []


def test_a_field_that_differs_is_counted_and_listed() -> None:
    result = found([("a", 1), ("b", 2)], [("a", 1), ("b", 3)], same)
    assert (result.equal, result.fields) == (2, {"value": [1, 2]})
    assert result.differences == [Difference("capture", "value", "b")]


@pytest.fixture
def listed(tmp_path, monkeypatch):
    """Put a list of one difference in place of the kept ones."""
    monkeypatch.setattr(known, "FOLDER", tmp_path)
    line = "capture\tmissing\ta\tthe reason why"
    (tmp_path / "peer.tsv").write_text(f"{known.HEADER}\n{line}\n")


def test_difference_that_is_listed_is_no_news(listed) -> None:
    assert known.disagreements(found([("a", 0)], [])) == []


def test_difference_that_is_not_listed_is_told(listed) -> None:
    (line,) = known.disagreements(found([("a", 0), ("b", 0)], []))
    assert line == "not listed (1): capture: missing: b"


def test_listed_difference_that_agrees_is_told(listed) -> None:
    (line,) = known.disagreements(found([("a", 0)], [("a", 0)]))
    assert line == "listed, but agrees (1): capture: missing: a"


def test_second_difference_of_the_same_text_is_told(listed) -> None:
    (line,) = known.disagreements(found([("a", 0), ("a", 0)], []))
    assert line == "not listed (1): capture: missing: a"


def test_list_made_anew_keeps_reasons(listed) -> None:
    text = known.text(found([("a", 0), ("b", 0)], []))
    assert text.splitlines()[1:] == [
        "capture\tmissing\ta\tthe reason why",
        f"capture\tmissing\tb\t{known.UNKNOWN}",
    ]
