"""What a run says at its end: for people, and as one JSON object."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from engine.events import DROPPED, REFUSED
from engine.recorder.escape import shown_text, whole_text
from engine.recorder.files import PARTIAL
from engine.rings.plan import RunPlan
from engine.supervisor.outcome import Outcome
from engine.supervisor.progress import is_no_capture

SCHEMA = 1
NAMED_MAX = 3
_REFUSED = "refused_"


def packets(outcome: Outcome) -> dict:
    """Return where every packet that was read has gone."""
    capture, worker = outcome.counters["capture"], outcome.counters["worker"]
    refused = {name.removeprefix(_REFUSED): capture[name] for name in REFUSED if capture[name]}
    return {
        "read": capture["read"],
        "accepted": worker["accepted"],
        "refused": refused,
        "filtered": capture["filtered"],
        "dropped": {name.removeprefix("dropped_"): capture[name] for name in DROPPED},
        "in_flight": capture["published"] - worker["accepted"],
    }


def is_lossy(outcome: Outcome) -> bool:
    """Return whether input was damaged, or anything dropped or evicted."""
    capture, worker = outcome.counters["capture"], outcome.counters["worker"]
    dropped = sum(capture[name] for name in DROPPED)
    return bool(capture["sources_damaged"] or dropped or worker["finals_evicted"])


def as_json(plan: RunPlan, outcome: Outcome) -> str:
    """Return the JSON object that --json prints."""
    reports = {r["source"]: r for r in outcome.reports if r["report"] == "source"}
    damage = {r["source"]: r for r in outcome.reports if r["report"] == "damage"}
    sources = []
    for number, path in enumerate(plan.sources):
        source = {"path": whole_text(path), "packets": reports.get(number, {}).get("packets")}
        if number in damage:
            source["damage"] = {name: damage[number][name] for name in ("offset", "reason")}
        sources.append(source)
    classifier = outcome.counters["classifier"]
    value = {
        "schema": SCHEMA,
        "run": plan.run,
        "digest": outcome.summary_of("classifier").get("digest"),
        "packets": packets(outcome),
        "layers": outcome.counters["worker"]["layers"],
        "flows": outcome.counters["worker"]["flows"],
        "records": {"final": classifier["finals"], "early": classifier["early"]},
        "alerts": classifier["alerts"],
        "hosts": classifier["hosts_made"],
        "seconds": round(outcome.wall_s, 6),
        "cpu_seconds": round(outcome.cpu_s, 6),
        "start_seconds": round(outcome.start_s, 6),
        "start_cpu_seconds": round(outcome.start_cpu_s, 6),
        "ready_ns": outcome.ready_ns,
        "workers": plan.workers,
        "counters": outcome.counters,
        "processes": {
            name: {
                "cpu_seconds": round((process.cpu_ns - process.start_cpu_ns) / 1e9, 6),
                "counters": process.counters,
            }
            for name, process in outcome.processes.items()
        },
        "errors": outcome.errors,
        "exit_code": outcome.exit_code,
        "sources": sources,
    }
    return msgspec.json.format(msgspec.json.encode(value)).decode() + "\n"


def as_text(plan: RunPlan, outcome: Outcome) -> str:
    """Return the summary for people."""
    lines = [*_traffic(plan, outcome), *_trouble(outcome)]
    if plan.score:
        lines += _alerts(plan, outcome)
    digest = outcome.summary_of("classifier").get("digest")
    if digest:
        lines.append(f"  digest {digest}")
    if plan.folder is not None:
        lines += _files(plan.folder, outcome)
    return "\n".join(lines) + "\n"


def _traffic(plan: RunPlan, outcome: Outcome) -> Iterator[str]:
    """Yield what was read, and where it has gone."""
    counts = packets(outcome)
    capture, worker = outcome.counters["capture"], outcome.counters["worker"]
    classifier = outcome.counters["classifier"]
    rate = counts["read"] / outcome.wall_s if outcome.wall_s > 0 else 0.0
    sources = _count(len(plan.sources), "source")
    if capture["sources"] < len(plan.sources):
        sources += f" ({capture['sources']:,} read to the end)"
    yield (
        f"{counts['read']:,} packets of {sources} in "
        f"{outcome.wall_s:.2f} s ({rate:,.0f}/s; {outcome.cpu_s:.2f} s of CPU)"
    )
    refused = sum(counts["refused"].values())
    reasons = ", ".join(f"{name} {count:,}" for name, count in counts["refused"].items())
    yield (
        f"  accepted {counts['accepted']:,}; refused {refused:,}"
        + (f" ({reasons})" if reasons else "")
        + (f"; filtered {counts['filtered']:,}" if counts["filtered"] else "")
        + (f"; on their way {counts['in_flight']:,}" if counts["in_flight"] else "")
    )
    yield (
        f"  {_count(worker['flows'], 'flow')}; {classifier['finals']:,} final and "
        f"{classifier['early']:,} early records"
    )
    if worker["layers"]:
        yield f"  {worker['layers']:,} inner layers metered besides"


def _trouble(outcome: Outcome) -> Iterator[str]:
    """Yield what was lost, damaged or odd."""
    capture, worker = outcome.counters["capture"], outcome.counters["worker"]
    missing = (
        capture["published"] + capture["layers"] - outcome.counters["classifier"]["final_packets"]
    )
    if missing:
        yield f"  {missing:,} of the accepted packets are in no record: the run did not end well"
    if worker["finals_evicted"]:
        yield f"  {worker['finals_evicted']:,} flows ended for want of memory: raise flow.max_flows"
    strangers = [report["path"] for report in outcome.reports if is_no_capture(report)]
    damaged = capture["sources_damaged"] - len(strangers)
    if damaged:
        yield f"  {_count(damaged, 'source')} damaged; what was whole was read"
    if strangers:
        named = ", ".join(shown_text(path) for path in strangers[:NAMED_MAX])
        more = f" and {len(strangers) - NAMED_MAX:,} more" if len(strangers) > NAMED_MAX else ""
        yield f"  no captures, not read: {named}{more}"
    if capture["time_steps"] or capture["time_regressions"]:
        yield (
            f"  clock: {_count(capture['time_steps'], 'step')}, "
            f"{_count(capture['time_regressions'], 'regression')}"
        )


def _alerts(plan: RunPlan, outcome: Outcome) -> Iterator[str]:
    """Yield how many alerts there were, and for each kind between whom mostly."""
    count = outcome.counters["classifier"]["alerts"]
    found = outcome.summary_of("recorder").get("found", [])
    yield f"  {_count(count, 'alert')}" + (":" if found else "")
    labels = [plan.labels[kind["label"]] for kind in found]
    width = max(map(len, labels), default=0)
    for label, kind in zip(labels, found, strict=True):
        yield f"    {label:{width}} {kind['alerts']:>9,}  from {_ends(kind['initiator'])}"
        yield f"    {'':{width}} {'':9}  to   {_ends(kind['responder'])}"


def _ends(ends: dict) -> str:
    """Return the addresses at one end of a kind's alerts, the most frequent first."""
    named = ", ".join(
        address if ends["count"] == 1 and ends["all"] else f"{address} ({count:,})"
        for address, count in ends["named"]
    )
    if not ends["all"]:
        return f"{named} and very many more"
    more = ends["count"] - len(ends["named"])
    return named + (f" and {more:,} more" if more else "")


def _files(folder: str, outcome: Outcome) -> Iterator[str]:
    """Yield where the files are; of a run that did not end well also the unfinished ones."""
    names = [output["name"] for output in outcome.summary_of("recorder").get("outputs", [])]
    yield f"  written to {shown_text(folder)}: {', '.join([*names, 'run.json'])}"
    unfinished = sorted(path.name for path in Path(folder).glob("*" + PARTIAL))
    if unfinished:
        yield f"  not finished: {', '.join(map(shown_text, unfinished))}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
