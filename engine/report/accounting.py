"""Where every packet went: three flow diagrams with the run's own numbers, and the sums proved."""

from engine.check import PROVED, WRONG, check_counters
from engine.events import COUNTERS, DROPPED, REFUSED
from engine.recorder.run_json import RunRecord
from engine.report.diagram import Link, Node, diagram
from engine.report.markup import Markup, element
from engine.report.numbers import count, counted

_ENDS = {
    "idle": "silent for too long",
    "active": "split by age",
    "end": "TCP ended",
    "forced": "cut by the stop",
    "evicted": "no room in the table",
}
_MEANINGS = {
    (stage, counter.name): counter.meaning
    for stage, counters in COUNTERS.items()
    for counter in counters
}


def accounting(record: RunRecord) -> Markup:
    """Return the section."""
    panels = [
        _panel("Packets", *_packets(record), _equations(record)),
        _panel("Flow parts", *_parts(record)),
        _panel("Records", *_records(record)),
    ]
    return element(
        "section",
        element("h2", "Accounting"),
        element(
            "p",
            "Every packet read stands in exactly one place. Thickness is the number; the numbers "
            "are the counters of the run's processes.",
        ),
        element("div", *panels, class_="panels"),
        id="accounting",
    )


def _panel(title: str, nodes: list[Node], links: list[Link], sums: list[str], *more) -> Markup:
    return element(
        "figure",
        element("figcaption", title),
        diagram(nodes, links, title),
        element("div", *(element("p", text, class_="sum") for text in sums), *more),
        class_="card",
    )


def _sum(name: str, whole: int, parts: list[tuple[str, int]]) -> str:
    """Return `whole = part + part`, or what is wrong with it."""
    right = " + ".join(f"{count(number)} {part}" for part, number in parts)
    missing = whole - sum(number for _, number in parts)
    sign = "=" if not missing else "≠"
    rest = f" (off by {count(abs(missing))})" if missing else ""
    return f"{count(whole)} {name} {sign} {right}{rest}"


def _short(name: str) -> str:
    return name.removeprefix("refused_").replace("_", " ")


def _packets(record: RunRecord) -> tuple[list[Node], list[Link], list[str]]:
    capture, worker = record.counters["capture"], record.counters["worker"]
    read, accepted, layers = capture["read"], worker["accepted"], worker["layers"]
    refused = {name: capture[name] for name in REFUSED}
    dropped = sum(capture[name] for name in DROPPED)
    fates = [
        Node("accepted", accepted, 1, "good", "applied to a flow"),
        Node("refused", sum(refused.values()), 1, "bad", "no packet that can be metered"),
        Node("filtered", capture["filtered"], 1, "dim", _MEANINGS["capture", "filtered"]),
        Node("dropped", dropped, 1, "bad", "lost for want of room"),
        Node("on their way", max(0, capture["published"] - accepted), 1, "bad", "never arrived"),
    ]
    inside = Node("layers inside tunnels", layers, 1, "good", _MEANINGS["worker", "layers"])
    final = record.counters["classifier"]["final_packets"]
    lost = max(0, accepted + layers - final)
    nodes = [
        Node("read", read, 0),
        fates[0],
        inside,
        *fates[1:],
        Node("in final records", final, 2, "good", "finals cover every packet once"),
        Node("in no record", lost, 2, "bad", "the run did not end well"),
        *(
            Node(_short(name), number, 2, "bad", _MEANINGS["capture", name])
            for name, number in refused.items()
        ),
    ]
    links = [Link("read", fate.name, fate.count) for fate in fates]
    links += [Link("accepted", "in final records", max(0, min(accepted, final - layers)))]
    links += [Link(inside.name, "in final records", min(layers, final))]
    links += [Link("accepted", "in no record", min(accepted, lost))]
    links += [Link("refused", _short(name), number) for name, number in refused.items()]
    sums = [_sum("read", read, [(fate.name, fate.count) for fate in fates])]
    reasons = [(_short(name), number) for name, number in refused.items() if number]
    if reasons:
        sums.append(_sum("refused", sum(refused.values()), reasons))
    parts = [("accepted", accepted)] + ([("layers", layers)] if layers else [])
    sums.append(_sum("in final records", final, parts))
    return nodes, links, sums


def _parts(record: RunRecord) -> tuple[list[Node], list[Link], list[str]]:
    worker, finals = record.counters["worker"], record.counters["classifier"]["finals"]
    ends = {text: worker[f"finals_{end}"] for end, text in _ENDS.items()}
    tones = dict.fromkeys(ends, "good") | {_ENDS["evicted"]: "bad"}
    nodes = [
        Node("begun", worker["parts"], 0),
        *(Node(name, number, 1, tones[name]) for name, number in ends.items()),
        Node("final records", finals, 2, "good"),
    ]
    links = [Link("begun", name, number) for name, number in ends.items()]
    links += [Link(name, "final records", number) for name, number in ends.items()]
    seen = [(name, number) for name, number in ends.items() if number] or [("ended", 0)]
    flows = worker["flows"]
    text = f"{count(flows)} flows begun; a flow is split into parts by age alone"
    return nodes, links, [_sum("parts begun", worker["parts"], seen), text]


def _records(record: RunRecord) -> tuple[list[Node], list[Link], list[str]]:
    classifier = record.counters["classifier"]
    finals, early, alerts = (classifier[name] for name in ("finals", "early", "alerts"))
    made = finals + early
    nodes = [
        Node("final", finals, 0, "good", "one for each flow part, at its end"),
        Node("early", early, 0, "dim", "while a flow lives"),
        Node("records made", made, 1),
    ]
    links = [Link("final", "records made", finals), Link("early", "records made", early)]
    if not record.score:
        return nodes, links, [_sum("records", made, [("final", finals), ("early", early)])]
    alike = [("alerts", alerts, "bad"), ("without an alert", made - alerts, "good")]
    nodes += [Node(name, max(0, number), 2, tone) for name, number, tone in alike]
    links += [Link("records made", name, number) for name, number, _ in alike]
    sums = [
        _sum("records", made, [("final", finals), ("early", early)]),
        _sum("records", made, [(name, number) for name, number, _ in alike]),
    ]
    return nodes, links, sums


def _equations(record: RunRecord) -> Markup:
    """Return the sums that `engine check` proves from the counters."""
    findings = sorted(check_counters(record), key=lambda finding: finding.verdict != WRONG)
    wrong = sum(finding.verdict == WRONG for finding in findings)
    proved = sum(finding.verdict == PROVED for finding in findings)
    lines = [
        element("li", element("b", finding.verdict), " ", finding.text, class_=finding.verdict)
        for finding in findings
    ]
    verdict = f"{counted(wrong, 'sum')} wrong" if wrong else f"{counted(proved, 'sum')} proved"
    return element(
        "details",
        element("summary", f"Counters of all processes against each other: {verdict}"),
        element("ul", *lines, class_="findings"),
        element(
            "p",
            "From the counters alone; ",
            element("code", "engine check DIR"),
            " proves the files too.",
        ),
        open=bool(wrong),
    )
