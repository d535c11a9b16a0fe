"""What a run says at its end: for people, and as one JSON object."""

import msgspec

from engine.events import DROPPED, REFUSED
from engine.recorder.escape import shown_text, whole_text
from engine.rings.plan import RunPlan
from engine.supervisor.progress import is_no_capture
from engine.supervisor.run import Outcome

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
        "hosts": 0,
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
    counts = packets(outcome)
    capture, worker = outcome.counters["capture"], outcome.counters["worker"]
    classifier = outcome.counters["classifier"]
    rate = counts["read"] / outcome.wall_s if outcome.wall_s > 0 else 0.0
    refused = sum(counts["refused"].values())
    reasons = ", ".join(f"{name} {count:,}" for name, count in counts["refused"].items())
    lines = [
        f"{counts['read']:,} packets of {capture['sources']:,} source(s) in "
        f"{outcome.wall_s:.2f} s ({rate:,.0f}/s; {outcome.cpu_s:.2f} s of CPU)",
        f"  accepted {counts['accepted']:,}; refused {refused:,}"
        + (f" ({reasons})" if reasons else "")
        + (f"; filtered {counts['filtered']:,}" if counts["filtered"] else ""),
        f"  {worker['flows']:,} flows; {classifier['finals']:,} final and "
        f"{classifier['early']:,} early records",
    ]
    if worker["layers"]:
        lines.append(f"  {worker['layers']:,} inner layers metered besides")
    if worker["finals_evicted"]:
        lines.append(
            f"  {worker['finals_evicted']:,} flows ended for want of memory: raise flow.max_flows"
        )
    strangers = [report["path"] for report in outcome.reports if is_no_capture(report)]
    damaged = capture["sources_damaged"] - len(strangers)
    if damaged:
        lines.append(f"  {damaged:,} source(s) damaged; what was whole was read")
    if strangers:
        named = ", ".join(shown_text(path) for path in strangers[:NAMED_MAX])
        more = f" and {len(strangers) - NAMED_MAX:,} more" if len(strangers) > NAMED_MAX else ""
        lines.append(f"  no captures, not read: {named}{more}")
    if capture["time_steps"] or capture["time_regressions"]:
        lines.append(
            f"  clock: {capture['time_steps']:,} steps, {capture['time_regressions']:,} regressions"
        )
    if plan.score:
        lines.append(f"  {classifier['alerts']:,} alerts")
    digest = outcome.summary_of("classifier").get("digest")
    if digest:
        lines.append(f"  digest {digest}")
    if plan.folder is not None:
        names = [output["name"] for output in outcome.summary_of("recorder").get("outputs", [])]
        lines.append(f"  written to {shown_text(plan.folder)}: {', '.join([*names, 'run.json'])}")
    return "\n".join(lines) + "\n"
