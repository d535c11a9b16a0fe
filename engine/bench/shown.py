"""A result for people: tables on a terminal, aligned lines elsewhere."""

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
    if not console.is_terminal:
        console = Console(highlight=False, width=_WIDTH)
    shape = box.SIMPLE_HEAD if console.is_terminal else None
    made = Table(box=shape, pad_edge=False)
    for number, column in enumerate(columns):
        made.add_column(column, justify="right" if number else "left", no_wrap=number > 0)
    for row in rows:
        made.add_row(*row)
    console.print(f"\n[bold]{title}[/bold]")
    console.print(made)


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
    alerts = f"; {row['alerts']:,} alerts" if row["name"] == "scored" else ""
    return f"  {row['name']}: ns of CPU per packet: {stages}; start-up {start:.2f} s of CPU{alerts}"


_SHOWS = {"speed": _show_speed}
