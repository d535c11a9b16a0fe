"""What must add up: sums of counters that are equal, always.

`engine check` proves them for a finished run, and for a running one as far as nothing is in flight.
"""

from dataclasses import dataclass

from engine.events import DROPPED, REFUSED

ENDS = ("idle", "active", "end", "forced", "evicted")


@dataclass(frozen=True, slots=True)
class Equation:
    """Counters that add up to others. `flows`: what is missing on the right is on its way."""

    text: str
    left: tuple[str, ...]
    right: tuple[str, ...]
    flows: bool = False
    when: str = ""  # A property of the run without which it does not apply.


def _stage(stage: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{stage}.{name}" for name in names)


_FATES = _stage("capture", *REFUSED, "filtered", *DROPPED)
_FINALS = _stage("worker", *(f"finals_{end}" for end in ENDS))
EQUATIONS = (
    Equation(
        "packets read = accepted + refused + filtered + dropped",
        ("capture.read",),
        ("worker.accepted", *_FATES),
        flows=True,
    ),
    Equation(
        "packets sent to workers = accepted",
        ("capture.published",),
        ("worker.accepted",),
        flows=True,
    ),
    Equation("layers sent = layers metered", ("capture.layers",), ("worker.layers",), flows=True),
    Equation("control records sent = taken", ("capture.control",), ("worker.control",), flows=True),
    Equation("flow parts begun = parts ended", ("worker.parts",), _FINALS, flows=True),
    Equation("finals made = finals merged", _FINALS, ("classifier.finals",), flows=True),
    Equation("early records made = merged", ("worker.early",), ("classifier.early",), flows=True),
    Equation("deltas made = merged", ("worker.deltas",), ("classifier.deltas",), flows=True),
    Equation("facts made = merged", ("worker.facts",), ("classifier.facts",), flows=True),
    Equation(
        "packets accepted, layers included = packets in finals",
        _stage("worker", "accepted", "layers"),
        ("classifier.final_packets",),
        flows=True,
    ),
    Equation("rows sent = rows recorded", ("classifier.rows",), ("recorder.rows",), flows=True),
    Equation("rows lost = 0", ("recorder.rows_lost",), ()),
    Equation(
        "alerts made = alerts written",
        ("classifier.alerts",),
        ("recorder.alerts_written",),
        flows=True,
        when="rows",
    ),
    Equation(
        "flow records written = finals",
        ("classifier.finals",),
        ("recorder.flows_written",),
        flows=True,
        when="finals",
    ),
    Equation(
        "flow records written = finals + early records",
        _stage("classifier", "finals", "early"),
        ("recorder.flows_written",),
        flows=True,
        when="all",
    ),
    Equation(
        "hosts made = hosts forgotten + hosts listed",
        ("classifier.hosts_made",),
        _stage("classifier", "hosts_forgotten", "hosts_listed"),
        when="facts",
    ),
    Equation(
        "hosts listed = hosts written",
        ("classifier.hosts_listed",),
        ("recorder.hosts_written",),
        flows=True,
    ),
    Equation(
        "parts of records = with a row + without + row no longer kept",
        _stage("classifier", *2 * ("finals", "early")),
        _stage("classifier", "host_rows_joined", "host_rows_none", "host_rows_gone"),
        when="facts",
    ),
)
