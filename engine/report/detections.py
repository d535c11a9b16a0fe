"""The alerts section: each kind, who with whom, and an example with its features against ordinary.

At most GROUPS_SHOWN groups of a kind are rows, EXAMPLES of them with an example; the page has a
bounded size whatever a run alerted.
"""

from engine.features.catalogue import FEATURES, NAMES
from engine.layouts import TOP_FEATURES
from engine.recorder.run_json import RunRecord
from engine.report import numbers
from engine.report.alerts import Alert, Alerts, Group, Kind, decoded
from engine.report.card import Card, limits
from engine.report.charts import TONES, bar, strip
from engine.report.markup import Markup, element, joined, table
from engine.report.ranges import Range

KINDS_SHOWN = 16
GROUPS_SHOWN = 12
EXAMPLES = 3
FEATURES_SHOWN = TOP_FEATURES
_NAMED = 5
_BY_NAME = dict(zip(NAMES, FEATURES, strict=True))
_OTHER = {"initiator": "responder", "responder": "initiator"}


def needed_features(alerts: Alerts) -> tuple[str, ...]:
    """Return the features whose ordinary ranges the section will show."""
    wanted = {
        top.name
        for kind in alerts.by_count()[:KINDS_SHOWN]
        for group in kind.groups(EXAMPLES)
        for top in decoded(group.example).ml.top_features[:FEATURES_SHOWN]
    }
    return tuple(name for name in NAMES if name in wanted)


def detections(
    alerts: Alerts, ranges: dict[str, Range], record: RunRecord, card: Card | None
) -> Markup:
    """Return the section."""
    made, scored = record.counters["classifier"]["alerts"], record.score
    kinds = alerts.by_count()
    notes = []
    if ranges:
        notes.append(
            "Under Why: the band is where a feature lies in nine of ten flows of this run without "
            "an alert, its line their middle, the dot this flow, red where it lies outside."
        )
    if not scored:
        notes.append("The run did not score (--no-score): there are no alerts.")
    elif not made and not alerts.count:
        notes.append("The run made no alert.")
    if alerts.count != made:
        notes.append(
            f"The run made {numbers.counted(made, 'alert')}, {numbers.count(alerts.count)} were "
            "read: what follows is of these."
        )
    if alerts.other_kinds:
        notes.append(f"{numbers.counted(alerts.other_kinds, 'alert')} of further kinds left out.")
    if kinds and not ranges:
        notes.append(
            "There are no flow records with enough ordinary flows to compare with "
            "(write them: --flows parquet)."
        )
    shown = [_kind(kind, ranges, number, card) for number, kind in enumerate(kinds[:KINDS_SHOWN])]
    if len(kinds) > KINDS_SHOWN:
        notes.append(f"{numbers.count(len(kinds) - KINDS_SHOWN)} smaller kinds are not shown.")
    return element(
        "section",
        element("h2", "Alerts"),
        *(element("p", note, class_="note") for note in notes),
        *shown,
        limits(card),
        id="alerts",
    )


def _kind(kind: Kind, ranges: dict[str, Range], number: int, card: Card | None) -> Markup:
    ends = [(end, kind.ends[end]) for end in _OTHER]
    counts = [f"{tally.names_text} {end}{'s' * (len(tally) != 1)}" for end, tally in ends]
    shown = kind.shown_end()
    groups = kind.groups(GROUPS_SHOWN)
    examples = [
        _example(group, ranges, number == k == 0) for k, group in enumerate(groups[:EXAMPLES])
    ]
    first_s, last_s = kind.first_ns / 1e9, kind.last_ns / 1e9
    return element(
        "article",
        element(
            "h3",
            element("i", class_=f"tone{number % TONES}"),
            kind.label,
            element("span", numbers.counted(kind.count, "alert"), class_="count"),
        ),
        element(
            "p",
            f"{', '.join(counts)}; {numbers.moment(first_s)} to {numbers.moment(last_s)} UTC; "
            f"highest score {kind.score_max:.3f}; services {_services(kind)}",
            class_="facts",
        ),
        element("p", card.measure(kind.label), class_="facts") if card else "",
        element("p", "Named as reasons: ", _reasons(kind), class_="facts"),
        _groups(kind, shown, groups),
        *examples,
        class_="card kind",
    )


def _services(kind: Kind) -> str:
    largest = kind.services.largest(3)
    named = ", ".join(f"{name} ({numbers.count(alerts)})" for name, (alerts,) in largest)
    more = len(kind.services) - len(largest)
    return named + (f" and {numbers.count(more)} more" if more else "")


def _reasons(kind: Kind) -> Markup:
    """Return the features that moved these scores most, with the share of alerts they are in."""
    return joined(
        *(
            element(
                "span",
                element("code", name),
                " ",
                numbers.share(alerts, kind.count),
                class_="chip",
                title=_BY_NAME[name].definition,
            )
            for name, (alerts, _) in kind.features.largest(_NAMED)
        )
    )


def _groups(kind: Kind, end: str, groups: list[Group]) -> Markup:
    known = kind.ends[end]
    least = "" if known.complete else "at least "
    rows = [
        (
            element("code", group.address),
            f"{least}{numbers.count(group.count)}",
            bar(group.count, kind.count),
            _place(decoded(group.example), _OTHER[end]),
        )
        for group in groups
    ]
    rest = kind.count - sum(group.count for group in groups)
    note = (
        element("p", f"and others, with {numbers.counted(rest, 'alert')}", class_="note")
        if len(known) > len(groups)
        else ""
    )
    heads = (end, "#alerts", "", f"with most score: {_OTHER[end]}")
    return joined(table(heads, rows), note)


def _place(alert: Alert, end: str) -> Markup:
    """Return an end of an alert, with the responder's port where it is that one."""
    address = getattr(alert, end)
    port = alert.responder_port if end == "responder" else None
    shown = address if port is None else _with_port(address, port)
    return element("code", shown)


def _with_port(address: str, port: int | None) -> str:
    if port is None:
        return address
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _example(group: Group, ranges: dict[str, Range], opened: bool) -> Markup:
    alert = decoded(group.example)
    ours, flow = alert.ml, alert.flow
    ends = (
        _with_port(alert.initiator, alert.initiator_port),
        _with_port(alert.responder, alert.responder_port),
    )
    what = joined(
        "Why: ",
        element("code", f"{alert.protocol} {ends[0]} → {ends[1]}"),
        element("span", f"score {ours.score:.3f}", class_="count"),
    )
    facts = (
        f"{numbers.moment(ours.start_ns / 1e9, True)} UTC; {ours.service}; "
        f"{numbers.counted(flow.fwd_packets, 'packet')} sent, "
        f"{numbers.counted(flow.bwd_packets, 'packet')} received "
        f"({numbers.size_text(flow.fwd_bytes)}, {numbers.size_text(flow.bwd_bytes)}); "
        f"threshold {ours.threshold:g}; {ours.record} record; flow {ours.uid}; "
        f"{alert.community_id}; {alert.source} at byte {numbers.count(ours.first_offset)}"
    )
    tops = [top for top in ours.top_features[:FEATURES_SHOWN] if top.name in _BY_NAME]
    largest = max((abs(top.weight) for top in tops), default=0.0)
    rows = [_feature(top, ranges.get(top.name), largest) for top in tops]
    heads = ("feature", "#value", "ordinary: 5 % to 95 %, and this", "#weight", "")
    return element(
        "details",
        element("summary", what),
        element("p", facts, class_="facts"),
        table(heads, rows, class_="features"),
        open=opened,
    )


def _feature(top, known: Range | None, largest: float) -> tuple[Markup | str, ...]:
    feature = _BY_NAME[top.name]
    marks = (
        f"{numbers.value(known.low)} to {numbers.value(known.high)}" if known is not None else ""
    )
    return (
        joined(
            element("code", top.name),
            element("small", f"{feature.scope}: {feature.definition}"),
        ),
        joined(numbers.value(top.value), element("small", feature.unit)),
        joined(strip(top.value, known), element("small", marks)),
        f"{top.weight:+.2f}",
        bar(abs(top.weight), largest, "" if top.weight > 0 else "against"),
    )
