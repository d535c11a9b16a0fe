"""A result for people: tables on a terminal, aligned lines elsewhere."""

import io

import click
from rich import box
from rich.console import Console
from rich.table import Table

from engine.recorder.escape import shown_text

_WIDTH = 110  # Of lines that do not go to a terminal.


def show(record: dict) -> None:
    """Print a record of any kind to standard output."""
    facts = record["machine"]
    click.echo(
        f"{facts['processor']}, {facts['cores']} cores ({len(record['cores'])} used: "
        f"{', '.join(map(str, record['cores']))}); Linux {facts['kernel']}, Python "
        f"{facts['python']}; engine {record['engine']}"
        + (f", commit {record['commit']}" if record["commit"] else "")
    )
    click.echo(
        f"load average {record['load_before']} before, {record['load_after']} after; "
        f"cores {record['busy_before']:.0%} busy before"
    )
    _SHOWS[record["kind"]](record)
    for name, reason in record.get("left_out", {}).items():
        click.echo(f"left out: {name}: {shown_text(reason)}")


def count(value: float | None) -> str:
    """Return a number with three digits that matter: 3.81 M, 49.2 k."""
    if value is None:
        return "-"
    for unit, scale in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= scale:
            return f"{_three(value / scale)} {unit}"
    return _three(value)


def _three(value: float) -> str:
    """Return a number below 1,000 with three digits that matter."""
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def table(title: str, columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    """Print a table: first column to the left, numbers to the right."""
    console = Console(highlight=False)
    terminal = console.is_terminal
    shape = box.SIMPLE_HEAD if terminal else None
    made = Table(box=shape, pad_edge=False)
    for number, column in enumerate(columns):
        words = column in ("stage", "by stage")
        justify = "right" if number and not words else "left"
        made.add_column(column, justify=justify, no_wrap=number > 0, overflow="fold")
    for row in rows:
        made.add_row(*row)
    if terminal:
        console.print(f"\n[bold]{title}[/bold]")
        console.print(made)
        return
    lines = Console(highlight=False, width=_WIDTH, file=io.StringIO())
    lines.print(made)
    click.echo(f"\n{title}")
    for line in lines.file.getvalue().splitlines():
        click.echo(line.rstrip())


def _show_speed(record: dict) -> None:
    for workload in record["workloads"]:
        title = f"{workload['title']}: {workload['packets']:,} packets, {workload['flows']:,} flows"
        columns = ("program", "packets/CPU-s", "min", "max", "packets/s", "start s", "features x")
        table(title, (*columns, "scored x"), [_speed_row(row) for row in workload["programs"]])
        for row in workload["programs"]:
            if "ns_per_packet" in row:
                click.echo(_stage_line(row))
        for name, reason in workload["left_out"].items():
            click.echo(f"left out: {name}: {shown_text(reason)}")
    click.echo(f"\ntable and index: {record['bytes_per_flow']} bytes for each of flow.max_flows")
    click.echo("x: how many times as many packets per CPU-second the engine does, start-up apart")


def _speed_row(row: dict) -> tuple[str, ...]:
    per_cpu = row["packets_per_cpu_second"] or {"median": None, "low": None, "high": None}
    return (
        " ".join(word for word in (row["title"], row["version"]) if word),
        *(count(per_cpu[name]) for name in ("median", "low", "high")),
        count((row["packets_per_second"] or {"median": None})["median"]),
        f"{row['start_seconds']['median']:.2f}" if row["start_seconds"] else "-",
        *(_times(row.get(f"{name}_ratio")) for name in ("features", "scored")),
    )


def _times(value: float | None) -> str:
    return "" if value is None else _three(value)


def _stage_line(row: dict) -> str:
    """Return what each stage costs, and what the start does."""
    spreads = row["ns_per_packet"]
    stages = ", ".join(f"{name} {one['median']:.1f}" for name, one in spreads.items())
    start = row["start_cpu_seconds"]["median"]
    alerts = f"; {row['alerts']:,} alerts" if row["name"] != "features" else ""
    return f"  {row['name']}: ns of CPU per packet: {stages}; start-up {start:.2f} s of CPU{alerts}"


def _show_scaling(record: dict) -> None:
    rows = []
    for level in record["levels"]:
        cost = level["ns_per_packet"]
        stages = ", ".join(f"{name} {one['median']:.0f}" for name, one in level["by_stage"].items())
        rows.append((f"{level['live']:,}", *(_three(cost[k]) for k in _SPREAD), stages))
    title = f"live flows: {record['flows']:,} flows in all, the same packets at every level"
    table(title, ("live at a time", "ns/packet", "min", "max", "by stage"), rows)
    if record["ratio"] is not None:
        first, last = (record["levels"][at]["live"] for at in (0, -1))
        click.echo(
            f"{last:,} against {first:,} live flows: {record['ratio']:.2f} times the cost of a "
            f"packet (limit at 1,000,000: {record['ratio_max']})"
        )


def _show_memory(record: dict) -> None:
    click.echo(
        f"\ntable and index: {record['bytes_per_flow']} bytes for each of flow.max_flows "
        f"({record['max_flows']:,}; limit {record['bytes_per_flow_max']})"
    )
    shares = ", ".join(f"{kind} {_mib(size)}" for kind, size in record["segments"].items() if size)
    click.echo(f"shared memory of a run, MiB: {shares}")
    for workload in record["workloads"]:
        rows = [
            (name, *(_mib(held.get(kind, 0)) for kind in ("resident", "proportional", "own")))
            for name, held in workload["processes"].items()
        ]
        rows.append(("all at once, at most", "", _mib(workload["proportional_bytes_sum"]), "", ""))
        columns = ("process, MiB at most", "resident", "its share", "own", "page cache")
        table(workload["title"], columns, rows)
        _show_hosts(workload["hosts"])


def _mib(size: int) -> str:
    return f"{size / (1 << 20):,.1f}"


def _show_hosts(hosts: dict) -> None:
    if hosts["known_at_end"]:
        click.echo(
            f"hosts, scored: {hosts['made']:,} made, {hosts['known_at_end']:,} known at the end; "
            f"{_mib(hosts['bytes'])} MiB taken for them, pairs and rows: "
            f"{hosts['bytes_per_host']:,} bytes a host"
        )


def _show_hostile(record: dict) -> None:
    rows = []
    for one in record["workloads"]:
        hostile = one["hostile"]
        rows.append(
            (
                f"{one['name']} {count(one['packets'])}",
                *(_three(one["hostile_ns_per_packet"][name]) for name in _SPREAD),
                _three(one["ordinary_ns_per_packet"]["median"]),
                f"{one['ratio']:.2f}",
                *(_mib(hostile[name]) for name in ("classifier_resident_bytes", "hosts_bytes")),
                _mib(one["ordinary"]["classifier_resident_bytes"]),
                str(len(hostile["wrong"]) + len(one["ordinary"]["wrong"])),
            )
        )
    columns = ("hostile, packets", "ns/packet", "min", "max", "ordinary", "times", "classifier MiB")
    columns += ("hosts MiB", "ordinary MiB", "wrong sums")
    table("hostile input for hosts, beside ordinary traffic of its shape", columns, rows)
    for one in record["workloads"]:
        facts = (f"{name} {one['hostile'][name]:,}" for name in _HOSTS_COUNTED)
        click.echo(f"{one['name']}: {', '.join(facts)}")
        for text in one["hostile"]["wrong"] + one["ordinary"]["wrong"]:
            click.echo(f"{one['name']}: not so: {text}")
    click.echo(
        f"limits: {record['ratio_max']} times the cost; {_mib(record['hosts_bytes_max'])} MiB "
        f"for hosts, taken page by page"
    )


def _show_stages(record: dict) -> None:
    for workload in record["workloads"]:
        rows = []
        for mode, stages in workload["modes"].items():
            for stage, one in stages.items():
                rows.append((mode, stage, *(_three(one[name]) for name in _SPREAD)))
            total = sum(one["median"] for one in stages.values())
            rows.append((mode, "all", _three(total), "", ""))
        title = f"{workload['title']}: {workload['packets']:,} packets, one process"
        table(title, ("mode", "stage", "ns/packet", "min", "max"), rows)


_HELD = ("resident", "proportional", "own", "files")
_SPREAD = ("median", "low", "high")
_HOSTS_COUNTED = ("hosts_made", "hosts_forgotten", "host_refused", "pairs_forgotten", "host_rows")
_SHOWS = {
    "speed": _show_speed,
    "scaling": _show_scaling,
    "memory": _show_memory,
    "hostile": _show_hostile,
    "stages": _show_stages,
}
