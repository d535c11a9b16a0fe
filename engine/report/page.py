"""The page: what was read of a run's folder, put together under one head."""

from pathlib import Path

from engine import __version__
from engine.events import DROPPED, REFUSED
from engine.recorder.files import PARTIAL
from engine.recorder.outputs import FORMATS
from engine.recorder.run_json import RunRecord
from engine.report import numbers
from engine.report.accounting import accounting
from engine.report.alerts import Alerts, read_alerts
from engine.report.card import read_card
from engine.report.detections import detections, needed_features
from engine.report.flows import Flows, read_flows
from engine.report.folder import load
from engine.report.hosts import read_hosts, standing_out
from engine.report.identity import damage, identity, no_captures
from engine.report.markup import Markup, element, raw_style
from engine.report.style import RULES
from engine.report.traffic import hosts, over_time

_SECTIONS = (
    ("Alerts", "alerts"),
    ("Over time", "over-time"),
    ("Hosts and services", "hosts-and-services"),
    ("Accounting", "accounting"),
    ("Damage and limits", "damage"),
    ("The run", "run"),
)


def page(folder: str) -> str:
    """Return the whole page of a run's folder; ConfigError when no run has written it."""
    record, unknown = load(folder)
    path = Path(folder)
    alerts = read_alerts(path)
    written = [FORMATS[name] for name in record.flow_formats if name in FORMATS]
    flows = read_flows(path, written, alerts, needed_features(alerts))
    unfinished = sorted(found.name for found in path.glob("*" + PARTIAL))
    sections = (
        detections(alerts, flows.sample.ranges(), record, read_card(record)),
        over_time(flows, alerts),
        hosts(flows, alerts),
        standing_out(read_hosts(path)),
        accounting(record),
        damage(record, unfinished),
        identity(record),
    )
    title = f"Run {record.run}: {numbers.counted(alerts.count, 'alert')}"
    return "<!doctype html>\n" + element(
        "html",
        _head(title),
        element(
            "body",
            _header(record, alerts, flows),
            element("main", *_faults(alerts, flows, unknown), *sections),
            element(
                "footer", f"ML Defender {__version__}. This page is one file and loads nothing."
            ),
        ),
        lang="en",
    )


def _head(title: str) -> Markup:
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name_="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name_="color-scheme", content="light dark"),
        element("meta", name_="referrer", content="no-referrer"),
        element("title", title),
        raw_style(RULES),
    )


def _header(record: RunRecord, alerts: Alerts, flows: Flows) -> Markup:
    capture, worker = record.counters["capture"], record.counters["worker"]
    refused = sum(capture[name] for name in REFUSED)
    lost = sum(capture[name] for name in DROPPED) + record.counters["recorder"]["rows_lost"]
    damaged, strangers = capture["sources_damaged"], len(no_captures(record))
    kinds = ", ".join(f"{kind.count:,} {kind.label}" for kind in alerts.by_count()[:4])
    tiles = (
        _tile("Alerts", numbers.count(alerts.count), kinds or "none", "bad" * bool(alerts.count)),
        _tile(
            "Packets",
            numbers.count(capture["read"]),
            f"{numbers.share(worker['accepted'], capture['read'])} accepted, "
            f"{numbers.count(refused)} refused",
        ),
        _tile(
            "Flows",
            numbers.count(worker["flows"]),
            f"{numbers.size_text(record.counters['classifier']['final_bytes'])} in them",
        ),
        _tile(
            "Sources",
            numbers.count(len(record.sources)),
            f"{numbers.count(damaged - strangers)} damaged"
            + (f", {numbers.count(strangers)} no captures" if strangers else ""),
        ),
        _tile(
            "Lost",
            numbers.count(lost),
            f"{numbers.count(worker['finals_evicted'])} flows ended for want of room",
            "bad" if lost or worker["finals_evicted"] else "good",
        ),
    )
    links = [element("a", title, href=f"#{name}") for title, name in _SECTIONS]
    only = record.sources[0].path if len(record.sources) == 1 else ""
    title = element("code", Path(only).name, title=only) if only else _sources(record)
    started = numbers.moment(record.started_ns / 1e9)
    return element(
        "header",
        element("p", "ML Defender run report", class_="kicker"),
        element("h1", title),
        element("p", f"Run {record.run}, started {started} UTC", class_="facts"),
        element("div", *tiles, class_="tiles"),
        element("nav", *links),
    )


def _sources(record: RunRecord) -> str:
    return numbers.counted(len(record.sources), "source")


def _tile(title: str, number: str, below: str, tone: str = "") -> Markup:
    return element(
        "div",
        element("span", title),
        element("b", number),
        element("small", below),
        class_=f"tile {tone}".strip(),
    )


def _faults(alerts: Alerts, flows: Flows, unknown: list[str]) -> list[Markup]:
    """Return what of the folder could not be read."""
    faults = []
    if unknown:
        faults.append(f"Written by another engine; not counted there: {', '.join(unknown)}")
    if alerts.fault:
        faults.append(f"Alerts were read in part: {alerts.fault}")
    if flows.fault:
        faults.append(f"Flow records were read in part: {flows.fault}")
    if not alerts.flows_complete and alerts.count:
        faults.append("So many alerts that some of their flows count as ordinary below.")
    return [element("p", fault, class_="note fault") for fault in faults]
