"""The sections on what was wrong with the input, what limits were met, and what the run was."""

from engine.config import Config, flatten
from engine.events import COUNTERS
from engine.recorder.run_json import HIDDEN, Damage, RunRecord
from engine.report import numbers
from engine.report.markup import Markup, element, joined, table

PLACES_SHOWN = 24  # Damages, clock steps, sources.
STRANGERS_SHOWN, SOURCES_OPEN = 12, 4
_NO_CAPTURE = "no_capture"  # SEMANTICS.rst, "Capture files".
# What a limit of the engine or a fault of the input cost, and what to do about it.
LIMITS = (
    ("worker", "finals_evicted", "raise flow.max_flows"),
    ("worker", "evicted_row", "raise flow.max_flows"),
    ("worker", "evicted_cold", "raise flow.max_flows"),
    ("capture", "dropped_ring", "more workers, or a larger ring.packet_capacity"),
    ("capture", "dropped_arena", "raise capture.arena_bytes"),
    ("capture", "fragment_evicted", "fragments of these packets may be refused"),
    ("capture", "layers_unreadable", "inner layers of tunnels that were not metered"),
    ("capture", "tcp_header_cut", "captured too short: flags and window count as none"),
    ("capture", "time_regressions", "held at the clock's time"),
    ("capture", "time_steps", "captures of different times belong into --separate runs"),
    ("classifier", "hosts_forgotten", "raise host.max_hosts: windows of hosts began anew"),
    ("classifier", "host_refused", "raise host.max_hosts: features of hosts are too low"),
    ("classifier", "pairs_forgotten", "raise host.max_pairs: regularity began anew"),
    ("classifier", "pairs_refused", "raise host.max_pairs: regularity is missing"),
    ("classifier", "starts_left_out", "flow starts that no host's window counts"),
    ("recorder", "rows_lost", "an output could not be written"),
)
_MEANINGS = {
    (stage, counter.name): counter.meaning
    for stage, counters in COUNTERS.items()
    for counter in counters
}


def damage(record: RunRecord, unfinished: list[str]) -> Markup:
    """Return the section on damage and limits. `unfinished`: files that are not whole."""
    parts = [*_damaged(record), *_steps(record), *_limits(record)]
    if unfinished:
        text = f"Not written to the end: {', '.join(unfinished)}"
        parts.append(element("p", text, class_="note"))
    if record.exit_code not in (0, 3):
        text = f"The run ended with exit code {record.exit_code}: it is not whole."
        parts.append(element("p", text, class_="note"))
    if not parts:
        text = "No source was damaged, no limit was met, nothing was lost."
        parts.append(element("p", text, class_="good"))
    return element("section", element("h2", "Damage and limits"), *parts, id="damage")


def _path(record: RunRecord, number: int) -> Markup:
    known = 0 <= number < len(record.sources)
    path = record.sources[number].path if known else f"source {number}"
    return element("code", path)


def _left_out(shown: int, count: int) -> Markup:
    more = count - shown
    return element("p", f"and {numbers.count(more)} more", class_="note") if more > 0 else joined()


def no_captures(record: RunRecord) -> list[Damage]:
    """Return the sources that are files of another kind altogether."""
    return [place for place in record.damage if _is_no_capture(place)]


def _is_no_capture(place: Damage) -> bool:
    return place.reason.startswith(_NO_CAPTURE)


def _damaged(record: RunRecord) -> list[Markup]:
    strangers = no_captures(record)
    damaged = record.counters["capture"]["sources_damaged"] - len(strangers)
    parts = []
    if damaged:
        places = [place for place in record.damage if not _is_no_capture(place)]
        rows = [
            (_path(record, place.source), f"{place.offset:,}", place.reason)
            for place in places[:PLACES_SHOWN]
        ]
        told = numbers.counted(damaged, "source")
        title = f"{told} damaged; what stands before the damage was read"
        inner = table(("source", "#at byte", "reason"), rows)
        parts.append(_titled(title, inner, _left_out(len(rows), damaged)))
    if strangers:
        named = [joined(_path(record, place.source), " ") for place in strangers[:STRANGERS_SHOWN]]
        title = f"{numbers.counted(len(strangers), 'file')} that are no captures"
        inner = element("p", *named, class_="facts")
        parts.append(_titled(title, inner, _left_out(len(named), len(strangers))))
    return parts


def _steps(record: RunRecord) -> list[Markup]:
    if not record.steps:
        return []
    rows = [
        (
            _path(record, step.source),
            f"{step.offset:,}",
            _move(step.after_ns - step.before_ns),
        )
        for step in record.steps[:PLACES_SHOWN]
    ]
    count = record.counters["capture"].get("time_steps", len(record.steps))
    return [
        _titled(
            f"{numbers.counted(count, 'step')} of a source's clock, corrected",
            table(("source", "#at byte", "the capture's time goes"), rows),
            _left_out(len(rows), count),
        )
    ]


def _move(correction_ns: int) -> str:
    """Return how a capture's time moved, by the correction that undoes it."""
    away = numbers.duration(abs(correction_ns) / 1e9)
    return f"back by {away}" if correction_ns >= 0 else f"ahead by {away}"


def _titled(title: str, *children: object) -> Markup:
    return element("div", element("h3", title), *children, class_="card")


def _limits(record: RunRecord) -> list[Markup]:
    rows = []
    for stage, name, advice in LIMITS:
        met = record.counters.get(stage, {}).get(name, 0)
        if met:
            meaning = _MEANINGS.get((stage, name), name.replace("_", " "))
            rows.append((element("code", f"{stage}.{name}"), numbers.count(met), meaning, advice))
    if not rows:
        return []
    heads = ("counter", "#count", "what it counts", "what it means for the run")
    return [_titled("Limits met", table(heads, rows))]


def identity(record: RunRecord) -> Markup:
    """Return the section on sources, model, settings and versions."""
    return element(
        "section",
        element("h2", "The run"),
        element(
            "div",
            _card("Identity", _identity_rows(record)),
            _card("Model", _model_rows(record)),
            _card("Settings that are not the default", _settings(record)),
            _card("Processes", _processes(record)),
            class_="flowing",
        ),
        _sources(record),
        id="run",
    )


def _card(title: str, rows: list[tuple[str, object]]) -> Markup:
    pairs = [joined(element("dt", name), element("dd", value)) for name, value in rows]
    inner = element("dl", *pairs) if pairs else element("p", "None.", class_="none")
    return _titled(title, inner)


def _identity_rows(record: RunRecord) -> list[tuple[str, object]]:
    host = record.host
    length_s = (record.ended_ns - record.started_ns) / 1e9
    rows = [
        ("run", element("code", record.run)),
        ("command", element("code", " ".join(record.command))),
        ("started", f"{numbers.moment(record.started_ns / 1e9)} UTC, {length_s:.2f} s"),
        ("digest", element("code", record.digest or "not computed")),
        ("features", element("code", record.feature_digest)),
        ("engine", f"{record.engine_version}, sources {record.engine_fingerprint}"),
        ("machine", ", ".join(f"{name} {value}" for name, value in host.items())),
        ("exit code", record.exit_code),
    ]
    if record.filter:
        rows.append(("filter", element("code", record.filter)))
    return rows


def _model_rows(record: RunRecord) -> list[tuple[str, object]]:
    if not record.score:
        return [("model", "none: the run did not score (--no-score)")]
    return [(str(name).replace("_", " "), _plain(value)) for name, value in record.model.items()]


def _plain(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)


def _settings(record: RunRecord) -> list[tuple[str, object]]:
    defaults = flatten(Config())
    rows: list[tuple[str, object]] = []
    for name, value in record.config.items():
        default = defaults.get(name, "no such setting here")
        default = list(default) if isinstance(default, tuple) else default
        if value not in (default, HIDDEN):
            rows.append((name, f"{_setting(name, value)} (default {_setting(name, default)})"))
    if record.separate:
        rows.append(("--separate", "sources one after the other, each with its own clock"))
    if record.packets_max:
        rows.append(("--count", numbers.count(record.packets_max)))
    return rows


def _setting(name: str, value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        if "timeout" in name or "linger" in name:
            return f"{value / 1e9:g} s" if value else "off"
        return numbers.count(value)
    return _plain(value) or "not set"


def _processes(record: RunRecord) -> list[tuple[str, object]]:
    rows = [
        (name, f"{(process.cpu_ns - process.start_cpu_ns) / 1e9:.2f} s of CPU")
        for name, process in record.processes.items()
    ]
    return [*rows[:PLACES_SHOWN], *([("…", "")] if len(rows) > PLACES_SHOWN else [])]


def _sources(record: RunRecord) -> Markup:
    rows = [
        (
            element("code", source.path),
            "-" if source.packets is None else numbers.count(source.packets),
            "-" if source.bytes is None else numbers.size(source.bytes),
            element("code", source.sha256 or "-", class_="hash"),
        )
        for source in sorted(record.sources, key=lambda one: -(one.packets or 0))[:PLACES_SHOWN]
    ]
    title = numbers.counted(len(record.sources), "source")
    inner = (
        table(("source", "#packets", "#size", "sha256"), rows),
        _left_out(len(rows), len(record.sources)),
    )
    if len(rows) <= SOURCES_OPEN:
        return _titled(title, *inner)
    folded = element("details", element("summary", title), *inner)
    return element("div", folded, class_="card folded")
