"""The sections on traffic: over time, by host, by service."""

from engine.report import numbers
from engine.report.alerts import ENDS, Alerts
from engine.report.charts import axis, bar, chart, legend
from engine.report.flows import (
    BEGUN,
    BYTES,
    FLOWS,
    OF_BYTES,
    OF_FLOWS,
    OF_PACKETS,
    PACKETS,
    RECEIVED,
    SENT,
    TAKEN,
    Flows,
)
from engine.report.markup import Markup, element, table
from engine.report.timeline import Columns

HOSTS_SHOWN = 12
SERVICES_SHOWN = 12
_PROTOCOLS = {1: "ICMP", 6: "TCP", 17: "UDP", 58: "ICMPv6", 132: "SCTP", 33: "DCCP", 47: "GRE"}
_PROTOCOLS |= {50: "ESP", 2: "IGMP", 89: "OSPF", 136: "UDP-Lite"}
_ICMP = (1, 58)
_WITH_PORTS = (6, 17, 33, 132, 136)


def over_time(flows: Flows, alerts: Alerts) -> Markup:
    """Return the section of amounts over time."""
    columns = flows.timeline.columns()
    if columns is None:
        lines = [line for line in alerts.timelines.values() if line.columns() is not None]
        columns = lines[0].columns() if len(lines) == 1 else _widest(lines)
    if columns is None:
        return _section("Over time", element("p", _no_flows(flows), class_="note"))
    charts = []
    if flows.count:
        sums = flows.timeline.sums(columns)
        width = numbers.width(columns.width_s)
        for title, kind, shown in (
            ("Packets", PACKETS, lambda amount: f"{amount:,.0f} packets"),
            ("Bytes", BYTES, numbers.size_text),
            ("Flows begun", FLOWS, lambda amount: f"{amount:,.0f} flows"),
        ):
            most = shown(float(sums[kind].max()))
            drawn = chart(columns, {"": sums[kind]}, shown)
            charts.append(_chart(title, f"most in {width}: {most}", drawn))
    charts += _alert_chart(columns, alerts)
    span = _span(columns)
    notes = [] if flows.count else [element("p", _no_flows(flows), class_="note")]
    text = "Packets and bytes of a flow are spread evenly from its first packet to its last. UTC."
    if columns.gaps:
        text += " Long silence is left out, at the dashed lines."
    return _section(
        "Over time",
        *notes,
        element("div", element("p", span, class_="facts"), *charts, axis(columns), class_="card"),
        element("p", text, class_="none"),
    )


def _widest(lines) -> Columns | None:
    """Return the axis with most time among those of several kinds of alert."""
    axes = [line.columns() for line in lines]
    return max(axes, key=lambda one: len(one) * one.width_s, default=None)


def _no_flows(flows: Flows) -> str:
    if flows.fault:
        return f"Flow records could not be read: {flows.fault}"
    if flows.file:
        return "The run has no flow."
    text = "The run wrote no flow records in the engine's own columns"
    return f"{text}: with --flows parquet traffic, hosts and services show."


def _span(columns: Columns) -> str:
    begin_s = float(columns.begins_s[0])
    end_s = float(columns.begins_s[-1]) + columns.width_s
    return (
        f"{numbers.moment(begin_s)} to {numbers.moment(end_s)} UTC, "
        f"{numbers.width(columns.width_s)} a column"
    )


def _chart(title: str, most: str, drawn: Markup) -> Markup:
    head = element("div", element("b", title), element("span", most), class_="head")
    return element("div", head, drawn, class_="row")


def _alert_chart(columns: Columns, alerts: Alerts) -> list[Markup]:
    kinds = alerts.by_count()
    if not kinds:
        return []
    series = {kind.label: alerts.timelines[kind.label].sums(columns)[0] for kind in kinds}
    drawn = chart(columns, series, lambda amount: f"{amount:,.0f}")
    shown = _chart("Alerts, by the begin of their flow", "", drawn)
    return [shown, element("p", legend(list(series)), class_="legend")]


def _section(title: str, *children: Markup) -> Markup:
    return element("section", element("h2", title), *children, id=title.lower().replace(" ", "-"))


def hosts(flows: Flows, alerts: Alerts) -> Markup:
    """Return the section of hosts and services."""
    if not flows.count:
        return _section("Hosts and services", element("p", _no_flows(flows), class_="note"))
    return _section(
        "Hosts and services",
        element("div", _hosts(flows, alerts), _services(flows), class_="tables"),
    )


def _hosts(flows: Flows, alerts: Alerts) -> Markup:
    largest = flows.hosts.largest(HOSTS_SHOWN)
    most = max(sums[SENT] + sums[RECEIVED] for _, sums in largest)
    rows = []
    for address, sums in largest:
        rows.append(
            (
                element("code", address),
                *_alerted(str(address), alerts),
                numbers.size(sums[SENT]),
                numbers.size(sums[RECEIVED]),
                bar(sums[SENT] + sums[RECEIVED], most),
                numbers.count(sums[BEGUN]),
                numbers.count(sums[TAKEN]),
            )
        )
    heads = ("host", "#alerts from", "#to", "#sent", "#received", "", "#begun", "#taken")
    title = f"Hosts with most bytes, of {flows.hosts.names_text}; flows begun and taken"
    title += "" if flows.hosts.complete else "; each at least"
    return _titled(title, table(heads, rows))


def _alerted(address: str, alerts: Alerts) -> tuple[Markup | str, str]:
    """Return in how many alerts a host is the initiator, and in how many the responder."""
    begun, met = (sum(kind.ends[end][address][0] for kind in alerts.kinds.values()) for end in ENDS)
    raised = element("span", numbers.count(begun), class_="alarmed") if begun else "-"
    return raised, numbers.count(met) if met else "-"


def _services(flows: Flows) -> Markup:
    rows = [
        (
            element("code", _service(protocol, port)),
            name,
            numbers.count(sums[OF_FLOWS]),
            numbers.count(sums[OF_PACKETS]),
            numbers.size(sums[OF_BYTES]),
            bar(sums[OF_BYTES], flows.bytes),
        )
        for (protocol, port, name), sums in flows.services.largest(SERVICES_SHOWN)
    ]
    title = f"Services with most bytes, of {flows.services.names_text}"
    return _titled(title, table(("port", "class", "#flows", "#packets", "#bytes", ""), rows))


def _service(protocol: int, port: int) -> str:
    name = _PROTOCOLS.get(protocol, f"protocol {protocol}")
    if protocol in _ICMP:
        return f"{name} {port}"
    return f"{name} {port}" if protocol in _WITH_PORTS else name


def _titled(title: str, inner: Markup) -> Markup:
    return element("div", element("h3", title), inner, class_="card")
