"""Goal: under the profile of each program the engine has the records that program's tests expect.

Method: captures and expected outputs of eight suites that nobody here wrote; `tools/conformance`
runs `engine run --profile` over them and compares. What differs stands in a list with its reason: a
difference that is not listed fails, and so does a listed one that is gone. The table in README.rst
is the one last kept in stress/results, and must be what the comparison finds now.

What it cannot show: what the programs' outputs do not have, which is said beside each comparator.
"""

import json

import pytest

from tools.check import ROOT
from tools.conformance import known
from tools.conformance.command import COMPARISONS, as_row
from tools.conformance.nfstream_live import PEER as LIVE
from tools.conformance.table import TITLES, cells, rst_table
from tools.generated import CONFORMANCE, newest_conformance

# Fewer equal, or more extra records than these are a regression, whatever the lists say.
EQUAL_MIN = {
    "ndpi": 3_150,
    "nfstream": 1_480,
    "arkime": 720,
    "ipfixprobe": 250,
    "zeek": 380,
    "zeek-llc": 0,
    "suricata-verify": 34,
    "community-id": 60,
}
EXTRA_MAX = {"ndpi": 0}


@pytest.fixture(scope="module")
def compared(test_data):
    """Return what a peer's comparison finds, made once in each test process."""
    if not (test_data / "peers" / "INDEX.tsv").is_file():
        pytest.skip(f"no expected outputs of other programs at {test_data / 'peers'}")
    made = {}

    def of(peer: str):
        if peer not in made:
            made[peer] = COMPARISONS[peer](test_data)
        return made[peer]

    return of


@pytest.mark.parametrize("peer", COMPARISONS)
def test_what_differs_is_listed_and_what_is_listed_differs(compared, peer: str) -> None:
    result = compared(peer)
    assert known.disagreements(result) == []
    assert result.equal >= EQUAL_MIN[peer]
    assert result.extra <= EXTRA_MAX.get(peer, result.records)
    assert result.records > 0


@pytest.mark.parametrize("peer", COMPARISONS)
def test_the_table_that_is_shown_is_what_is_found(compared, peer: str) -> None:
    kept = {row["peer"]: row for row in newest_conformance(ROOT)["peers"]}
    found = json.loads(json.dumps(as_row(compared(peer))))
    assert found == kept[peer]


@pytest.mark.parametrize("peer", COMPARISONS)
def test_every_listed_difference_has_a_reason(peer: str) -> None:
    for difference, reason in known.load(peer):
        assert len(reason) > 10, difference
        assert reason != known.UNKNOWN, difference


def test_every_peer_has_a_title_and_a_least_number() -> None:
    assert set(COMPARISONS) == set(TITLES) - {LIVE} == set(EQUAL_MIN)


def test_readme_shows_the_table_that_was_kept_last() -> None:
    rows = newest_conformance(ROOT)["peers"]
    assert CONFORMANCE + rst_table(rows) in (ROOT / "README.rst").read_text(encoding="utf-8")
    assert [cells(row)[0] for row in rows] == [TITLES[peer] for peer in (*COMPARISONS, LIVE)]
