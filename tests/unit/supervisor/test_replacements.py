"""What was told twice counts once: reports of a capture that reads everything again.

Goal: Told in supervisor/replacements.py. Method: reports as capture makes them, told by one that
stops somewhere and by others from the beginning.
"""

from hypothesis import given
from hypothesis import strategies as st

from engine.supervisor.replacements import Told


def reports(packets: int) -> list[dict]:
    """Return what a capture tells that has read so many packets of its sources."""
    head = {"process": "capture"}
    told = [{**head, "report": "ready"}]
    for k in range(3):
        where = {"source": k, "path": str(k), "offset": 9 * k}
        told.append({**head, "report": "step", **where, "before_ns": 0, "after_ns": 5})
        told.append({**head, "report": "damage", **where, "reason": "cut"})
        told.append({**head, "report": "damage", **where, "reason": "unreadable"})
        told.append({**head, "report": "source", "source": k, "path": str(k), "packets": packets})
    told.append({**head, "report": "suppressed", "kind": "step", "count": 7})
    return told


def keep(told: Told, many: list[dict]) -> list[bool]:
    """Return which of these reports are new."""
    return [told.take(report) for report in many]


@given(st.lists(st.integers(0, 14), max_size=5))
def test_what_captures_tell_that_died_is_told_once(deaths):
    told = Told()
    seen = 0
    for said in (*deaths, 14):
        found = keep(told, reports(said)[:said])
        assert sum(found[1:]) == max(0, said - 1 - seen)
        seen = max(seen, said - 1)
    counted = [report for report in told.reports if report["report"] != "ready"]
    assert counted == reports(14)[1:]


def test_later_count_of_a_source_replaces_the_earlier():
    told = Told()
    keep(told, reports(5))
    keep(told, reports(8))
    packets = [report["packets"] for report in told.reports if report["report"] == "source"]
    assert packets == [8, 8, 8]
