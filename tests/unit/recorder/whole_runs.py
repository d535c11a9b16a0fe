"""A run folder as a real run leaves it: rows through a recorder, fitting counters, run.json."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from engine.classifier.digest import Digest
from engine.events import COUNTERS
from engine.layouts import REASONS
from engine.recorder.run_json import Process, RunFacts, run_record, source_files, write_run_json
from engine.rings.plan import RunPlan
from engine.rings.statistics import process_names
from tests.unit.recorder.rows import host_words, plan_of, row_words, simple
from tests.unit.recorder.runs import record

HOSTS, FORGOTTEN = 3, 2
ENDS = {"lack_of_resources": "evicted"}


@dataclass
class Run:
    """A written run."""

    folder: Path
    plan: RunPlan
    facts: RunFacts


def ordered(count: int, **changes) -> list[dict]:
    """Return `count` records in the order of a run: early, alert and final ones."""
    made = []
    for k in range(count):
        packets, size = (1 + k % 7, k % 3), (100 * (1 + k % 7), 60 * (k % 3))
        record_time = 1_700_000_000_000_000_000 + 10**9 * k
        made.append(
            simple(
                reason=k % 6,
                order_class=2,
                order_rank=2 if k % 6 == 0 else 0,
                time_ns=record_time,
                position_ns=record_time,
                position_reference=54 + k,
                first_offset=54 + k,
                initiator=0x0A000000 + k,
                packets=packets,
                bytes=size,
                alert=k % 9 == 0,
                score=0.5 + 0.5 * (k % 9 == 0),
                features={
                    1: float(sum(packets)),
                    2: float(packets[0]),
                    3: float(packets[1]),
                    5: float(size[0]),
                    6: float(size[1]),
                    36: 0.1 * k if k else 0.25,
                },
            )
            | changes
        )
    return made


def hosts_counted(hosts: int, records: int) -> dict[str, int]:
    """Return what the classifier counts of hosts and of the parts of so many records."""
    return {
        "hosts_made": FORGOTTEN + hosts,
        "hosts_forgotten": FORGOTTEN,
        "hosts_listed": hosts,
        "host_rows_joined": records,
        "host_rows_none": max(0, records - 1),
        "host_rows_gone": min(1, records),
    }


def counters_of(records: list[dict], plan: RunPlan) -> dict[str, dict[str, int]]:
    """Return the counters of every process of a run that made these records."""
    finals = [r for r in records if r["reason"]]
    early = len(records) - len(finals)
    packets = sum(sum(r["packets"]) for r in finals)
    worker = {
        "accepted": packets,
        "control": 3,
        "flows": len(finals),
        "parts": len(finals),
        "early": early,
        "deltas": 5,
        "facts": 2,
    }
    for number, reason in enumerate(REASONS[1:], 1):
        name = f"finals_{ENDS.get(reason, reason)}"
        worker[name] = sum(r["reason"] == number for r in finals)
    hosts = HOSTS if plan.facts else 0
    sent = {"alerts": sum(r["alert"] for r in records), "finals": 0, "all": len(records)}
    sent["finals"] = sum(bool(r["reason"] or r["alert"]) for r in records)
    values = {
        "capture": {
            "read": packets + 9,
            "refused_non_ip": 4,
            "refused_unsupported_link": 5,
            "published": packets,
            "control": 3,
            "sources": 2,
            "sources_damaged": 1,
        },
        "worker.0": worker,
        "classifier": {
            "finals": len(finals),
            "early": early,
            "deltas": 5,
            "facts": 2,
            "final_packets": packets,
            "final_bytes": sum(sum(r["bytes"]) for r in finals),
            "alerts": sent["alerts"],
            "rows": sent[plan.rows] + hosts,
            **hosts_counted(hosts, len(records)),
        },
    }
    return {
        name: dict.fromkeys((c.name for c in COUNTERS[name.partition(".")[0]]), 0)
        | values.get(name, {})
        for name in process_names(plan.workers)
    }


def source_reports(plan: RunPlan, packets: int) -> list[dict]:
    """Return what capture tells of the sources: all packets in the first."""
    reports = [
        {
            "process": "capture",
            "report": "source",
            "source": number,
            "path": "",
            "packets": packets if number == 0 else 0,
            "bytes": 100,
            "link_types": {"1": packets} if number == 0 else {},
            "unsupported_links": {"220": 5} if number == 0 else {},
            "grown_bytes": 0,
        }
        for number in range(len(plan.sources))
    ]
    damage = {"source": 1, "path": "", "offset": 24, "reason": "cut"}
    return [*reports, {"process": "capture", "report": "damage", **damage}]


def write_run(folder: Path, records: list[dict], formats=(), rows="alerts", **changes) -> Run:
    """Write a run's folder: what a recorder writes of its rows, and run.json."""
    folder.mkdir()
    captures = folder.parent / "captures"
    captures.mkdir(exist_ok=True)
    paths = []
    for number in range(2):
        path = captures / f"{number}.pcap"
        path.write_bytes(b"capture %d" % number)
        paths.append(str(path))
    plan = replace(plan_of(folder, formats, rows, sources=tuple(paths)), digest=True, **changes)
    words = row_words(records)
    digest = Digest(max(1, len(words)), plan.score)
    digest.update(words, len(words))
    wanted = [
        r for r in records if rows == "all" or r["alert"] or (rows == "finals" and r["reason"])
    ]
    hosts = host_words(HOSTS if plan.facts else 0)
    outcome = record(plan, np.concatenate([row_words(wanted), hosts]), 64)
    assert outcome.error is None, outcome.error
    counters = counters_of(records, plan) | {"recorder": outcome.counters}
    reports = [
        *source_reports(plan, counters["capture"]["read"]),
        {"process": "classifier", "report": "finished", "summary": {"digest": digest.text()}},
        *outcome.reports,
    ]
    facts = RunFacts(
        command=("engine", "run", "-r", paths[0], "--set", "hash.key=" + "0" * 32),
        started_ns=1,
        ended_ns=2,
        exit_code=0,
        processes={
            name: Process(counters=values, cpu_ns=1, start_cpu_ns=1)
            for name, values in counters.items()
        },
        reports=reports,
        sources=source_files(plan.sources),
        model={"name": plan.model},
    )
    write_run_json(str(folder), run_record(plan, facts))
    return Run(folder, plan, facts)
